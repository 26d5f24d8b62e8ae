package eventgrid

import (
	"encoding/json"
	"errors"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator].
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Samples: []provider.Sample{
			Sample("Microsoft.Storage.BlobCreated", "A blob was created", "/providers/Microsoft.Storage/"+
				"storageAccounts/sample", "/blobServices/default/containers/sample/blobs/bellhop.txt",
				`{"api":"PutBlob","contentType":"text/plain","contentLength":524288,"blobType":"BlockBlob",`+
					`"url":"https://sample.blob.example.com/sample/bellhop.txt"}`),
			Sample("Sample.Bellhop.Tried", "An event of a custom topic",
				"/providers/Microsoft.EventGrid/topics/sample", "bellhop/sample", `{"message":"a sample, sent by bellhop"}`),
		},
		ToSource: func(source json.RawMessage, to string) (json.RawMessage, string, error) {
			return ToSource(p, source, to)
		},
	}
}

// Sample returns a sample in the schema of Event Grid. The topic follows the group of a subscription that does not
// exist.
func Sample(eventType, title, topic, subject, data string) provider.Sample {
	return provider.Sample{Type: eventType, Title: title, Body: `[{"id":"sample-{{id}}","topic":"/subscriptions/` +
		`00000000-0000-0000-0000-000000000000/resourceGroups/sample` + topic + `","subject":"` + subject +
		`","eventType":"` + eventType + `","eventTime":"{{time}}","data":` + data +
		`,"dataVersion":"1.0","metadataVersion":"1"}]`}
}

// ToSource is provider.ToSource for p, a provider whose events come by Event Grid.
func ToSource(p provider.Provider, source json.RawMessage, to string) (json.RawMessage, string, error) {
	if provider.FirstText(source, "audience") != "" {
		return nil, "", errors.New("it wants a token of Microsoft Entra, which nobody else can sign")
	}
	settings, to, err := provider.ToSource(p, source, to)
	if name := provider.FirstText(source, "subscriptions"); err == nil && name != "" {
		settings, err = provider.ChangedSettings(settings, map[string]any{"subscription_name": name})
	}
	return settings, to, err
}
