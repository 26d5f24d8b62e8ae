package ams

import "github.com/bellhop-gateway/bellhop/provider"

// Emulation implements [provider.Emulator].
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{
		{Type: typePrefix + "JobStateChange", Title: "A job has finished", Body: sampleOf("1",
			`"JobId":"nb:jid:UUID:526291de-f166-be47-b62a-11ffe6d4be54","JobName":"Sample of Bellhop",`+
				`"NewState":"Finished","OldState":"Processing"`)},
		{Type: typePrefix + "TaskProgress", Title: "A task is at 42 percent", Body: sampleOf("5",
			`"JobId":"nb:jid:UUID:526291de-f166-be47-b62a-11ffe6d4be54",`+
				`"TaskId":"nb:tid:UUID:c4f1b7d2-18e6-4f0a-8f57-6b3a9d2e7c41","LastComputedProgress":"42"`)},
		{Type: typePrefix + "NotificationEndPointRegistration", Title: "The endpoint was registered",
			Body: sampleOf("2", `"State":"Registered","Name":"Sample of Bellhop"`)},
	}}
}

// sampleOf returns a sample of a number of EventType, with those members of Properties.
func sampleOf(eventType, properties string) string {
	return `{"MessageVersion":"1.1","ETag":"sample-{{id}}","EventType":` + eventType + `,"TimeStamp":"{{time}}",` +
		`"Properties":{` + properties + `,"AccountName":"sample",` +
		`"AccountId":"{{account_id|0f8fad5b-d9cb-469f-a165-70867728950e}}",` +
		`"NotificationEndPointId":"nb:nepid:UUID:2b8d6e90-3f17-4a5c-b0e4-f7c1d29a8853"}}`
}
