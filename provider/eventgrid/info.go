package eventgrid

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "eventgrid",
		Title: "Azure Event Grid",
		Summary: "Webhook deliveries of Event Grid, in its own schema or as CloudEvents, authenticated by a " +
			"secret in the URL or in a header, or by a token of Microsoft Entra.",
		Links: []string{
			"https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema",
			"https://learn.microsoft.com/en-us/azure/event-grid/event-schema",
			"https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry",
			"https://learn.microsoft.com/en-us/azure/event-grid/security-authentication",
		},
		Key:          "query_secret",
		Settings:     sourceSettings,
		SendSettings: destinationSettings,
		MaxBodyBytes: 2 << 20, // Event Grid drops events answered 413, and its limit of 1 MB counts the events alone
		Schedule:     "eventgrid",
		Handshake:    "eventgrid",
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Paste: []provider.Paste{{Title: "By the command of Azure",
			Text: `az eventgrid event-subscription create --name bellhop --source-resource-id RESOURCE \
  --endpoint 'https://YOUR-HOST/in/SOURCE?code={query_secret}'`}},
		Setup:         setup,
		SendSetup:     sendSetup,
		Notes:         notes,
		HandshakeWhen: provider.HandshakeAlways,
		Recipe:        provider.Recipe{Source: "--key @FILE", Query: "code=SECRET"},
		ByHand:        byHand,
	}
}

var sourceSettings = []provider.Setting{
	{Name: "query_secret", Title: "Secret in the URL", Secret: true, Make: provider.MakeText,
		Example: "3f9cVb7pQ2mXw8Lk", Many: true,
		Doc: "The secret in the endpoint's URL as `code`, decoded. A list of up to 4 while it is being replaced. " +
			"Required, unless `header`, `audience` or `unauthenticated` is set. If several are set, a request must " +
			"satisfy all of them."},
	{Name: "header", Title: "Header", Example: "X-Contoso-Key",
		Doc: "The header that the event subscription adds to each delivery (\"delivery property\"), with " +
			"`header_secret` as its value. Default: none."},
	{Name: "header_secret", Title: "Secret in the header", Secret: true, Make: provider.MakeText,
		Example: "Tr0ub4dor&3", Many: true,
		Doc: "The value of `header`: at most 4096 printable ASCII characters. A list of up to 4 while it is being " +
			"replaced. Required with `header`."},
	{Name: "audience", Title: "Audience", Example: "api://7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		Doc: "The application id URI, or the id, of the Microsoft Entra application that represents this " +
			"endpoint: the `aud` of the token in `Authorization`. Default: none; tokens are ignored."},
	{Name: "tenant_id", Title: "Directory (tenant) id", Example: "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67",
		Format: "uuid",
		Doc: "The Microsoft Entra directory of that application, which issues the tokens. Required with " +
			"`audience`."},
	{Name: "app_id", Title: "Id of the calling application", Example: "4962773b-9cdb-44cf-a8bf-237846a00ab7",
		Format: "uuid",
		Doc: "The application to which the tokens are issued: `appid` or `azp`. Default: Event Grid's own " +
			"application. Set it if the event subscription is in another directory and uses an application of yours."},
	{Name: "keys_url", Title: "URL of the signing keys",
		Example: "https://login.microsoftonline.com/common/discovery/v2.0/keys",
		Format:  "uri",
		Doc: "The URL where Microsoft Entra publishes the keys that sign tokens: an https URL, or http on this " +
			"machine. Default: the URL for `tenant_id`."},
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Accepts events from anyone who knows the URL. No setting that authenticates requests may be set " +
			"with it. Default: false."},
	{Name: "validation", Title: "Validation", Example: "manual", Choices: validations,
		Doc: "How a validation event is answered: `automatic`, at once with its code; or `manual`, by calling its " +
			"`validationUrl` a moment later. Default: automatic."},
	{Name: "subscriptions", Title: "Event subscriptions", Kind: provider.KindList, Example: `["recordings"]`,
		Doc: "The only event subscriptions that may validate and deliver here, by name and without regard to case. " +
			"Default: any."},
	{Name: "cloud", Title: "Cloud", Example: "government", Choices: cloudNames,
		Doc: "`public` for Azure, `government` for Azure Government. It determines the hosts of validation " +
			"URLs, the origin of the CloudEvents handshake, and the issuer of tokens. Default: public."},
}

