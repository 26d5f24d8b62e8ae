package interop

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	stripeSecret = "whsec_5J8nCq0dYwK2rT7vXb3LmP9sEfGhUjAo"
	stripeEvent  = "{\n  \"id\": \"evt_1NG8Du2eZvKYlo2CUI79vXWy\", \"object\": \"event\", \"api_version\": " +
		"\"2026-08-27.basil\", \"created\": 1795325025,\n" +
		"  \"data\": {\"object\": {\"id\": \"in_1MtHbELkdIwHu7ixl4OzzPMv\", \"object\": \"invoice\", \"description\": " +
		"\"Grüße 👋\"}}, \"livemode\": false,\n" +
		"  \"pending_webhooks\": 1, \"request\": {\"id\": null, \"idempotency_key\": null}, \"type\": \"invoice.paid\"\n}"
	stripeThin = `{"id":"evt_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",` +
		`"livemode":false,"created":"2026-11-22T10:00:00.000Z","related_object":{"id":"mtr_test_61RCjiqdTDC91zgip41IqPCzPnxqqSVc","type":"billing.meter",` +
		`"url":"/v1/billing/meters/mtr_test_61RCjiqdTDC91zgip41IqPCzPnxqqSVc"},"reason":null}`
)

func TestNpmStripe(t *testing.T) {
	g := live(t)
	g.provider(t, "stripe")
	const script = "stripe.mjs"
	client := npm(t, "stripe")
	// sign has the client sign a body for s and returns what it was answered.
	sign := func(t *testing.T, s source, body, secret string, at time.Time, others ...string) int {
		t.Helper()
		status, _ := node(t, script, settings{"secret": secret, "to": s.URL, "body": body, "at": at.Unix(),
			"others": others}).next()["status"].(float64)
		return int(status)
	}
	// verifies has the client verify what is delivered of what ring sends to s.
	verifies := func(t *testing.T, s source, thin bool, secrets any, ring func()) (event map[string]any, body,
		signature string) {
		t.Helper()
		p := receiver(t, script, settings{"secret": stripeSecret, "thin": thin})
		d := s.to(t, "stripe", p.URL, settings{"secret": secrets})
		ring()
		got := p.next()
		if got["refusesTampered"] != true {
			t.Error("it takes a changed body")
		}
		d.delivered(t)
		return got["event"].(map[string]any), got["body"].(string), got["signature"].(string)
	}

	show(t, client, deliver, "any JSON object, as a snapshot event; one more byte is refused", func(t *testing.T) {
		s := g.plain(t)
		const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
		got, _, _ := verifies(t, s, false, stripeSecret, func() { s.ring(t, "application/json", data) })
		ev := s.one(t)
		if got["id"] != ev.ID || got["type"] != ev.Type {
			t.Errorf("it is %v", got)
		}
		same(t, "data.object", got["data"].(map[string]any)["object"], []byte(data))
	})
	show(t, client, deliver, "bytes that are no JSON, in data_base64", func(t *testing.T) {
		s := g.plain(t)
		got, _, _ := verifies(t, s, false, stripeSecret, func() { s.ring(t, "application/octet-stream", allBytes()) })
		if object := got["data"].(map[string]any)["object"].(map[string]any); object["data_base64"] == nil {
			t.Errorf("it is %v", object)
		}
	})
	show(t, client, deliver, "either secret of a rotation", func(t *testing.T) {
		s := g.plain(t)
		_, _, signature := verifies(t, s, false, []string{"whsec_new", stripeSecret},
			func() { s.ring(t, "application/json", `{"n":1}`) })
		if strings.Count(signature, "v1=") != 2 {
			t.Errorf("signed %q, want two signatures", signature)
		}
	})
	for _, c := range []struct {
		what, body string
		thin       bool
	}{
		{"an event that it signed itself, byte for byte", stripeEvent, false},
		{"a thin event that it signed itself, read by parseEventNotification", stripeThin, true},
	} {
		show(t, client, deliver, c.what, func(t *testing.T) {
			s := g.source(t, "stripe", settings{"secret": "whsec_another"})
			_, body, _ := verifies(t, s, c.thin, stripeSecret, func() {
				if status := sign(t, s, c.body, "whsec_another", time.Now()); status != http.StatusAccepted {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
			})
			if body != c.body {
				t.Errorf("it got %q", body)
			}
		})
	}
	door := func(t *testing.T) source { return g.source(t, "stripe", settings{"secret": stripeSecret}) }
	show(t, client, receive, "signed by generateTestHeaderString, taken byte for byte; signed again later is one event",
		func(t *testing.T) {
			s := door(t)
			for i := range 2 {
				if status := sign(t, s, stripeEvent, stripeSecret,
					time.Now().Add(time.Duration(i-1)*time.Minute)); status != http.StatusAccepted {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
			}
			ev := s.one(t)
			if ev.Type != "stripe.invoice.paid" || ev.Subject != "in_1MtHbELkdIwHu7ixl4OzzPMv" || ev.Body != stripeEvent {
				t.Errorf("it is %+v", ev)
			}
		})
	show(t, client, receive, "its signature beside others in one header", func(t *testing.T) {
		s := door(t)
		other := strings.Repeat("0a", 32)
		if status := sign(t, s, stripeEvent, stripeSecret, time.Now(), "v1="+other,
			"v0="+other); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
	})
	show(t, client, receive, "another secret, or ten minutes old: 401", func(t *testing.T) {
		s := door(t)
		if status := sign(t, s, stripeEvent, "whsec_another", time.Now()); status != http.StatusUnauthorized {
			t.Errorf("another secret: answered %d", status)
		}
		if status := sign(t, s, stripeEvent, stripeSecret,
			time.Now().Add(-10*time.Minute)); status != http.StatusUnauthorized {
			t.Errorf("ten minutes old: answered %d", status)
		}
	})
}
