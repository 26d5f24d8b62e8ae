package slack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/slack"
)

func call(t testing.TB, ev bellhop.Event, attempt int) provider.OutboundRequest {
	t.Helper()
	r, err := slack.OpenCaller(provider.Env{}, []byte(providertest.JSON(values{"signing_secret": secrets})))
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Render(&ev, provider.AttemptInfo{Attempt: attempt, Time: providertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := slack.Verify(m.Header, m.Body, providertest.Now, 1, []byte(secrets[0])); err != nil {
		t.Error(err)
	}
	return m
}

func TestCallOtherSystem(t *testing.T) {
	m := call(t, bellhop.Event{ID: "evt_1", Type: "invoice.paid", Subject: "in_1", ReceivedAt: providertest.Now,
		Body: []byte(` {"a":"<&>"}`)}, 1)
	const want = `{"team_id":"TBELLHOP","api_app_id":"ABELLHOP","event":{"type":"invoice.paid","channel":"in_1",` +
		`"data":{"a":"<&>"}},` +
		`"type":"event_callback","event_id":"Ev7D4E5A76EAE6D8C1","event_time":1795338000}`
	if got := string(m.Body); got != want {
		t.Errorf("got %s", got)
	}
	if m.Header.Get("X-Slack-Retry-Num") != "" {
		t.Errorf("the first attempt has %v", m.Header)
	}
}

func TestCallBodies(t *testing.T) {
	for body, want := range map[string]string{
		"": "", "{}": "data", "\n[1]": "data", "words": "data_base64", "1": "data_base64", `{"a":1,"a":2}`: "data",
		"\xff": "data_base64",
		strings.Repeat("[", 62) + strings.Repeat("]", 62): "data",
		strings.Repeat("[", 63) + strings.Repeat("]", 63): "data_base64",
		strings.Repeat("x", 700<<10+1):                    "",
	} {
		m := call(t, bellhop.Event{ID: "evt_1", Type: "t", Body: []byte(body)}, 1)
		var document struct{ Event map[string]json.RawMessage }
		if err := json.Unmarshal(m.Body, &document); err != nil {
			t.Fatal(err)
		}
		delete(document.Event, "type")
		if n := len(document.Event); n > 1 || (want != "") != (n == 1) || want != "" && document.Event[want] == nil {
			t.Errorf("%.20q: got %.100s", body, providertest.JSON(document.Event))
		}
	}
}

func TestCallSlackEvent(t *testing.T) {
	for _, c := range []struct {
		kind, body, contentType string
		own                     bool
	}{
		{"slack.message", event, "application/json", true},
		{"slack.event", challenge("abc"), "application/json", true},
		// the type that the command line gives, which does not parse the body
		{"slack.command", "command=%2Fa", "application/x-www-form-urlencoded", true},
		{"slack.event", `{"message":"a test event"}`, "application/json", false},
		{"invoice.paid", event, "application/json", false},
	} {
		m := call(t, bellhop.Event{ID: "evt_1", Type: c.kind, Body: []byte(c.body), ReceivedAt: providertest.Now}, 3)
		if (string(m.Body) == c.body) != c.own || m.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s: got %v %s", c.kind, c.body, m.Header, m.Body)
		}
		if m.Header.Get("X-Slack-Retry-Num") != "2" || m.Header.Get("X-Slack-Retry-Reason") == "" {
			t.Errorf("the third attempt has %v", m.Header)
		}
	}
}
