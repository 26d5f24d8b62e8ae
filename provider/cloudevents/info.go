package cloudevents

import "github.com/bellhop-gateway/bellhop/provider"

var sourceSettings = []provider.Setting{
	{Name: "bearer_token", Title: "Bearer token", Secret: true, Example: "x4Kp0mZt7sVq2LrY9bNc",
		Doc: "What senders put behind `Bearer ` in Authorization or, where they cannot, into the query as `access_token`. Printable ASCII without blanks. " +
			"A list of up to 4 while it is being replaced. Required unless `allowed_origins` is set or `unauthenticated` is true; without it, anyone who knows the URL can send."},
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Takes events from anyone who knows the URL, without a token. For a source that only your own network reaches. Default: false."},
	{Name: "allowed_origins", Title: "Allowed origins", Kind: provider.KindList, Example: `["eventgrid.azure.net"]`,
		Doc: "The names under which senders may ask for permission (`WebHook-Request-Origin`), compared whole and without regard to case; `*` is any. " +
			"If it is set, what is delivered under another name is refused; what is delivered without a name is not. Default: none, so no handshake succeeds."},
	{Name: "allowed_rate", Title: "Allowed rate", Kind: provider.KindNumber, Example: "600",
		Doc: "How many requests a minute a handshake grants at most. Senders are told and not held to it. Default: as many as they ask for."},
	{Name: "callback_hosts", Title: "Callback hosts", Kind: provider.KindList, Example: `["eventemitter.example.com"]`,
		Doc: "Hosts, with a port if it is not 443, whose `WebHook-Request-Callback` is called to agree. To one that is not listed no call is made; the answer itself agrees. Default: none."},
	{Name: "accept_03", Title: "Accept version 0.3", Kind: provider.KindFlag, Example: "true",
		Doc: "Takes events of CloudEvents 0.3 too, as they are. Default: false."},
}

var destinationSettings = []provider.Setting{
	{Name: "mode", Title: "Mode", Example: "binary",
		Doc: "How an event that is no CloudEvent yet is sent: `structured`, as one JSON document; `binary`, its attributes in headers and its bytes as the body; or `batch`, as JSON array, " +
			"for receivers that asked for it. A CloudEvent goes on in the mode it came in, except in a batch. Default: structured."},
	{Name: "bearer_token", Title: "Bearer token", Secret: true, Example: "x4Kp0mZt7sVq2LrY9bNc",
		Doc: "What is sent as `Authorization: Bearer`. Printable ASCII without blanks. Default: none."},
	{Name: "origin", Title: "Origin", Example: "hooks.example.com",
		Doc: "Our name, a DNS name without scheme and port: what the handshake asks under, and what each delivery says in `WebHook-Request-Origin` and `Origin`. Required for the handshake. Default: none."},
	{Name: "rate", Title: "Rate", Kind: provider.KindNumber, Example: "120",
		Doc: "How many requests a minute the handshake asks for. What the receiver grants is kept to. Default: it is left to the receiver."},
	{Name: "source", Title: "Source", Example: "https://hooks.example.com/media",
		Doc: "The `source` of events that were no CloudEvents when they came: a URI, or a part of one. Default: `/in/` and the name of the source."},
}

var setup = []string{
	"Make up a long random token, for example with `openssl rand -base64 24 | tr -d '=+/'`, write it into a file, and create the source by the command below.",
	"In the sending system, set `https://YOUR-HOST/in/SOURCE` as the URL to deliver to (it may be called sink, target or endpoint) and `Authorization: Bearer TOKEN` as a header. If headers cannot be set there, use `https://YOUR-HOST/in/SOURCE?access_token=TOKEN`.",
	"If the system asks for permission first (it sends `OPTIONS` with `WebHook-Request-Origin`), put the name it asks under into `allowed_origins`, in the place of `sender.example.com` below; if it does not, leave that flag out. A refused handshake is listed by `bellhop requests list` with the reason.",
	"Send an event of your own to try it: `bellhop send cloudevents --to https://YOUR-HOST/in/SOURCE --key TOKEN --file event.json`.",
}

var sendSetup = []string{
	"Find out from the receiver which mode it reads, whether it wants a token, and whether it answers the Web Hooks handshake. If nothing is said of it, `structured` is read by every receiver.",
	"Create a destination of type `cloudevents` with its URL, the `mode` and the `bearer_token`.",
	"If the receiver is to agree first, set `origin` to the name that it is to allow. It is asked at once, and again whenever the URL changes or the destination is resumed; what is meant for it is kept until it agrees, and the rate that it grants is kept to. `--handshake none` names us without asking.",
}

var notes = []string{
	"**Repeats.** An event is known by its `source` and `id` together; the same two again are folded.",
	"**What becomes of it.** The event's type, subject and time are those of the CloudEvent. Of a structured one and of an item of a batch, the body is the whole JSON document; of a binary one, the data alone, and every attribute stays in the headers. " +
		"What the specification requires (`specversion`, `id`, `source`, `type`) is required, and a `type` has at most 255 bytes. A subject or time that is not as it should be is left out; the event is taken.",
	"**Batches.** Up to 5000 items. An item that is no event is refused and put on record, and its neighbours are taken; a batch in which there is no event at all is refused as a whole.",
	"**Answers.** 202 once the events are on disk; 400 for an event that is malformed; 401 without the token; 403 under a name that is not allowed; 415 for what is no CloudEvent: a format other than JSON, or neither a content type nor headers of CloudEvents.",
	"**The handshake** carries no token and proves nothing, so none is asked for. A name that is not allowed is answered 405, without the headers that are consent. " +
		"A `WebHook-Request-Callback` is called only at `callback_hosts`; then the answer does not agree, and the call, a GET with `WebHook-Allowed-Rate`, does.",
	"**Header values** of binary events are percent-decoded once. UTF-8 that was not encoded (the Go SDK), and a percent sign or quote that stands for itself (the JavaScript SDK), are taken as they are. " +
		"Neither SDK decodes what it receives: send `structured` to them if subjects are not plain ASCII.",
	"**What is sent** of an event that was no CloudEvent: its id is the event's, JSON is inlined, other text is a string, and anything else is Base64. An event without a body is sent structured, as no request may be empty. In a batch, what came binary is written as JSON; integers and flags among its extensions become text.",
	"**Agreeing.** A receiver agrees by `WebHook-Allowed-Origin`; a status of 200 alone is no consent. Without `WebHook-Allowed-Rate`, the rate asked for counts as granted.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
TOKEN=$(cat FILE)
ORIGIN=sender.example.com
curl -i -X OPTIONS "$URL" -H "WebHook-Request-Origin: $ORIGIN" -H 'WebHook-Request-Rate: 60'
curl -i "$URL" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/cloudevents+json' \
  --data-binary '{"specversion":"1.0","id":"by-hand-1","source":"/by/hand","type":"com.example.tried","data":{"n":1}}'`
