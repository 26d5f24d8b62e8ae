package github_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/github"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

const form = "application/x-www-form-urlencoded"

// Cases of section 6 of the forgery list, by their numbers; sections 3 and 15 are in providertest. Decided
// differently, or tested elsewhere:
//
//	H07  an id with another body  is another event with either value of repeat, so that no sender can hide an event
//	H09  another hook's id        ignored: X-GitHub-Hook-ID is not signed
//	N16  a form of 1e5 fields     refused: GitHub's forms have one
//	R05  at another source        authentic there if the secret is the same; the notes say so
//	§2   secrets under 16 bytes   accepted: GitHub has no minimum length
var forgeries = []struct {
	name     string
	settings map[string]any
	body     string                      // "" is a ping
	change   func(req *provider.Request) // after signing
	want     error
}{
	{name: "G01 control"},
	{name: "H01 SHA-1 only", change: onlySHA1, want: signature.ErrMissing},
	{name: "H01 SHA-1 only, allowed", settings: allowSHA1, change: onlySHA1},
	{name: "H01 SHA-1 only, allowed, of another secret", settings: allowSHA1, change: func(req *provider.Request) {
		*req = *signSHA1([]byte(`{"zen":"another"}`))
		req.Body = []byte(`{"zen":"mine"}`)
	}, want: signature.ErrMismatch},
	{name: "H02 both, SHA-256 bad", change: both(strings.Repeat("0", 64)), want: signature.ErrMismatch},
	{name: "H02 both, SHA-256 bad, SHA-1 allowed", settings: allowSHA1, change: both(strings.Repeat("0", 64)),
		want: signature.ErrMismatch},
	{name: "H02 both, SHA-256 without digits, SHA-1 allowed", settings: allowSHA1, change: both(""),
		want: signature.ErrMalformed},
	{name: "H02 both, SHA-256 empty, SHA-1 allowed", settings: allowSHA1, change: func(req *provider.Request) {
		onlySHA1(req)
		req.Header["X-Hub-Signature-256"] = []string{""}
	}, want: signature.ErrMissing},
	{name: "SHA-1 bad, SHA-256 good, SHA-1 allowed", settings: allowSHA1,
		change: set("X-Hub-Signature", "sha1="+strings.Repeat("0", 40))},
	{name: "SHA-1 twice, allowed", settings: allowSHA1, change: func(req *provider.Request) {
		onlySHA1(req)
		req.Header.Add("X-Hub-Signature", req.Header.Get("X-Hub-Signature"))
	}, want: signature.ErrMalformed},
	{name: "G43 SHA-1 in the place of SHA-256", settings: allowSHA1, change: func(req *provider.Request) {
		onlySHA1(req)
		req.Header.Set("X-Hub-Signature-256", "sha256="+strings.TrimPrefix(req.Header.Get("X-Hub-Signature"), "sha1="))
	}, want: signature.ErrMalformed},
	{name: "H04 form", body: "payload=" + url.QueryEscape(ping)},
	{name: "H04 form, called JSON", body: "payload=" + url.QueryEscape(ping),
		change: set("Content-Type", "application/json")},
	{name: "JSON, called form", change: set("Content-Type", form)},
	{name: "H05 form, signed as JSON", change: func(req *provider.Request) {
		req.Body = []byte("payload=" + url.QueryEscape(ping))
		req.Header.Set("Content-Type", form)
	}, want: signature.ErrMismatch},
	// A signed body is accepted whatever it is; without an object to read, the event has no subject.
	{name: "form with a second field", body: "payload=" + url.QueryEscape(ping) + "&payload=%7B%7D"},
	{name: "form with another field first", body: "a=1&payload=" + url.QueryEscape(ping)},
	{name: "form with an invalid escape", body: "payload=%7B%7"},
	{name: "form without JSON", body: "payload="},
	{name: "N16 fields", body: "payload=%7B%7D" + strings.Repeat("&a=1", 100_000)},
	{name: "H06 no delivery id", change: drop("X-GitHub-Delivery")},
	{name: "H06 no delivery id, by body", settings: byBody, change: drop("X-GitHub-Delivery")},
	{name: "two delivery ids", change: add("X-GitHub-Delivery", "1"), want: provider.ErrBody},
	{name: "two event names", change: add("X-GitHub-Event", "ping"), want: provider.ErrBody},
	{name: "no event name", change: drop("X-GitHub-Event")},
	{name: "H09 hook id of another hook", change: set("X-GitHub-Hook-ID", "1")},
	{name: "G29 empty body", body: " "},
	{name: "N01 repository twice", body: `{"repository":{"full_name":"a/b"},"repository":{"full_name":"c/d"}}`,
		want: provider.ErrBody},
	{name: "N01 full_name twice", body: `{"repository":{"full_name":"a/b","full_name":"c/d"}}`}, // without a subject
	{name: "N01 another member twice", body: `{"a":{"b":1,"b":2},"a":1}`},
	{name: "N12 byte order mark", body: "\uFEFF" + ping},
	{name: "signature is checked first", body: "{", change: drop("X-Hub-Signature-256"), want: signature.ErrMissing},
}

