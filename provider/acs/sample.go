package acs

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// sampleTopic is the topic of the samples, and sampleCall the subject of those about a call.
const (
	sampleTopic = "/providers/Microsoft.Communication/communicationServices/sample"
	sampleCall  = "/recording/call/36cf910b-932c-4101-a443-04e11a98aba5/serverCallId/c2FtcGxl/recordingId/c2FtcGxl"
)

// Emulation implements [provider.Emulator]. The recording of the sample cannot be downloaded.
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Samples: []provider.Sample{
			eventgrid.Sample(RecordingType, "A recording can be downloaded", sampleTopic, sampleCall,
				`{"recordingStorageInfo":{"recordingChunks":[{"documentId":"0-sample-d1-{{id}}","index":0,`+
					`"endReason":"SessionEnded",`+
					`"contentLocation":"https://storage.example.com/v1/objects/0-sample-d1-{{id}}/content/video",`+
					`"metadataLocation":`+
					`"https://storage.example.com/v1/objects/0-sample-d1-{{id}}/content/acsmetadata",`+
					`"deleteLocation":"https://storage.example.com/v1/objects/0-sample-d1-{{id}}"}]},`+
					`"recordingStartTime":"{{time}}","recordingDurationMs":41000,"sessionEndReason":"CallEnded"}`),
			eventgrid.Sample("Microsoft.Communication.CallStarted", "A call has started", sampleTopic,
				"call/sample/startedBy/bellhop", `{"startedBy":{"communicationIdentifier":{"rawId":"8:acs:sample"},`+
					`"role":"Agent"},"serverCallId":"c2FtcGxl","group":{"id":"sample"},"isTwoParty":false,`+
					`"correlationId":"sample-{{id}}"}`),
		},
		ToSource: func(source json.RawMessage, to string) (json.RawMessage, string, error) {
			return eventgrid.ToSource(p, source, to)
		},
	}
}
