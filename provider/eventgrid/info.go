package eventgrid

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "eventgrid",
		Title:   "Azure Event Grid",
		Summary: "Webhook deliveries of Event Grid, in its own schema or as CloudEvents, proven by a secret in the URL or a header, or by a token of Microsoft Entra.",
		Links: []string{
			"https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema",
			"https://learn.microsoft.com/en-us/azure/event-grid/event-schema",
			"https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry",
			"https://learn.microsoft.com/en-us/azure/event-grid/security-authentication",
		},
		Key:          "query_secret",
		Settings:     sourceSettings,
		SendSettings: destinationSettings,
		MaxBodyBytes: 2 << 20, // Event Grid drops what is answered 413, and its 1 MB is that of the events alone
		Schedule:     "eventgrid",
		Handshake:    "eventgrid",
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:         setup,
		SendSetup:     sendSetup,
		Notes:         notes,
		HandshakeWhen: provider.HandshakeAlways,
		Recipe:        provider.Recipe{Source: "--key @FILE", Query: "code=SECRET"},
		ByHand:        byHand,
	}
}

var sourceSettings = []provider.Setting{
	{Name: "query_secret", Title: "Secret in the URL", Secret: true, Example: "3f9cVb7pQ2mXw8Lk",
		Doc: "What the endpoint's URL carries as `code`, decoded. A list of up to 4 while it is being replaced. " +
			"Required, unless `header`, `audience` or `unauthenticated` is set; of those that are set, all must hold."},
	{Name: "header", Title: "Header", Example: "X-Contoso-Key",
		Doc: "The header that the event subscription adds to each delivery (\"delivery property\"), with `header_secret` as its value. Default: none."},
	{Name: "header_secret", Title: "Secret in the header", Secret: true, Example: "Tr0ub4dor&3",
		Doc: "The value of `header`: at most 4096 printable ASCII characters. A list of up to 4 while it is being replaced. Required with `header`."},
	{Name: "audience", Title: "Audience", Example: "api://7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		Doc: "The application id URI, or the id, of the Microsoft Entra application that stands for this endpoint: the `aud` of the token in `Authorization`. Default: none, and no token is looked at."},
	{Name: "tenant_id", Title: "Directory (tenant) id", Example: "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		Doc: "The Microsoft Entra directory of that application, which issues the tokens. Required with `audience`."},
	{Name: "app_id", Title: "Id of the calling application", Example: "4962773b-9cdb-44cf-a8bf-237846a00ab7",
		Doc: "The application that tokens were issued to: `appid` or `azp`. Default: Event Grid's own; set it where the event subscription is in another directory and uses an application of yours."},
	{Name: "keys_url", Title: "URL of the signing keys", Example: "https://login.microsoftonline.com/common/discovery/v2.0/keys",
		Doc: "Where Microsoft Entra publishes the keys that sign tokens: an https URL, or http on this machine. Default: that of `tenant_id`."},
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Takes events from anyone who knows the URL. Nothing else may be set that proves a request. Default: false."},
	{Name: "validation", Title: "Validation", Example: "manual",
		Doc: "How a validation event is answered: `automatic`, with its code, at once; or `manual`, by a call to its `validationUrl` a moment later. Default: automatic."},
	{Name: "subscriptions", Title: "Event subscriptions", Kind: provider.KindList, Example: `["recordings"]`,
		Doc: "The only event subscriptions that may validate and deliver here, by name and without regard to case. Default: any."},
	{Name: "cloud", Title: "Cloud", Example: "government",
		Doc: "`public` for Azure, `government` for Azure Government: where validation URLs may lead, under which name CloudEvents are offered, and who issues tokens. Default: public."},
}

var destinationSettings = []provider.Setting{
	{Name: "schema", Title: "Schema", Example: "cloudevents",
		Doc: "`eventgrid`, an array of events in Event Grid's own schema; or `cloudevents`, one object, or an array of them where the destination has batches. Default: eventgrid."},
	{Name: "subscription_name", Title: "Name of the event subscription", Example: "recordings",
		Doc: "What deliveries say in `aeg-subscription-name`, where it is written in upper case: at most 64 letters, digits and dashes. Default: BELLHOP."},
	{Name: "topic", Title: "Topic", Example: "/contoso/orders",
		Doc: "The `topic` (or `source`) of events that did not come from Event Grid. Default: `/in/` and the name of the source."},
	{Name: "header", Title: "Header", Example: "X-Contoso-Key",
		Doc: "A header to send with each delivery, with `header_secret` as its value. Default: none. A secret in the query belongs into the destination's URL."},
	{Name: "header_secret", Title: "Secret in the header", Secret: true, Example: "Tr0ub4dor&3",
		Doc: "The value of `header`: at most 4096 printable ASCII characters. Required with `header`."},
}

var setup = []string{
	"Make up a long random secret, for example with `openssl rand -hex 24`, write it into a file, and create the source by the command below **before** the event subscription, since Event Grid asks the URL at once.",
	"In the Azure portal, open the topic, or the resource whose events you want, choose *Events*, then *+ Event Subscription*. Name it, choose *Event Grid Schema* or *Cloud Event Schema v1.0*, and choose the event types.",
	"As *Endpoint Type* choose *Web Hook*, and as its endpoint `https://YOUR-HOST/in/SOURCE?code=SECRET`. The host needs a certificate that browsers trust; Event Grid takes no other.",
	"Choose *Create*. Event Grid validates the URL, and Bellhop answers. If the portal says *Webhook validation handshake failed*, `bellhop requests list` has the request with the reason; if it is not there, it did not arrive.",
	"To have the secret in a header instead, add it on the tab *Delivery Properties* as a static, secret header, and set `header` and `header_secret` instead of `query_secret`. To have a token of Microsoft Entra, tick *Use Microsoft Entra authentication* on the tab *Additional features*, and set `audience` and `tenant_id`.",
	"Set up a dead-letter container on the subscription, so that what is refused is not lost.",
}

var sendSetup = []string{
	"Take the URL of the receiver's endpoint, with the secret in its query if it wants one there, such as `https://receiver.example.com/api/updates?code=SECRET`.",
	"Create a destination of type `eventgrid` with that URL, the `schema` that the receiver reads, and `header` and `header_secret` if it wants those.",
	"The receiver is asked before it gets anything, as Event Grid does: by a validation event whose code it has to repeat, or, in the schema `cloudevents`, by `OPTIONS`. It may also agree later, by a call to the validation URL. For one that can do neither, set the destination's `handshake` to `none`. Azure Functions with an Event Grid trigger answer by themselves.",
}

var notes = []string{
	"**Repeats.** An event is known by its `topic` (without regard to case) and `id` together, a CloudEvent by its `source` and `id`. Event Grid delivers at least once and in no order.",
	"**What becomes of it.** The event's type, subject and time are `eventType`, `subject` and `eventTime`; its body is the item's bytes. Unknown types are kept. Event Grid's own notice that a subscription was deleted is an event too, and its subject is that subscription. The `aeg-` headers stay with the event.",
	"**Handshakes.** A validation event carries the secrets that a delivery carries, so it is answered only if they are right; the answer is 200 with `validationResponse`. In CloudEvents' schema Event Grid asks by `OPTIONS`, without secrets, under the name `eventgrid.azure.net`; no other name is answered.",
	"**What is a validation event.** `aeg-event-type` decides: what it calls a notification is kept as an event, whatever its type. Where the header is missing, as with some test tools, the type of the only event decides. A validation of more than one event, or without a code, is refused.",
	"**Validation by hand.** With `validation: manual` the answer is 200 without a code, and `validationUrl` is called once, a moment later, within its ten minutes; what came of that is on record with the handshake. Only https URLs of hosts below `eventgrid.azure.net`, at port 443 or 553, are called, and redirects are not followed. A validation with any other URL is refused.",
	"**Answers.** 200 once the events are on disk. Event Grid never repeats after 400, 401, 403 and 413; it moves the event to the dead-letter container, if there is one. So those are given only for what is proven bad; whatever is wrong on our side is 503, after which it repeats for a day.",
	"**Batches.** Up to 5000 events. One that has no `id` or no type is refused and put on record, and its neighbours are taken; a request in which no event is good is refused as a whole, so that Event Grid dead-letters it. An array or a single object is taken in either schema.",
	"**Tokens.** Issuer, directory, audience, calling application and times (5 minutes' leeway) are checked, and the signature with the keys that Microsoft Entra publishes. While those cannot be had, and none are a day old at most, the answer is 503.",
	"**What is sent** of an event that did not come from Event Grid: its id, type, subject and time are the event's, JSON becomes `data`, other text a JSON string, and bytes `{\"contentType\":…,\"data_base64\":…}`. CloudEvents are put into Event Grid's schema, and the other way round, as the destination's `schema` wants it; extensions of a CloudEvent are lost then.",
	"**When sending**, 200 to 204 are success and no other status is. After 400, 401, 403 and 413 a delivery is not repeated; after anything else it is, by Event Grid's own schedule: 10 s, 30 s, 1, 5, 10 and 30 min, 1, 3, 6 and 12 h. Event Grid waits longer after 404, 408 and 503; Bellhop goes by `Retry-After`.",
	"**Custom schemas** (*Custom Input Schema*) are not read; choose Event Grid's or CloudEvents' for delivery.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE) # characters other than letters and digits as %XX
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: SubscriptionValidation' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"ring"}}]'; echo
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: Notification' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"by-hand-1","topic":"/by/hand","eventType":"Example.Tried","subject":"cars","eventTime":"2026-11-22T10:00:00Z","dataVersion":"1","data":{}}]'`
