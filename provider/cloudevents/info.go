package cloudevents

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "cloudevents",
		Title: "CloudEvents",
		Summary: "Any system that posts CloudEvents 1.0 over HTTP, single or in batches, with a bearer token " +
			"and the handshake of the Web Hooks specification.",
		Links: []string{
			"https://cloudevents.io",
			"https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
			"https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md",
		},
		Key:          "bearer_token",
		MediaTypes:   []string{MediaType, BatchMediaType},
		Settings:     sourceSettings,
		SendSettings: destinationSettings,
		Handshake:    "cloudevents",
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:         setup,
		SendSetup:     sendSetup,
		Notes:         notes,
		HandshakeWhen: "where `origin` is set",
		ByHand:        byHand,
		Recipe: provider.Recipe{
			Source:      `--key @FILE --set 'allowed_origins=["sender.example.com"]'`,
			Destination: "--set bearer_token=@FILE",
			Send:        "--key @FILE",
		},
	}
}

var sourceSettings = []provider.Setting{
	{Name: "bearer_token", Title: "Bearer token", Secret: true, Make: provider.MakeText,
		Example: "x4Kp0mZt7sVq2LrY9bNc", Many: true,
		Doc: "The token that senders put after `Bearer ` in Authorization or, if they cannot set headers, into the " +
			"query as `access_token`. Printable ASCII without blanks. " +
			"A list of up to 4 while it is being replaced. Required unless `allowed_origins` is set or " +
			"`unauthenticated` is true. Without a token, anyone who knows the URL can send."},
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Accepts events from anyone who knows the URL, without a token. For a source that only your own " +
			"network can reach. Default: false."},
	{Name: "allowed_origins", Title: "Allowed origins", Kind: provider.KindList, Example: `["eventgrid.azure.net"]`,
		Doc: "The origins (`WebHook-Request-Origin`) that a handshake allows, compared whole and without regard to " +
			"case; `*` allows any. If it is set, deliveries of another origin are refused; deliveries without an " +
			"origin are not. Default: none, so no handshake succeeds."},
	{Name: "allowed_rate", Title: "Allowed rate", Kind: provider.KindNumber, Example: "600",
		Most: provider.MaxWebHookRate,
		Doc: "The most requests a minute that a handshake grants. Senders are told this rate; it is not enforced. " +
			"Default: as many as they request."},
	{Name: "callback_hosts", Title: "Callback hosts", Kind: provider.KindList, Example: `["eventemitter.example.com"]`,
		Doc: "Hosts, with a port if it is not 443, whose `WebHook-Request-Callback` is called to allow the " +
			"sender. Any other callback is ignored, and the answer itself allows the sender. Default: none."},
	{Name: "accept_03", Title: "Accept version 0.3", Kind: provider.KindFlag, Example: "true",
		Doc: "Also accepts events of CloudEvents 0.3, unchanged. Default: false."},
}

var destinationSettings = []provider.Setting{
	{Name: "mode", Title: "Mode", Example: "binary", Choices: modes,
		Doc: "How an event that is not a CloudEvent is sent: `structured`, as one JSON document; `binary`, with its " +
			"attributes in headers and its bytes as the body; or `batch`, as a JSON array, " +
			"for receivers that ask for batches. A CloudEvent is sent in the mode in which it came, except in a " +
			"batch. Default: structured."},
	{Name: "bearer_token", Title: "Bearer token", Secret: true, Make: provider.MakeText,
		Example: "x4Kp0mZt7sVq2LrY9bNc", Many: true,
		Doc: "The token that is sent as `Authorization: Bearer`. Printable ASCII without blanks. Default: none."},
	{Name: "origin", Title: "Origin", Example: "hooks.example.com",
		Doc: "The name of this gateway, a DNS name without scheme and port. The handshake asks for permission for " +
			"this name, and each delivery has it in `WebHook-Request-Origin` and `Origin`. Required for the " +
			"handshake. Default: none."},
	{Name: "rate", Title: "Rate", Kind: provider.KindNumber, Example: "120", Most: provider.MaxWebHookRate,
		Doc: "The requests a minute that the handshake requests. Deliveries keep to the rate that the receiver " +
			"grants. Default: the receiver decides."},
	{Name: "source", Title: "Source", Example: "https://hooks.example.com/media",
		Doc: "The `source` of events that did not come as CloudEvents: a URI, or a part of one. Default: `/in/` " +
			"and the name of the source."},
}

