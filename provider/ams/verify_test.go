package ams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of section 7 of the forgery list, by their numbers; sections 3 and 15 are in providertest. Decided
// differently, or tested elsewhere:
//
//	A15  a wrong ?code=    ignored: a source has no token in its URL, and the signature authenticates
//	A16  ?code= logged     the server never stores the values of a query
//	§2   keys under 16 B   accepted: Media Services has no minimum length, and the key on its own page has 27 bytes
var forgeries = []struct {
	name     string
	settings map[string]any
	change   func(req *provider.Request) // after signing
	body     string                      // "" is document()
	want     error
}{
	{name: "A01 control"},
	{name: "A02 lower-case hex, strict", change: lowerCase, want: signature.ErrMalformed},
	{name: "A02 lower-case hex, lenient", change: lowerCase, settings: map[string]any{"lenient": true}},
	{name: "A02 upper-case hex, lenient", settings: map[string]any{"lenient": true}},
	{name: "A03 account header missing", change: func(req *provider.Request) { req.Header.Del(ams.AccountHeader) },
		want: provider.ErrForbidden},
	{name: "A03 account header empty", change: setAccount(""), want: provider.ErrForbidden},
	{name: "A03 account header of another", change: setAccount("00000000-0000-0000-0000-000000000000"),
		want: provider.ErrForbidden},
	{name: "A05 account header in another case", change: setAccount(strings.ToUpper(account))},
	{name: "A06 account in body missing", body: `{"EventType":1,"Properties":{}}`, want: provider.ErrForbidden},
	{name: "A06 account in body a number", body: `{"EventType":1,"Properties":{"AccountId":1}}`,
		want: provider.ErrForbidden},
	{name: "A06 account empty everywhere", body: `{"EventType":1,"Properties":{"AccountId":""}}`,
		change: setAccount(""),
		want:   provider.ErrForbidden},
	{name: "A07 Properties null", body: `{"EventType":1,"Properties":null}`, want: provider.ErrBody},
	{name: "A07 Properties missing", body: `{"EventType":1}`, want: provider.ErrBody},
	{name: "A07 Properties a list", body: `{"EventType":1,"Properties":[]}`, want: provider.ErrBody},
	{name: "A12 two account headers", change: func(req *provider.Request) {
		req.Header.Add(ams.AccountHeader, account)
	},
		want: signature.ErrMalformed},
	{name: "account of the settings", settings: map[string]any{"account_id": strings.ToUpper(account)}},
	{name: "account not of the settings", settings: map[string]any{"account_id": "other"},
		want: provider.ErrForbidden},
	{name: "signature first",
		change: func(req *provider.Request) { req.Body = []byte("{}"); req.Header.Del(ams.AccountHeader) },
		want:   signature.ErrMismatch},
	{name: "body before account", body: `{"EventType":true,"Properties":{}}`, change: setAccount("x"),
		want: provider.ErrBody},
	{name: "N01 EventType twice", body: `{"EventType":1,"EventType":2,"Properties":{"AccountId":"` + account + `"}}`,
		want: provider.ErrBody},
	{name: "N01 AccountId twice", body: `{"EventType":1,"Properties":{"AccountId":"x","AccountId":"` + account + `"}}`,
		want: provider.ErrBody},
	{name: "N02 AccountId in its own case counts",
		body: `{"EventType":1,"Properties":{"AccountId":"` + account + `","accountId":"x"}}`},
	{name: "N02 in either order", body: `{"EventType":1,"Properties":{"accountId":"x","AccountId":"` + account +
		`"}}`},
	{name: "N02 even if it is null",
		body: `{"EventType":1,"Properties":{"accountId":"` + account + `","AccountId":null}}`,
		want: provider.ErrForbidden},
	{name: "N02 eventtype", body: `{"eventtype":1,"Properties":{"AccountId":"` + account + `"}}`,
		want: provider.ErrBody},
	{name: "N12 byte order mark", body: "\uFEFF" + document("1")},
}

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = document("1")
			}
			req := sign(newKey(0), account, []byte(c.body))
			if c.change != nil {
				c.change(req)
			}
			if _, err := open(t, c.settings).Receive(context.Background(), req); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func lowerCase(req *provider.Request) {
	req.Header.Set(ams.SignatureHeader, strings.ToLower(req.Header.Get(ams.SignatureHeader)))
}

func setAccount(id string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Set(ams.AccountHeader, id) }
}

func document(eventType string) string {
	return fmt.Sprintf(
		`{"ETag":"1","EventType":%s,"TimeStamp":"2026-11-22T08:00:00","Properties":{"AccountId":"%s","JobId":"j"}}`,
		eventType, account)
}

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, ams.Provider{}, providertest.Settings(map[string]any{"signing_key": newKey(0)}, more))
}