const ping = `{"zen":"Keep it logically awesome.","hook_id":1}`

var (
	allowSHA1 = map[string]any{"allow_sha1": true}
	byBody    = map[string]any{"repeat": "body"}
)

// TestAnyBody states the type and the subject of signed bodies that GitHub does not send as events: the type is that
// of the header, and the subject is empty, since no member decides it without ambiguity.
func TestAnyBody(t *testing.T) {
	for _, c := range []struct{ body, name, kind string }{
		{"Hello, World!", "", "github.event"}, {"Hello, World!", "push", "github.push"}, {"", "ping", "github.ping"},
		{`["a"]`, "", "github.event"}, {"payload=%7B%7", "push", "github.push"}, {"\x00\xff", "", "github.event"},
	} {
		req := sign(secrets[0], []byte(c.body))
		req.Header.Del("X-GitHub-Event")
		if c.name != "" {
			req.Header.Set("X-GitHub-Event", c.name)
		}
		receipt, err := open(t, nil).Receive(context.Background(), req)
		if err != nil || len(receipt.Events) != 1 || receipt.Events[0].Type != c.kind ||
			receipt.Events[0].Subject != "" || string(receipt.Events[0].Body) != c.body {
			t.Errorf("%q %s: got %+v, %v", c.body, c.name, receipt.Events, err)
		}
	}
}

// TestOtherSecrets: what GitHub shows elsewhere is refused with the place of the secret.
func TestOtherSecrets(t *testing.T) {
	for _, text := range []string{"ghp_0123456789abcdefghijklm", "github_pat_11AAAAAAA0123456789_abc", "sha256=00"} {
		for name, open := range map[string]func(raw string) error{
			"source": func(raw string) error {
				_, err := github.Provider{}.Open(provider.Env{}, []byte(raw))
				return err
			},
			"destination": func(raw string) error {
				_, err := github.Provider{}.OpenSender(provider.Env{}, []byte(raw))
				return err
			},
		} {
			err := open(`{"secret":"` + text + `"}`)
			if err == nil || !strings.HasPrefix(err.Error(), "secret: is a") || strings.Contains(err.Error(), text) {
				t.Errorf("%s, %s: %v", name, text, err)
			}
		}
	}
}

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = ping
			}
			req := sign(secrets[0], []byte(c.body))
			if c.change != nil {
				c.change(req)
			}
			if _, err := open(t, c.settings).Receive(context.Background(), req); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// R04: a captured request never expires, since GitHub signs no time. A redelivery is a repeat with either value of
// repeat. With "body", a request is a repeat even if its unsigned headers were changed.
func TestRepeats(t *testing.T) {
	again := func(req *provider.Request) {}
	otherBody := func(req *provider.Request) { *req = *sign(secrets[0], []byte(`{"zen":"another"}`)) }
	for name, c := range map[string]struct {
		settings map[string]any
		change   func(req *provider.Request)
		repeat   bool
	}{
		"again":                     {nil, again, true},
		"again, by body":            {byBody, again, true},
		"under another id":          {nil, set("X-GitHub-Delivery", "1"), false},
		"under another id, by body": {byBody, set("X-GitHub-Delivery", "1"), true},
		"without id":                {nil, drop("X-GitHub-Delivery"), false},
		"without id, by body":       {byBody, drop("X-GitHub-Delivery"), true},
		"as another event":          {nil, set("X-GitHub-Event", "push"), true},
		"as another event, by body": {byBody, set("X-GitHub-Event", "push"), true},
		"of another hook":           {nil, set("X-GitHub-Hook-ID", "1"), true},
		"signed with the next secret": {nil, func(req *provider.Request) { *req = *sign(secrets[1], []byte(ping)) },
			true},
		"H07 with another body":          {nil, otherBody, false},
		"H07 with another body, by body": {byBody, otherBody, false},
		"with an invalid id":             {nil, set("X-GitHub-Delivery", "a\x00b\xff"), false},
		"under a very long id":           {nil, set("X-GitHub-Delivery", strings.Repeat("d", 600)), false},
	} {
		settings := providertest.With(map[string]any{"secret": secrets}, c.settings)
		req := sign(secrets[0], []byte(ping))
		c.change(req)
		first, second := receive(t, settings, sign(secrets[0], []byte(ping))), receive(t, settings, req)
		if got := first.ProviderID == second.ProviderID; got != c.repeat || second.ProviderID == "" {
			t.Errorf("%s: %q, then %q", name, first.ProviderID, second.ProviderID)
		}
	}
}

