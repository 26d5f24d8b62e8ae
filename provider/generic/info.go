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
		Name:  "generic",
		Title: "Generic webhook",
		Summary: "Any system that authenticates its requests with an HMAC, a token, Basic authentication or a " +
			"secret in the URL; well-known systems as presets.",
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
			"If there is a preset for the system (see the table below), create a source with it and with the " +
				"settings that the preset leaves to you: `bellhop sources create SOURCE --provider generic --set " +
				"preset=shopify --key @FILE`.",
			"If there is no preset, find out how the system authenticates its requests, and create a source with " +
				"`scheme` and the settings of that scheme. The command below is for an HMAC-SHA256 of the body in " +
				"hex. For a token it is `bellhop sources create SOURCE --provider generic --set scheme=token --set " +
				"header=X-Token --key @FILE`.",
			"In the system, enter `https://YOUR-HOST/in/SOURCE` as the URL, and the same secret.",
			"Have the system send a test, and look at `bellhop events --source SOURCE`. If there is no event, " +
				"`bellhop requests --source SOURCE` shows the reason.",
		},
		SendSetup: []string{
			"Find out how the receiver authenticates requests, and set `scheme` and the settings of that scheme " +
				"accordingly. The command below is for an HMAC-SHA256 of the body in hex.",
		},
		Recipe: provider.Recipe{
			Source:      "--set scheme=hmac --set header=X-Signature --key @FILE",
			Destination: "--set scheme=hmac --set header=X-Signature --set secret=@FILE",
			Send:        "--set scheme=hmac --set header=X-Signature --key @FILE",
		},
		ByHand: byHand,
		Tables: []provider.Table{presetTable()},
		Notes: append(presetNotes(),
			"**Types** of a preset's events are the name of the preset and the system's own word: "+
				"`shopify.orders/create`. Without a word that can be a type, the type is `NAME.received`.",
			"**Each request** is one event, even if the system puts several changes into it.",
			"**Replays.** Requests of linear, twitch and zoom have a timestamp, and an old one is refused. A "+
				"captured request of any other system can be sent again at any time. It is recognized as a repeat "+
				"while the first event is stored, unless the id is in a header that is not signed, since an "+
				"attacker can change such a header. That is so with bitbucket, gitlab, linear (within its "+
				"tolerance), shopify and twilio.",
		),
	}
}

// presetNotes returns one note for each preset.
func presetNotes() (notes []string) {
	for _, p := range presets {
		note := fmt.Sprintf("Preset `%s` ([%s](%s)). %s %s", p.name, p.title, p.link, p.setup, p.note)
		notes = append(notes, strings.TrimSpace(note))
	}
	return notes
}

// presetSettings returns the settings that are used with presets only.
func presetSettings() []provider.Setting {
	return []provider.Setting{
		{Name: "preset", Title: "Preset", Example: "shopify", Choices: presetNames(),
			Doc: "The sending system, one of " + strings.Join(presetNames(), ", ") + ". It defines everything " +
				"but the secret. Set either scheme or preset. Default: none."},
		{Name: "verify_token", Title: "Verify token", Secret: true, Make: provider.MakeText,
			Example: "meatyhamhock", Many: true,
			Doc: "preset meta: a text of your choice that you also entered there as Verify token. Required with " +
				"preset meta. A list of up to 4 while it is being replaced."},
	}
}

