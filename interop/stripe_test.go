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
		"  \"data\": {\"object\": {\"id\": \"in_1MtHbELkdIwHu7ixl4OzzPMv\", \"object\": \"invoice\", " +
		"\"description\": \"Grüße 👋\"}}, \"livemode\": false,\n" +
		"  \"pending_webhooks\": 1, \"request\": {\"id\": null, \"idempotency_key\": null}, " +
		"\"type\": \"invoice.paid\"\n}"
	stripeThin = `{"id":"evt_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",` +
		`"livemode":false,"created":"2026-11-22T10:00:00.000Z","related_object":{"id":"mtr_test_61RCjiqdTDC91zgip41IqPCzPnxqqSVc","type":"billing.meter",` +
		`"url":"/v1/billing/meters/mtr_test_61RCjiqdTDC91zgip41IqPCzPnxqqSVc"},"reason":null}`
)

func TestNpmStripe(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "stripe")
	const script = "stripe.mjs"
	client := npmVersion(t, "stripe")
	// sign lets the client sign a body and post it to s, and returns the status of the response.
	sign := func(t *testing.T, s source, body, secret string, at time.Time, others ...string) int {
		t.Helper()
		status, _ := startScript(t, script, settings{"secret": secret, "to": s.URL, "body": body, "at": at.Unix(),
			"others": others}).next()["status"].(float64)
		return int(status)
	}
	// deliverAndVerify creates a destination with these secrets and calls sendEvents, which sends one event to s. It
	// returns the event that the client verified, and the body and the signature of the delivery.
	deliverAndVerify := func(t *testing.T, s source, thin bool, secrets any, sendEvents func()) (event map[string]any,
		body, signature string) {
		t.Helper()
		p := startReceiver(t, script, settings{"secret": stripeSecret, "thin": thin})
		d := s.newDestination(t, "stripe", p.URL, settings{"secret": secrets})
		sendEvents()
		got := p.next()
		if got["refusesTampered"] != true {
			t.Error("the client accepts a changed body")
		}
		d.waitUntilDelivered(t)
		return got["event"].(map[string]any), got["body"].(string), got["signature"].(string)
	}

	check(t, client, deliver, "any JSON object, as a snapshot event; one more byte is refused", func(t *testing.T) {
		s := g.openSource(t)
		const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
		got, _, _ := deliverAndVerify(t, s, false, stripeSecret, func() { s.post(t, "application/json", data) })
		ev := s.onlyEvent(t)
		if got["id"] != ev.ID || got["type"] != ev.Type {
			t.Errorf("the client read %v", got)
		}
		wantJSON(t, "data.object", got["data"].(map[string]any)["object"], []byte(data))
	})
	check(t, client, deliver, "bytes that are not JSON, in data_base64", func(t *testing.T) {
		s := g.openSource(t)
		got, _, _ := deliverAndVerify(t, s, false, stripeSecret,
			func() { s.post(t, "application/octet-stream", allBytes()) })
		if object := got["data"].(map[string]any)["object"].(map[string]any); object["data_base64"] == nil {
			t.Errorf("data.object is %v", object)
		}
	})
	check(t, client, deliver, "either secret of a rotation", func(t *testing.T) {
		s := g.openSource(t)
		_, _, signature := deliverAndVerify(t, s, false, []string{"whsec_new", stripeSecret},
			func() { s.post(t, "application/json", `{"n":1}`) })
		if strings.Count(signature, "v1=") != 2 {
			t.Errorf("signed %q, want two signatures", signature)
		}
	})
	for _, c := range []struct {
		name, body string
		thin       bool
	}{
		{"an event that the client signed, byte for byte", stripeEvent, false},
		{"a thin event that the client signed, read by parseEventNotification", stripeThin, true},
	} {
		check(t, client, deliver, c.name, func(t *testing.T) {
			s := g.newSource(t, "stripe", settings{"secret": "whsec_another"})
			_, body, _ := deliverAndVerify(t, s, c.thin, stripeSecret, func() {
				if status := sign(t, s, c.body, "whsec_another", time.Now()); status != http.StatusAccepted {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
			})
			if body != c.body {
				t.Errorf("the client received %q", body)
			}
		})
	}
	newSource := func(t *testing.T) source { return g.newSource(t, "stripe", settings{"secret": stripeSecret}) }
	check(t, client, receive, "signed by generateTestHeaderString, stored byte for byte; signed again is one event",
		func(t *testing.T) {
			s := newSource(t)
			for i := range 2 {
				if status := sign(t, s, stripeEvent, stripeSecret,
					time.Now().Add(time.Duration(i-1)*time.Minute)); status != http.StatusAccepted {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
			}
			ev := s.onlyEvent(t)
			if ev.Type != "stripe.invoice.paid" || ev.Subject != "in_1MtHbELkdIwHu7ixl4OzzPMv" ||
				ev.Body != stripeEvent {
				t.Errorf("the stored event is %+v", ev)
			}
		})
	check(t, client, receive, "its signature among others in one header", func(t *testing.T) {
		s := newSource(t)
		other := strings.Repeat("0a", 32)
		if status := sign(t, s, stripeEvent, stripeSecret, time.Now(), "v1="+other,
			"v0="+other); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
	})
	check(t, client, receive, "wrong secret, or a timestamp ten minutes old: 401", func(t *testing.T) {
		s := newSource(t)
		if status := sign(t, s, stripeEvent, "whsec_another", time.Now()); status != http.StatusUnauthorized {
			t.Errorf("wrong secret: answered %d", status)
		}
		if status := sign(t, s, stripeEvent, stripeSecret,
			time.Now().Add(-10*time.Minute)); status != http.StatusUnauthorized {
			t.Errorf("ten minutes old: answered %d", status)
		}
	})
}
