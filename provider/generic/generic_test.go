package generic_test

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

type values = map[string]any

var (
	secrets       = [2]string{"correct horse battery staple", "another horse"}
	base64Secrets = [2]string{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "GBkaGxwdHh8gISIjJCUmJygpKissLS4v"}
)

// cases has one case for each scheme, and several for hmac with common options.
var cases = []providertest.Case{
	hmacCase("hmac", values{"header": "X-Signature"}, secrets,
		signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}),
	hmacCase("hmac-prefix", values{"header": "X-Hub-Signature-256", "prefix": "sha256=", "type_field": "event",
		"id_field": "id"}, secrets,
		signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}),
	hmacCase("hmac-base64", values{"header": "X-Shop-Hmac", "encoding": "base64", "secret_encoding": "base64",
		"type": "order"}, base64Secrets,
		signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}),
	signedTimeCase(),
	tokenCase("token", values{"id_field": "id"}, "Authorization", "Bearer "),
	tokenCase("token-header", values{"header": "x-gitlab-token", "id_field": "id"}, "X-Gitlab-Token", ""),
	basicCase(),
	queryCase(),
	noneCase(),
}

func TestProvider(t *testing.T) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { providertest.Run(t, c) })
	}
}

func FuzzReceive(f *testing.F)       { providertest.Fuzz(f, cases[0]) }
func FuzzReceiveSigned(f *testing.F) { providertest.Fuzz(f, cases[3]) }
func FuzzReceiveBasic(f *testing.F)  { providertest.Fuzz(f, cases[6]) }

func BenchmarkReceive(b *testing.B) {
	body := []byte(`{"type":"order.changed","id":"ord_7f3","words":"` + strings.Repeat("nightly ", 121) + `"}`)
	for _, c := range cases {
		b.Run(c.Name, func(b *testing.B) { providertest.Benchmark(b, c, body) })
	}
}

var with = providertest.With

// newCase returns the common part of all cases. A destination has those settings of the source that both sides use.
func newCase(name string, base values, secrets [2]string,
	authenticate func(req *provider.Request, secret string, at time.Time)) providertest.Case {
	anyBody := with(base, values{"type_field": nil, "id_field": nil})
	toSend := with(anyBody, values{"type": nil, "tolerance": nil, "methods": nil})
	return providertest.Case{
		Name:     name,
		Provider: generic.Provider{},
		Settings: func(secrets []string) string { return providertest.JSON(with(base, values{"secret": secrets})) },
		Secrets:  secrets,
		Sign: func(secret string, at time.Time, body []byte) *provider.Request {
			h := http.Header{"Content-Type": {"application/json"}}
			req := &provider.Request{Method: "POST", Target: "/in/orders", Header: h, Body: body, ReceivedAt: at}
			authenticate(req, secret, at)
			return req
		},
		Methods:      []string{"POST", "PUT", "PATCH", "HEAD"},
		SendSettings: func(secret string) string { return providertest.JSON(with(toSend, values{"secret": secret})) },
		SendSource:   func(secret string) string { return providertest.JSON(with(anyBody, values{"secret": secret})) },
	}
}

func hmacCase(name string, base values, secrets [2]string, scheme signature.HMAC) providertest.Case {
	encoding := signature.Text
	if base["secret_encoding"] != nil {
		encoding = signature.KeyBase64
	}
	key := func(secret string) []byte {
		key, err := signature.DecodeKey(secret, encoding)
		if err != nil {
			panic(err)
		}
		return key
	}
	header := base["header"].(string)
	base["scheme"] = "hmac"
	c := newCase(name, base, secrets, func(req *provider.Request, secret string, _ time.Time) {
		sig, err := scheme.Sign(key(secret), req.Body)
		if err != nil {
			panic(err)
		}
		req.Header.Set(header, sig)
	})
	c.Headers = []string{header}
	c.MAC = &providertest.MAC{Header: header, Scheme: scheme, Key: key}
	return c
}

// signedTimeCase also signs a timestamp and an id.
func signedTimeCase() providertest.Case {
	base := values{"scheme": "hmac", "header": "X-Signature", "hash": "sha512", "encoding": "base64url",
		"tolerance":        "1m",
		"timestamp_header": "X-Timestamp", "id_header": "X-Id", "type_header": "X-Type",
		"template": "v0:{timestamp}:{id}:{body}"}
	scheme := signature.HMAC{Hash: signature.SHA512, Encoding: signature.Base64URL}
	c := newCase("hmac-time", base, secrets, func(req *provider.Request, secret string, at time.Time) {
		seconds := strconv.FormatInt(at.Unix(), 10)
		sig, err := scheme.Sign([]byte(secret), []byte("v0:"+seconds+":id-1:"), req.Body)
		if err != nil {
			panic(err)
		}
		req.Header.Set("X-Timestamp", seconds)
		req.Header.Set("X-Id", "id-1")
		req.Header.Set("X-Type", "order.changed")
		req.Header.Set("X-Signature", sig)
	})
	c.Headers = []string{"X-Signature", "X-Timestamp", "X-Id"}
	c.Window = time.Minute
	return c
}

