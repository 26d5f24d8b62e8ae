package sender_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/sender"
	"github.com/bellhop-gateway/bellhop/provider"
)

// secrets are good secrets of the systems, and idHeaders the headers that have the id of a webhook; of Stripe the body
// has it.
var (
	secrets = map[string]string{"github": "It's a Secret to Everybody", "stripe": "whsec_0123456789abcdef",
		"standardwebhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	idHeaders = map[string]string{"github": "X-Github-Delivery", "standardwebhooks": "Webhook-Id"}
)

func settings(name string) json.RawMessage {
	text, _ := json.Marshal(map[string]string{"secret": secrets[name]})
	return text
}

// A sending is a system that sends to a rig, and a source of its provider.
type sending struct {
	*emulatortest.Rig
	t      *testing.T
	name   string
	source provider.Receiver
}

func start(t *testing.T, name string) *sending {
	t.Helper()
	s := &sending{t: t, name: name}
	s.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		system, err := sender.New(host, name, sender.Options{Settings: settings(name)})
		if err != nil {
			t.Fatal(err)
		}
		return []emulator.System{system}
	})
	var err error
	if s.source, err = sender.Provider(name).Open(provider.Env{Now: s.Now}, settings(name)); err != nil {
		t.Fatal(err)
	}
	return s
}

// happen lets something happen, and checks how many webhooks follow.
func (s *sending) happen(resource, change string, data map[string]any, want int) {
	s.t.Helper()
	n, err := s.Host.Happen(emulator.Event{Resource: resource, ChangeType: change, Data: data, To: s.HookURL})
	if err != nil || n != want {
		s.t.Fatalf("%s %s: %d webhooks, want %d: %v", resource, change, n, want, err)
	}
}

// received returns the next webhook, the event that its source makes of it, and its id.
func (s *sending) received() (n emulatortest.Notification, ev bellhop.Event, id string) {
	s.t.Helper()
	n = s.Next()
	receipt, err := s.source.Receive(context.Background(), &provider.Request{Method: http.MethodPost, Target: "/in/x",
		Header: n.Header, Body: n.Text})
	if err != nil || len(receipt.Events) != 1 {
		s.t.Fatalf("%s: the source makes %+v of %s: %v", s.name, receipt, n.Text, err)
	}
	id = n.Header.Get(idHeaders[s.name])
	if s.name == "stripe" {
		id, _ = n.Body["id"].(string)
	}
	if id == "" {
		s.t.Errorf("the webhook has no id: %v", n.Header)
	}
	return n, receipt.Events[0], id
}

// TestWebhooks: what happens in a system is a webhook that its provider verifies, with the type and the data that were
// asked for.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		system, resource, change string
		data                     map[string]any
		kind, has                string
	}{
		{"github", "octocat/hello-world", "push", nil, "github.push", `"full_name":"octocat/hello-world"`},
		{"github", "/repos/octocat/spoon", "issues.closed", nil, "github.issues", `"action":"closed"`},
		{"github", "", "pull_request.opened", map[string]any{"number": 7}, "github.pull_request", `"number":7`},
		{"github", "", "release.published", nil, "github.release", `"tag_name":"v1.0.0"`},
		{"github", "", "issue_comment.created", nil, "github.issue_comment", `"comment":{`},
		{"github", "", "star.created", nil, "github.star", `"sender":{`},
		{"stripe", "in_1", "invoice.paid", map[string]any{"amount_paid": 900}, "stripe.invoice.paid",
			`"object":{"amount_paid":900,`},
		{"stripe", "sub_1", "customer.subscription.deleted", nil, "stripe.customer.subscription.deleted",
			`"object":"subscription"`},
		{"standardwebhooks", "in_1", "invoice.paid", map[string]any{"n": 1}, "invoice.paid",
			`"data":{"id":"in_1","n":1}`},
	} {
		s := start(t, c.system)
		s.happen(c.resource, c.change, c.data, 1)
		if n, ev, _ := s.received(); ev.Type != c.kind || !strings.Contains(string(n.Text), c.has) {
			t.Errorf("%s %s: the event %s, without %s: %s", c.system, c.change, ev.Type, c.has, n.Text)
		}
	}
}

