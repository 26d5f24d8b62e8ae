// Package acs understands the events of Azure Communication Services, of which those about call recordings matter most.
//
// They come by Event Grid, so everything about how they arrive, and how they are sent, is in
// [github.com/bellhop-gateway/bellhop/provider/eventgrid]. This package knows what they say: [ParseRecording] reads the
// event that tells where the files of a recording are.
//
// Without the server: requests are verified as in package eventgrid, and what they hold is for [ParseRecording]. The
// files themselves are fetched with requests that are signed with an access key of the resource: [Sign] does that, and
// [Verifier] is its other end. The server itself signs what it sends to a destination that has an access key.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/event-grid/communication-services-voice-video-events
//   - https://learn.microsoft.com/en-us/azure/communication-services/concepts/voice-video-calling/call-recording
//   - https://learn.microsoft.com/en-us/rest/api/communication/authentication
package acs

import (
	"slices"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// Provider receives and sends the events of Communication Services, as Event Grid does.
type Provider struct{ eventgrid.Provider }

var _ provider.Sender = Provider{}

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	info := eventgrid.Provider{}.Info()
	info.Name = "acs"
	info.Title = "Azure Communication Services"
	info.Summary = "Events of Communication Services by Event Grid, above all those that say that a call was recorded; proven as Event Grid's are."
	info.Links = []string{
		"https://learn.microsoft.com/en-us/azure/event-grid/communication-services-voice-video-events",
		"https://learn.microsoft.com/en-us/azure/communication-services/concepts/voice-video-calling/call-recording",
		"https://learn.microsoft.com/en-us/rest/api/communication/authentication",
	}
	info.SendSettings = append(slices.Clone(info.SendSettings), accessKey)
	return info
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	guide := eventgrid.Provider{}.Guide()
	guide.Setup, guide.SendSetup, guide.ByHand = setup, sendSetup, byHand
	guide.Notes = append(append([]string{}, notes...), guide.Notes...)
	return guide
}

var setup = []string{
	"Make up a long random secret, for example with `openssl rand -hex 24`, write it into a file, and create the source by the command below **before** the event subscription, since Event Grid asks the URL at once.",
	"In the Azure portal, open the *Communication Services* resource, choose *Events*, then *+ Event Subscription*. Name it, and under *Filter to Event Types* choose *Recording File Status Updated* and what else you want. Either schema will do.",
	"As *Endpoint Type* choose *Web Hook*, and as its endpoint `https://YOUR-HOST/in/SOURCE?code=SECRET`. The host needs a certificate that browsers trust.",
	"Choose *Create*. Event Grid validates the URL, and Bellhop answers. If the portal says that the handshake failed, `bellhop requests list` has the request with the reason.",
	"If calls are automated, the same URL may be the callback URI of Call Automation: its events are CloudEvents in an array, and need no handshake.",
	"For a secret in a header or a token of Microsoft Entra instead of `?code=`, see the page of Event Grid; the settings are the same.",
}

var sendSetup = []string{
	"Take the URL of the receiver's endpoint, with the secret in its query if it wants one there, such as `https://receiver.example.com/api/recordings?code=SECRET`.",
	"Create a destination of type `acs` with that URL, the `schema` that the receiver reads, and `header` and `header_secret` if it wants those. What came from Communication Services arrives as it was; any other event is put into Event Grid's form.",
	"For a receiver that verifies signatures as Communication Services does, set `access_key` too, beside the query and `header` or instead of them.",
	"The receiver is asked before it gets anything, as Event Grid does, and has to repeat the code of the validation event. For one that cannot, set the destination's `handshake` to `none`.",
}

var notes = []string{
	"**Recordings.** `Microsoft.Communication.RecordingFileStatusUpdated` comes a few minutes after a recording has ended, and its subject is `/recording/call/CALL` or, in newer events, `/recording/call/CALL/serverCallId/ID/recordingId/ID`. A long recording has several chunks, which need not be listed in their order: sort them by `index`.",
	"**Make haste.** The files are kept for 24 hours. Older events have no locations of theirs; the file is then at `https://RESOURCE.communication.azure.com/recording/download/DOCUMENT-ID`.",
	"**Locations.** Whoever knows a source's secret says where the files are. A request signed with your access key must go nowhere but to your resource, or to the storage of Communication Services.",
	"**Every other event** of Communication Services (calls, chats, messages, Call Automation) is taken as it is.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE) # characters other than letters and digits as %XX
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: SubscriptionValidation' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"ring"}}]'; echo
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: Notification' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"by-hand-1","topic":"/by/hand","eventType":"Microsoft.Communication.RecordingFileStatusUpdated","subject":"/recording/call/1",
    "eventTime":"2026-11-22T10:00:00Z","dataVersion":"1.0","data":{"recordingStorageInfo":{"recordingChunks":[{"documentId":"0-eus-d1-1","index":0}]}}}]'`
