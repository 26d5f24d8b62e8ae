package generic

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "generic",
		Title:   "Generic webhook",
		Summary: "Any system that proves itself by an HMAC, a token, Basic authentication or a secret in the URL; some of them by name, as presets.",
		Links: []string{
			"https://www.rfc-editor.org/rfc/rfc2104",
			"https://www.rfc-editor.org/rfc/rfc6750",
			"https://www.rfc-editor.org/rfc/rfc7617",
		},
		Key:          "secret",
		Settings:     append(append(presetSettings(), credentialSettings(false)...), sourceSettings...),
		SendSettings: append(credentialSettings(true), sendingSettings...),
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup: []string{
			"If there is a preset for the system (see the table below), make a source with it and whatever else it leaves to you: `bellhop sources create SOURCE --provider generic --set preset=shopify --key @FILE`.",
			"If not, find out how the system proves itself, and make a source with `scheme` and the settings that the scheme uses. The command below is that for an HMAC-SHA256 of the body, in hex; a token is `bellhop sources create SOURCE --provider generic --set scheme=token --set header=X-Token --key @FILE`.",
			"Enter `https://YOUR-HOST/in/SOURCE` as the URL in the system, and there the same secret.",
			"Have the system send a test, and look at `bellhop events --source SOURCE` or, if nothing came of it, at `bellhop requests --source SOURCE`, which say why.",
		},
		SendSetup: []string{
			"Find out how the receiver wants a request to prove itself, and set `scheme` and what it uses to the same. The command below is for an HMAC-SHA256 of the body, in hex.",
		},
		Recipe: provider.Recipe{
			Source:      "--set scheme=hmac --set header=X-Signature --key @FILE",
			Destination: "--set scheme=hmac --set header=X-Signature --set secret=@FILE",
			Send:        "--set scheme=hmac --set header=X-Signature --key @FILE",
		},
		ByHand: byHand,
		Tables: []provider.Table{presetTable()},
		Notes: append(presetNotes(),
			"The type of an event of a preset is the system's own word with the preset's name before it: `shopify.orders/create`. Where there is none that can be a type, it is `NAME.received`.",
			"Each request is one event, even where a system puts several changes into one.",
			"linear, twitch and zoom say when a request was made, and an old one is refused. Of the others, who caught one can send it again at any time. It is known for a repeat as long as the first is kept, unless the id is in a header that is not signed, which he may change: so it is with bitbucket, gitlab, linear (within its tolerance), shopify and twilio.",
		),
	}
}

// presetNotes are a line for each preset.
func presetNotes() (notes []string) {
	for _, p := range presets {
		notes = append(notes, strings.TrimSpace(fmt.Sprintf("Preset `%s` ([%s](%s)). %s %s", p.name, p.title, p.link, p.setup, p.note)))
	}
	return notes
}

// presetSettings are those that only presets have.
func presetSettings() []provider.Setting {
	return []provider.Setting{
		{Name: "preset", Title: "Preset", Example: "shopify",
			Doc: "The system that sends, if it is one of " + strings.Join(presetNames(), ", ") + ". Everything but the secret follows from it; scheme and preset exclude each other. Default: none."},
		{Name: "verify_token", Title: "Verify token", Secret: true, Example: "meatyhamhock",
			Doc: "preset meta: the text that you made up and entered there as Verify token. Required for it; a list of up to 4 while it is being replaced."},
	}
}

// credentialSettings are those of a source and of a destination.
func credentialSettings(toSend bool) []provider.Setting {
	scheme, many := "How a request proves who sent it: hmac, token, basic, query or none.", ""
	if !toSend {
		scheme += " Required unless there is a preset."
		many = " A list of up to 4 while it is being replaced."
	}
	return []provider.Setting{
		{Name: "scheme", Title: "Scheme", Required: toSend, Example: "hmac", Doc: scheme},
		{Name: "secret", Title: "Secret", Secret: true, Example: "Tr0ub4dor&3",
			Doc: "The key, token or password; required unless the scheme is none." + many},
		{Name: "secret_encoding", Title: "Encoding of the secret", Example: "base64",
			Doc: "hmac: how the secret stands for the key's bytes: text, hex or base64. Default: text."},
		{Name: "header", Title: "Header", Example: "X-Signature",
			Doc: "hmac and token: the header with the signature or token. Required for hmac; default for token: Authorization."},
		{Name: "prefix", Title: "Prefix", Example: "sha256=",
			Doc: "hmac and token: what stands in front of the signature or token. Default: nothing, or \"Bearer \" for a token in Authorization."},
		{Name: "separator", Title: "Separator", Example: ",",
			Doc: "hmac: what stands between several signatures in the header, each with its prefix: a comma, a semicolon or a blank. One of them has to match; at most 16 are looked at. Default: there is one signature."},
		{Name: "hash", Title: "Hash", Example: "sha256",
			Doc: "hmac: sha1, sha256, sha384 or sha512. Default: sha256."},
		{Name: "encoding", Title: "Encoding of the signature", Example: "base64",
			Doc: "hmac: hex (either case is taken), hex-upper, base64 or base64url. Default: hex."},
		{Name: "timestamp_header", Title: "Timestamp header", Example: "X-Timestamp",
			Doc: "hmac: the header with the time of the attempt, which is signed too. Default: none."},
		{Name: "timestamp_format", Title: "Form of the timestamp", Example: "milliseconds",
			Doc: "hmac with a timestamp: seconds or milliseconds since 1970, or rfc3339 in UTC. Default: seconds."},
		{Name: "template", Title: "Signed text", Example: "v0:{timestamp}:{body}",
			Doc: "hmac: what is signed, with {body} and, where their settings are there, {timestamp}, {id} and {url}, each once. {params} instead of {body} is a form's parameters, sorted, without anything between; for another body the URL must have its SHA-256 as bodySHA256. Default: {body}, or {timestamp}.{body} with timestamp_header."},
		{Name: "id_header", Title: "Id header", Example: "X-Request-Id",
			Doc: "The header with the id by which repeats are known. Only an id that is in the template is proven. Default: none."},
		{Name: "type_header", Title: "Type header", Example: "X-Event-Type",
			Doc: "The header with the event's type. Default: none."},
		{Name: "username", Title: "User name", Example: "webhook",
			Doc: "basic: the user name. Required for it."},
		{Name: "parameter", Title: "Parameter", Example: "code",
			Doc: "query: the parameter of the URL that holds the secret. Default: code."},
	}
}

