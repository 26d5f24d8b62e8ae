package github_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/github"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func render(t *testing.T, more map[string]any, ev bellhop.Event) provider.OutboundRequest {
	t.Helper()
	r := providertest.OpenSender(t, github.Provider{}, providertest.Settings(map[string]any{"secret": secrets[0]},
		more))
	m, err := r.Render(&ev, provider.AttemptInfo{Attempt: 1, Time: providertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var invoice = bellhop.Event{
	ID: "evt_1", Type: "invoice.paid", Source: "billing", Subject: "in_1", Time: time.Date(2026, 11, 22, 9, 15, 30, 0,
		time.FixedZone("", 3600)),
	Body: []byte(`{"id":"in_1","n":12345678901234567890}`),
}

func TestSendOther(t *testing.T) {
	m := render(t, nil, invoice)
	const want = `{"action":"invoice.paid","client_payload":{"id":"evt_1","type":"invoice.paid","source":"billing","subject":"in_1",` +
		`"time":"2026-11-22T08:15:30Z","data":{"id":"in_1","n":12345678901234567890}}}`
	if got := string(m.Body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{
		"X-GitHub-Event": "repository_dispatch", "X-GitHub-Delivery": "7d4e5a76-eae6-88c1-a541-0ac19fe67565",
		"Content-Type": "application/json",
		"User-Agent":   "GitHub-Hookshot/bellhop", "X-Hub-Signature": "", "X-GitHub-Hook-ID": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestSendOtherBodies(t *testing.T) {
	for body, want := range map[string]string{
		`[1, 2]`:           `"data":[1,2]`,
		`null`:             `"data":null`,
		"plain words":      `"data_base64":"cGxhaW4gd29yZHM="`,
		"":                 `"time":"2026-11-22T08:15:30Z"}}`,
		`{"a":1,"a":2}`:    `"data":{"a":1,"a":2}`,
		"{\"a\":\"\xff\"}": `"data_base64":"eyJhIjoi/yJ9"`,
	} {
		ev := invoice
		ev.Body = []byte(body)
		if got := string(render(t, nil, ev).Body); !strings.Contains(got, want) {
			t.Errorf("%q: got %s", body, got)
		}
	}
	ev := invoice
	ev.Time, ev.ReceivedAt = time.Time{}, providertest.Now
	if got := string(render(t, nil, ev).Body); !strings.Contains(got, `"time":"2026-11-22T09:00:00Z"`) {
		t.Errorf("without a time: %s", got)
	}
}

// An event from GitHub is sent with its name, id and hook; other events never take these from their headers.
func TestSendNative(t *testing.T) {
	header := bellhop.Header("X-Github-Delivery: 0b989ba4-242f-11e5-81e1-c7b6966d2516\nX-Github-Event: " +
		"push\nX-Github-Hook-Id: 481516234\nX-Github-Hook-Installation-Target-Id: " +
		"7\nX-Github-Hook-Installation-Target-Type: two words\n")
	m := render(t, nil, bellhop.Event{ID: "evt_1", Type: "github.issues", Header: header, Body: []byte(ping + "\n")})
	if string(m.Body) != ping+"\n" {
		t.Errorf("body %s", m.Body)
	}
	for name, want := range map[string]string{
		"X-GitHub-Event": "issues", "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
		"X-GitHub-Hook-ID":                     "481516234",
		"X-GitHub-Hook-Installation-Target-ID": "7", "X-GitHub-Hook-Installation-Target-Type": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	ev := invoice
	ev.Header = header
	m = render(t, nil, ev)
	if m.Header.Get("X-GitHub-Delivery") == "0b989ba4-242f-11e5-81e1-c7b6966d2516" ||
		m.Header.Get("X-GitHub-Hook-ID") != "" {
		t.Errorf("of another system: %v", m.Header)
	}
	m = render(t, nil, bellhop.Event{ID: "evt_1", Type: "github.issues", Body: []byte("[]")})
	if got := m.Header.Get("X-GitHub-Event"); got != "repository_dispatch" {
		t.Errorf("an event that GitHub does not send is sent as %s: %s", got, m.Body)
	}
}

func TestSendContentType(t *testing.T) {
	native := bellhop.Event{ID: "evt_1", Type: "github.ping", Body: []byte(ping)}
	nativeForm := native
	nativeForm.Body = []byte("payload=" + strings.ReplaceAll(url.QueryEscape(ping), "+", "%20"))
	formOf := func(text string) string { return "payload=" + url.QueryEscape(text) }
	for name, c := range map[string]struct {
		content any
		ev      bellhop.Event
		want    string
	}{
		"JSON as it came": {"", native, ping},
		"form as it came": {"", nativeForm, string(nativeForm.Body)},
		"form as form":    {"form", nativeForm, string(nativeForm.Body)},
		"form as JSON":    {"json", nativeForm, ping},
		"JSON as form":    {"form", native, formOf(ping)},
		"other as form":   {"form", invoice, formOf(string(render(t, nil, invoice).Body))},
	} {
		m := render(t, map[string]any{"content_type": c.content}, c.ev)
		if string(m.Body) != c.want {
			t.Errorf("%s: got %s", name, m.Body)
		}
		want := "application/json"
		if strings.HasPrefix(c.want, "payload=") {
			want = form
		}
		if got := m.Header.Get("Content-Type"); got != want {
			t.Errorf("%s: got %s", name, got)
		}
		if err := github.Verify(m.Header, m.Body, []byte(secrets[0])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSendSHA1(t *testing.T) {
	m := render(t, map[string]any{"add_sha1": true}, invoice)
	if err := github.Verify(m.Header, m.Body, []byte(secrets[0])); err != nil {
		t.Error(err)
	}
	m.Header.Del("X-Hub-Signature-256")
	if err := github.VerifyAllowingSHA1(m.Header, m.Body, []byte(secrets[0])); err != nil {
		t.Error(err)
	}
}
