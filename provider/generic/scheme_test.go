package generic_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of section 13 of the forgery list, by their numbers; sections 3 and 15 are in providertest. Decided
// differently, or tested elsewhere:
//
//	G07  prefix in another case        refused; in Authorization, where it is the name of a scheme, accepted
//	G29  empty body, signed            accepted, as is any body
//	G42  sample secrets                not checked: the owner knows how good a secret is
//	K09  token in query and header     only the place in the settings is read
//	K10 to K16                         about our own API, and addresses, which the server checks
//	R04  replay after the window       refused with timestamp_header; otherwise a repeat, while the first is stored
//	R05  replay to another source      accepted if both have the same secret: no scheme here signs the URL
func TestTokens(t *testing.T) {
	good := base64.StdEncoding.EncodeToString([]byte("shop:" + secrets[0]))
	for _, c := range []struct {
		name     string
		settings values
		header   http.Header
		want     error
	}{
		{"control", basic, authorization("Basic " + good), nil},
		{"K01 password prefix", basic, authorization("Basic " + encodePair("shop:"+secrets[0][:5])),
			signature.ErrMismatch},
		{"K01 longer password", basic, authorization("Basic " + encodePair("shop:"+secrets[0]+"x")),
			signature.ErrMismatch},
		{"another user", basic, authorization("Basic " + encodePair("root:"+secrets[0])), signature.ErrMismatch},
		{"no user", basic, authorization("Basic " + encodePair(":"+secrets[0])), signature.ErrMismatch},
		{"no colon", basic, authorization("Basic " + encodePair(secrets[0])), signature.ErrMismatch},
		{"K03 invalid base64", basic, authorization("Basic %%%"), signature.ErrMalformed},
		{"K03 no padding", basic, authorization("Basic " + strings.TrimRight(encodePair("shop:12"), "=")),
			signature.ErrMalformed},
		{"K03 stray bits", with(basic, values{"secret": "12"}), authorization("Basic c2hvcDoxMh=="),
			signature.ErrMalformed},
		{"K03 line break", basic, authorization("Basic " + good[:8] + "\n" + good[8:]), signature.ErrMalformed},
		{"K03 blank", basic, authorization("Basic  " + good), signature.ErrMalformed},
		{"K03 nothing", basic, authorization("Basic "), signature.ErrMismatch},
		{"K04 scheme case", basic, authorization("bAsIc " + good), nil},
		{"K05 Bearer", basic, authorization("Bearer " + good), signature.ErrMalformed},
		{"K05 no scheme", basic, authorization(good), signature.ErrMalformed},
		{"K06 two headers", basic, authorization("Basic "+good, "Basic "+good), signature.ErrMalformed},
		{"K08 missing", basic, http.Header{}, signature.ErrMissing},
		{"Bearer", token, authorization("Bearer " + secrets[0]), nil},
		{"K04 bearer", token, authorization("bearer " + secrets[0]), nil},
		{"bare", token, authorization(secrets[0]), signature.ErrMalformed},
		{"bare, as set", with(token, values{"prefix": ""}), authorization(secrets[0]), nil},
		{"Bearer, not set", with(token, values{"prefix": ""}), authorization("Bearer " + secrets[0]),
			signature.ErrMismatch},
		{"Basic where Bearer is expected", token, authorization("Basic " + good), signature.ErrMalformed},
		{"K08 nothing after Bearer", token, authorization("Bearer "), signature.ErrMismatch},
		{"token prefix", token, authorization("Bearer " + secrets[0][:5]), signature.ErrMismatch},
		{"token in another case", token, authorization("Bearer " + strings.ToUpper(secrets[0])),
			signature.ErrMismatch},
		{"own header", with(token, values{"header": "X-Token", "prefix": "key="}),
			http.Header{"X-Token": {"key=" + secrets[0]}}, nil},
		{"own header, prefix case", with(token, values{"header": "X-Token", "prefix": "key="}),
			http.Header{"X-Token": {"KEY=" + secrets[0]}}, signature.ErrMalformed},
	} {
		req := &provider.Request{Method: "POST", Target: "/in/orders", Header: c.header}
		if _, err := receive(t, c.settings, req); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func authorization(values ...string) http.Header { return http.Header{"Authorization": values} }

func encodePair(pair string) string { return base64.StdEncoding.EncodeToString([]byte(pair)) }

func TestQuery(t *testing.T) {
	for target, want := range map[string]error{
		"/in/orders?key=s%2B1":         nil,
		"/in/orders?x=1&key=s%2B1":     nil,
		"/in/orders?key=s+1":           signature.ErrMismatch,
		"/in/orders?key=S%2B1":         signature.ErrMismatch,
		"/in/orders?key=s%2B1&key=x":   signature.ErrMalformed,
		"/in/orders?key=&key=s%2B1":    signature.ErrMalformed,
		"/in/orders?k%65y=s%2B1&key=x": signature.ErrMalformed,
		"/in/orders?key=":              signature.ErrMissing,
		"/in/orders?KEY=s%2B1":         signature.ErrMissing,
		"/in/orders":                   signature.ErrMissing,
		"/in/orders?key=%zz":           signature.ErrMismatch,
	} {
		settings := values{"scheme": "query", "parameter": "key", "secret": "s+1"}
		if _, err := receive(t, settings, &provider.Request{Method: "POST", Target: target}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", target, err, want)
		}
	}
}

// signed returns a request with the HMAC of text in X-Signature.
func signed(text, body string, headers ...string) *provider.Request {
	sig, err := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}.Sign([]byte(secrets[0]), []byte(text))
	if err != nil {
		panic(err)
	}
	req := &provider.Request{Method: "POST", Target: "/in/orders", Header: http.Header{"X-Signature": {sig}},
		Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// W26 to W34: the forms of a timestamp.
func TestTimestamp(t *testing.T) {
	now := strconv.FormatInt(providertest.Now.Unix(), 10)
	settings := with(hmac, values{"timestamp_header": "X-Time"})
	for text, want := range map[string]error{
		now:                   nil,
		"0" + now:             signature.ErrMalformed,
		now + "abc":           signature.ErrMalformed,
		now + ".5":            signature.ErrMalformed,
		now + "000":           signature.ErrMalformed,
		"+" + now:             signature.ErrMalformed,
		" " + now:             signature.ErrMalformed,
		"1.7e9":               signature.ErrMalformed,
		"-1":                  signature.ErrMalformed,
		"9223372036854775807": signature.ErrMalformed,
		"9223372036854775808": signature.ErrMalformed,
		"99999999999":         signature.ErrExpired,
		"0":                   signature.ErrExpired,
		"":                    signature.ErrMissing,
	} {
		if _, err := receive(t, settings, signed(text+".{}", "{}", "X-Time", text)); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

// W36: bytes cannot move between the signed parts, whatever the order of the places.
func TestTemplate(t *testing.T) {
	now := strconv.FormatInt(providertest.Now.Unix(), 10)
	idThenBody := with(hmac, values{"template": "{id}.{body}", "id_header": "X-Id"})
	bodyThenID := with(hmac, values{"template": "{body}|{id}", "id_header": "X-Id"})
	timeAndBody := with(hmac, values{"template": "{timestamp}{body}", "timestamp_header": "X-Time"})
	all := with(hmac, values{"template": "<{id}:{timestamp}>{body}\n", "timestamp_header": "X-Time",
		"id_header": "X-Id"})
	for _, c := range []struct {
		name     string
		settings values
		req      *provider.Request
		want     error
	}{
		{"id, body", idThenBody, signed("a.b.c", "b.c", "X-Id", "a"), nil},
		{"id, body: moved", idThenBody, signed("a.b.c", "c", "X-Id", "a.b"), signature.ErrMalformed},
		{"id, body: no id", idThenBody, signed(".b", "b"), signature.ErrMissing},
		{"id, body: two ids", idThenBody, signed("a.b", "b", "X-Id", "a", "X-Id", "a"), signature.ErrMalformed},
		{"id, body: long id", idThenBody, signed(strings.Repeat("i", 257)+".b", "b", "X-Id", strings.Repeat("i", 257)),
			signature.ErrMalformed},
		{"id, body: control bytes", idThenBody, signed("a\x1b.b", "b", "X-Id", "a\x1b"), signature.ErrMalformed},
		{"body, id", bodyThenID, signed("a|b|c", "a|b", "X-Id", "c"), nil},
		{"body, id: moved", bodyThenID, signed("a|b|c", "a", "X-Id", "b|c"), signature.ErrMalformed},
		{"time, body", timeAndBody, signed(now+"1{}", "1{}", "X-Time", now), nil},
		{"time, body: moved to the time", timeAndBody, signed(now+"1{}", "{}", "X-Time", now+"1"),
			signature.ErrExpired},
		{"time, body: moved to the body", timeAndBody, signed(now+"{}", now[9:]+"{}", "X-Time", now[:9]),
			signature.ErrExpired},
		{"all", all, signed("<a>b:"+now+">{}\n", "{}", "X-Id", "a>b", "X-Time", now), nil},
		{"all: id contains its end", all, signed("<a:b:"+now+">{}\n", "{}", "X-Id", "a:b", "X-Time", now),
			signature.ErrMalformed},
		{"time is checked before signature", timeAndBody, signed("0{}", "{ }", "X-Time", "0"), signature.ErrExpired},
	} {
		if _, err := receive(t, c.settings, c.req); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func receive(t *testing.T, settings values, req *provider.Request) (provider.Receipt, error) {
	t.Helper()
	r := providertest.Open(t, generic.Provider{}, providertest.JSON(settings))
	return r.Receive(context.Background(), req)
}

func env() provider.Env { return provider.Env{Now: func() time.Time { return providertest.Now }} }

// timestamps lists valid and invalid texts of each format.
var timestamps = []struct {
	format, text string
	good         bool
}{
	{"seconds", "0", true}, {"seconds", "1795338000", true}, {"seconds", "99999999999", true},
	{"seconds", "", false}, {"seconds", "01", false}, {"seconds", "-1", false}, {"seconds", "+1", false},
	{"seconds", "1.5", false}, {"seconds", "1e3", false},
	{"seconds", "100000000000", false}, {"seconds", "1_000", false}, {"seconds", "0x10", false},
	{"seconds", " 1", false}, {"seconds", "１", false},
	{"milliseconds", "1795338000123", true}, {"milliseconds", "99999999999999", true},
	{"milliseconds", "100000000000000", false}, {"milliseconds", "01795338000123", false},
	{"rfc3339", "2026-11-22T09:00:00Z", true}, {"rfc3339", "2026-11-22T09:00:00.5Z", true},
	{"rfc3339", "2026-11-22T09:00:00.123456789Z", true},
	{"rfc3339", "2026-11-22T09:00:00.1234567891Z", false}, {"rfc3339", "2026-11-22T09:00:00.Z", false},
	{"rfc3339", "2026-11-22T09:00:00,5Z", false},
	{"rfc3339", "2026-11-22T9:00:00Z", false}, {"rfc3339", "2026-11-22t09:00:00Z", false},
	{"rfc3339", "2026-11-22T09:00:00z", false}, {"rfc3339", "2026-11-22 09:00:00Z", false},
	{"rfc3339", "2026-11-22T09:00:00+00:00", false}, {"rfc3339", "2026-11-22T10:00:00+01:00", false},
	{"rfc3339", "2026-11-22T09:00:00", false}, {"rfc3339", "2026-13-22T09:00:00Z", false},
	{"rfc3339", "2026-02-30T09:00:00Z", false}, {"rfc3339", "1795338000", false}, {"rfc3339", "", false},
	{"rfc3339", "2026-11-22T09:00:00Z\n", false}, {"rfc3339", "0001-01-01T00:00:00Z", false},
}

func TestTimestampFormats(t *testing.T) {
	for _, c := range timestamps {
		if _, err := generic.ParseTimestamp(c.format, c.text); (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.format, c.text, err)
		}
	}
}

// A valid timestamp is written as the same text again, except for trailing zeros of a fraction. So each time has
// one text, and no byte can be moved into it or out of it.
func FuzzTimestamp(f *testing.F) {
	for _, c := range timestamps {
		f.Add(c.format, c.text)
	}
	f.Add("rfc3339", "2000-01-01T00:00:00.0Z")
	f.Fuzz(func(t *testing.T, format, text string) {
		again, err := generic.ParseTimestamp(format, text)
		if err != nil {
			return
		}
		if format == "rfc3339" && strings.Contains(text, ".") {
			text = strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(text, "Z"), "0"), ".") + "Z"
		}
		if text != again {
			t.Errorf("%s %q is written as %q", format, text, again)
		}
	})
}

// FuzzForm checks that the signed text of a form does not depend on the order of its parameters, whatever the body
// is.
func FuzzForm(f *testing.F) {
	for _, form := range []string{"", "a=1&b=2", "b=2&a=1", "a=1&a=1&a=0", "a=%zz", "a=%2B+b", "&&=&",
		strings.Repeat("a&", 1001)} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		req := post(form, "Content-Type", "application/x-www-form-urlencoded")
		text := generic.FormParams(req)
		req.Body = reversed(req.Body)
		if again := generic.FormParams(req); text != again {
			t.Errorf("%q is signed as %q, and as %q in another order", form, text, again)
		}
	})
}