func TestType(t *testing.T) {
	for name, want := range map[string]string{
		"issues": "github.issues", "check_run": "github.check_run", "": "github.event", "two words": "github.event",
		"é": "github.event", strings.Repeat("e", 248): "github." + strings.Repeat("e", 248), strings.Repeat("e",
			249): "github.event",
	} {
		req := sign(secrets[0], []byte(ping))
		req.Header.Set("X-GitHub-Event", name)
		if got := receive(t, nil, req).Type; got != want {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func TestSubject(t *testing.T) {
	for body, want := range map[string]string{
		`{"repository":{"full_name":"a/b"},"organization":{"login":"o"}}`:   "a/b",
		`{"organization":{"login":"o"},"enterprise":{"slug":"e"}}`:          "o",
		`{"repository":null,"organization":[],"enterprise":{"slug":"e"}}`:   "e",
		`{"repository":{"full_name":7},"organization":{"login":"o\u0000"}}`: "o\uFFFD",
		`{"Repository":{"full_name":"a/b"},"zen":"z"}`:                      "",
		`{"repository":{"owner":{"full_name":"a/b"}}}`:                      "",
		"payload=%7B%22organization%22%3A%7B%22login%22%3A%22a+b%22%7D%7D":  "a b",
	} {
		if got := receive(t, nil, sign(secrets[0], []byte(body))).Subject; got != want {
			t.Errorf("%s: got %q", body, got)
		}
	}
}

// Section 2 of the forgery list, which is the value that GitHub publishes, and keys that must not verify.
func TestKnownAnswer(t *testing.T) {
	body, secret := []byte("Hello, World!"), []byte("It's a Secret to Everybody")
	const want = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got, err := github.Sign(body, secret); got != want || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	h := http.Header{"X-Hub-Signature-256": {want}}
	if err := github.Verify(h, body, []byte("another"), secret); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another body": github.Verify(h, body[1:], secret), "no secrets": github.Verify(h,
			body), "an empty secret": github.Verify(h, body, nil),
	} {
		if !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := github.Sign(body, nil); !errors.Is(err, signature.ErrKey) {
		t.Errorf("an empty secret: %v", err)
	}
}

func TestSettings(t *testing.T) {
	_, err := github.Provider{}.Open(provider.Env{},
		[]byte(providertest.JSON(map[string]any{"secret": "s", "repeat": "signature"})))
	if err == nil || !strings.HasPrefix(err.Error(), "repeat: ") {
		t.Errorf("repeat: %v", err)
	}
	for settings, path := range map[string]string{`{"secret":["a","b"]}`: "secret: ",
		`{"secret":"a","content_type":"xml"}`: "content_type: "} {
		if _, err := (github.Provider{}).OpenSender(provider.Env{}, []byte(settings)); err == nil ||
			!strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("%7B%7D")
	f.Add(url.QueryEscape(ping))
	f.Add("%7B&payload=%7D")
	f.Fuzz(func(t *testing.T, field string) {
		req := sign(secrets[0], []byte("payload="+field))
		receipt, err := open(t, nil).Receive(context.Background(), req)
		// A signed body that is no form with an object is an event too, with its bytes as they came.
		if text, formErr := url.QueryUnescape(field); err == nil &&
			(formErr != nil || !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{")) &&
			!bytes.Equal(receipt.Events[0].Body, req.Body) {
			t.Errorf("accepted %q as %+v", field, receipt)
		}
		if err != nil && !errors.Is(err, provider.ErrBody) {
			t.Errorf("%q: %v", field, err)
		}
	})
}

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, github.Provider{}, providertest.Settings(map[string]any{"secret": secrets[0]}, more))
}

func receive(t testing.TB, more map[string]any, req *provider.Request) bellhop.Event {
	t.Helper()
	receipt, err := open(t, more).Receive(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Events[0]
}

func onlySHA1(req *provider.Request) { *req = *signSHA1(req.Body) }

// both returns a function that adds a SHA-256 signature of these digits to a valid SHA-1 signature.
func both(digits string) func(req *provider.Request) {
	return func(req *provider.Request) {
		onlySHA1(req)
		req.Header.Set("X-Hub-Signature-256", "sha256="+digits)
	}
}

func set(name, value string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Set(name, value) }
}

func add(name, value string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Add(name, value) }
}

func drop(name string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header.Del(name) }
}
