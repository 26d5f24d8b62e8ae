package graph

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator]. The samples are plain notifications: only Microsoft Entra can sign the
// tokens of rich ones.
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Samples: []provider.Sample{
			change("created", "A message has arrived", "Messages", "Message"),
			change("updated", "An event of a calendar was changed", "Events", "Event"),
			change("deleted", "A contact was deleted", "Contacts", "Contact"),
		},
		ToSource: func(source json.RawMessage, to string) (json.RawMessage, string, error) {
			plain, err := provider.ChangedSettings(source, map[string]any{"app_id": nil, "publisher_app_id": nil})
			if err != nil {
				return nil, "", err
			}
			return provider.ToSource(p, plain, to)
		},
	}
}

// change returns the sample of a notification. Its client state is put in when it is sent.
func change(kind, title, collection, entity string) provider.Sample {
	resource := "Users/8ee44408-0679-472c-bc2a-692812af3437/" + collection + "/sample-{{id}}"
	return provider.Sample{Type: typePrefix + kind, Title: title, Body: `{"value":[{"id":"sample-{{id}}",` +
		`"subscriptionId":"` + zeroGUID + `","subscriptionExpirationDateTime":"{{time}}","changeType":"` + kind +
		`","resource":"` + resource + `","tenantId":"` + zeroGUID + `","resourceData":{` +
		`"@odata.type":"#Microsoft.Graph.` + entity + `","@odata.id":"` + resource +
		`","@odata.etag":"W/\"sample\"","id":"sample-{{id}}"}}]}`}
}
