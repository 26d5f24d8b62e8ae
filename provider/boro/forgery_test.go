package boro_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

const target = "/in/boro?x=1&y=2"

// Cases of section 8 of the forgery list, by their numbers, and those of section 3 about the text of this signature;
// providertest has the rest of section 3, and section 15. Decided differently, or tested elsewhere:
//
//	B09  hash header missing     accepted if the hash of the body is signed: the name of the header is not published
//	B16  %2F instead of /        the target counts as it was sent, after path and path_prefix are applied
//	B19  absolute-form target    accepted; scheme and host are ignored, as in api-auth
//	B24  Date in an older form   refused: one form of one length makes clear where the URI ends
//	B27  Date only in X-Date     refused; there is no setting for it
//	G29  empty body, signed      refused as malformed
//	§2   keys under 16 bytes     accepted: Boro has no minimum length
var forgeries = []struct {
	name     string
	settings values
	before   func(req *provider.Request) // changes the request before signing
	after    func(req *provider.Request) // changes the request after signing
	want     error
}{
	{name: "B01 control"},
	{name: "B02 no digest in the scheme", after: replace("APIAuth-HMAC-SHA256", "APIAuth"),
		want: signature.ErrMalformed},
	{name: "B02 another digest", after: replace("SHA256", "SHA1"), want: signature.ErrMalformed},
	{name: "B02 scheme in another case", after: replace("APIAuth-HMAC-SHA256", "apiauth-hmac-sha256"),
		want: signature.ErrMalformed},
	{name: "B02 text before the scheme", after: replace("APIAuth", "x APIAuth"), want: signature.ErrMalformed},
	{name: "B02 two spaces", after: replace(" ", "  "), want: signature.ErrMismatch},
	{name: "B02 tab", after: replace(" ", "\t"), want: signature.ErrMalformed},
	{name: "B04 another profile", after: replace(" 265:", " 266:"), want: signature.ErrMismatch},
	{name: "B04 empty profile", after: replace(" 265:", " :"), want: signature.ErrMalformed},
	{name: "B04 prefix of the profile", after: replace(" 265:", " 26:"), want: signature.ErrMismatch},
	{name: "B04 profile of 30000 digits", after: replace(" 265:", " "+strings.Repeat("265", 10_000)+":"),
		want: signature.ErrMalformed},
	{name: "B05 another profile, its key", after: func(req *provider.Request) { resign(req, "7", newKey(0x80)) },
		want: signature.ErrMismatch},
	{name: "B05 another profile, our key", after: func(req *provider.Request) { resign(req, "7", newKey(0)) },
		want: signature.ErrMismatch},
	{name: "B06 no colon", after: set("Authorization", "APIAuth-HMAC-SHA256 5"), want: signature.ErrMalformed},
	{name: "B06 nothing after the colon", after: set("Authorization", "APIAuth-HMAC-SHA256 265:"),
		want: signature.ErrMalformed},
	{name: "B07 two colons", after: replace(" 265:", " a:265:"), want: signature.ErrMalformed},
	{name: "B09 hash header missing", after: remove("X-Authorization-Content-SHA256")},
	{name: "B09 hash not signed", after: signHash(""), want: signature.ErrMismatch},
	{name: "B09 hash not signed, header empty", after: signHash("", boro.HashHeader), want: signature.ErrMissing},
	{name: "B10 hash of another body", after: set(boro.HashHeader, emptyHash), want: signature.ErrMismatch},
	{name: "B10 hash of another body, signed", after: signHash(emptyHash, boro.HashHeader),
		want: signature.ErrMismatch},
	{name: "B10 hash of another body in Content-Sha256", after: set("Content-Sha256", emptyHash),
		want: signature.ErrMismatch},
	{name: "B10 hash in hex", after: signHash(bodyHex, boro.HashHeader), want: signature.ErrMismatch},
	{name: "B10 hash in hex, setting hex", settings: values{"hash_encoding": "hex"},
		after: signHash(bodyHex, boro.HashHeader)},
	{name: "B10 hash in hex, setting auto", settings: values{"hash_encoding": "auto"},
		after: signHash(bodyHex, "Content-Sha256")},
	{name: "B10 hash in Base64, setting hex", settings: values{"hash_encoding": "hex"}, want: signature.ErrMismatch},
	{name: "B10 two hash headers", after: add(boro.HashHeader, emptyHash), want: signature.ErrMalformed},
	{name: "B11 body added after signing", before: setBody(""), after: setBody(body), want: signature.ErrMismatch},
	{name: "B11 body added after signing, no hash header", before: setBody(""),
		after: func(req *provider.Request) { setBody(body)(req); req.Header.Del(boro.HashHeader) },
		want:  signature.ErrMismatch},
	{name: "B12 content type changed", after: set("Content-Type", "text/plain"), want: signature.ErrMismatch},
	{name: "B12 content type, parameter removed", before: set("Content-Type", "application/json; charset=utf-8"),
		after: set("Content-Type", "application/json"), want: signature.ErrMismatch},
	{name: "B12 content type, absent", before: remove("Content-Type")},
	{name: "B12 content type, custom", before: set("Content-Type", `application/vnd.alarm+json; v="1"`)},
	{name: "B14 PUT", after: func(req *provider.Request) { req.Method = "PUT" }, want: provider.ErrMethod},
	{name: "B14 post", after: func(req *provider.Request) { req.Method = "post" }, want: provider.ErrMethod},
	{name: "B15 slash after the path", after: setTarget("/in/boro/?x=1&y=2"), want: signature.ErrMismatch},
	{name: "B15 query removed", after: setTarget("/in/boro"), want: signature.ErrMismatch},
	{name: "B16 other percent-encoding", before: setTarget("/in/a%2Fb"), after: setTarget("/in/a/b"),
		want: signature.ErrMismatch},
	{name: "B16 the same percent-encoding", before: setTarget("/in/a%2fb?c=%20+,")},
	{name: "B17 query in another order", after: setTarget("/in/boro?y=2&x=1"), want: signature.ErrMismatch},
	{name: "B19 absolute form", after: setTarget("http://h.example:8080" + target)},
	{name: "B19 absolute form, https", after: setTarget("HTTPS://h" + target)},
	{name: "B19 absolute form of the root", before: setTarget("/"), after: setTarget("http://h")},
	{name: "B19 absolute form of another path", after: setTarget("http://h/other"), want: signature.ErrMismatch},
	{name: "B19 absolute form twice", after: setTarget("http://h/http://h" + target), want: signature.ErrMismatch},
	{name: "B20 14 min old", before: setDate(-14 * time.Minute)},
	{name: "B21 16 min old", before: setDate(-16 * time.Minute), want: signature.ErrExpired},
	{name: "B22 16 min ahead", before: setDate(16 * time.Minute), want: signature.ErrExpired},
	{name: "B22 year 9999", before: set("Date", "Fri, 31 Dec 9999 23:59:59 GMT"), want: signature.ErrExpired},
	{name: "B22 any_date, a year ahead", settings: values{"any_date": true}, before: setDate(9999 * time.Hour)},
	{name: "B22 any_date, date changed after signing", settings: values{"any_date": true}, after: setDate(time.Minute),
		want: signature.ErrMismatch},
	{name: "B22 6 min old, tolerance 5m", settings: values{"tolerance": "5m"},
		before: setDate(-6 * time.Minute), want: signature.ErrExpired},
	{name: "B24 RFC 850", after: set("Date", "Sunday, 22-Nov-26 09:00:00 GMT"), want: signature.ErrMalformed},
	{name: "B24 asctime", after: set("Date", "Sun Nov 22 09:00:00 2026"), want: signature.ErrMalformed},
	{name: "B24 another zone", after: set("Date", "Sun, 22 Nov 2026 09:00:00 UTC"), want: signature.ErrMalformed},
	{name: "B24 wrong day of the week", after: set("Date", "Mon, 22 Nov 2026 09:00:00 GMT"),
		want: signature.ErrMalformed},
	{name: "B24 no such day", after: set("Date", "Sun, 31 Feb 2026 09:00:00 GMT"), want: signature.ErrMalformed},
	{name: "B26 hash moved into the content type", before: setBody("{}"), after: func(req *provider.Request) {
		req.Header.Set("Content-Type", "application/json,"+req.Header.Get(boro.HashHeader))
	}, want: signature.ErrMalformed},
	{name: "B26 comma in the content type", after: set("Content-Type", "application/json, text/plain"),
		want: signature.ErrMalformed},
	{name: "B26 part of the URI moved into the date", before: setTarget("/in/boro,x"),
		after: func(req *provider.Request) {
			req.Target = "/in/boro"
			req.Header.Set("Date", "x,"+req.Header.Get("Date"))
		}, want: signature.ErrMalformed},
	{name: "B27 date in X-Date", after: func(req *provider.Request) {
		req.Header.Set("X-Date", req.Header.Get("Date"))
		req.Header.Del("Date")
	}, want: signature.ErrMissing},
	{name: "G12 last character cut", after: func(req *provider.Request) { cut(req, 1) }, want: signature.ErrMalformed},
	{name: "G16 only padding", after: set("Authorization", "APIAuth-HMAC-SHA256 265:===="),
		want: signature.ErrMalformed},
	{name: "G39 key not decoded", after: func(req *provider.Request) {
		resign(req, profile, textAsHex(newKey(0)))
	}, want: signature.ErrMismatch},
	{name: "G39 key not decoded, setting raw", settings: values{"key_encoding": "raw"},
		after: func(req *provider.Request) { resign(req, profile, textAsHex(newKey(0))) }},
	{name: "G39 key not decoded, setting auto", settings: values{"key_encoding": "auto"},
		after: func(req *provider.Request) { resign(req, profile, textAsHex(newKey(0))) }},
	{name: "G39 key decoded, setting auto", settings: values{"key_encoding": "auto"}},
	{name: "G39 key decoded, setting raw", settings: values{"key_encoding": "raw"}, want: signature.ErrMismatch},
	{name: "G49 signature in hex", after: inHex, want: signature.ErrMalformed},
	{name: "G49 signature in hex, setting hex", settings: values{"signature_encoding": "hex"}, after: inHex},
	{name: "G49 signature in hex, setting auto", settings: values{"signature_encoding": "auto"}, after: inHex},
	{name: "G49 signature in Base64, setting hex", settings: values{"signature_encoding": "hex"},
		want: signature.ErrMalformed},
	{name: "G51 no padding", after: func(req *provider.Request) { cut(req, 1) }, want: signature.ErrMalformed},
	{name: "G54 space before the signature", after: replace("265:", "265: "), want: signature.ErrMalformed},
	{name: "proxy, prefix removed", settings: values{"path_prefix": "/hooks/a"},
		before: setTarget("/hooks/a" + target), after: setTarget(target)},
	{name: "proxy, prefix not removed", settings: values{"path_prefix": "/hooks"}, want: signature.ErrMismatch},
	{name: "proxy, another path", settings: values{"path": "/alarms"}, before: setTarget("/alarms?x=1"),
		after: setTarget("/in/boro?x=1")},
	{name: "proxy, another path without a query", settings: values{"path": "/alarms"},
		before: setTarget("/alarms"), after: setTarget("/in/boro")},
	{name: "proxy, absolute form", settings: values{"path": "/alarms"}, before: setTarget("/alarms?x"),
		after: setTarget("http://h/in/boro?x")},
	{name: "all settings auto", settings: values{"key_encoding": "auto", "signature_encoding": "auto",
		"hash_encoding": "auto"}},
	{name: "all settings auto, body changed", settings: values{"key_encoding": "auto", "signature_encoding": "auto",
		"hash_encoding": "auto"}, after: setBody("{}"), want: signature.ErrMismatch},
	{name: "date before signature", before: setDate(-time.Hour), after: setBody("x"), want: signature.ErrExpired},
	{name: "date before body", before: func(req *provider.Request) { setDate(-time.Hour)(req); setBody("x")(req) },
		want: signature.ErrExpired},
	{name: "body after signature and date", before: setBody("x"), want: provider.ErrBody},
	{name: "N01 status twice", before: setBody(`{"status":"Active","status":"Cleared"}`), want: provider.ErrBody},
}