// credentialSettings returns the settings that sources and destinations share. toSend selects their texts.
func credentialSettings(toSend bool) []provider.Setting {
	scheme, many := "How requests are authenticated: hmac, token, basic, query or none.", ""
	if !toSend {
		scheme += " Required unless preset is set."
		many = " A list of up to 4 while it is being replaced."
	}
	return []provider.Setting{
		{Name: "scheme", Title: "Scheme", Required: toSend, Example: "hmac", Choices: schemes,
			Doc: scheme},
		{Name: "secret", Title: "Secret", Secret: true, Make: provider.MakeText,
			Example: "Tr0ub4dor&3", Many: true,
			Doc: "The key, token or password. Blanks and line breaks around it are removed. Required unless the " +
				"scheme is none." + many},
		{Name: "secret_encoding", Title: "Encoding of the secret", Example: "base64", Choices: secretEncodings,
			Doc: "hmac: how secret encodes the bytes of the key: text; hex, in either case, also after 0x; or " +
				"base64, of either alphabet, with or without padding. Default: text."},
		{Name: "header", Title: "Header", Example: "X-Signature",
			Doc: "hmac and token: the header with the signature or token. Required for hmac; default for token: " +
				"Authorization."},
		{Name: "prefix", Title: "Prefix", Example: "sha256=",
			Doc: "hmac and token: the text before the signature or token. Default: none, or \"Bearer \" for a " +
				"token in Authorization."},
		{Name: "separator", Title: "Separator", Example: ",", Choices: separators,
			Doc: "hmac: the separator between several signatures in the header, each with its prefix: a comma, a " +
				"semicolon or a blank. One signature must match; at most 16 are tried. Default: the " +
				"header has one signature."},
		{Name: "header_form", Title: "Form of the header", Example: "t={timestamp},v1={signature}",
			Doc: "hmac: the form of a header that holds both the time and the signature: two named parts and the " +
				"comma, semicolon or blank between them. The time is signed, so the signed text has {timestamp}. " +
				"Other parts are ignored, and at most 16 signatures are tried. In place of prefix, separator and " +
				"timestamp_header. Default: none."},
		{Name: "hash", Title: "Hash", Example: "sha256", Choices: hashes,
			Doc: "hmac: sha1, sha256, sha384 or sha512. Default: sha256."},
		{Name: "encoding", Title: "Encoding of the signature", Example: "base64", Choices: signatureEncodings,
			Doc: "hmac: hex (either case is accepted), hex-upper, base64 or base64url. Default: hex."},
		{Name: "timestamp_header", Title: "Timestamp header", Example: "X-Timestamp",
			Doc: "hmac: the header with the time of the attempt, which is signed too. Default: none."},
		{Name: "timestamp_format", Title: "Format of the timestamp", Example: "milliseconds",
			Choices: timestampFormats,
			Doc: "hmac with a timestamp: seconds or milliseconds since 1970, or rfc3339 in UTC. " +
				"Default: seconds."},
		{Name: "template", Title: "Signed text", Example: "v0:{timestamp}:{body}",
			Doc: "hmac: the signed text. It contains {body} and, with their settings, {timestamp}, {id} and {url}, " +
				"each once. {params} in place of {body} is the parameters of a form, sorted, without separators; " +
				"with any other body the URL must contain the body's SHA-256 as bodySHA256. Default: {body}, or " +
				"{timestamp}.{body} with timestamp_header."},
		{Name: "id_header", Title: "Id header", Example: "X-Request-Id",
			Doc: "The header with the id that identifies repeats. The id is authenticated only if the template " +
				"contains it. Default: none."},
		{Name: "type_header", Title: "Type header", Example: "X-Event-Type",
			Doc: "The header with the event's type. Default: none."},
		{Name: "username", Title: "User name", Example: "webhook",
			Doc: "basic: the user name. Required for basic."},
		{Name: "parameter", Title: "Parameter", Example: "code",
			Doc: "query: the parameter of the URL that holds the secret. Default: code."},
	}
}

