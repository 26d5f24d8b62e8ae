package outlook

import (
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	const state = "9f1c5a52-6d0e-4b7e-8f3a-2f0c1b7d4e60"
	return provider.Info{
		Name:  "outlook",
		Title: "Outlook REST API 2.0",
		Summary: "Thin notifications of changes in a mailbox; the ClientState header repeats a text chosen with the " +
			"subscription.",
		Links: []string{
			"https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations",
			"https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/beta/notify-rest-operations-beta",
		},
		Key:       "client_state",
		Handshake: "validation-token",
		Settings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText,
				Example: state, Many: true,
				Doc: "The `ClientState` given with the subscription: 1 to 255 printable ASCII characters, compared " +
					"byte for byte. A list of up to 4 while it is being replaced, or if several subscriptions call " +
					"this source. Required unless `unauthenticated` or `subscriptions_only` is set."},
			microsoft.SubscriptionsOnly,
			{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
				Doc: "Accepts notifications from everybody who knows the URL, for subscriptions without a " +
					"`ClientState`. Default: false."},
			{Name: "gaps", Title: "Gaps", Example: "batch", Choices: gapChoices,
				Doc: "Where to detect missing numbers: `all`, within a request and between requests; `batch`, " +
					"within a request only, if several servers receive the requests of one " +
					"source; `none`. Default: all."},
		},
		SendSettings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText, Required: true,
				Example: state, Many: true,
				Doc: "The text that the receiver expects in the `ClientState` header: 1 to 255 " +
					"printable ASCII characters."},
			{Name: "resource_url", Title: "Resource URL", Example: "https://bellhop.example.com/api/v1/events",
				Format: "uri",
				Doc: "The URL before the id of an event in the `Resource` of events that did not come from " +
					"Outlook, so that a receiver can fetch them. Default: `urn:bellhop:event:`."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
		SendSetup: sendSetup,
		Notes:     notes,
		Recipe: provider.Recipe{Source: "--key @FILE", Destination: "--set client_state=@FILE",
			Send: "--key @FILE"},
		ByHand: byHand,
	}
}

var setup = []string{
	"Microsoft switched this API off in March 2024: for a mailbox of today, create a `graph` source. These " +
		"steps are for other systems that still use its format.",
	"Create a connection, as under *Connect*, with a scope that can read the subscribed items: mail, calendar, " +
		"contacts or tasks.",
	"Create a source. For subscriptions that Bellhop keeps it needs no client state of its own: " +
		"`bellhop sources create SOURCE --provider outlook --set subscriptions_only=true`.",
	"Create the subscription, as under *Subscribe*. Bellhop chooses its client state, answers the handshake within " +
		"the 5 seconds that Outlook allows, and renews it every two days, since it would end without notice.",
	"For a subscription that something else keeps: set its `ClientState` as the source's `client_state` before " +
		"it is created, and give the source's URL as its `NotificationURL`.",
}

var sendSetup = []string{
	"Use a receiver of Outlook notifications. It answers a POST with `?validationToken=` with status 200 and the " +
		"decoded token as plain text, and any other POST with a status from 200 to 299 once it has stored the " +
		"notifications.",
	"Agree on a client state, and set it as the destination's `client_state`. The receiver compares it with the " +
		"`ClientState` header of each request.",
	"If events of other systems are sent too, set `resource_url` to `https://YOUR-HOST/api/v1/events`, so that " +
		"`Resource` is the URL where the receiver can fetch them.",
}

var notes = []string{
	"The type of an event is `outlook.` and the `ChangeType`: `outlook.Created`, `outlook.Updated`, " +
		"`outlook.Deleted`, `outlook.Missed`. The subject is the `Resource`, or the `SubscriptionId` if there is " +
		"none. A notification has no time.",
	"Repeats are recognized by `SubscriptionId` and `SequenceNumber`. A notification without a number is stored " +
		"each time.",
	"`outlook.Missed` is Outlook's own message that notifications were lost. Read all items of " +
		"the subscription again.",
	"`outlook.Gap` is Bellhop's event for the same: the number of a notification is not the next one. Its body is " +
		"`{\"SubscriptionId\":\"...\",\"ChangeType\":\"Gap\",\"FirstMissing\":5,\"LastMissing\":6}`, and it " +
		"precedes that notification. A gap is stored once. The missing notifications may still arrive, because " +
		"Outlook does not guarantee their order.",
	"Within a request every gap is detected. Between requests the server detects the gaps that it sees while it " +
		"runs, because it keeps the numbers in memory: " +
		"it accepts the first number of a subscription after a start, or after a change of any source, without a " +
		"check. A request that could not be stored and was answered 503 " +
		"leaves no gap if it is never repeated, but it is on record. The numbers of at least the latest 4,096 " +
		"subscriptions are remembered.",
	"A UTF-8 byte order mark before the JSON is skipped. A name that occurs twice is refused only where Bellhop " +
		"reads it, and only that item; `value` twice refuses the request. Other members, such as `@odata.type` and " +
		"`SubscriptionExpirationDateTime`, may be absent or in any form. A handshake is a POST with any body " +
		"and any content type; a GET is answered 405, because no service sends one.",
	"A handshake needs no `ClientState`, but a wrong one is refused. The parameter of the token may have any letter " +
		"case.",
	"A request with a wrong `ClientState` header is answered 403, with a missing or repeated one 401; none of its " +
		"items is accepted. An item that cannot be parsed is refused by itself, and the request " +
		"is still answered 200.",
	"Names of members may have any letter case, as in Outlook's own classes. A request may have 5,000 notifications.",
	"Everybody who has seen a request can send others like it, because the state does not cover the body and " +
		"does not expire. Read the changes through the API, and check the host of `Resource` before " +
		"you send a token there.",
	"Sending: Outlook published no retry schedule, so the default applies. A batch has one client state, " +
		"because the header can have only one.",
	"Sending: an event that came from Outlook keeps its bytes, including its number. If a destination gets only " +
		"some of the events, its receiver sees gaps.",
	"Sending: any other event is notification number 1, and the only one, of a subscription that is named after it. " +
		"Its `ChangeType` is `Created`; `ResourceData` has the `Id`, `Type` and `Subject` of the event, and " +
		"nothing of its body.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationToken=ring" -H "ClientState: $STATE"; echo
curl -i "$URL" -H "ClientState: $STATE" -H 'Content-Type: application/json' --data-binary '{"value":[{"SubscriptionId":"by-hand",
  "SequenceNumber":1,"ChangeType":"Created","Resource":"https://outlook.office.com/api/v2.0/me/events/1"}]}'`
