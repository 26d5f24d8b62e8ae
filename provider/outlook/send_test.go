package outlook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func sender(t *testing.T, more map[string]any) provider.Batcher {
	t.Helper()
	return providertest.OpenSender(t, outlook.Provider{},
		providertest.Settings(map[string]any{"client_state": state}, more)).(provider.Batcher)
}

var foreign = bellhop.Event{ID: "evt_01h2xcejqt", Type: "invoice.paid", Subject: "https://attacker.example/",
	ReceivedAt: providertest.Now, Body: []byte(`{"id":"in_1"}`)}

func TestSendOtherSystem(t *testing.T) {
	const want = `{"value":[{"@odata.type":"#Microsoft.OutlookServices.Notification","Id":null,` +
		`"SubscriptionId":"ZXZ0XzAxaDJ4Y2VqcXQ=",` +
		`"SubscriptionExpirationDateTime":"2026-11-25T09:00:00.0000000Z","SequenceNumber":1,"ChangeType":"Created",` +
		`"Resource":"RESOURCE",` +
		`"ResourceData":{"@odata.type":"#Bellhop.Event","@odata.id":"RESOURCE","@odata.etag":"W/\"evt_01h2xcejqt\"",` +
		`"Id":"evt_01h2xcejqt",` +
		`"Type":"invoice.paid","Subject":"https://attacker.example/"}}]}`
	for base, resource := range map[string]string{
		"":                                    "urn:bellhop:event:evt_01h2xcejqt",
		"https://b.example.com/api/v1/events": "https://b.example.com/api/v1/events/evt_01h2xcejqt",
		"http://b.example.com/":               "http://b.example.com/evt_01h2xcejqt",
	} {
		for attempt := range 2 {
			m, err := sender(t, map[string]any{"resource_url": base}).Render(&foreign,
				provider.AttemptInfo{Attempt: attempt, Time: time.Unix(int64(attempt), 0)})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(m.Body); got != strings.ReplaceAll(want, "RESOURCE", resource) {
				t.Errorf("%q: %s", base, got)
			}
			if got := m.Header; len(got) != 2 || got.Get("ClientState") != state ||
				got.Get("Content-Type") != "application/json" {
				t.Errorf("%v", got)
			}
		}
	}
}

// TestSendExpiry: the subscription expires with the destination.
func TestSendExpiry(t *testing.T) {
	m, err := sender(t, nil).Render(&foreign, provider.AttemptInfo{Time: providertest.Now,
		ExpiresAt: providertest.Now.Add(36 * time.Hour)})
	if err != nil || !strings.Contains(string(m.Body),
		`"SubscriptionExpirationDateTime":"2026-11-23T21:00:00.0000000Z"`) {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// Events of Outlook and of other systems share a request; those of Outlook keep their bytes.
func TestSendBatch(t *testing.T) {
	own := bellhop.Event{ID: "evt_1", Type: "outlook.Created",
		Body: []byte(`{ "subscriptionId":"a","ChangeType":"Created","more":1e400 }`)}
	claims := bellhop.Event{ID: "evt_2", Type: "outlook.Created",
		Body: []byte(`{"SubscriptionId":"a","ChangeType":"Deleted"}`)}
	m, err := sender(t, nil).RenderBatch([]*bellhop.Event{&own, &foreign, &claims, &own}, provider.AttemptInfo{})
	if err != nil {
		t.Fatal(err)
	}
	receipt := receive(t, open(t, nil), string(m.Body))
	var got []string
	for _, ev := range receipt.Events {
		got = append(got, ev.ProviderID+string(ev.Body[:3]))
	}
	if got := strings.Join(got, " "); got != `{ " ZXZ0XzAxaDJ4Y2VqcXQ=:1{"@ ZXZ0XzI=:1{"@ { "` {
		t.Errorf("received %s", got)
	}
}

func TestSendSettings(t *testing.T) {
	for raw, path := range map[string]string{
		`{"client_state":["a","b"]}`:                                         "client_state",
		`{"client_state":"é"}`:                                               "client_state",
		`{"client_state":"a","resource_url":"b.example.com"}`:                "resource_url",
		`{"client_state":"a","resource_url":"ftp://b.example.com"}`:          "resource_url",
		`{"client_state":"a","resource_url":"https:///events"}`:              "resource_url",
		`{"client_state":"a","resource_url":"https://b.example.com/?x=1"}`:   "resource_url",
		`{"client_state":"a","resource_url":"https://b.example.com/#x"}`:     "resource_url",
		`{"client_state":"a","resource_url":"https://me:x@b.example.com/"}`:  "resource_url",
		`{"client_state":"a","resource_url":"https://b.example.com/\u0000"}`: "resource_url",
	} {
		_, err := outlook.Provider{}.OpenSender(provider.Env{}, []byte(raw))
		providertest.CheckPath(t, raw, err, path)
	}
}

// A handshake has the state in its header, and the parameter in the letter case of Outlook.
func TestSendHandshake(t *testing.T) {
	env := provider.Env{Rand: strings.NewReader(strings.Repeat("r", 16))}
	r, err := outlook.Provider{}.OpenSender(env, []byte(`{"client_state":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://a.example/x?y=1"})
	if err != nil || !strings.HasPrefix(g.URL, "https://a.example/x?y=1&validationToken=") ||
		g.Request.Header.Get("ClientState") != "s" || len(g.Request.Body) > 0 {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := r.(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://a.example"}); err == nil {
		t.Error("made a handshake without randomness")
	}
}