var sourceSettings = []provider.Setting{
	{Name: "url", Title: "URL", Example: "https://hooks.example.com/in/calls",
		Doc: "hmac with {url} in the template, and preset twilio: the URL of this source as the system calls it, without a query, which is taken from each request. The URL is tried with and without a port. Required there."},
	{Name: "timestamp_field", Title: "Timestamp member", Example: "sentAt",
		Doc: "hmac: the member of the JSON body with the time of the attempt, by name or as a JSON Pointer. Default: none."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "hmac with a timestamp: how far it may be from now, either way: 1s to 1h. Default: 5m, or the preset's own."},
	{Name: "repeat", Title: "Repeats", Example: "none",
		Doc: "hmac without id_header and id_field: signature takes a request with the same signature for a repeat, body one with the same body, none takes each for a new one. Default: signature."},
	{Name: "id_field", Title: "Id member", Example: "id",
		Doc: "The member of the JSON body, a text or a number, by which repeats are known: its name or, if it begins with a slash, a JSON Pointer such as /event/id. The body must be a JSON object then. Default: none."},
	{Name: "type_field", Title: "Type member", Example: "event",
		Doc: "The member of the JSON body with the event's type, by name or as a JSON Pointer. The body must be a JSON object then. Default: type, if there is one, and any body is taken."},
	{Name: "type", Title: "Type", Example: "order.changed",
		Doc: "The type of every event. Default: what the header or the body says, else generic.received."},
	{Name: "methods", Title: "Methods", Example: `["POST","PUT"]`, Kind: provider.KindList,
		Doc: "The methods that are taken, of GET, POST, PUT, PATCH and DELETE. Default: POST, PUT and PATCH."},
}

var sendingSettings = []provider.Setting{
	{Name: "method", Title: "Method", Example: "PUT",
		Doc: "POST, PUT or PATCH. Default: POST."},
}

// presetTable says what each preset stands for.
func presetTable() provider.Table {
	t := provider.Table{
		Title: "What the presets stand for",
		Text:  "Members are those of a JSON body. A destination has no presets: to send as one of these systems does, set what its line says, as far as a destination has it; the signed text is its `template`.",
		Head:  []string{"preset", "leaves to you", "scheme", "header", "hash", "encoding", "prefix", "signed text", "timestamp", "repeats by", "type"},
	}
	for _, p := range presets {
		t.Rows = append(t.Rows, append([]string{code(p.name), code(p.allowed()...)}, append(p.settings.row(), p.settings.idCell(), p.settings.typeCell())...))
	}
	return t
}

// row is what s says of its scheme, defaults included.
func (s settings) row() []string {
	if s.Scheme != schemeHMAC {
		return []string{s.Scheme, code(s.Header), "", "", "", "", ""}
	}
	prefix := ""
	if s.Prefix != nil {
		prefix = code(*s.Prefix)
	}
	if s.Separator != "" {
		prefix += ", several with " + code(s.Separator) + " between"
	}
	signed := code(cmp.Or(s.Template, "{body}"))
	return []string{s.Scheme, code(s.Header), cmp.Or(s.Hash, "sha256"), cmp.Or(s.Encoding, "hex"), prefix, signed, s.timestampCell()}
}

// idCell says by what repeats are known.
func (s settings) idCell() string {
	return cmp.Or(where(s.IDHeader, s.IDField), s.Repeat, repeatSignature)
}

// typeCell says where the type is, or what it is.
func (s settings) typeCell() string { return cmp.Or(where(s.TypeHeader, s.TypeField), s.Type) }

// where names a header or a member of the body; "" if it is neither.
func where(header, member string) string {
	if member != "" {
		return "member " + code(member)
	}
	return code(header)
}

// timestampCell says where the time is, in which form, and how far it may be from now.
func (s settings) timestampCell() string {
	at := where(s.TimestampHeader, s.TimestampField)
	if at == "" {
		return "none"
	}
	return at + ", " + cmp.Or(s.TimestampFormat, formatSeconds) + ", within " + cmp.Or(s.Tolerance, "5m")
}

// code writes texts as code in Markdown, with commas between them; "" is left out.
func code(texts ...string) string {
	var quoted []string
	for _, text := range texts {
		if text != "" {
			quoted = append(quoted, "`"+text+"`")
		}
	}
	return strings.Join(quoted, ", ")
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"type":"order.paid","id":17}'
MAC=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "X-Signature: $MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
