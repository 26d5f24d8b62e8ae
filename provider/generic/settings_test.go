package generic_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// hmac, token, basic and query are good settings of a source.
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
		path       string // "" is good
	}{
		{hmac, nil, ""}, {token, nil, ""}, {basic, nil, ""}, {query, nil, ""}, {none, nil, ""},
		{hmac, values{"scheme": ""}, "scheme"}, {hmac, values{"scheme": "HMAC"}, "scheme"}, {hmac, values{"scheme": nil}, "scheme"},
		// G41, K08: no secret, no source.
		{hmac, values{"secret": nil}, "secret"}, {token, values{"secret": nil}, "secret"}, {basic, values{"secret": nil}, "secret"}, {query, values{"secret": nil}, "secret"},
		{hmac, values{"header": nil}, "header"}, {hmac, values{"header": "X Signature"}, "header"}, {hmac, values{"header": "X-Sig:"}, "header"},
		{basic, values{"username": nil}, "username"}, {basic, values{"username": "a:b"}, "username"},
		{hmac, values{"hash": "md5"}, "hash"}, {hmac, values{"hash": "sha384"}, ""}, {hmac, values{"encoding": "base32"}, "encoding"},
		{hmac, values{"secret_encoding": "hex", "secret": "0g"}, "secret"}, {hmac, values{"secret_encoding": "base64", "secret": "a"}, "secret"},
		{hmac, values{"secret_encoding": "hex", "secret": []string{"00ff", "abc"}}, "secret[1]"}, {hmac, values{"secret_encoding": "rot13"}, "secret_encoding"},
		{token, values{"secret": "two\nlines"}, "secret"}, {token, values{"secret": " blank"}, "secret"}, {token, values{"secret": []string{"a", "é"}}, "secret[1]"},
		// What the scheme does not use.
		{none, values{"header": "X-Token"}, "header"}, {none, values{"secret": "s"}, "secret"}, {token, values{"hash": "sha256"}, "hash"},
		{token, values{"timestamp_header": "X-T"}, "timestamp_header"}, {basic, values{"header": "X"}, "header"}, {basic, values{"prefix": ""}, "prefix"},
		{query, values{"username": "x"}, "username"}, {hmac, values{"parameter": "code"}, "parameter"}, {token, values{"repeat": "none"}, "repeat"},
		{hmac, values{"method": "PUT"}, "method"},
		// Time and template.
		{hmac, values{"tolerance": "1m"}, "tolerance"}, {hmac, values{"timestamp_header": "X-T", "tolerance": "0s"}, "tolerance"},
		{hmac, values{"timestamp_header": "X-T", "tolerance": "1m"}, ""}, {hmac, values{"timestamp_header": "x-signature"}, "timestamp_header"},
		{hmac, values{"timestamp_header": "X T"}, "timestamp_header"},
		{hmac, values{"timestamp_header": "X-T", "template": "{timestamp}{body}"}, ""},
		{hmac, values{"template": "{timestamp}.{body}"}, "template"}, {hmac, values{"timestamp_header": "X-T", "template": "{body}"}, "template"},
		{hmac, values{"template": "{id}.{body}"}, "template"}, {hmac, values{"template": "{id}.{body}", "id_header": "X-Id"}, ""},
		{hmac, values{"template": "{id}{body}", "id_header": "X-Id"}, "template"}, {hmac, values{"template": "{body}{id}", "id_header": "X-Id"}, "template"},
		{hmac, values{"template": "{id}.{id}.{body}", "id_header": "X-Id"}, "template"}, {hmac, values{"template": "{body}{body}"}, "template"},
		{hmac, values{"template": "body"}, "template"}, {hmac, values{"template": "{body"}, "template"},
		{hmac, values{"template": "{{body}}"}, "template"}, {hmac, values{"template": "v0:{body}}"}, ""},
		{hmac, values{"timestamp_header": "X-T", "timestamp_format": "milliseconds"}, ""}, {hmac, values{"timestamp_header": "X-T", "timestamp_format": "minutes"}, "timestamp_format"},
		{hmac, values{"timestamp_format": "seconds"}, "timestamp_format"}, {hmac, values{"timestamp_field": "at"}, ""}, {hmac, values{"timestamp_field": "at", "tolerance": "1m"}, ""},
		{hmac, values{"timestamp_field": "at", "timestamp_header": "X-T"}, "timestamp_field"}, {hmac, values{"timestamp_field": "at", "template": "{timestamp}.{body}"}, "template"},
		{hmac, values{"timestamp_field": "at", "template": "{params}"}, "template"}, {token, values{"timestamp_field": "at"}, "timestamp_field"},
		{hmac, values{"template": "{id}{timestamp}{body}", "id_header": "X-Id", "timestamp_header": "X-T"}, "template"},
		{hmac, values{"template": "{id}{timestamp}{body}", "id_header": "X-Id", "timestamp_header": "X-T", "timestamp_format": "rfc3339"}, ""},
		{hmac, values{"template": "{timestamp}{id}{body}", "id_header": "X-Id", "timestamp_header": "X-T", "timestamp_format": "rfc3339"}, "template"},
		// URL, forms and lists.
		{hmac, values{"template": "{url}{params}", "url": "https://h.example/in/x"}, ""}, {hmac, values{"template": "{url}{body}", "url": "https://h.example"}, ""},
		{hmac, values{"template": "{params}"}, ""}, {hmac, values{"template": "{params}{body}"}, "template"}, {hmac, values{"template": "{url}"}, "template"},
		{hmac, values{"template": "{url}{body}"}, "template"}, {hmac, values{"url": "https://h.example/"}, "template"}, {token, values{"url": "https://h.example/"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "/in/x"}, "url"}, {hmac, values{"template": "{url}{body}", "url": "ftp://h.example/"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://h.example/?a=1"}, "url"}, {hmac, values{"template": "{url}{body}", "url": "https://h.example/#a"}, "url"},
		{hmac, values{"template": "{url}{body}", "url": "https://u:p@h.example/"}, "url"}, {hmac, values{"template": "{url}{body}", "url": "https://h.example/%zz"}, "url"},
		{hmac, values{"separator": ","}, ""}, {hmac, values{"separator": "|"}, "separator"}, {token, values{"separator": ","}, "separator"},
		// Presets.
		{shopify, nil, ""}, {shopify, values{"secret": nil}, "secret"}, {shopify, values{"scheme": "hmac"}, "scheme"}, {shopify, values{"header": "X-Signature"}, "header"},
		{shopify, values{"prefix": ""}, "prefix"}, {shopify, values{"tolerance": "1m"}, "tolerance"}, {shopify, values{"url": "https://h.example/"}, "url"},
		{shopify, values{"verify_token": "v"}, "verify_token"}, {shopify, values{"methods": []string{"PUT"}}, "methods"}, {shopify, values{"type": "a"}, "type"},
		{shopify, values{"preset": "Shopify"}, "preset"}, {shopify, values{"preset": "sns"}, "preset"}, {shopify, values{"preset": ""}, "scheme"}, {none, values{"preset": "zoom"}, "scheme"},
		{shopify, values{"preset": "zoom", "tolerance": "1m"}, ""}, {shopify, values{"preset": "zoom", "tolerance": "0s"}, "tolerance"}, {shopify, values{"preset": "linear", "tolerance": "5m"}, ""},
		{shopify, values{"preset": "meta"}, "verify_token"}, {shopify, values{"preset": "meta", "verify_token": "v"}, ""}, {shopify, values{"preset": "meta", "verify_token": ""}, "verify_token"},
		{shopify, values{"preset": "meta", "verify_token": []string{"v", ""}}, "verify_token[1]"}, {shopify, values{"preset": "meta", "verify_token": []string{"v", "w"}}, ""},
		{shopify, values{"preset": "twilio"}, "url"}, {shopify, values{"preset": "twilio", "url": ""}, "url"}, {shopify, values{"preset": "twilio", "url": "h.example"}, "url"},
		{shopify, values{"preset": "twilio", "url": "https://h.example/in/x"}, ""}, {shopify, values{"preset": "gitlab", "secret": "two\nlines"}, "secret"},
		{hmac, values{"verify_token": "v"}, "verify_token"}, {none, values{"verify_token": "v"}, "verify_token"},
		// Types, ids and methods.
		{none, values{"type_field": "/a/b"}, ""}, {none, values{"id_field": "/a~1b/c"}, ""}, {hmac, values{"repeat": "body"}, ""},
		{none, values{"type": "a.b"}, ""}, {none, values{"type": "a b"}, "type"}, {none, values{"type": "a", "type_field": "b"}, "type"},
		{none, values{"type": "a", "type_header": "b"}, "type"}, {none, values{"type_header": "b", "type_field": "c"}, "type_header"},
		{none, values{"type_header": "b b"}, "type_header"}, {none, values{"id_header": "b b"}, "id_header"}, {none, values{"id_header": "b", "id_field": "c"}, "id_header"},
		{hmac, values{"id_header": "X-Signature"}, "id_header"}, {hmac, values{"repeat": "none"}, ""}, {hmac, values{"repeat": "maybe"}, "repeat"},
		{hmac, values{"repeat": "signature", "id_field": "id"}, "repeat"},
		{none, values{"methods": []string{"GET"}}, ""}, {none, values{"methods": []string{}}, "methods"}, {none, values{"methods": []string{"POST", "TRACE"}}, "methods[1]"},
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
		{hmac, values{"secret": []string{"a", "b"}}, "secret"}, {hmac, values{"type_header": "a b"}, "type_header"}, {hmac, values{"id_header": "a b"}, "id_header"},
		{shopify, nil, "preset"}, {hmac, values{"preset": "shopify"}, "preset"}, {hmac, values{"verify_token": "v"}, "verify_token"},
		{hmac, values{"url": "https://h.example/"}, "url"}, {hmac, values{"template": "{url}{params}"}, ""}, {hmac, values{"timestamp_field": "at"}, "timestamp_field"},
		{hmac, values{"tolerance": "1m"}, "tolerance"}, {none, values{"methods": []string{"POST"}}, "methods"}, {none, values{"type": "a"}, "type"},
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
		t.Errorf("%s: got %v, want it about %s", raw, err, path)
	case err != nil && strings.Contains(err.Error(), secrets[0]):
		t.Errorf("%s: %v", raw, err)
	}
}

func TestSettingTwice(t *testing.T) {
	_, err := generic.Provider{}.Open(env(), []byte(`{"scheme":"token","secret":"a","secret":"b"}`))
	if err == nil {
		t.Error("a setting that is there twice was taken")
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