const (
	body      = `{"version":"1.1","sequenceId":1,"status":"Active","referenceNumber":7}`
	bodyHex   = "0269598cfeedbad7eb6aa723cb7bdb9f7a8a72186a641698eba49d5736a0a61c"
	emptyHash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
)

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			req := request(providertest.Now, []byte(body),
				http.Header{"Content-Type": {"application/json"}, "Date": {providertest.Now.Format(http.TimeFormat)}})
			req.Target = target
			if c.before != nil {
				c.before(req)
			}
			resign(req, profile, newKey(0))
			if c.after != nil {
				c.after(req)
			}
			if _, err := open(t, c.settings).Receive(context.Background(), req); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func set(name, value string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Set(name, value) }
}

func add(name, value string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Add(name, value) }
}

func remove(name string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Del(name) }
}

// replace changes a part of the Authorization header.
func replace(old, new string) func(req *provider.Request) {
	return func(req *provider.Request) {
		req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), old, new, 1))
	}
}

func setTarget(target string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Target = target }
}

func setBody(body string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Body = []byte(body) }
}

func setDate(off time.Duration) func(req *provider.Request) {
	return set("Date", providertest.Now.Add(off).Format(http.TimeFormat))
}

// signHash signs with hash instead of the hash of the body, and sets headers to hash.
func signHash(hash string, headers ...string) func(req *provider.Request) {
	return func(req *provider.Request) {
		canonical := strings.Join([]string{req.Method, req.Header.Get("Content-Type"), hash, req.Target,
			req.Header.Get("Date")}, ",")
		value, err := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}.Sign(decodeKey(newKey(0)),
			[]byte(canonical))
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "APIAuth-HMAC-SHA256 265:"+value)
		req.Header.Del(boro.HashHeader)
		for _, name := range headers {
			req.Header.Set(name, hash)
		}
	}
}

