package sharepoint

import (
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	const state = "2b0f6c1e-5a37-4c8d-9e52-7d1a3f60b984"
	return provider.Info{
		Name:  "sharepoint",
		Title: "SharePoint Online",
		Summary: "Thin notifications that a list has changed; clientState in each item repeats a text chosen " +
			"with the subscription.",
		Links: []string{
			"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks",
			"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks",
		},
		Key:         "client_state",
		Handshake:   "validation-token",
		Schedule:    "sharepoint",
		MaxLifetime: 180 * 24 * time.Hour,
		Settings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText,
				Example: state, Many: true,
				Doc: "The `clientState` given with the subscription: 1 to 255 printable ASCII characters, compared " +
					"byte for byte. A list of up to 4 while it is being replaced, or if several subscriptions call " +
					"this source. Required unless `unauthenticated` or `subscriptions_only` is set."},
			{Name: "strict_handshake", Title: "Strict handshake", Kind: provider.KindFlag, Example: "true",
				Doc: "Answers a handshake only if its `ClientState` header has the client state. SharePoint has " +
					"been observed to send it, but its reference does not promise it. Default: false."},
			microsoft.SubscriptionsOnly,
			{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
				Doc: "Accepts notifications from everybody who knows the URL, for subscriptions without a " +
					"`clientState`. Default: false."},
		},
		SendSettings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText, Required: true,
				Example: state, Many: true,
				Doc: "The text that the receiver expects, in each item and in the `ClientState` header: 1 to 255 " +
					"printable ASCII characters."},
			{Name: "subscription_id", Title: "Subscription id", Example: "a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7",
				Format: "uuid",
				Doc: "The `subscriptionId` of events that did not come from SharePoint, a GUID. Default: one " +
					"derived from the name of the event's source."},
			{Name: "resource", Title: "Resource", Example: "5c77031a-9621-4dfc-bb5d-57803a94e91d", Format: "uuid",
				Doc: "The `resource` (list id) of events that did not come from SharePoint, a GUID. Default: one " +
					"derived from the source and subject of the event, so that equal subjects have equal ids."},
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
	"Create a connection to the site, as under *Connect*. Only its application can change the subscription later.",
	"Create a source. For subscriptions that Bellhop keeps it needs no client state of its own: " +
		"`bellhop sources create SOURCE --provider sharepoint --set subscriptions_only=true`. SharePoint may " +
		"refuse a port other than 443 in the server's `--public-url`.",
	"Create the subscription, as under *Subscribe*, with the title of a list as the resource. Bellhop chooses its " +
		"client state, answers the handshake within the 5 seconds that SharePoint allows, and renews it long " +
		"before its 179 days end: SharePoint sends no warning.",
	"For a subscription that something else keeps: set its `clientState` as the source's `client_state` before " +
		"it is created, and give the source's URL as its `notificationUrl`.",
}

var sendSetup = []string{
	"Use a receiver of SharePoint notifications. It answers a POST with `?validationtoken=` with exactly status 200 " +
		"and the decoded token as plain text, and any other POST with a status from 200 to 299 within 5 seconds.",
	"Agree on a client state, and set it as the destination's `client_state`. It is in each item and in the " +
		"`ClientState` header.",
	"If the receiver looks up subscriptions or lists by their id, set `subscription_id` and `resource` to ids " +
		"that it knows.",
}

var notes = []string{
	"Every event has the type `sharepoint.changed`; SharePoint does not name the kind of change. The subject is " +
		"the id of the list, `resource`. A notification has no time.",
	"Repeats are not recognized. A notification has no id, and two changes of one list have the same bytes, so " +
		"dropping equal ones would lose changes. SharePoint repeats a request only if it was not answered in " +
		"time, and an extra notification does no harm to a receiver that asks the list for its " +
		"changes since the last token.",
	"Get the changes from the list: `GetChanges` with the change token of the last call. Save the new token only " +
		"once the changes are processed. Create such a destination with `--concurrency 1`, so that two " +
		"notifications of one list are not processed at the same time.",
	"The `clientState` of each item is compared: an item with a wrong one is refused and recorded, the other " +
		"items are accepted, and the request is still answered 200. " +
		"With a wrong `ClientState` header no item is accepted, and the answer is 403; with a repeated header it " +
		"is 401. An item without a state (absent, null or empty) is accepted if the header has the right one, and " +
		"refused otherwise.",
	"`resource` is taken as it is: the id of a list, a path or a URL. `tenantId`, `siteUrl` and the other " +
		"members may be absent. A UTF-8 byte order mark before the JSON, as SharePoint sends it, is skipped. A " +
		"name that occurs twice is refused only where Bellhop reads it, and only that item; `value` twice refuses " +
		"the request. A handshake is a POST with any body and any content type; a GET is answered 405, " +
		"because no service sends one.",
	"A handshake needs no `ClientState` header unless `strict_handshake` is set, but a wrong one is refused. The " +
		"parameter of the token may have any letter case. Creating a subscription causes a " +
		"handshake; renewing it does not.",
	"The client state is part of each item, and so of the body of the event. Everybody who may read events can read " +
		"it, and so can a destination that gets bodies as received.",
	"Everybody who has seen a request can send others like it, because the state does not expire. That is " +
		"harmless if the receiver only asks the list.",
	"SharePoint retries a request that was not answered with 200 to 299 within 5 seconds, five times, 5 minutes " +
		"apart; then it drops the notifications. A request may have 5,000 notifications.",
	"Sending: the default retry schedule is SharePoint's own, `fixed 5m × 5`.",
	"Sending: an event that came from SharePoint keeps its members except `clientState`, which is replaced by " +
		"that of the destination, because the original is a secret of its sender.",
	"Sending: any other event only says that something has changed. `siteUrl` is `/`, `tenantId` and `webId` are " +
		"zeros. The receiver gets the event through Bellhop's API, as it would get changes from a list.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationtoken=ring"; echo
curl -i "$URL" -H "ClientState: $STATE" -H 'Content-Type: application/json' --data-binary '{"value":[{"clientState":"'"$STATE"'",
  "subscriptionId":"a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7","resource":"5c77031a-9621-4dfc-bb5d-57803a94e91d","siteUrl":"/"}]}'`
