package outlook

import "github.com/bellhop-gateway/bellhop/provider"

// Emulation implements [provider.Emulator].
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{
		change("Created", "An event of a calendar was created"),
		change("Updated", "An event of a calendar was changed"),
		change("Deleted", "An event of a calendar was deleted"),
	}}
}

// change returns the sample of a notification. Each is the first one of a subscription of its own, so that no number
// is missing before it.
func change(kind, title string) provider.Sample {
	const resource = "https://outlook.office.com/api/v2.0/Users('sample')/Events('sample-{{id}}')"
	return provider.Sample{Type: typePrefix + kind, Title: title, Body: `{"value":[{` +
		`"@odata.type":"#Microsoft.OutlookServices.Notification","Id":null,"SubscriptionId":"sample-{{id}}",` +
		`"SubscriptionExpirationDateTime":"{{time}}","SequenceNumber":1,"ChangeType":"` + kind +
		`","Resource":"` + resource + `","ResourceData":{"@odata.type":"#Microsoft.OutlookServices.Event",` +
		`"@odata.id":"` + resource + `","@odata.etag":"W/\"sample\"","Id":"sample-{{id}}"}}]}`}
}