var destinationSettings = []provider.Setting{
	{Name: "schema", Title: "Schema", Example: "cloudevents", Choices: schemas,
		Doc: "`eventgrid`: an array of events in Event Grid's own schema. `cloudevents`: one object, or an array of " +
			"objects if the destination has batches. Default: eventgrid."},
	{Name: "subscription_name", Title: "Name of the event subscription", Example: "recordings",
		Doc: "The value of `aeg-subscription-name`, which is sent in upper case: at most 64 letters, digits and " +
			"dashes. Default: BELLHOP."},
	{Name: "topic", Title: "Topic", Example: "/contoso/orders",
		Doc: "The `topic` (or `source`) of events that did not come from Event Grid. Default: `/in/` and the name " +
			"of the source."},
	{Name: "header", Title: "Header", Example: "X-Contoso-Key",
		Doc: "A header to send with each delivery, with `header_secret` as its value. Default: none. A secret " +
			"in the query is a part of the destination's URL."},
	{Name: "header_secret", Title: "Secret in the header", Secret: true, Make: provider.MakeText,
		Example: "Tr0ub4dor&3", Many: true,
		Doc: "The value of `header`: at most 4096 printable ASCII characters. Required with `header`."},
}

var setup = []string{
	"Create a long random secret, for example with `openssl rand -hex 24`, write it into a file, and create the " +
		"source with the command below. Do so **before** you create the event subscription, because Event Grid " +
		"validates the URL at once.",
	"Bellhop makes the event subscription by a command: see *Subscribe* below. It validates the URL, compares every " +
		"day what Event Grid has with what was asked for, and registers a new secret when that of the source " +
		"changes. The steps that follow do the same by hand.",
	"In the Azure portal, open the topic, or the resource whose events you want, choose *Events*, then *+ Event " +
		"Subscription*. Name it, choose *Event Grid Schema* or *Cloud Event Schema v1.0*, and choose the event types.",
	"As *Endpoint Type* choose *Web Hook*, and as its endpoint `https://YOUR-HOST/in/SOURCE?code=SECRET`. The host " +
		"needs a certificate that browsers trust; Event Grid accepts no other.",
	"Choose *Create*. Event Grid validates the URL, and Bellhop answers. If the portal says *Webhook validation " +
		"handshake failed*, `bellhop requests list` shows the request with the reason. If the request is not " +
		"listed, it did not arrive.",
	"For a secret in a header, add it on the tab *Delivery Properties* as a static, secret header, and set `header` " +
		"and `header_secret` in place of `query_secret`. For a token of Microsoft Entra, tick *Use Microsoft Entra " +
		"authentication* on the tab *Additional features*, and set `audience` and `tenant_id`.",
	"Set up a dead-letter container on the subscription, so that refused events are not lost.",
}

var sendSetup = []string{
	"Take the URL of the receiver's endpoint. If the receiver expects a secret in the query, include it: " +
		"`https://receiver.example.com/api/updates?code=SECRET`.",
	"Create a destination of type `eventgrid` with that URL and the `schema` that the receiver reads. If the " +
		"receiver expects a secret in a header, set `header` and `header_secret`.",
	"As with Event Grid, the receiver must complete a handshake before the first delivery: it repeats the code of a " +
		"validation event or, with the schema `cloudevents`, answers `OPTIONS`. It may also accept later, by " +
		"calling the validation URL. For a receiver that supports neither, set the destination's `handshake` to " +
		"`none`. Azure Functions with an Event Grid trigger complete the handshake by themselves.",
}

