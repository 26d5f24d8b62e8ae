package generic

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "generic",
		Title:   "Generic webhook",
		Summary: "Any system that proves itself by an HMAC, a token, Basic authentication or a secret in the URL.",
		Links: []string{
			"https://www.rfc-editor.org/rfc/rfc2104",
			"https://www.rfc-editor.org/rfc/rfc6750",
			"https://www.rfc-editor.org/rfc/rfc7617",
		},
		Key:          "secret",
		Settings:     append(credentialSettings(), sourceSettings...),
		SendSettings: append(credentialSettings(), sendingSettings...),
	}
}

// credentialSettings are those of a source and of a destination.
func credentialSettings() []provider.Setting {
	return []provider.Setting{
		{Name: "scheme", Title: "Scheme", Required: true, Example: "hmac",
			Doc: "How a request proves who sent it: hmac, token, basic, query or none."},
		{Name: "secret", Title: "Secret", Secret: true, Example: "Tr0ub4dor&3",
			Doc: "The key, token or password; required unless the scheme is none. At a source it may be a list of up to 4 while it is being replaced."},
		{Name: "secret_encoding", Title: "Encoding of the secret", Example: "base64",
			Doc: "hmac: how the secret stands for the key's bytes: text, hex or base64. Default: text."},
		{Name: "header", Title: "Header", Example: "X-Signature",
			Doc: "hmac and token: the header with the signature or token. Required for hmac; default for token: Authorization."},
		{Name: "prefix", Title: "Prefix", Example: "sha256=",
			Doc: "hmac and token: what stands in front of the signature or token. Default: nothing, or \"Bearer \" for a token in Authorization."},
		{Name: "hash", Title: "Hash", Example: "sha256",
			Doc: "hmac: sha1, sha256, sha384 or sha512. Default: sha256."},
		{Name: "encoding", Title: "Encoding of the signature", Example: "base64",
			Doc: "hmac: hex (either case is taken), hex-upper, base64 or base64url. Default: hex."},
		{Name: "timestamp_header", Title: "Timestamp header", Example: "X-Timestamp",
			Doc: "hmac: the header with the time of the attempt, in Unix seconds, which is signed too. Default: none."},
		{Name: "template", Title: "Signed text", Example: "v0:{timestamp}:{body}",
			Doc: "hmac: what is signed, with {body} and, where their headers are set, {timestamp} and {id}, each once. Default: {body}, or {timestamp}.{body} with timestamp_header."},
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
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "hmac with timestamp_header: how far the timestamp may be from now, either way: 1s to 1h. Default: 5m."},
	{Name: "repeat", Title: "Repeats", Example: "none",
		Doc: "hmac without id_header and id_field: signature takes a request with the same signature for a repeat, none takes each for a new one. Default: signature."},
	{Name: "id_field", Title: "Id member", Example: "id",
		Doc: "The member of the JSON body, a text or a number, by which repeats are known. The body must be a JSON object then. Default: none."},
	{Name: "type_field", Title: "Type member", Example: "event",
		Doc: "The member of the JSON body with the event's type. The body must be a JSON object then. Default: type, if there is one, and any body is taken."},
	{Name: "type", Title: "Type", Example: "order.changed",
		Doc: "The type of every event. Default: what the header or the body says, else generic.received."},
	{Name: "methods", Title: "Methods", Example: `["POST","PUT"]`, Kind: provider.KindList,
		Doc: "The methods that are taken, of GET, POST, PUT, PATCH and DELETE. Default: POST, PUT and PATCH."},
}

var sendingSettings = []provider.Setting{
	{Name: "method", Title: "Method", Example: "PUT",
		Doc: "POST, PUT or PATCH. Default: POST."},
}
