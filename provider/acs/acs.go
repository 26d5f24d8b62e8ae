// Package acs receives and sends the events of Azure Communication Services, in particular those about call
// recordings.
//
// Event Grid delivers these events, so requests are received and sent as in package
// [github.com/bellhop-gateway/bellhop/provider/eventgrid]. This package reads their contents: [ParseRecording]
// reads the event that names the files of a recording.
//
// Without the server: verify a request as in package eventgrid, and pass its items to [ParseRecording]. Requests
// that fetch the files are signed with an access key of the resource: [Sign] signs them and [Verifier] verifies
// them. The server itself signs deliveries to a destination that has an access key.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/event-grid/communication-services-voice-video-events
//   - https://learn.microsoft.com/en-us/azure/communication-services/concepts/voice-video-calling/call-recording
//   - https://learn.microsoft.com/en-us/rest/api/communication/authentication
package acs

import (
	"encoding/json"
	"slices"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// Provider receives and sends the events of Communication Services, as Event Grid does.
type Provider struct{ eventgrid.Provider }

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	return eventgrid.OpenAs("acs", env, raw)
}

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	info := eventgrid.Provider{}.Info()
	info.Name = "acs"
	info.Title = "Azure Communication Services"
	info.Summary = "Events of Communication Services by Event Grid, above all those about recorded calls; " +
		"authenticated as Event Grid's are."
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

var _ provider.Namer = Provider{}

// SubscribeInfo implements [provider.Subscriber]: registrations are made at Event Grid, in the name of one of its
// connections.
func (p Provider) SubscribeInfo() provider.SubscribeInfo {
	info := p.Provider.SubscribeInfo()
	info.Settings = slices.Clone(info.Settings)
	for i := range info.Settings {
		if info.Settings[i].Name == "event_types" {
			info.Settings[i].Example = `["Microsoft.Communication.RecordingFileStatusUpdated"]`
			info.Settings[i].Doc = "The types of events to deliver. Default: `" + RecordingType + "` alone."
		}
	}
	info.Resource = "the id of the Communication Services resource: " +
		"`/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/communicationServices/NAME`"
	return info
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return eventgrid.OpenSubscriptionsAs([]string{RecordingType}, env, api)
}

// accessKey is the setting that makes a destination sign deliveries.
var accessKey = provider.Setting{Name: "access_key", Title: "Access key", Secret: true, Signs: true,
	Example: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
	Doc: "Signs each delivery, and the handshake, as requests to Communication Services are signed: with " +
		"`x-ms-date`, `x-ms-content-sha256` and `Authorization: HMAC-SHA256 …`. In Base64, as the portal shows it. " +
		"Default: none."}

var setup = []string{
	"Create a long random secret, for example with `openssl rand -hex 24`, write it into a file, and create the " +
		"source with the command below. Do so **before** you create the event subscription, because Event Grid " +
		"validates the URL at once.",
	"Bellhop makes the event subscription by a command: see *Subscribe* below. The steps that follow do the same by " +
		"hand.",
	"In the Azure portal, open the *Communication Services* resource, choose *Events*, then *+ Event Subscription*. " +
		"Name it, and under *Filter to Event Types* choose *Recording File Status Updated* and other types that you " +
		"want. Choose either schema.",
	"As *Endpoint Type* choose *Web Hook*, and as its endpoint `https://YOUR-HOST/in/SOURCE?code=SECRET`. The host " +
		"needs a certificate that browsers trust.",
	"Choose *Create*. Event Grid validates the URL, and Bellhop answers. If the portal says that the handshake " +
		"failed, `bellhop requests list` shows the request with the reason.",
	"If calls are automated, the same URL can be the callback URI of Call Automation: its events are CloudEvents in " +
		"an array, and need no handshake.",
	"For a secret in a header or a token of Microsoft Entra in place of `?code=`, see the page of Event Grid; the " +
		"settings are the same.",
}

var sendSetup = []string{
	"Take the URL of the receiver's endpoint. If the receiver expects a secret in the query, include it: " +
		"`https://receiver.example.com/api/recordings?code=SECRET`.",
	"Create a destination of type `acs` with that URL and the `schema` that the receiver reads. If the receiver " +
		"expects a secret in a header, set `header` and `header_secret`. An event from Communication Services is " +
		"sent unchanged; any other event is sent in Event Grid's form.",
	"For a receiver that verifies signatures as Communication Services does, set `access_key` too, with or " +
		"without a secret in the query or in a header.",
	"As with Event Grid, the receiver must complete a handshake before the first delivery: it repeats the code " +
		"of the validation event. For a receiver that cannot, set the destination's `handshake` to `none`.",
}

var notes = []string{
	"**Recordings.** `Microsoft.Communication.RecordingFileStatusUpdated` comes a few minutes after a recording has " +
		"ended. Its subject is `/recording/call/CALL` or, in newer events, " +
		"`/recording/call/CALL/serverCallId/ID/recordingId/ID`. A long recording has several chunks, listed in any " +
		"order: sort them by `index`.",
	"**Time limit.** The files are kept for 24 hours. Older events contain no locations; the file is then at " +
		"`https://RESOURCE.communication.azure.com/recording/download/DOCUMENT-ID`.",
	"**Forms of a recording.** `data` may be an object, or a JSON text (encoded twice), and the event may be in " +
		"either schema. The names of the members of a recording may be in any letter case.",
	"**Locations.** A person who knows a source's secret can send an event with any locations. Send a request " +
		"signed with your access key only to your resource, or to the storage of Communication Services.",
	"**Every other event** of Communication Services (calls, chats, messages, Call Automation) is accepted unchanged.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE) # characters other than letters and digits as %XX
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: SubscriptionValidation' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"ring"}}]'; echo
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: Notification' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"by-hand-1","topic":"/by/hand","eventType":"Microsoft.Communication.RecordingFileStatusUpdated","subject":"/recording/call/1",
    "eventTime":"2026-11-22T10:00:00Z","dataVersion":"1.0","data":{"recordingStorageInfo":{"recordingChunks":[{"documentId":"0-eus-d1-1","index":0}]}}}]'`