// inHex encodes the signature in hex.
func inHex(req *provider.Request) {
	text := strings.TrimPrefix(req.Header.Get("Authorization"), "APIAuth-HMAC-SHA256 265:")
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "APIAuth-HMAC-SHA256 265:"+hex.EncodeToString(raw))
}

func cut(req *provider.Request, n int) {
	text := req.Header.Get("Authorization")
	req.Header.Set("Authorization", text[:len(text)-n])
}

// textAsHex returns the hex digits of the text of a key, so that the text itself is the key.
func textAsHex(key string) string { return hex.EncodeToString([]byte(key)) }

func open(t testing.TB, more values) provider.Receiver {
	t.Helper()
	return providertest.Open(t, boro.Provider{},
		providertest.Settings(values{"profile_id": profile, "secret_key": newKey(0)}, more))
}

// B29, B30, G41, and other invalid settings.
func TestSettings(t *testing.T) {
	upper := open(t, values{"secret_key": strings.ToUpper(newKey(0))})
	if _, err := upper.Receive(context.Background(), sign(newKey(0), providertest.Now, []byte(body))); err != nil {
		t.Errorf("B29 key in upper case: %v", err)
	}
	for name, c := range map[string]struct {
		settings values
		path     string
	}{
		"B30 odd number of digits":       {values{"secret_key": "abc"}, "secret_key: "},
		"B30 second key":                 {values{"secret_key": []string{newKey(0), "abc"}}, "secret_key[1]: "},
		"not hex":                        {values{"secret_key": "mysecretkey!"}, "secret_key: "},
		"key missing":                    {values{"secret_key": nil}, "secret_key: "},
		"profile missing":                {values{"profile_id": ""}, "profile_id: "},
		"profile with a colon":           {values{"profile_id": "a:b"}, "profile_id: "},
		"profile of two lines":           {values{"profile_id": "a\nb"}, "profile_id: "},
		"key encoding":                   {values{"key_encoding": "base64"}, "key_encoding: "},
		"signature encoding":             {values{"signature_encoding": "raw"}, "signature_encoding: "},
		"hash encoding":                  {values{"hash_encoding": "md5"}, "hash_encoding: "},
		"tolerance and any date":         {values{"tolerance": "1m", "any_date": true}, "tolerance: "},
		"tolerance":                      {values{"tolerance": "0s"}, "tolerance: "},
		"prefix without a slash":         {values{"path_prefix": "hooks"}, "path_prefix: "},
		"prefix with a slash at the end": {values{"path_prefix": "/hooks/"}, "path_prefix: "},
		"prefix and path":                {values{"path_prefix": "/hooks", "path": "/a"}, "path_prefix: "},
		"path with a query":              {values{"path": "/a?b"}, "path: "},
		"path with a space":              {values{"path": "/a b"}, "path: "},
		"unauthenticated with a profile": {values{"unauthenticated": true}, "profile_id: "},
	} {
		settings := providertest.Settings(values{"profile_id": profile, "secret_key": newKey(0)}, c.settings)
		_, err := boro.Provider{}.Open(provider.Env{}, []byte(settings))
		if err == nil || !strings.HasPrefix(err.Error(), c.path) || strings.Contains(err.Error(), newKey(0)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