var setup = []string{
	"Create a long random token, for example with `openssl rand -base64 24 | tr -d '=+/'`, write it into a " +
		"file, and create the source with the command below.",
	"In the sending system, set `https://YOUR-HOST/in/SOURCE` as the URL (it may be called sink, target or " +
		"endpoint) and `Authorization: Bearer TOKEN` as a header. If headers cannot be set there, use " +
		"`https://YOUR-HOST/in/SOURCE?access_token=TOKEN`.",
	"If the system makes a handshake first (it sends `OPTIONS` with `WebHook-Request-Origin`), replace " +
		"`sender.example.com` below by its origin; if it does not, omit that flag. `bellhop requests list` shows a " +
		"refused handshake with the reason.",
	"To try it, send an event of your own: `bellhop send cloudevents --to https://YOUR-HOST/in/SOURCE --key TOKEN " +
		"--file event.json`.",
}

var sendSetup = []string{
	"Find out from the receiver which mode it reads, whether it requires a token, and whether it answers the Web " +
		"Hooks handshake. If nothing is documented, use `structured`, which every receiver reads.",
	"Create a destination of type `cloudevents` with its URL, the `mode` and the `bearer_token`.",
	"If the receiver must allow the gateway first, set `origin` to the name that it is to allow. The handshake is " +
		"made at once, and again whenever the URL changes or the destination is resumed. Deliveries wait until the " +
		"receiver allows them, and keep to the rate that it grants. `--handshake none` sends the origin without a " +
		"handshake.",
}

var notes = []string{
	"**Repeats.** `source` and `id` together identify an event; an event with the same two and the same body is a " +
		"repeat. With another body it is stored as another event, and says so in `conflicts_with`.",
	"**How it is stored.** The event's type, subject and time are those of the CloudEvent. The body of a structured " +
		"event and of an item of a batch is the whole JSON document. The body of a binary event is its data " +
		"alone, and every attribute stays in the headers. The attributes that the specification requires " +
		"(`specversion`, `id`, `source`, `type`) are required, and a `type` has at most 255 bytes.",
	"**Malformed events** of version 1.0 are refused as the specification says: a `time` that is not in the form of " +
		"RFC 3339, an empty or invalid `datacontenttype` or `dataschema`, an attribute whose name has other " +
		"characters than a to z and 0 to 9, an extension that is an object, a list or a number that is not a whole " +
		"one of 32 bits, and `data_base64` that is not Base64. An empty `subject`, which Event Grid sends, counts " +
		"as absent, and is sent on as `null`. A name that occurs twice is refused only if it is `data` or an " +
		"attribute that Bellhop reads. A `source` that is not a URI-reference is accepted, although some " +
		"SDKs refuse to read it.",
	"**Batches.** Up to 5000 items. An invalid item is refused and recorded, and its neighbours are accepted. A " +
		"batch without any valid event is refused as a whole.",
	"**Answers.** 202 once the events are on disk; 400 for a malformed event; 401 without the token; 403 for an " +
		"origin that is not allowed; 415 for a request that is not a CloudEvent: a format other than JSON, or " +
		"neither a content type nor headers of CloudEvents.",
	"**The handshake** carries no token and authenticates nothing, so none is required. An origin that is not " +
		"allowed is answered 405, without the headers that give permission. " +
		"A `WebHook-Request-Callback` is called only at `callback_hosts`. In that case the answer gives no " +
		"permission; the call, a GET with `WebHook-Allowed-Rate`, does.",
	"**Header values** of binary events are percent-decoded once. UTF-8 that is not encoded (the Go SDK), and a " +
		"percent sign or quote that is not encoded (the JavaScript SDK), are accepted as they are. " +
		"Neither SDK decodes the values that it receives: send `structured` to them if subjects are not plain ASCII.",
	"**Sending** an event that did not come as a CloudEvent: its id is the event's id, JSON is embedded, other text " +
		"is a string, and any other data is Base64. An event without a body is sent structured, because a request " +
		"must not be empty. In a batch, binary events are converted to JSON; integers and flags among their " +
		"extensions become text.",
	"**Permission.** Only `WebHook-Allowed-Origin` gives permission; a status of 200 alone does not. Without " +
		"`WebHook-Allowed-Rate`, the requested rate counts as granted.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
TOKEN=$(cat FILE)
ORIGIN=sender.example.com
curl -i -X OPTIONS "$URL" -H "WebHook-Request-Origin: $ORIGIN" -H 'WebHook-Request-Rate: 60'
curl -i "$URL" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/cloudevents+json' \
  --data-binary '{"specversion":"1.0","id":"by-hand-1","source":"/by/hand","type":"com.example.tried","data":{"n":1}}'`
