package outlook

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	const state = "9f1c5a52-6d0e-4b7e-8f3a-2f0c1b7d4e60"
	return provider.Info{
		Name:    "outlook",
		Title:   "Outlook REST API 2.0",
		Summary: "Thin notifications of changes in a mailbox; the ClientState header repeats a text chosen with the subscription.",
		Links: []string{
			"https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations",
			"https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/beta/notify-rest-operations-beta",
		},
		Key:       "client_state",
		Handshake: "validation-token",
		Settings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Example: state,
				Doc: "The `ClientState` given with the subscription: 1 to 255 printable ASCII characters, compared byte for byte. " +
					"A list of up to 4 while it is being replaced, or where several subscriptions call this source. Required unless `unauthenticated` is set."},
			{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
				Doc: "Takes notifications of anyone who knows the URL, for subscriptions that were made without a `ClientState`. Default: false."},
			{Name: "gaps", Title: "Gaps", Example: "batch",
				Doc: "Where to look for numbers left out: `all`, within a request and from one to the next; `batch`, within a request only, " +
					"for where several servers take the requests of one source; `none`. Default: all."},
		},
		SendSettings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Required: true, Example: state,
				Doc: "The text that the receiver expects in the `ClientState` header: 1 to 255 printable ASCII characters."},
			{Name: "resource_url", Title: "Resource URL", Example: "https://bellhop.example.com/api/v1/events",
				Doc: "What stands in front of an event's id in the `Resource` of events that did not come from Outlook, so that a receiver can ask for them. Default: `urn:bellhop:event:`."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
		SendSetup: sendSetup,
		Notes:     notes,
		Recipe:    provider.Recipe{Source: "--key @FILE", Destination: "--set client_state=@FILE", Send: "--key @FILE"},
		ByHand:    byHand,
	}
}

var setup = []string{
	"Mind that Microsoft switched this API off in March 2024: for a mailbox of today, make a `graph` source. What follows is for systems that still speak its language.",
	"Choose a client state, a random text of up to 255 characters such as a new GUID, and set it as the source's `client_state`. Do so first: the source is called while the subscription is being made.",
	"Get an access token with a scope that may read what you subscribe to: mail, calendar, contacts or tasks.",
	"Send `POST https://outlook.office.com/api/v2.0/me/subscriptions` with `Authorization: Bearer TOKEN` and the JSON body " +
		"`{\"@odata.type\":\"#Microsoft.OutlookServices.PushSubscription\",\"Resource\":\"https://outlook.office.com/api/v2.0/me/events\"," +
		"\"NotificationURL\":\"https://YOUR-HOST/in/SOURCE\",\"ChangeType\":\"Created,Updated,Deleted\",\"ClientState\":\"YOUR-STATE\"}`. " +
		"Outlook calls the source with a token at once; Bellhop answers that within the 5 seconds allowed.",
	"Keep the `Id` of the answer. It is Base64 text: escape it where it stands in a path.",
	"Renew at least every 3 days, or the subscription ends without notice: `PATCH .../me/subscriptions/ID` with " +
		"`{\"@odata.type\":\"#Microsoft.OutlookServices.PushSubscription\"}` gives it another 3 days.",
}

var sendSetup = []string{
	"Have a receiver of Outlook notifications: it answers a POST with `?validationToken=` with status 200 and the decoded token as plain text, and any other POST with a status from 200 to 299 once it has kept what came.",
	"Agree on a client state, and set it as the destination's `client_state`. The receiver compares it with the `ClientState` header of each request.",
	"Where events of other systems are sent too, set `resource_url` to `https://YOUR-HOST/api/v1/events`, so that the receiver finds in `Resource` where to ask for them.",
}

var notes = []string{
	"An event's type is `outlook.` and the `ChangeType`: `outlook.Created`, `outlook.Updated`, `outlook.Deleted`, `outlook.Missed`. Its subject is the `Resource` or, where there is none, the `SubscriptionId`. A notification has no time of its own.",
	"A repeat is known by `SubscriptionId` and `SequenceNumber`. A notification without a number is kept each time it comes.",
	"`outlook.Missed` is Outlook's own word that notifications were lost. Read everything anew that the subscription is about.",
	"`outlook.Gap` is Bellhop's word for the same: a notification came whose number is not the next one. Its body is " +
		"`{\"SubscriptionId\":\"...\",\"ChangeType\":\"Gap\",\"FirstMissing\":5,\"LastMissing\":6}`, and it stands in front of that notification. " +
		"A gap is stored once. What is missing may still come, for Outlook promises no order.",
	"What gaps are found in: within a request, all. From one request to the next, those that this server sees while it runs, for it keeps the numbers in memory: " +
		"the first number of a subscription after a start, or after a change of any source, is taken as it is. It counts what was read: a request that could not be stored, was answered 503 and never came again leaves no gap behind, " +
		"but is on record. 4,096 subscriptions are remembered at least, those heard of last.",
	"A handshake needs no `ClientState`; one that is there must be right. The token's parameter is found in any letter case.",
	"A wrong `ClientState` header is answered 403, a missing or doubled one 401, and nothing of the request is taken. An item that cannot be read is refused by itself, and the request is answered 200 all the same.",
	"Names of members are matched without regard to case, as Outlook's own classes do. A request may hold 5,000 notifications.",
	"Anyone who once saw a request can send others like it: the state does not cover the body, and nothing in it grows old. Look at what changed through the API, and check the host of `Resource` before you send a token there.",
	"Sending: Outlook published no schedule of its retries, so the usual one applies. Batches have one client state, as the header can hold but one.",
	"Sending: an event that came from Outlook keeps its bytes, number included. A destination that gets only some of them leaves gaps for its receiver to see.",
	"Sending: any other event is the only notification, number 1, of a subscription named after it, as numbers that neither repeat nor jump would have to be counted by one sender. " +
		"It is `Created`; `ResourceData` has the event's `Id`, `Type` and `Subject`, and nothing of its body.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationToken=ring" -H "ClientState: $STATE"; echo
curl -i "$URL" -H "ClientState: $STATE" -H 'Content-Type: application/json' --data-binary '{"value":[{"SubscriptionId":"by-hand",
  "SequenceNumber":1,"ChangeType":"Created","Resource":"https://outlook.office.com/api/v2.0/me/events/1"}]}'`