var notes = []string{
	"**Repeats.** `topic` (without regard to case) and `id` together identify an event; `source` and `id` " +
		"identify a CloudEvent. Event Grid delivers at least once and in no order.",
	"**How it is stored.** The event's type, subject and time are `eventType`, `subject` and `eventTime`; its " +
		"body is the item's bytes. Unknown types are accepted. Event Grid's own notice that a subscription was " +
		"deleted is also an event, and its subject is that subscription. The `aeg-` headers are " +
		"stored with the event.",
	"**Handshakes.** A validation event carries the same secrets as a delivery, so it is answered only if they are " +
		"right; the answer is 200 with `validationResponse`. In the CloudEvents schema, Event Grid sends `OPTIONS` " +
		"without secrets and with the origin `eventgrid.azure.net`; any other origin is refused.",
	"**Validation events.** `aeg-event-type` decides whether a request is a validation: a notification by this " +
		"header is stored as an event, whatever its type. Without the header, as with some test tools, the type of " +
		"the only event decides. A validation of more than one event, or without a code, is refused. The event may " +
		"be in Event Grid's schema, a CloudEvent, alone or in an array, or in a custom schema, and its `data` may " +
		"be a JSON text (encoded twice).",
	"**Manual validation.** With `validation: manual` the answer is 200 without a code, and `validationUrl` is " +
		"called once, a moment later, within its ten minutes. The result is recorded with the handshake. Only " +
		"https URLs of hosts below `eventgrid.azure.net`, at port 443 or 553, are called, and redirects are not " +
		"followed. A validation with any other URL is refused.",
	"**Answers.** 200 once the events are on disk. Event Grid never repeats after 400, 401, 403 and 413; it " +
		"moves the event to the dead-letter container, if there is one. Bellhop therefore answers so only if the " +
		"request itself is wrong. Any error on Bellhop's side is answered 503, after which Event " +
		"Grid repeats for a day.",
	"**Batches.** Up to 5000 events. An event without `id` or type is refused and recorded, and its neighbours are " +
		"accepted. A request without any valid event is refused as a whole, so that Event Grid moves it to the " +
		"dead-letter container. An array or a single object is accepted in either schema.",
	"**Forms.** A UTF-8 byte order mark before the JSON is skipped. A name that occurs twice is refused only where " +
		"Bellhop reads it, and only that event, and `data` may be nested to any depth. An event may lack every " +
		"member but its id and type. A CloudEvent is refused if it breaks the rules on the page of `cloudevents`.",
	"**Tokens.** Issuer, directory, audience, calling application and times (with a leeway of 5 minutes) are " +
		"checked, and the signature with the keys that Microsoft Entra publishes. If the keys cannot be fetched, " +
		"and no keys of the last day are known, the answer is 503.",
	"**Sending** an event that did not come from Event Grid: its id, type, subject and time are the event's; JSON " +
		"becomes `data`, other text a JSON string, and bytes `{\"contentType\":…,\"data_base64\":…}`. A " +
		"CloudEvent is converted to Event Grid's schema, or the reverse, if the destination's `schema` requires " +
		"it. A CloudEvent keeps its id, source, subject and time whether it came in structured or in binary " +
		"mode; the conversion to Event Grid's schema loses its extensions. An event in Event Grid's schema keeps " +
		"its bytes, and gets the members that Microsoft's readers require and that it lacks: `topic`, `subject`, " +
		"`data`, `eventTime`, `dataVersion` and `metadataVersion`.",
	"**Success and retries when sending.** 200 to 204 are success, and no other status is. After 400, 401, 403 and " +
		"413 a delivery is not repeated. After any other status it is repeated by Event Grid's own schedule: 10 s, " +
		"30 s, 1, 5, 10 and 30 min, 1, 3, 6 and 12 h. Event Grid waits longer after 404, 408 and 503; Bellhop " +
		"follows `Retry-After`.",
	"**Custom schemas** (*Custom Input Schema*) are not supported; choose the schema of Event Grid or " +
		"CloudEvents for delivery.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE) # characters other than letters and digits as %XX
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: SubscriptionValidation' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"ring"}}]'; echo
curl -i "$URL?code=$SECRET" -H 'aeg-event-type: Notification' -H 'Content-Type: application/json' \
  --data-binary '[{"id":"by-hand-1","topic":"/by/hand","eventType":"Example.Tried","subject":"cars","eventTime":"2026-11-22T10:00:00Z","dataVersion":"1","data":{}}]'`
