package generic_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

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

// cases are one of each scheme, and of the HMACs some of those that are about.
var cases = []providertest.Case{
	hmacCase("hmac", values{"header": "X-Signature"}, secrets,
		signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}),
	hmacCase("hmac-prefix", values{"header": "X-Hub-Signature-256", "prefix": "sha256=", "type_field": "event", "id_field": "id"}, secrets,
		signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}),
	hmacCase("hmac-base64", values{"header": "X-Shop-Hmac", "encoding": "base64", "secret_encoding": "base64", "type": "order"}, base64Secrets,
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

// newCase is what the schemes have in common. A destination has the settings of a source that both sides have.
func newCase(name string, base values, secrets [2]string, prove func(req *provider.Request, secret string, at time.Time)) providertest.Case {
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
			prove(req, secret, at)
			return req
		},
		Methods:      []string{"POST", "PUT", "PATCH"},
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

// signedTimeCase signs a timestamp and an id too.
func signedTimeCase() providertest.Case {
	base := values{"scheme": "hmac", "header": "X-Signature", "hash": "sha512", "encoding": "base64url", "tolerance": "1m",
		"timestamp_header": "X-Timestamp", "id_header": "X-Id", "type_header": "X-Type", "template": "v0:{timestamp}:{id}:{body}"}
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
	c := newCase(name, base, secrets, func(req *provider.Request, secret string, _ time.Time) { req.Header.Set(header, prefix+secret) })
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
