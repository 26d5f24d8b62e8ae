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

// The forgery list's section 8, by its names, with those of section 3 that are about this signature's text; sections
// 3 and 15 are in providertest else. Decided otherwise, or elsewhere:
//
//	B09  hash header missing           taken if the hash of the body was signed, for the header's name is not published
//	B16  %2F against /                 the target counts as it was sent; what the settings say of its path comes first
//	B19  absolute-form target          taken as if scheme and host were not there, as api-auth does
//	B24  Date in an older form         refused: one form of one length leaves no doubt where the URI ends
//	B27  Date only in X-Date           refused, without a setting
//	G29  empty body, signed            refused as malformed
//	§2   keys under 16 B               taken: Boro sets no least length
var forgeries = []struct {
	name     string
	settings values
	before   func(req *provider.Request) // what was signed
	after    func(req *provider.Request) // what was done to it
	want     error
}{
	{name: "B01 control"},
	{name: "B02 no digest in the scheme", after: replace("APIAuth-HMAC-SHA256", "APIAuth"),
		want: signature.ErrMalformed},
	{name: "B02 another digest", after: replace("SHA256", "SHA1"), want: signature.ErrMalformed},
	{name: "B02 scheme in another case", after: replace("APIAuth-HMAC-SHA256", "apiauth-hmac-sha256"),
		want: signature.ErrMalformed},
	{name: "B02 something in front", after: replace("APIAuth", "x APIAuth"), want: signature.ErrMalformed},
	{name: "B02 two blanks", after: replace(" ", "  "), want: signature.ErrMismatch},
	{name: "B02 tab", after: replace(" ", "\t"), want: signature.ErrMalformed},
	{name: "B04 another profile", after: replace(" 265:", " 266:"), want: signature.ErrMismatch},
	{name: "B04 profile empty", after: replace(" 265:", " :"), want: signature.ErrMalformed},
	{name: "B04 profile prefix", after: replace(" 265:", " 26:"), want: signature.ErrMismatch},
	{name: "B04 profile endless", after: replace(" 265:", " "+strings.Repeat("265", 10_000)+":"),
		want: signature.ErrMalformed},
	{name: "B05 another's profile and key", after: func(req *provider.Request) { resign(req, "7", newKey(0x80)) },
		want: signature.ErrMismatch},
	{name: "B05 another's profile, our key", after: func(req *provider.Request) { resign(req, "7", newKey(0)) },
		want: signature.ErrMismatch},
	{name: "B06 no colon", after: set("Authorization", "APIAuth-HMAC-SHA256 5"), want: signature.ErrMalformed},
	{name: "B06 nothing behind it", after: set("Authorization", "APIAuth-HMAC-SHA256 265:"),
		want: signature.ErrMalformed},
	{name: "B07 two colons", after: replace(" 265:", " a:265:"), want: signature.ErrMalformed},
	{name: "B09 hash header missing", after: remove("X-Authorization-Content-SHA256")},
	{name: "B09 hash not signed", after: signHash(""), want: signature.ErrMismatch},
	{name: "B09 hash not signed, header empty", after: signHash("", boro.HashHeader), want: signature.ErrMissing},
	{name: "B10 hash of another body", after: set(boro.HashHeader, emptyHash), want: signature.ErrMismatch},
	{name: "B10 hash of another body, signed", after: signHash(emptyHash, boro.HashHeader), want: signature.ErrMismatch},
	{name: "B10 hash of another body in Content-Sha256", after: set("Content-Sha256", emptyHash),
		want: signature.ErrMismatch},
	{name: "B10 hash in hex", after: signHash(bodyHex, boro.HashHeader), want: signature.ErrMismatch},
	{name: "B10 hash in hex, as set", settings: values{"hash_encoding": "hex"},
		after: signHash(bodyHex, boro.HashHeader)},
	{name: "B10 hash in hex, as may be", settings: values{"hash_encoding": "auto"},
		after: signHash(bodyHex, "Content-Sha256")},
	{name: "B10 hash in Base64, not as set", settings: values{"hash_encoding": "hex"}, want: signature.ErrMismatch},
	{name: "B10 two hash headers", after: add(boro.HashHeader, emptyHash), want: signature.ErrMalformed},
	{name: "B11 a body for an empty one", before: setBody(""), after: setBody(body), want: signature.ErrMismatch},
	{name: "B11 a body for an empty one, no hash", before: setBody(""),
		after: func(req *provider.Request) { setBody(body)(req); req.Header.Del(boro.HashHeader) },
		want:  signature.ErrMismatch},
	{name: "B12 content type changed", after: set("Content-Type", "text/plain"), want: signature.ErrMismatch},
	{name: "B12 content type, parameter lost", before: set("Content-Type", "application/json; charset=utf-8"),
		after: set("Content-Type", "application/json"), want: signature.ErrMismatch},
	{name: "B12 content type, none", before: remove("Content-Type")},
	{name: "B12 content type, one's own", before: set("Content-Type", `application/vnd.alarm+json; v="1"`)},
	{name: "B14 PUT", after: func(req *provider.Request) { req.Method = "PUT" }, want: provider.ErrMethod},
	{name: "B14 post", after: func(req *provider.Request) { req.Method = "post" }, want: provider.ErrMethod},
	{name: "B15 slash behind the path", after: setTarget("/in/boro/?x=1&y=2"), want: signature.ErrMismatch},
	{name: "B15 query gone", after: setTarget("/in/boro"), want: signature.ErrMismatch},
	{name: "B16 other percent-encoding", before: setTarget("/in/a%2Fb"), after: setTarget("/in/a/b"),
		want: signature.ErrMismatch},
	{name: "B16 the same percent-encoding", before: setTarget("/in/a%2fb?c=%20+,")},
	{name: "B17 query in another order", after: setTarget("/in/boro?y=2&x=1"), want: signature.ErrMismatch},
	{name: "B19 absolute form", after: setTarget("http://h.example:8080" + target)},
	{name: "B19 absolute form, https", after: setTarget("HTTPS://h" + target)},
	{name: "B19 absolute form of the root", before: setTarget("/"), after: setTarget("http://h")},
	{name: "B19 absolute form of another path", after: setTarget("http://h/other"), want: signature.ErrMismatch},
	{name: "B19 two of them", after: setTarget("http://h/http://h" + target), want: signature.ErrMismatch},
	{name: "B20 14 min old", before: setDate(-14 * time.Minute)},
	{name: "B21 16 min old", before: setDate(-16 * time.Minute), want: signature.ErrExpired},
	{name: "B22 16 min ahead", before: setDate(16 * time.Minute), want: signature.ErrExpired},
	{name: "B22 ahead of all clocks", before: set("Date", "Fri, 31 Dec 9999 23:59:59 GMT"), want: signature.ErrExpired},
	{name: "B22 whatever the date", settings: values{"any_date": true}, before: setDate(9999 * time.Hour)},
	{name: "B22 whatever the date, but as signed", settings: values{"any_date": true}, after: setDate(time.Minute),
		want: signature.ErrMismatch},
	{name: "B22 6 min old, 5 are tolerated", settings: values{"tolerance": "5m"},
		before: setDate(-6 * time.Minute), want: signature.ErrExpired},
	{name: "B24 RFC 850", after: set("Date", "Sunday, 22-Nov-26 09:00:00 GMT"), want: signature.ErrMalformed},
	{name: "B24 asctime", after: set("Date", "Sun Nov 22 09:00:00 2026"), want: signature.ErrMalformed},
	{name: "B24 another zone", after: set("Date", "Sun, 22 Nov 2026 09:00:00 UTC"), want: signature.ErrMalformed},
	{name: "B24 wrong day of the week", after: set("Date", "Mon, 22 Nov 2026 09:00:00 GMT"),
		want: signature.ErrMalformed},
	{name: "B24 no such day", after: set("Date", "Sun, 31 Feb 2026 09:00:00 GMT"), want: signature.ErrMalformed},
	{name: "B26 hash within the content type", before: setBody("{}"), after: func(req *provider.Request) {
		req.Header.Set("Content-Type", "application/json,"+req.Header.Get(boro.HashHeader))
	}, want: signature.ErrMalformed},
	{name: "B26 comma in the content type", after: set("Content-Type", "application/json, text/plain"),
		want: signature.ErrMalformed},
	{name: "B26 date within the URI", before: setTarget("/in/boro,x"), after: func(req *provider.Request) {
		req.Target = "/in/boro"
		req.Header.Set("Date", "x,"+req.Header.Get("Date"))
	}, want: signature.ErrMalformed},
	{name: "B27 X-Date", after: func(req *provider.Request) {
		req.Header.Set("X-Date", req.Header.Get("Date"))
		req.Header.Del("Date")
	}, want: signature.ErrMissing},
	{name: "G12 cut", after: func(req *provider.Request) { cut(req, 1) }, want: signature.ErrMalformed},
	{name: "G16 only padding", after: set("Authorization", "APIAuth-HMAC-SHA256 265:===="),
		want: signature.ErrMalformed},
	{name: "G39 key not decoded", after: func(req *provider.Request) {
		resign(req, profile,
			textAsHex(newKey(0)))
	}, want: signature.ErrMismatch},
	{name: "G39 key not decoded, as set", settings: values{"key_encoding": "raw"},
		after: func(req *provider.Request) { resign(req, profile, textAsHex(newKey(0))) }},
	{name: "G39 key not decoded, as may be", settings: values{"key_encoding": "auto"},
		after: func(req *provider.Request) { resign(req, profile, textAsHex(newKey(0))) }},
	{name: "G39 key decoded, as may be", settings: values{"key_encoding": "auto"}},
	{name: "G39 key decoded, not as set", settings: values{"key_encoding": "raw"}, want: signature.ErrMismatch},
	{name: "G49 hex", after: inHex, want: signature.ErrMalformed},
	{name: "G49 hex, as set", settings: values{"signature_encoding": "hex"}, after: inHex},
	{name: "G49 hex, as may be", settings: values{"signature_encoding": "auto"}, after: inHex},
	{name: "G49 Base64, not as set", settings: values{"signature_encoding": "hex"}, want: signature.ErrMalformed},
	{name: "G51 no padding", after: func(req *provider.Request) { cut(req, 1) }, want: signature.ErrMalformed},
	{name: "G54 blank in front of the signature", after: replace("265:", "265: "), want: signature.ErrMalformed},
	{name: "proxy, prefix taken away", settings: values{"path_prefix": "/hooks/a"},
		before: setTarget("/hooks/a" + target), after: setTarget(target)},
	{name: "proxy, prefix not taken away", settings: values{"path_prefix": "/hooks"}, want: signature.ErrMismatch},
	{name: "proxy, another path", settings: values{"path": "/alarms"}, before: setTarget("/alarms?x=1"),
		after: setTarget("/in/boro?x=1")},
	{name: "proxy, another path without a query", settings: values{"path": "/alarms"},
		before: setTarget("/alarms"), after: setTarget("/in/boro")},
	{name: "proxy, absolute form", settings: values{"path": "/alarms"}, before: setTarget("/alarms?x"),
		after: setTarget("http://h/in/boro?x")},
	{name: "several at once", settings: values{"key_encoding": "auto", "signature_encoding": "auto",
		"hash_encoding": "auto"}},
	{name: "none of several", settings: values{"key_encoding": "auto", "signature_encoding": "auto",
		"hash_encoding": "auto"}, after: setBody("{}"), want: signature.ErrMismatch},
	{name: "signature first", before: setDate(-time.Hour), after: setBody("x"), want: signature.ErrMismatch},
	{name: "date before body", before: func(req *provider.Request) { setDate(-time.Hour)(req); setBody("x")(req) },
		want: signature.ErrExpired},
	{name: "body last", before: setBody("x"), want: provider.ErrBody},
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

// signHash signs with hash in the place of the body's, and tells it in headers.
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

// inHex writes the signature in hex.
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

// textAsHex returns the hex of the characters of a key: that of a key that was not decoded.
func textAsHex(key string) string { return hex.EncodeToString([]byte(key)) }

func open(t testing.TB, more values) provider.Receiver {
	t.Helper()
	return providertest.Open(t, boro.Provider{},
		providertest.Settings(values{"profile_id": profile, "secret_key": newKey(0)}, more))
}

// B29, B30, G41, and what else settings cannot be.
func TestSettings(t *testing.T) {
	upper := open(t, values{"secret_key": strings.ToUpper(newKey(0))})
	if _, err := upper.Receive(context.Background(), sign(newKey(0), providertest.Now, []byte(body))); err != nil {
		t.Errorf("B29 key in upper case: %v", err)
	}
	for name, c := range map[string]struct {
		settings values
		path     string
	}{
		"B30 odd digits":         {values{"secret_key": "abc"}, "secret_key: "},
		"B30 one of two":         {values{"secret_key": []string{newKey(0), "abc"}}, "secret_key[1]: "},
		"not hex":                {values{"secret_key": "mysecretkey!"}, "secret_key: "},
		"no key":                 {values{"secret_key": nil}, "secret_key: "},
		"no profile":             {values{"profile_id": ""}, "profile_id: "},
		"profile with a colon":   {values{"profile_id": "a:b"}, "profile_id: "},
		"profile of two lines":   {values{"profile_id": "a\nb"}, "profile_id: "},
		"key encoding":           {values{"key_encoding": "base64"}, "key_encoding: "},
		"signature encoding":     {values{"signature_encoding": "raw"}, "signature_encoding: "},
		"hash encoding":          {values{"hash_encoding": "md5"}, "hash_encoding: "},
		"tolerance and any date": {values{"tolerance": "1m", "any_date": true}, "tolerance: "},
		"tolerance":              {values{"tolerance": "0s"}, "tolerance: "},
		"prefix without a slash": {values{"path_prefix": "hooks"}, "path_prefix: "},
		"prefix, slash behind":   {values{"path_prefix": "/hooks/"}, "path_prefix: "},
		"prefix and path":        {values{"path_prefix": "/hooks", "path": "/a"}, "path_prefix: "},
		"path with a query":      {values{"path": "/a?b"}, "path: "},
		"path with a blank":      {values{"path": "/a b"}, "path: "},
		"nothing checked":        {values{"unauthenticated": true}, "profile_id: "},
	} {
		settings := providertest.Settings(values{"profile_id": profile, "secret_key": newKey(0)}, c.settings)
		_, err := boro.Provider{}.Open(provider.Env{}, []byte(settings))
		if err == nil || !strings.HasPrefix(err.Error(), c.path) || strings.Contains(err.Error(), newKey(0)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