func tokenCase(name string, base values, header, prefix string) providertest.Case {
	base["scheme"] = "token"
	c := newCase(name, base, secrets,
		func(req *provider.Request, secret string, _ time.Time) { req.Header.Set(header, prefix+secret) })
	c.Headers = []string{header}
	c.Proves = providertest.ProvesSender
	return c
}

func basicCase() providertest.Case {
	base := values{"scheme": "basic", "username": "shop"}
	c := newCase("basic", base, secrets, func(req *provider.Request, secret string, _ time.Time) {
		(&http.Request{Header: req.Header}).SetBasicAuth("shop", secret)
	})
	c.Headers = []string{"Authorization"}
	c.Proves = providertest.ProvesSender
	c.NoRepeats = true
	return c
}

func queryCase() providertest.Case {
	base := values{"scheme": "query", "id_field": "id", "methods": []string{"GET", "POST"}}
	c := newCase("query", base, secrets, func(req *provider.Request, secret string, _ time.Time) {
		req.Target += "?" + url.Values{"code": {secret}}.Encode()
	})
	c.Parameters = []string{"code"}
	c.Proves = providertest.ProvesSender
	c.Methods = []string{"GET", "POST"}
	c.SendURL = "https://receiver.example/in/orders?" + url.Values{"code": {secrets[0]}}.Encode()
	return c
}

func noneCase() providertest.Case {
	c := newCase("none", values{"scheme": "none"}, secrets, func(*provider.Request, string, time.Time) {})
	c.Settings = func([]string) string { return `{"scheme":"none"}` }
	c.SendSettings = func(string) string { return `{"scheme":"none"}` }
	c.SendSource = c.SendSettings
	c.Proves = providertest.ProvesNothing
	c.NoRepeats = true
	return c
}

