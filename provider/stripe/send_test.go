package stripe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/stripe"
)

func render(t *testing.T, more map[string]any, ev bellhop.Event) provider.OutboundRequest {
	t.Helper()
	r := providertest.OpenSender(t, stripe.Provider{}, providertest.Settings(map[string]any{"secret": secrets[0]},
		more))
	m, err := r.Render(&ev, provider.AttemptInfo{Attempt: 1, Time: providertest.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var order = bellhop.Event{
	ID: "evt_1", Type: "order.shipped", Subject: "o_1",
	Time: time.Date(2026, 11, 22, 9, 59, 0, 123, time.FixedZone("", 3600)),
	Body: []byte(`{"id":"o_1","n":12345678901234567890}`),
}

func TestSendOtherSystem(t *testing.T) {
	const want = `{"id":"evt_1","object":"event","api_version":null,"created":1795337940,"data":{"object":{"id":"o_1",` +
		`"n":12345678901234567890}},` +
		`"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"order.shipped"}`
	m := render(t, nil, order)
	if got := string(m.Body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := m.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %s", got)
	}
	m = render(t, map[string]any{"api_version": "2025-09-30.clover", "livemode": true}, order)
	for _, part := range []string{`"api_version":"2025-09-30.clover"`, `"livemode":true`} {
		if !strings.Contains(string(m.Body), part) {
			t.Errorf("no %s in %s", part, m.Body)
		}
	}
}

func TestSendOtherBodies(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 63) + "1" + strings.Repeat("}", 63) // 63 levels, and 65 within data.object
	for body, want := range map[string]string{
		"{}":               `{"object":{}}`,
		"[1, 2]":           `{"object":{"id":"o_1","object":"bellhop.body","data":[1,2]}}`,
		"plain words":      `{"object":{"id":"o_1","object":"bellhop.body","data_base64":"cGxhaW4gd29yZHM="}}`,
		"":                 `{"object":{"id":"o_1","object":"bellhop.body"}}`,
		`{"a":1,"a":2}`:    `{"object":{"a":1,"a":2}}`,
		"{\"a\":\"\xff\"}": `{"object":{"id":"o_1","object":"bellhop.body","data_base64":"eyJhIjoi/yJ9"}}`,
		deep:               `{"object":{"id":"o_1","object":"bellhop.body","data_base64":"`,
	} {
		ev := order
		ev.Body = []byte(body)
		if got := string(render(t, nil, ev).Body); !strings.Contains(got, `"data":`+want) {
			t.Errorf("%.20q: got %s", body, got)
		}
	}
	ev := order
	ev.Time, ev.ReceivedAt = time.Time{}, providertest.Now
	if got := string(render(t, nil, ev).Body); !strings.Contains(got, `"created":1795338000`) {
		t.Errorf("event without a time: %s", got)
	}
}

func TestSendTypes(t *testing.T) {
	for kind, want := range map[string]string{
		"order.shipped": "order.shipped", "ams.JobStateChange": "ams.JobStateChange",
		"stripe.order.shipped": "order.shipped",
		"two words":            "two_words", "café:öl": "caf___l", "": "event", "stripe.": "event",
		strings.Repeat("t", 255): strings.Repeat("t", 248),
	} {
		ev := order
		ev.Type = kind
		if got := string(render(t, nil, ev).Body); !strings.HasSuffix(got, `"type":"`+want+`"}`) {
			t.Errorf("%q: got %s", kind, got)
		}
	}
}

func TestSendStripeEvent(t *testing.T) {
	own := bellhop.Event{ID: "evt_2", Type: "stripe.invoice.paid", Body: []byte(" " + anEvent + "\r\n")}
	if m := render(t, nil, own); string(m.Body) != string(own.Body) {
		t.Errorf("got %s", m.Body)
	}
	own.Type = "invoice.paid"
	if m := render(t, nil, own); !strings.HasPrefix(string(m.Body), `{"id":"evt_2","object":"event",`) {
		t.Errorf("the type of another system: %s", m.Body)
	}
}

// While a secret is being rolled, a receiver that has either secret accepts the request.
func TestSendWithTwoSecrets(t *testing.T) {
	m := render(t, map[string]any{"secret": secrets}, order)
	for _, secret := range secrets {
		if err := stripe.Verify(m.Header, m.Body, providertest.Now, 0, []byte(secret)); err != nil {
			t.Error(err)
		}
	}
}