func TestEventType(t *testing.T) {
	for value, want := range map[string]string{
		"0": "ams.None", "1": "ams.JobStateChange", "3": "ams.NotificationEndPointUnregistration",
		"5": "ams.TaskProgress",
		"4": "ams.TaskStateChange", `"4"`: "ams.TaskStateChange", // A08
		"2":  "ams.NotificationEndPointRegistration",                                            // A11
		"99": "ams.EventType99", "6": "ams.EventType6", "2147483647": "ams.EventType2147483647", // A10
		`"JobStateChange"`: "ams.JobStateChange", `"Something.New"`: "ams.Something.New", `"\u004aob"`: "ams.Job",
		"-1": "", "1.0": "", "1e0": "", "2147483648": "", "1e400": "", "true": "", "null": "", `""`: "", `" "`: "",
		`"a b"`: "", `"é"`: "", "{}": "", "[1]": "",
		`"` + strings.Repeat("x", 252) + `"`: "",
	} {
		receipt, err := open(t, nil).Receive(context.Background(), sign(newKey(0), account, []byte(document(value))))
		switch {
		case want == "" && !errors.Is(err, provider.ErrBody):
			t.Errorf("%s: got %v, want a malformed body", value, err)
		case want != "" && (err != nil || receipt.Events[0].Type != want || receipt.Status != 200):
			t.Errorf("%s: got %+v, %v, want %s", value, receipt, err, want)
		}
	}
}

// R04: a captured request never expires, since Media Services signs no time. Its ETag or, without one, its bytes
// identify it as a repeat.
func TestLongETag(t *testing.T) {
	receive := func(etag string) string {
		body := strings.Replace(document("1"), `"ETag":"1"`, `"ETag":`+etag, 1)
		receipt, err := open(t, nil).Receive(context.Background(), sign(newKey(0), account, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Events[0].ProviderID
	}
	long := strings.Repeat("e", 513)
	if a, b := receive(`"`+long+`"`), receive(`"`+long[1:]+`"`); len(a) != 64 || len(b) != 512 {
		t.Errorf("got %q, %q", a, b)
	}
	for _, none := range []string{`""`, "null", "1"} { // without an ETag the body identifies the event
		if got := receive(none); len(got) != 64 || got != receive(none) || got == receive(" "+none) {
			t.Errorf("ETag %s: got %q", none, got)
		}
	}
	if receive(`"\ud800"`) == receive(`"\ud801"`) {
		t.Error("two different ETags that are not UTF-8 have the same key")
	}
}

// A13, G41, and other invalid keys and account ids.
func TestKeys(t *testing.T) {
	for _, key := range []string{"not base64", "AAEC+_", "A", "====", "AAEC====", "é"} {
		_, err := ams.Provider{}.Open(provider.Env{},
			[]byte(providertest.JSON(map[string]any{"signing_key": []string{newKey(0), key}})))
		if err == nil || !strings.HasPrefix(err.Error(), "signing_key[1]: ") || strings.Contains(err.Error(), key) {
			t.Errorf("%q: got %v", key, err)
		}
	}
	good := `{"signing_key":["AAE=","AAE","AAE\r\n"," AAEC_-=="]}` // forms in which a key is shown or pasted
	if _, err := (ams.Provider{}).Open(provider.Env{}, []byte(strings.Replace(good, "\r\n", `\r\n`, 1))); err != nil {
		t.Errorf("%s: %v", good, err)
	}
	for _, id := range []string{"two words", "a\nb", "é", strings.Repeat("a", 129)} {
		_, err := ams.Provider{}.Open(provider.Env{},
			[]byte(providertest.JSON(map[string]any{"signing_key": newKey(0), "account_id": id})))
		if err == nil || !strings.HasPrefix(err.Error(), "account_id: ") {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

// Section 2 of the forgery list.
func TestKnownAnswer(t *testing.T) {
	body := []byte(`{"id":"evt_1","type":"test","data":{"n":1}}`)
	const want = "sha256=93709958F25A5B0657D131FB8CBBC4008A573B2E33EE5F357EB2421440AAFC38"
	const undecoded = "sha256=D0F82AD7D3C178EBDEB1AAB96AFEBD4E7A2F8A428DED103ED2A10C4F63B21197"
	if got, err := ams.Sign(body, decodeKey(newKey(0))); got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	h := request(map[string]string{"ms-signature": undecoded}, nil).Header
	if err := ams.Verify(h, body, decodeKey(newKey(0))); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("a key that was not decoded: %v", err)
	}
	if _, err := ams.Sign(body, nil); !errors.Is(err, signature.ErrKey) {
		t.Errorf("an empty key: %v", err)
	}
	if err := ams.Verify(h, body); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("no keys: %v", err)
	}
}
