package standardwebhooks_test

import (
	"context"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
)

func receiveEvent(t *testing.T, req *provider.Request) bellhop.Event {
	t.Helper()
	r := providertest.Open(t, standardwebhooks.Provider{}, providertest.JSON(map[string]any{"secret": secrets[0]}))
	receipt, err := r.Receive(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Events[0]
}

func TestTypeAndTime(t *testing.T) {
	occurred := time.Date(2026, 11, 22, 8, 15, 30, 0, time.UTC)
	for body, want := range map[string]bellhop.Event{
		`{"type":"invoice.paid","timestamp":"2026-11-22T08:15:30Z"}`:      {Type: "invoice.paid", Time: occurred},
		`{"type":"invoice.paid","timestamp":"2026-11-22T09:15:30+01:00"}`: {Type: "invoice.paid", Time: occurred},
		`{"type":"invoice.paid","timestamp":1795000000}`:                  {Type: "invoice.paid", Time: providertest.Now},
		`{"type":"invoice.paid","timestamp":"yesterday"}`:                 {Type: "invoice.paid", Time: providertest.Now},
		`{"\u0074ype":"a\u002fb-c_D9"}`:                                   {Type: "a/b-c_D9", Time: providertest.Now},
		`{"Type":"x"}`:                                                    {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":"two words"}`:                                            {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":7}`:                                                      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":"x","timestamp":"2026-11-22T08:15:30Z","type":"y"}`:      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":"x"`:                      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`[{"type":"x"}]`:                   {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		"plain words":                      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		"":                                 {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"data":{"type":"inner"},"n":[]}`: {Type: standardwebhooks.DefaultType, Time: providertest.Now},
	} {
		got := receiveEvent(t, sign(secrets[0], providertest.Now, []byte(body)))
		if got.Type != want.Type || !got.Time.Equal(want.Time) || string(got.Body) != body {
			t.Errorf("%s: got %s at %v", body, got.Type, got.Time)
		}
	}
}

// R14: what came in as a Standard Webhook goes out under the id it came with, and anything else under its own, on
// every attempt.
func TestMessageID(t *testing.T) {
	r := providertest.OpenSender(t, standardwebhooks.Provider{}, providertest.JSON(map[string]any{"secret": secrets[:]}))
	for name, c := range map[string]struct {
		ev   bellhop.Event
		want string
	}{
		"own": {bellhop.Event{ID: "evt_1", ProviderID: "msg_1",
			Header: bellhop.Header("Webhook-Id: msg_1\n")}, "msg_1"},
		"own, Svix": {bellhop.Event{ID: "evt_1", ProviderID: "msg_1", Header: bellhop.Header("Svix-Id: msg_1\n")},
			"msg_1"},
		"of another": {bellhop.Event{ID: "evt_1", ProviderID: "etag"}, "evt_1"},
		"another's id": {bellhop.Event{ID: "evt_1", ProviderID: "etag",
			Header: bellhop.Header("Webhook-Id: msg_1\n")}, "evt_1"},
		"id with a dot": {bellhop.Event{ID: "evt_1", ProviderID: "a.b", Header: bellhop.Header("Webhook-Id: a.b\n")},
			"evt_1"},
		"published": {bellhop.Event{ID: "evt_1"}, "evt_1"},
	} {
		for attempt := range 3 {
			at := providertest.Now.Add(time.Duration(attempt) * time.Hour)
			m, err := r.Render(&c.ev, provider.AttemptInfo{Attempt: attempt + 1, Time: at})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Header.Get("webhook-id"); got != c.want || m.Header.Get("webhook-timestamp") == "" {
				t.Errorf("%s: got %v", name, m.Header)
			}
		}
	}
}

func TestSendWithoutID(t *testing.T) {
	r := providertest.OpenSender(t, standardwebhooks.Provider{}, providertest.JSON(map[string]any{"secret": secrets[0]}))
	if _, err := r.Render(&bellhop.Event{}, provider.AttemptInfo{Time: providertest.Now}); err == nil {
		t.Error("rendered an event without an id")
	}
}
