package sharepoint_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

func sender(t testing.TB, more map[string]any) provider.Batcher {
	t.Helper()
	return providertest.OpenSender(t, sharepoint.Provider{},
		providertest.Settings(map[string]any{"client_state": state}, more)).(provider.Batcher)
}

func render(t testing.TB, r provider.Batcher, events ...*bellhop.Event) string {
	t.Helper()
	m, err := r.RenderBatch(events, provider.AttemptInfo{Time: providertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	if h := m.Header; len(h) != 2 || h.Get("ClientState") != state || h.Get("Content-Type") != "application/json" {
		t.Errorf("%v", h)
	}
	return string(m.Body)
}

var foreign = bellhop.Event{ID: "evt_1", Type: "invoice.paid", Source: "shop", Subject: "in_1",
	ReceivedAt: providertest.Now, Body: []byte(`{"id":"in_1"}`)}

// TestSendExpiry: the subscriptions expire with the destination.
func TestSendExpiry(t *testing.T) {
	end := providertest.Now.Add(36*time.Hour + time.Millisecond)
	m, err := sender(t, nil).RenderBatch([]*bellhop.Event{&foreign, &foreign},
		provider.AttemptInfo{Time: providertest.Now, ExpiresAt: end})
	if err != nil || strings.Count(string(m.Body), `"expirationDateTime":"2026-11-23T21:00:00.0010000Z"`) != 2 {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

func TestSendOtherSystem(t *testing.T) {
	const want = `{"value":[{"subscriptionId":"SUB","clientState":"` + state +
		`","expirationDateTime":"2027-05-21T09:00:00.0000000Z","resource":"RES",` +
		`"tenantId":"00000000-0000-0000-0000-000000000000","siteUrl":"/","webId":"00000000-0000-0000-0000-000000000000"}]}`
	sub, res := "a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7", "5C77031A-9621-4DFC-BB5D-57803A94E91D"
	set := render(t, sender(t, map[string]any{"subscription_id": sub, "resource": res}), &foreign)
	if set != strings.NewReplacer("SUB", sub, "RES", res).Replace(want) {
		t.Errorf("got %s", set)
	}
	made := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	got := render(t, sender(t, nil), &foreign)
	guids := made.FindAllString(got, -1)
	if len(guids) != 2 || got != strings.NewReplacer("SUB", guids[0], "RES", guids[1]).Replace(want) {
		t.Errorf("got %s", got)
	}
}

// Events of one source have one subscription id, and those with one subject have one resource as well.
func TestSendIDs(t *testing.T) {
	ids := func(source, subject string) (subscription, resource string) {
		var body struct {
			Value []struct{ SubscriptionID, Resource string }
		}
		if err := json.Unmarshal([]byte(render(t, sender(t, nil), &bellhop.Event{Source: source, Subject: subject})),
			&body); err != nil {
			t.Fatal(err)
		}
		return body.Value[0].SubscriptionID, body.Value[0].Resource
	}
	subscription, resource := ids("shop", "in_1")
	for _, c := range []struct {
		source, subject                string
		sameSubscription, sameResource bool
	}{{"shop", "in_1", true, true}, {"shop", "in_2", true, false}, {"bank", "in_1", false, false},
		{"shopi", "n_1", false, false}} {
		s, r := ids(c.source, c.subject)
		if (s == subscription) != c.sameSubscription || (r == resource) != c.sameResource {
			t.Errorf("%s, %s: %s, %s", c.source, c.subject, s, r)
		}
	}
}

// The client state that an item came with is never sent on.
func TestSendSharePointEvent(t *testing.T) {
	quoted := `"clientState":"` + state + `"`
	for was, want := range map[string]string{
		`{ "subscriptionId" : "a", ` + quoted + ` }`:            `{ "subscriptionId" : "a", ` + quoted + ` }`,
		`{"subscriptionId":"a","clientState":"inbound-secret"}`: `{"subscriptionId":"a",` + quoted + `}`,
		`{"clientState": null, "more" : 1e400, "subscriptionId": "a"}`: `{"clientState": "` + state +
			`", "more" : 1e400, "subscriptionId": "a"}`,
		`{"subscriptionId":"a","clientState":{"x":1}}`: `{"subscriptionId":"a",` + quoted + `}`,
		`{"subscriptionId":"a","\u0022é":[ 1 ]}`: `{` + quoted +
			`,"subscriptionId":"a","\u0022é":[ 1 ]}`,
	} {
		ev := bellhop.Event{ID: "evt_1", Type: sharepoint.TypeChanged, Body: []byte(was)}
		body := render(t, sender(t, nil), &ev)
		if body != batchOf(want) {
			t.Errorf("%s: got %s", was, body)
		}
		if string(ev.Body) != was {
			t.Errorf("the event was changed to %s", ev.Body)
		}
		receipt, err := open(t, nil).Receive(context.Background(), request(body))
		if err != nil || len(receipt.Events) != 1 {
			t.Errorf("%s is received as %+v, %v", body, receipt, err)
		}
	}
	for _, body := range []string{`{"clientState":"inbound-secret"}`,
		`{"subscriptionId":"","clientState":"inbound-secret"}`, `["inbound-secret"]`} {
		got := render(t, sender(t, nil), &bellhop.Event{ID: "evt_1", Type: sharepoint.TypeChanged, Body: []byte(body)})
		if strings.Contains(got, "inbound-secret") || !strings.Contains(got, `"webId"`) {
			t.Errorf("%s: got %s", body, got)
		}
	}
}

func TestSendBatch(t *testing.T) {
	own := bellhop.Event{ID: "evt_2", Type: sharepoint.TypeChanged, Body: []byte(item(otherState))}
	body := render(t, sender(t, nil), &own, &foreign, &own)
	receipt, err := open(t, nil).Receive(context.Background(), request(body))
	if err != nil || len(receipt.Events) != 3 || receipt.Events[0].Subject != receipt.Events[2].Subject {
		t.Errorf("%s is received as %+v, %v", body, receipt, err)
	}
}

func TestSendSettings(t *testing.T) {
	for raw, path := range map[string]string{
		`{"client_state":["a","b"]}`:                                               "client_state",
		`{"client_state":"a\nb"}`:                                                  "client_state",
		`{"client_state":"a","subscription_id":"x"}`:                               "subscription_id",
		`{"client_state":"a","resource":"{5c77031a}"}`:                             "resource",
		`{"client_state":"a","resource":"5c77031a-9621-4dfc-bb5d-57803a94e91d\n"}`: "resource",
	} {
		_, err := sharepoint.Provider{}.OpenSender(provider.Env{}, []byte(raw))
		providertest.CheckPath(t, raw, err, path)
	}
}

// A handshake has the state in its header, and the parameter in lower case.
func TestSendHandshake(t *testing.T) {
	env := provider.Env{Rand: strings.NewReader(strings.Repeat("r", 16))}
	r, err := sharepoint.Provider{}.OpenSender(env, []byte(`{"client_state":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://a.example/x?y=1"})
	if err != nil || !strings.HasPrefix(g.URL, "https://a.example/x?y=1&validationtoken=") ||
		g.Request.Header.Get("ClientState") != "s" || len(g.Request.Body) > 0 {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := r.(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://a.example"}); err == nil {
		t.Error("made a handshake without randomness")
	}
}

// FuzzSendSharePointEvent: a Receiver with the same state accepts the request for any body.
func FuzzSendSharePointEvent(f *testing.F) {
	f.Add([]byte(item(otherState)))
	f.Add([]byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := render(t, sender(t, nil), &bellhop.Event{ID: "evt_1", Type: sharepoint.TypeChanged, Body: body})
		receipt, err := open(t, nil).Receive(context.Background(), request(got))
		if err != nil || len(receipt.Events) != 1 {
			t.Errorf("%q is sent as %q: %+v, %v", body, got, receipt, err)
		}
	})
}
