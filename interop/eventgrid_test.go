package interop

import (
	"net/http"
	"strings"
	"testing"
)

// eventGridKey is an access key in the form that the client requires. A source does not check it.
const eventGridKey = "dGhpcyBpcyBub3QgYSBzZWNyZXQgb2YgYW55Ym9keSE="

func TestNpmAzureEventgrid(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "eventgrid")
	const script = "azure-eventgrid.mjs"
	client := npmVersion(t, "@azure/eventgrid")
	handshake, none := settings{"handshake": "eventgrid"}, settings{"handshake": "none"}
	// setting is the schema's name in the settings of a destination, inClient its name in the client.
	schemas := []struct{ setting, inClient, title string }{{"eventgrid", "EventGrid", "Event Grid schema"},
		{"cloudevents", "CloudEvent", "CloudEvents schema"}}

	check(t, client, deliver, "validation by the code in the response", func(t *testing.T) {
		s := g.openSource(t)
		p := startReceiver(t, script, settings{"schema": "EventGrid"})
		d := s.newDestination(t, "eventgrid", p.URL, nil, handshake)
		if p.next()["validationCode"] == "" || d.State != "active" {
			t.Errorf("the destination is %+v, want it active", d)
		}
		s.post(t, "application/json", `{"n":1}`)
		if events := p.next()["events"].([]any); len(events) != 1 {
			t.Errorf("the client read %v, want one event", events)
		}
		d.waitUntilDelivered(t)
	})
	check(t, client, deliver, "validation by a call to validationUrl; no delivery is made before it",
		func(t *testing.T) {
			s := g.openSource(t)
			p := startReceiver(t, script, settings{"schema": "EventGrid", "manual": true})
			d := s.newDestination(t, "eventgrid", p.URL, nil, handshake)
			if !strings.HasPrefix(p.next()["validationUrl"].(string), "http") {
				t.Error("the validation event has no validationUrl")
			}
			if called := p.next()["called"]; called != 200.0 {
				t.Errorf("the call to validationUrl is answered %v", called)
			}
			if d.reload(t).State != "active" {
				t.Errorf("the destination is %+v, want it active", d)
			}
			s.post(t, "application/json", `{"n":1}`)
			p.next()
			d.waitUntilDelivered(t)
		})
	check(t, client, deliver, "CloudEvents schema: validation by OPTIONS from eventgrid.azure.net",
		func(t *testing.T) {
			s := g.openSource(t)
			p := startReceiver(t, script, settings{"schema": "CloudEvent"})
			d := s.newDestination(t, "eventgrid", p.URL, settings{"schema": "cloudevents"}, handshake)
			if origin := p.next()["origin"]; origin != "eventgrid.azure.net" || d.State != "active" {
				t.Errorf("the origin is %v, and the destination is %+v", origin, d)
			}
			s.post(t, "application/json", `{"n":1}`)
			p.next()
			d.waitUntilDelivered(t)
		})
	for _, schema := range schemas {
		// deliverAndRead creates a destination in this schema and calls sendEvents, which sends one event to s. It
		// returns the event that the client read.
		deliverAndRead := func(t *testing.T, s source, sendEvents func()) map[string]any {
			t.Helper()
			p := startReceiver(t, script, settings{"schema": schema.inClient})
			d := s.newDestination(t, "eventgrid", p.URL, settings{"schema": schema.setting}, none)
			sendEvents()
			got := p.next()
			d.waitUntilDelivered(t)
			if headers := got["headers"].(map[string]any); headers["aeg-event-type"] != "Notification" ||
				headers["aeg-delivery-count"] != "0" {
				t.Errorf("the headers are %v", headers)
			}
			events := got["events"].([]any)
			if len(events) != 1 {
				t.Fatalf("the client read %v, want one event", events)
			}
			return events[0].(map[string]any)
		}
		check(t, client, deliver, schema.title+": any JSON", func(t *testing.T) {
			s := g.openSource(t)
			const data = "{ \"n\" : 1, \"text\":\"Grüße, 世界 👋\" }"
			got := deliverAndRead(t, s, func() { s.post(t, "application/json", data) })
			wantJSON(t, "data", got["data"], []byte(data))
			if ev := s.onlyEvent(t); got["id"] != ev.ID {
				t.Errorf("the client read %v", got)
			}
		})
		check(t, client, deliver, schema.title+": text (it becomes an object of its characters)", func(t *testing.T) {
			s := g.openSource(t)
			got := deliverAndRead(t, s, func() { s.post(t, "text/plain; charset=utf-8", "Grüße") })
			// The client assumes that data is an object, and turns a string into an object of its characters by
			// position.
			wantJSON(t, "data", got["data"], settings{"0": "G", "1": "r", "2": "ü", "3": "ß", "4": "e"})
		})
		check(t, client, deliver, schema.title+": bytes that are not text", func(t *testing.T) {
			s := g.openSource(t)
			got := deliverAndRead(t, s, func() { s.post(t, "application/octet-stream", allBytes()) })
			if schema.setting == "cloudevents" {
				wantJSON(t, "data, a Uint8Array,", got["bytes"], byteList(allBytes()))
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
			{"id": "c-1", "type": "Contoso.Orders.Shipped", "source": "/orders", "subject": "Grüße",
				"data":                settings{"n": 1},
				"extensionAttributes": settings{"region": "west"}},
			{"id": "c-2", "type": "Contoso.Orders.Shipped", "source": "/orders",
				"datacontenttype": "application/octet-stream",
				"bytes":           []int{0, 128, 255}},
		},
	}
	// publish lets the client publish events to s and returns the status of the response.
	publish := func(t *testing.T, s source, schema, query string, events []settings) int {
		t.Helper()
		status, _ := startScript(t, script, settings{"schema": schema, "to": s.URL + query, "key": eventGridKey,
			"events": events}).next()["status"].(float64)
		return int(status)
	}
	byQuery := settings{"query_secret": "3f9cVb7pQ2mXw8Lk"}
	const code = "?code=3f9cVb7pQ2mXw8Lk"
	for _, schema := range schemas {
		check(t, client, receive, schema.title+": two events in one request by EventGridPublisherClient, "+
			"with the secret in the query of its endpoint", func(t *testing.T) {
			s := g.newSource(t, "eventgrid", byQuery)
			if status := publish(t, s, schema.inClient, code, published[schema.inClient]); status != http.StatusOK {
				t.Fatalf("answered %d: %v", status, s.refusals(t))
			}
			events := s.events(t)
			if len(events) != 2 || events[0].Type != "Contoso.Orders.Shipped" {
				t.Errorf("the stored events are %+v, want two", events)
			}
		})
		for _, out := range schemas {
			check(t, client, deliver, "the client's event in the "+schema.title+", in the "+out.title,
				func(t *testing.T) {
					s := g.newSource(t, "eventgrid", byQuery)
					p := startReceiver(t, script, settings{"schema": out.inClient})
					d := s.newDestination(t, "eventgrid", p.URL, settings{"schema": out.setting}, none)
					if status := publish(t, s, schema.inClient, code,
						published[schema.inClient][:1]); status != http.StatusOK {
						t.Fatalf("answered %d: %v", status, s.refusals(t))
					}
					got := p.next()["events"].([]any)[0].(map[string]any)
					wantJSON(t, "data", got["data"], settings{"n": 1})
					if sent := published[schema.inClient][0]; got["id"] != sent["id"] ||
						got["subject"] != sent["subject"] {
						t.Errorf("the client read %v", got)
					}
					if extensions, _ := got["extensionAttributes"].(map[string]any); schema.inClient == "CloudEvent" &&
						out.inClient == "CloudEvent" && extensions["region"] != "west" {
						t.Errorf("the extensions are %v", extensions)
					}
					d.waitUntilDelivered(t)
				})
		}
	}
	check(t, client, receive, "wrong secret: 401", func(t *testing.T) {
		s := g.newSource(t, "eventgrid", byQuery)
		if status := publish(t, s, "EventGrid", "?code=another",
			published["EventGrid"]); status != http.StatusUnauthorized {
			t.Errorf("answered %d", status)
		}
	})
}