// TestRetries: a webhook that is not accepted is repeated with its id and its body, signed anew, by those that repeat.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, attempts := range map[string]int{"github": 1, "stripe": 10, "standardwebhooks": 10} {
		s := start(t, name)
		refused := make([]int, attempts)
		for i := range refused {
			refused[i] = 500
		}
		s.RefuseNext(refused[:attempts-1]...)
		s.happen("a/b", "invoice.paid", nil, 1)
		first, _, id := s.received()
		s.RefuseNext(refused...) // of the next one no attempt is accepted
		s.happen("a/b", "invoice.paid", nil, 1)
		s.Pass(time.Minute)
		if again, _, other := s.again("deliveries/"+id, attempts); other != id ||
			string(again.Text) != string(first.Text) {
			t.Errorf("%s: %s with the id %s is not sent again as it was: %s, %s", name, first.Text, id,
				again.Text, other)
		}
	}
}

// again waits until the latest webhook was given up after so many attempts, and has another one sent again.
func (s *sending) again(resource string, attempts int) (emulatortest.Notification, bellhop.Event, string) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		calls := s.Host.Calls()
		if len(calls) > 0 && calls[len(calls)-1].Attempt == attempts && calls[len(calls)-1].Status == 500 {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: there were not %d attempts", s.name, attempts)
		}
	}
	s.happen(resource, "redelivered", nil, 1)
	return s.received()
}

// TestGone: a receiver that answers 410 gets nothing more of Standard Webhooks, until a reset; nor does one whose
// webhook was removed.
func TestGone(t *testing.T) {
	t.Parallel()
	s := start(t, "standardwebhooks")
	s.RefuseNext(410)
	s.happen("a", "user.made", nil, 1)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := s.Host.Happen(emulator.Event{Resource: "a", ChangeType: "user.made", To: s.HookURL})
		if err != nil || time.Now().After(end) {
			t.Fatalf("it still sends: %v", err)
		}
		if n == 0 {
			break
		}
	}
	s.Host.Reset()
	s.happen("a", "user.changed", nil, 1)
	for {
		if _, ev, _ := s.received(); ev.Type == "user.changed" {
			break
		}
	}
	if err := s.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke}); err != nil {
		t.Fatal(err)
	}
	s.happen("a", "user.made", nil, 0)
}

// TestHello: a new webhook of GitHub gets a ping at once.
func TestHello(t *testing.T) {
	t.Parallel()
	s := start(t, "github")
	if _, err := sender.New(
		s.Host, "github", sender.Options{URL: s.HookURL, Settings: settings("github")}); err != nil {
		t.Fatal(err)
	}
	if n, ev, _ := s.received(); ev.Type != "github.ping" || n.Body["zen"] == nil ||
		n.Header.Get("X-Github-Hook-Id") != "481516234" {
		t.Errorf("%s: %s", ev.Type, n.Text)
	}
}

// TestWrong: what cannot happen, and secrets that cannot sign, are refused.
func TestWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		system string
		event  emulator.Event
		want   string
	}{
		{"github", emulator.Event{Resource: "octocat", ChangeType: "push", To: "http://a"}, "name a repository"},
		{"github", emulator.Event{Resource: "a/b/c", ChangeType: "push", To: "http://a"}, "name a repository"},
		{"github", emulator.Event{ChangeType: "two words", To: "http://a"}, "name an event of GitHub"},
		{"github", emulator.Event{ChangeType: "push"}, "github has no URL to send to"},
		{"github", emulator.Event{ChangeType: "push", To: "nowhere"}, "github has no URL to send to"},
		{"stripe", emulator.Event{Resource: "in_1", ChangeType: "paid", To: "http://a"}, "name a type of Stripe"},
		{"standardwebhooks", emulator.Event{Resource: "in_1", To: "http://a"}, "name a type of event"},
		{"stripe", emulator.Event{Resource: "deliveries/latest", ChangeType: "redelivered", To: "http://a"},
			`delivery "latest" is not known here`},
	} {
		s := start(t, c.system)
		if _, err := s.Host.Happen(c.event); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.event, err)
		}
	}
	s := start(t, "stripe")
	for name, of := range map[string]string{"github": `{}`, "stripe": `{"secret":"sk_live_1"}`,
		"standardwebhooks": `{"secret":"whpk_AAAA"}`, "moon": `{}`} {
		if _, err := sender.New(s.Host, name, sender.Options{Settings: []byte(of)}); err == nil {
			t.Errorf("%s takes %s", name, of)
		}
	}
	for _, f := range []emulator.Fault{{Kind: emulator.FaultExpire}, {Kind: emulator.FaultRevoke, Value: "1"}} {
		if err := s.Host.Fault(f); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if names := strings.Join(sender.Names(), " "); names != "github standardwebhooks stripe" {
		t.Error(names)
	}
}
