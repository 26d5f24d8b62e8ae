package interop

import (
	"net/http"
	"strings"
	"testing"
)

const eventGridKey = "dGhpcyBpcyBub3QgYSBzZWNyZXQgb2YgYW55Ym9keSE="

func TestNpmAzureEventgrid(t *testing.T) {
	g := live(t)
	g.provider(t, "eventgrid")
	const script = "azure-eventgrid.mjs"
	client := npm(t, "@azure/eventgrid")
	handshake, none := settings{"handshake": "eventgrid"}, settings{"handshake": "none"}
	schemas := []struct{ ours, its, named string }{{"eventgrid", "EventGrid", "Event Grid schema"},
		{"cloudevents", "CloudEvent", "CloudEvents schema"}}

	show(t, client, deliver, "the validation event is read, and its code is the answer", func(t *testing.T) {
		s := g.plain(t)
		p := receiver(t, script, settings{"schema": "EventGrid"})
		d := s.to(t, "eventgrid", p.URL, nil, handshake)
		if p.next()["validationCode"] == "" || d.State != "active" {
			t.Errorf("it is %+v", d)
		}
		s.ring(t, "application/json", `{"n":1}`)
		if events := p.next()["events"].([]any); len(events) != 1 {
			t.Errorf("it read %v", events)
		}
		d.delivered(t)
	})
	show(t, client, deliver, "validation by a call to validationUrl; nothing is delivered before", func(t *testing.T) {
		s := g.plain(t)
		p := receiver(t, script, settings{"schema": "EventGrid", "manual": true})
		d := s.to(t, "eventgrid", p.URL, nil, handshake)
		if !strings.HasPrefix(p.next()["validationUrl"].(string), "http") {
			t.Error("there is no validationUrl")
		}
		if called := p.next()["called"]; called != 200.0 {
			t.Errorf("the call is answered %v", called)
		}
		if d.reload(t).State != "active" {
			t.Errorf("it is %+v", d)
		}
		s.ring(t, "application/json", `{"n":1}`)
		p.next()
		d.delivered(t)
	})
	show(t, client, deliver, "CloudEvents schema: asked by OPTIONS under eventgrid.azure.net", func(t *testing.T) {
		s := g.plain(t)
		p := receiver(t, script, settings{"schema": "CloudEvent"})
		d := s.to(t, "eventgrid", p.URL, settings{"schema": "cloudevents"}, handshake)
		if origin := p.next()["origin"]; origin != "eventgrid.azure.net" || d.State != "active" {
			t.Errorf("asked as %v, and it is %+v", origin, d)
		}
		s.ring(t, "application/json", `{"n":1}`)
		p.next()
		d.delivered(t)
	})
	for _, schema := range schemas {
		// reads has the client read what is delivered of what ring sends to s.
		reads := func(t *testing.T, s source, ring func()) map[string]any {
			t.Helper()
			p := receiver(t, script, settings{"schema": schema.its})
			d := s.to(t, "eventgrid", p.URL, settings{"schema": schema.ours}, none)
			ring()
			got := p.next()
			d.delivered(t)
			if headers := got["headers"].(map[string]any); headers["aeg-event-type"] != "Notification" ||
				headers["aeg-delivery-count"] != "0" {
				t.Errorf("its headers are %v", headers)
			}
			events := got["events"].([]any)
			if len(events) != 1 {
				t.Fatalf("it read %v", events)
			}
			return events[0].(map[string]any)
		}
		show(t, client, deliver, schema.named+": any JSON", func(t *testing.T) {
			s := g.plain(t)
			const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
			got := reads(t, s, func() { s.ring(t, "application/json", data) })
			same(t, "data", got["data"], []byte(data))
			if ev := s.one(t); got["id"] != ev.ID {
				t.Errorf("it is %v", got)
			}
		})
		show(t, client, deliver, schema.named+": text (it makes an object of the characters)", func(t *testing.T) {
			s := g.plain(t)
			got := reads(t, s, func() { s.ring(t, "text/plain; charset=utf-8", "Grüße") })
			// The client takes data for an object and makes one of a string's characters, by position.
			same(t, "data", got["data"], settings{"0": "G", "1": "r", "2": "ü", "3": "ß", "4": "e"})
		})
		show(t, client, deliver, schema.named+": bytes that are no text", func(t *testing.T) {
			s := g.plain(t)
			got := reads(t, s, func() { s.ring(t, "application/octet-stream", allBytes()) })
			if schema.ours == "cloudevents" {
				bytes := make([]int, 256)
				for i := range bytes {
					bytes[i] = i
				}
				same(t, "data, a Uint8Array,", got["bytes"], bytes)
			} else if data := got["data"].(map[string]any); data["data_base64"] == "" {
				t.Errorf("data is %v", data)
			}
		})
	}

	published := map[string][]settings{
		"EventGrid": {
			{"id": "e-1", "eventType": "Contoso.Orders.Shipped", "subject": "/orders/Grüße", "dataVersion": "1.0",
				"data": settings{"n": 1}},
			{"id": "e-2", "eventType": "Contoso.Orders.Shipped", "subject": "/orders/2", "dataVersion": "",
				"data": settings{"n": 2}},
		},
		"CloudEvent": {
			{"id": "c-1", "type": "Contoso.Orders.Shipped", "source": "/orders", "subject": "Grüße", "data": settings{"n": 1},
				"extensionAttributes": settings{"region": "west"}},
			{"id": "c-2", "type": "Contoso.Orders.Shipped", "source": "/orders", "datacontenttype": "application/octet-stream",
				"bytes": []int{0, 128, 255}},
		},
	}
	publish := func(t *testing.T, s source, schema, query, key string, events []settings) int {
		t.Helper()
		status, _ := node(t, script, settings{"schema": schema, "to": s.URL + query, "key": key,
			"events": events}).next()["status"].(float64)
		return int(status)
	}
	byQuery := settings{"query_secret": "3f9cVb7pQ2mXw8Lk"}
	const code = "?code=3f9cVb7pQ2mXw8Lk"
	for _, schema := range schemas {
		show(t, client, receive, schema.named+": two events at once by EventGridPublisherClient, the secret in the query "+
			"of its endpoint", func(t *testing.T) {
			s := g.source(t, "eventgrid", byQuery)
			if status := publish(t, s, schema.its, code, eventGridKey, published[schema.its]); status != http.StatusOK {
				t.Fatalf("answered %d: %v", status, s.refusals(t))
			}
			events := s.events(t)
			if len(events) != 2 || events[0].Type != "Contoso.Orders.Shipped" {
				t.Errorf("they are %+v", events)
			}
		})
		for _, out := range schemas {
			show(t, client, deliver, "what it published in the "+schema.named+", in the "+out.named, func(t *testing.T) {
				s := g.source(t, "eventgrid", byQuery)
				p := receiver(t, script, settings{"schema": out.its})
				d := s.to(t, "eventgrid", p.URL, settings{"schema": out.ours}, none)
				if status := publish(t, s, schema.its, code, eventGridKey, published[schema.its][:1]); status != http.StatusOK {
					t.Fatalf("answered %d: %v", status, s.refusals(t))
				}
				got := p.next()["events"].([]any)[0].(map[string]any)
				same(t, "data", got["data"], settings{"n": 1})
				if got["id"] != published[schema.its][0]["id"] || got["subject"] != published[schema.its][0]["subject"] {
					t.Errorf("it is %v", got)
				}
				if extensions, _ := got["extensionAttributes"].(map[string]any); schema.its == "CloudEvent" &&
					out.its == "CloudEvent" && extensions["region"] != "west" {
					t.Errorf("its extensions are %v", extensions)
				}
				d.delivered(t)
			})
		}
	}
	show(t, client, receive, "another secret: 401", func(t *testing.T) {
		s := g.source(t, "eventgrid", byQuery)
		if status := publish(t, s, "EventGrid", "?code=another", eventGridKey,
			published["EventGrid"]); status != http.StatusUnauthorized {
			t.Errorf("answered %d", status)
		}
	})
}