// Valid settings of a source for each scheme, and for one preset.
var (
	hmac  = values{"scheme": "hmac", "header": "X-Signature", "secret": secrets[0]}
	token = values{"scheme": "token", "secret": secrets[0]}
	basic = values{"scheme": "basic", "username": "shop", "secret": secrets[0]}
	query = values{"scheme": "query", "secret": secrets[0]}
	none  = values{"scheme": "none"}

	shopify = values{"preset": "shopify", "secret": secrets[0]}
)

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		base, more values
		path       string // of the error; "" if the settings are valid
	}{
		{hmac, nil, ""}, {token, nil, ""}, {basic, nil, ""}, {query, nil, ""}, {none, nil, ""},
		{hmac, values{"scheme": ""}, "scheme"}, {hmac, values{"scheme": "HMAC"}, "scheme"},
		{hmac, values{"scheme": nil}, "scheme"},
		// G41, K08: a secret is required.
		{hmac, values{"secret": nil}, "secret"}, {token, values{"secret": nil}, "secret"},
		{basic, values{"secret": nil}, "secret"}, {query, values{"secret": nil}, "secret"},
		{hmac, values{"header": nil}, "header"}, {hmac, values{"header": "X Signature"}, "header"},
		{hmac, values{"header": "X-Sig:"}, "header"},
		{basic, values{"username": nil}, "username"}, {basic, values{"username": "a:b"}, "username"},
		{hmac, values{"hash": "md5"}, "hash"}, {hmac, values{"hash": "sha384"}, ""},
		{hmac, values{"encoding": "base32"}, "encoding"},
		{hmac, values{"secret_encoding": "hex", "secret": "0g"}, "secret"},
		{hmac, values{"secret_encoding": "base64", "secret": "a"}, "secret"},
		{hmac, values{"secret_encoding": "hex", "secret": []string{"00ff", "abc"}}, "secret[1]"},
		{hmac, values{"secret_encoding": "rot13"}, "secret_encoding"},
		{token, values{"secret": "two\nlines"}, "secret"}, {token, values{"secret": " blank"}, ""},
		{token, values{"secret": []string{"a", "é"}}, "secret[1]"},
		// Settings that the scheme does not use.
		{none, values{"header": "X-Token"}, "header"}, {none, values{"secret": "s"}, "secret"},
		{token, values{"hash": "sha256"}, "hash"},
		{token, values{"timestamp_header": "X-T"}, "timestamp_header"}, {basic, values{"header": "X"}, "header"},
		{basic, values{"prefix": ""}, "prefix"},
		{query, values{"username": "x"}, "username"}, {hmac, values{"parameter": "code"}, "parameter"},
		{token, values{"repeat": "none"}, "repeat"},
		{hmac, values{"method": "PUT"}, "method"},
		// Time and template.
		{hmac, values{"tolerance": "1m"}, "tolerance"},
		{hmac, values{"timestamp_header": "X-T", "tolerance": "0s"}, "tolerance"},
		{hmac, values{"timestamp_header": "X-T", "tolerance": "1m"}, ""},
		{hmac, values{"timestamp_header": "x-signature"}, "timestamp_header"},
		{hmac, values{"timestamp_header": "X T"}, "timestamp_header"},
		{hmac, values{"timestamp_header": "X-T", "template": "{timestamp}{body}"}, ""},
		{hmac, values{"template": "{timestamp}.{body}"}, "template"},
		{hmac, values{"timestamp_header": "X-T", "template": "{body}"}, "template"},
		{hmac, values{"template": "{id}.{body}"}, "template"},
		{hmac, values{"template": "{id}.{body}", "id_header": "X-Id"}, ""},
		{hmac, values{"template": "{id}{body}", "id_header": "X-Id"}, "template"},
		{hmac, values{"template": "{body}{id}", "id_header": "X-Id"}, "template"},
		{hmac, values{"template": "{id}.{id}.{body}", "id_header": "X-Id"}, "template"},
		{hmac, values{"template": "{body}{body}"}, "template"},
		{hmac, values{"template": "body"}, "template"}, {hmac, values{"template": "{body"}, "template"},
		{hmac, values{"template": "{{body}}"}, "template"}, {hmac, values{"template": "v0:{body}}"}, ""},
		{hmac, values{"timestamp_header": "X-T", "timestamp_format": "milliseconds"}, ""},
		{hmac, values{"timestamp_header": "X-T", "timestamp_format": "minutes"}, "timestamp_format"},
		{hmac, values{"timestamp_format": "seconds"}, "timestamp_format"}, {hmac, values{"timestamp_field": "at"}, ""},
		{hmac, values{"timestamp_field": "at", "tolerance": "1m"}, ""},
		{hmac, values{"timestamp_field": "at", "timestamp_header": "X-T"}, "timestamp_field"},
		{hmac, values{"timestamp_field": "at", "template": "{timestamp}.{body}"}, "template"},
		{hmac, values{"timestamp_field": "at", "template": "{params}"}, "template"},
		{token, values{"timestamp_field": "at"}, "timestamp_field"},
		{hmac, values{"template": "{id}{timestamp}{body}", "id_header": "X-Id", "timestamp_header": "X-T"},
			"template"},
		{hmac, values{"template": "{id}{timestamp}{body}", "id_header": "X-Id", "timestamp_header": "X-T",
			"timestamp_format": "rfc3339"}, ""},
		{hmac, values{"template": "{timestamp}{id}{body}", "id_header": "X-Id", "timestamp_header": "X-T",
			"timestamp_format": "rfc3339"}, "template"},
		// URL, forms and lists.
		{hmac, values{"template": "{url}{params}", "url": "https://h.example/in/x"}, ""},
		{hmac, values{"template": "{url}{body}", "url": "https://h.example"}, ""},
		{hmac, values{"template": "{params}"}, ""}, {hmac, values{"template": "{params}{body}"}, "template"},
		{hmac, values{"template": "{url}"}, "template"},
		{hmac, values{"template": "{url}{body}"}, "template"}, {hmac, values{"url": "https://h.example/"}, "template"},
		{token, values{"url": "https://h.example/"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "/in/x"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "ftp://h.example/"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://h.example/?a=1"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://h.example/#a"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://u:p@h.example/"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://h.example/%zz"}, "url"},
		{hmac, values{"separator": ","}, ""}, {hmac, values{"separator": "|"}, "separator"},
		{token, values{"separator": ","}, "separator"},
		// Presets.
		{shopify, nil, ""}, {shopify, values{"secret": nil}, "secret"}, {shopify, values{"scheme": "hmac"}, "scheme"},
		{shopify, values{"header": "X-Signature"}, "header"},
		{shopify, values{"prefix": ""}, "prefix"}, {shopify, values{"tolerance": "1m"}, "tolerance"},
		{shopify, values{"url": "https://h.example/"}, "url"},
		{shopify, values{"verify_token": "v"}, "verify_token"}, {shopify, values{"methods": []string{"PUT"}},
			"methods"},
		{shopify, values{"type": "a"}, "type"},
		{shopify, values{"preset": "Shopify"}, "preset"}, {shopify, values{"preset": "sns"}, "preset"},
		{shopify, values{"preset": ""}, "scheme"}, {none, values{"preset": "zoom"}, "scheme"},
		{shopify, values{"preset": "zoom", "tolerance": "1m"}, ""},
		{shopify, values{"preset": "zoom", "tolerance": "0s"}, "tolerance"},
		{shopify, values{"preset": "linear", "tolerance": "5m"}, ""},
		{shopify, values{"preset": "meta"}, "verify_token"},
		{shopify, values{"preset": "meta", "verify_token": "v"}, ""},
		{shopify, values{"preset": "meta", "verify_token": ""}, "verify_token"},
		{shopify, values{"preset": "meta", "verify_token": []string{"v", ""}}, "verify_token[1]"},
		{shopify, values{"preset": "meta", "verify_token": []string{"v", "w"}}, ""},
		{shopify, values{"preset": "twilio"}, "url"}, {shopify, values{"preset": "twilio", "url": ""}, "url"},
		{shopify, values{"preset": "twilio", "url": "h.example"}, "url"},
		{shopify, values{"preset": "twilio", "url": "https://h.example/in/x"}, ""},
		{shopify, values{"preset": "gitlab", "secret": "two\nlines"}, "secret"},
		{hmac, values{"verify_token": "v"}, "verify_token"}, {none, values{"verify_token": "v"}, "verify_token"},
		// Types, ids and methods.
		{none, values{"type_field": "/a/b"}, ""}, {none, values{"id_field": "/a~1b/c"}, ""},
		{hmac, values{"repeat": "body"}, ""},
		{none, values{"type": "a.b"}, ""}, {none, values{"type": "a b"}, "type"},
		{none, values{"type": "a", "type_field": "b"}, "type"},
		{none, values{"type": "a", "type_header": "b"}, "type"},
		{none, values{"type_header": "b", "type_field": "c"}, "type_header"},
		{none, values{"type_header": "b b"}, "type_header"}, {none, values{"id_header": "b b"}, "id_header"},
		{none, values{"id_header": "b", "id_field": "c"}, "id_header"},
		{hmac, values{"id_header": "X-Signature"}, "id_header"}, {hmac, values{"repeat": "none"}, ""},
		{hmac, values{"repeat": "maybe"}, "repeat"},
		{hmac, values{"repeat": "signature", "id_field": "id"}, "repeat"},
		{none, values{"methods": []string{"GET"}}, ""}, {none, values{"methods": []string{}}, "methods"},
		{none, values{"methods": []string{"POST", "TRACE"}}, "methods[1]"},
	} {
		raw := providertest.JSON(with(c.base, c.more))
		_, err := generic.Provider{}.Open(env(), []byte(raw))
		checkPath(t, raw, err, c.path)
	}
}

func TestSendSettings(t *testing.T) {
	for _, c := range []struct {
		base, more values
		path       string
	}{
		{hmac, nil, ""}, {token, nil, ""}, {basic, nil, ""}, {query, nil, ""}, {none, nil, ""},
		{hmac, values{"method": "PUT"}, ""}, {hmac, values{"method": "GET"}, "method"},
		{hmac, values{"secret": []string{"a", "b"}}, "secret"}, {hmac, values{"type_header": "a b"}, "type_header"},
		{hmac, values{"id_header": "a b"}, "id_header"},
		{shopify, nil, "preset"}, {hmac, values{"preset": "shopify"}, "preset"},
		{hmac, values{"verify_token": "v"}, "verify_token"},
		{hmac, values{"url": "https://h.example/"}, "url"}, {hmac, values{"template": "{url}{params}"}, ""},
		{hmac, values{"timestamp_field": "at"}, "timestamp_field"},
		{hmac, values{"tolerance": "1m"}, "tolerance"}, {none, values{"methods": []string{"POST"}}, "methods"},
		{none, values{"type": "a"}, "type"},
	} {
		raw := providertest.JSON(with(c.base, c.more))
		_, err := generic.Provider{}.OpenSender(env(), []byte(raw))
		checkPath(t, raw, err, c.path)
	}
}

func checkPath(t *testing.T, raw string, err error, path string) {
	t.Helper()
	var invalid *bellhop.Error
	switch {
	case path == "" && err != nil:
		t.Errorf("%s: %v", raw, err)
	case path != "" && (!errors.As(err, &invalid) || invalid.Fields[0].Path != path):
		t.Errorf("%s: got %v, want an error about %s", raw, err, path)
	case err != nil && strings.Contains(err.Error(), secrets[0]):
		t.Errorf("%s: the error contains the secret: %v", raw, err)
	}
}

func TestSettingTwice(t *testing.T) {
	_, err := generic.Provider{}.Open(env(), []byte(`{"scheme":"token","secret":"a","secret":"b"}`))
	if err == nil {
		t.Error("accepted a setting that occurs twice")
	}
}

func TestSecretHeaders(t *testing.T) {
	for want, s := range map[string]values{
		"Authorization": token, "X-Gitlab-Token": with(token, values{"header": "x-gitlab-token"}), "": hmac,
	} {
		r := providertest.Open(t, generic.Provider{}, providertest.JSON(s))
		if got := strings.Join(r.(provider.SecretHeaders).SecretHeaders(), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