var sourceSettings = []provider.Setting{
	{Name: "url", Title: "URL", Example: "https://hooks.example.com/in/calls", Format: "uri",
		Doc: "hmac with {url} in the template, and preset twilio: the URL of this source as the system calls it, " +
			"without the query, which is taken from each request. The signature is tried for the URL with and " +
			"without its port, and with characters of the query escaped or plain. " +
			"Required there."},
	{Name: "timestamp_field", Title: "Timestamp member", Example: "sentAt",
		Doc: "hmac: the member of the JSON body with the time of the attempt, by name or as a JSON Pointer. Two " +
			"requests with one id that differ in it alone are repeats. Default: none."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "hmac with a timestamp: the largest accepted difference between the timestamp and now: 1s to 1h. A " +
			"request exactly as old is accepted. Default: 5m, or the preset's value."},
	{Name: "repeat", Title: "Repeats", Example: "none", Choices: repeats,
		Doc: "hmac without id_header and id_field: what identifies a repeat. signature: a request with the same " +
			"signature is a repeat; body: a request with the same body; none: no request is. Default: signature."},
	{Name: "id_field", Title: "Id member", Example: "id",
		Doc: "The member of the JSON body that identifies repeats, a text or a number: its name or, if it begins " +
			"with a slash, a JSON Pointer such as /event/id; or the parameter of a form. A body without it, JSON " +
			"or not, has no id; one that has it twice is refused. Default: none."},
	{Name: "type_field", Title: "Type member", Example: "event",
		Doc: "The member of the JSON body with the event's type, by name or as a JSON Pointer, or the parameter " +
			"of a form. A body without it, JSON or not, has the type generic.received; one that has it twice is " +
			"refused. Default: type."},
	{Name: "type", Title: "Type", Example: "order.changed",
		Doc: "The type of every event. Default: the type in the header or body, else generic.received."},
	{Name: "methods", Title: "Methods", Example: `["POST","PUT"]`, Kind: provider.KindList,
		Doc: "The accepted methods, of GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS. HEAD and OPTIONS, and a GET " +
			"without a query, a body and a proof, are probes by which a system asks whether the URL answers: " +
			"they are answered 200 and make no event. Any other GET without a body is an event whose body is its " +
			"query, as a form, unless the signature does not cover the URL. Default: POST, PUT, PATCH and HEAD. " +
			"Each preset accepts HEAD, too."},
}

var sendingSettings = []provider.Setting{
	{Name: "method", Title: "Method", Example: "PUT", Choices: sendMethods,
		Doc: "POST, PUT or PATCH. Default: POST."},
}

// presetTable returns the table of the presets' settings.
func presetTable() provider.Table {
	t := provider.Table{
		Title: "Settings of the presets",
		Text: "A member is a member of the JSON body. A destination has no presets: to send as one of these systems " +
			"does, set the values of its line, as far as a destination has these settings; the signed text is the " +
			"setting `template`.",
		Head: []string{"preset", "you set", "scheme", "header", "hash", "encoding", "prefix", "signed text",
			"timestamp", "repeats identified by", "type"},
	}
	for _, p := range presets {
		row := append([]string{code(p.name), code(p.allowed()...)}, p.settings.row()...)
		t.Rows = append(t.Rows, append(row, p.settings.idCell(), p.settings.typeCell()))
	}
	return t
}

// row returns the cells about the scheme of s, with defaults.
func (s settings) row() []string {
	if s.Scheme != schemeHMAC {
		return []string{s.Scheme, code(s.Header), "", "", "", "", ""}
	}
	prefix := ""
	if s.Prefix != nil {
		prefix = code(*s.Prefix)
	}
	if s.HeaderForm != "" {
		prefix = code(s.HeaderForm)
	}
	if s.Separator != "" {
		prefix += ", several separated by " + code(s.Separator)
	}
	signed := code(cmp.Or(s.Template, map[bool]string{true: "{timestamp}.{body}", false: "{body}"}[s.signsTime()]))
	return []string{s.Scheme, code(s.Header), cmp.Or(s.Hash, "sha256"), cmp.Or(s.Encoding, "hex"), prefix, signed,
		s.timestampCell()}
}

// idCell returns what identifies repeats.
func (s settings) idCell() string {
	return cmp.Or(where(s.IDHeader, s.IDField), s.Repeat, repeatSignature)
}

// typeCell returns where the type is, or the fixed type.
func (s settings) typeCell() string { return cmp.Or(where(s.TypeHeader, s.TypeField), s.Type) }

// where describes a header or a member of the body. It returns "" if both are "".
func where(header, member string) string {
	if member != "" {
		return "member " + code(member)
	}
	return code(header)
}

// timestampCell returns where the timestamp is, its format and its tolerance.
func (s settings) timestampCell() string {
	at := where(s.TimestampHeader, s.TimestampField)
	if s.HeaderForm != "" {
		at = code(s.Header)
	}
	if at == "" {
		return "none"
	}
	return at + ", " + cmp.Or(s.TimestampFormat, formatSeconds) + ", within " + cmp.Or(s.Tolerance, "5m")
}

// code returns texts as code spans in Markdown, separated by commas. It leaves out "".
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
