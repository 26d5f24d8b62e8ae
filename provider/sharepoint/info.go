package sharepoint

import (
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	const state = "2b0f6c1e-5a37-4c8d-9e52-7d1a3f60b984"
	return provider.Info{
		Name:    "sharepoint",
		Title:   "SharePoint Online",
		Summary: "Thin notifications that a list has changed; clientState in each item repeats a text chosen with the subscription.",
		Links: []string{
			"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks",
			"https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks",
		},
		Key:         "client_state",
		Handshake:   "validation-token",
		Schedule:    "sharepoint",
		MaxLifetime: 180 * 24 * time.Hour,
		Settings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Example: state,
				Doc: "The `clientState` given with the subscription: 1 to 255 printable ASCII characters, compared byte for byte. " +
					"A list of up to 4 while it is being replaced, or where several subscriptions call this source. Required unless `unauthenticated` is set."},
			{Name: "strict_handshake", Title: "Strict handshake", Kind: provider.KindFlag, Example: "true",
				Doc: "Answers a handshake only if its `ClientState` header has the client state. SharePoint has been seen to send it, but its reference does not promise it. Default: false."},
			{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
				Doc: "Takes notifications of anyone who knows the URL, for subscriptions that were made without a `clientState`. Default: false."},
		},
		SendSettings: []provider.Setting{
			{Name: "client_state", Title: "Client state", Secret: true, Required: true, Example: state,
				Doc: "The text that the receiver expects, in each item and in the `ClientState` header: 1 to 255 printable ASCII characters."},
			{Name: "subscription_id", Title: "Subscription id", Example: "a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7",
				Doc: "The `subscriptionId` of events that did not come from SharePoint, a GUID. Default: one made of the name of the event's source."},
			{Name: "resource", Title: "Resource", Example: "5c77031a-9621-4dfc-bb5d-57803a94e91d",
				Doc: "The `resource` (list id) of events that did not come from SharePoint, a GUID. Default: one made of the event's source and subject, so that the same thing has the same."},
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
	"Choose a client state, a random text such as a new GUID, and set it as the source's `client_state`. Do so first: the source is called while the subscription is being made.",
	"Register an application in Microsoft Entra ID that may read and write the site's lists, and get an access token for `https://TENANT.sharepoint.com` with it. Only this application can change the subscription later.",
	"Find the id of the list: its settings page has it in the URL, or ask `https://TENANT.sharepoint.com/SITE/_api/web/lists`.",
	"Send `POST https://TENANT.sharepoint.com/SITE/_api/web/lists('LIST-ID')/subscriptions` with `Authorization: Bearer TOKEN`, `Accept: application/json;odata=nometadata`, " +
		"`Content-Type: application/json` and the body `{\"resource\":\"https://TENANT.sharepoint.com/SITE/_api/web/lists('LIST-ID')\"," +
		"\"notificationUrl\":\"https://YOUR-HOST/in/SOURCE\",\"expirationDateTime\":\"DATE\",\"clientState\":\"YOUR-STATE\"}`. `DATE` is at most 180 days from now, such as `2027-05-20T16:17:57Z`. " +
		"SharePoint calls the source with a token at once; Bellhop answers that within the 5 seconds allowed. A port other than 443 may be refused.",
	"Keep the `id` of the answer, status 201. Status 400 with `Failed to validate the notification URL` says that the source could not be reached, or that a proxy in front changed its answer.",
	"Renew before the date: `PATCH .../subscriptions('ID')` with `{\"expirationDateTime\":\"DATE\"}` is answered 204 with no body. Nobody warns you; each notification shows the date it has.",
}

var sendSetup = []string{
	"Have a receiver of SharePoint notifications: it answers a POST with `?validationtoken=` with status 200, no other, and the decoded token as plain text, and any other POST with a status from 200 to 299 within 5 seconds.",
	"Agree on a client state, and set it as the destination's `client_state`. It is in each item and in the `ClientState` header.",
	"Where the receiver looks subscriptions or lists up by their id, set `subscription_id` and `resource` to what it knows.",
}

var notes = []string{
	"Each event has the type `sharepoint.changed`; SharePoint does not say what kind of change there was. Its subject is the list's id, `resource`. A notification has no time of its own.",
	"Repeats are not folded. A notification has no id, and two changes of one list make the same bytes: whoever folded those would lose changes. SharePoint repeats a request only when it was not answered in time, and " +
		"a notification too many does no harm to who asks the list for its changes since the last token.",
	"What changed, ask the list: `GetChanges` with the change token kept from last time. Keep the new token only once the changes are dealt with. " +
		"Give such a destination `\"concurrency\":1`, so that no two notifications of one list are worked on at a time.",
	"The `clientState` of an item decides, and is compared for each: an item with another is refused and recorded, its neighbours are taken, and the request is answered 200 all the same. " +
		"A `ClientState` header that is there must be right too, else nothing is taken and the answer is 403, or 401 for one that is there twice. " +
		"An item without (absent, null or empty) is taken if the header has the state, and refused if neither has it.",
	"A handshake needs no `ClientState` header unless `strict_handshake` is set; one that is there must be right. The token's parameter is found in any letter case. Only making a subscription brings a handshake, renewing it does not.",
	"The client state is part of each item, so it is part of the event's body, as it was received. Who may read events can read it, and so can a destination that gets bodies as they are.",
	"Anyone who once saw a request can send others like it: nothing in it grows old. That is harmless as long as only the list is asked.",
	"SharePoint tries five times more, 5 minutes apart, what was not answered with 200 to 299 within 5 seconds; then it drops the notification. A request may hold 5,000 notifications.",
	"Sending: retries are SharePoint's own, `fixed 5m × 5`, where the destination says nothing.",
	"Sending: an event that came from SharePoint keeps its members, but for `clientState`: that of the destination stands in its place, as the other is nobody's business.",
	"Sending: any other event says that something has changed, and nothing of what. `siteUrl` is `/`, `tenantId` and `webId` are zeros. The receiver finds out through Bellhop's API, as it would from a list.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationtoken=ring"; echo
curl -i "$URL" -H "ClientState: $STATE" -H 'Content-Type: application/json' --data-binary '{"value":[{"clientState":"'"$STATE"'",
  "subscriptionId":"a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7","resource":"5c77031a-9621-4dfc-bb5d-57803a94e91d","siteUrl":"/"}]}'`
