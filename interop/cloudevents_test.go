package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

const (
	cloudToken  = "x4Kp0mZt7sVq2LrY9bNc"
	cloudData   = "{\"n\":1,\"text\":\"Grüße, 世界 👋\"}"
	cloudTime   = "2026-11-22T10:00:00.123456789Z"
	withUTF8    = "Grüße, 100 % \"Gänse\""
	encodedUTF8 = "Gr%C3%BC%C3%9Fe,%20100%20%25%20%22G%C3%A4nse%22"
)

// cloudEventsSource creates a source of provider cloudevents that requires a bearer token.
func cloudEventsSource(t *testing.T, g *gateway) source {
	t.Helper()
	return g.newSource(t, "cloudevents", settings{"bearer_token": cloudToken})
}

// byteList returns the bytes of text as a list of numbers, the form in which the scripts pass bytes.
func byteList(text string) []int {
	list := make([]int, len(text))
	for i := range text {
		list[i] = int(text[i])
	}
	return list
}

func TestNpmCloudevents(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "cloudevents")
	const script = "cloudevents.mjs"
	client := npmVersion(t, "cloudevents")
	// send lets the client send an event and reports whether the client could send it.
	send := func(t *testing.T, s source, mode, token string, event settings) bool {
		t.Helper()
		p := startScript(t, script, settings{"to": s.URL, "mode": mode, "event": event,
			"headers": settings{"authorization": "Bearer " + token}})
		return p.next()["sent"] == true
	}
	// deliverAndRead creates a destination in this mode and calls sendEvents, which sends one event to s. It returns
	// the event that the client read and the Content-Type of the delivery.
	deliverAndRead := func(t *testing.T, s source, mode string, sendEvents func()) (event map[string]any,
		contentType string) {
		t.Helper()
		p := startReceiver(t, script, settings{})
		d := s.newDestination(t, "cloudevents", p.URL, settings{"mode": mode})
		sendEvents()
		got := p.next()
		d.waitUntilDelivered(t)
		events := got["events"].([]any)
		if len(events) != 1 {
			t.Fatalf("the client read %v, want one event", events)
		}
		return events[0].(map[string]any), got["contentType"].(string)
	}
	types := map[string]string{"structured": "application/cloudevents+json", "binary": "application/json",
		"batch": "application/cloudevents-batch+json"}

	for _, mode := range []string{"structured", "binary", "batch"} {
		check(t, client, deliver, mode+": any JSON", func(t *testing.T) {
			s := g.openSource(t)
			got, contentType := deliverAndRead(t, s, mode, func() { s.post(t, "application/json", cloudData) })
			wantJSON(t, "data", got["data"], []byte(cloudData))
			if ev := s.onlyEvent(t); got["id"] != ev.ID || got["source"] != "/in/"+s.Name ||
				!strings.HasPrefix(contentType,
					types[mode]) {
				t.Errorf("the client read %v in %s", got, contentType)
			}
		})
	}
	check(t, client, deliver, "structured: text", func(t *testing.T) {
		s := g.openSource(t)
		if got, _ := deliverAndRead(t, s, "structured",
			func() { s.post(t, "text/plain; charset=utf-8", withUTF8) }); got["data"] != withUTF8 {
			t.Errorf("data is %v", got["data"])
		}
	})
	for _, mode := range []string{"structured", "binary"} {
		check(t, client, deliver, mode+": bytes that are not text", func(t *testing.T) {
			s := g.openSource(t)
			got, _ := deliverAndRead(t, s, mode, func() { s.post(t, "application/octet-stream", allBytes()) })
			wantJSON(t, "data", got["bytes"], byteList(allBytes()))
		})
	}
	check(t, client, deliver, "structured: the client's event, subject beyond ASCII, extension", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		got, _ := deliverAndRead(t, s, "binary", func() { // a structured event stays structured
			event := settings{"id": "1", "type": "order.paid", "source": "/shop", "subject": withUTF8,
				"region": "west",
				"data":   settings{"n": 1}}
			if !send(t, s, "structured", cloudToken, event) {
				t.Fatalf("the client could not send: %v", s.refusals(t))
			}
		})
		if got["subject"] != withUTF8 || got["region"] != "west" || got["id"] != "1" {
			t.Errorf("the client read %v", got)
		}
	})
	check(t, client, deliver, "binary: subject beyond ASCII; the client does not decode it", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		got, _ := deliverAndRead(t, s, "binary", func() {
			status := post(t, s.URL, http.Header{"Content-Type": {"application/json"},
				"Authorization": {"Bearer " + cloudToken}, "Ce-Specversion": {"1.0"},
				"Ce-Id": {"2"}, "Ce-Type": {"order.paid"}, "Ce-Source": {"/shop"}, "Ce-Subject": {withUTF8}},
				`{"n":1}`)
			if status != http.StatusAccepted {
				t.Fatalf("answered %d: %v", status, s.refusals(t))
			}
		})
		if got["subject"] != encodedUTF8 {
			t.Errorf("the client read %v", got)
		}
	})

	for _, mode := range []string{"structured", "binary"} {
		check(t, client, receive, mode+": JSON, time, extension", func(t *testing.T) {
			s := cloudEventsSource(t, g)
			event := settings{"id": "a b", "type": "order.paid", "source": "/shop", "subject": "50% off",
				"time": "2026-11-22T10:00:00.123Z", "region": "west", "data": settings{"n": 1}}
			if !send(t, s, mode, cloudToken, event) {
				t.Fatalf("the client could not send: %v", s.refusals(t))
			}
			ev := s.onlyEvent(t)
			if ev.Type != "order.paid" || ev.Subject != "50% off" ||
				ev.Time.Format(time.RFC3339Nano) != "2026-11-22T10:00:00.123Z" || !strings.Contains(ev.Body, `"n":1`) {
				t.Errorf("the stored event is %+v", ev)
			}
			if mode == "binary" && strings.Join(ev.Headers["Ce-Region"], "") != "west" {
				t.Errorf("the stored headers are %v", ev.Headers)
			}
		})
		check(t, client, receive, mode+": bytes", func(t *testing.T) {
			s := cloudEventsSource(t, g)
			event := settings{"id": "b", "type": "order.paid", "source": "/shop",
				"datacontenttype": "application/octet-stream",
				"bytes":           byteList(allBytes())}
			if !send(t, s, mode, cloudToken, event) {
				t.Fatalf("the client could not send: %v", s.refusals(t))
			}
			ev := s.onlyEvent(t)
			if mode == "binary" && ev.Body != allBytes() ||
				mode == "structured" && !strings.Contains(ev.Body, "data_base64") {
				t.Errorf("the stored event is %+v", ev)
			}
		})
	}
	check(t, client, receive, "structured: subject beyond ASCII", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		send(t, s, "structured", cloudToken, settings{"id": "c", "type": "order.paid", "source": "/shop",
			"subject": withUTF8, "data": settings{}})
		if ev := s.onlyEvent(t); ev.Subject != withUTF8 {
			t.Errorf("the stored event is %+v", ev)
		}
	})
	check(t, client, receive, "binary: the client cannot send a subject beyond Latin-1", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		if send(t, s, "binary", cloudToken, settings{"id": "d", "type": "order.paid", "source": "/shop",
			"subject": "世界",
			"data":    settings{}}) {
			t.Error("the client could send it")
		}
	})
	check(t, client, receive, "wrong token: refused", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		send(t, s, "structured", "another", settings{"id": "e", "type": "order.paid", "source": "/shop",
			"data": settings{}})
		if refused := s.waitForRefusal(t); len(s.events(t)) != 0 || !strings.HasPrefix(refused, "signature") {
			t.Errorf("the refusal is %q, want a signature error and no event", refused)
		}
	})
}

func TestGoCloudevents(t *testing.T) {
	g := sharedGateway(t)
	g.requireProvider(t, "cloudevents")
	client := moduleVersion(t, "github.com/cloudevents/sdk-go/v2")
	newEvent := func(t *testing.T, id, contentType string, data any) cloudevents.Event {
		t.Helper()
		e := cloudevents.NewEvent()
		e.SetID(id)
		e.SetType("order.paid")
		e.SetSource("/shop")
		e.SetSubject(withUTF8)
		e.SetExtension("region", "west")
		at, err := time.Parse(time.RFC3339Nano, cloudTime)
		if err != nil {
			t.Fatal(err)
		}
		e.SetTime(at)
		if err := e.SetData(contentType, data); err != nil {
			t.Fatal(err)
		}
		return e
	}
	modes := map[string]func(context.Context) context.Context{
		"structured": cloudevents.WithEncodingStructured,
		"binary":     cloudevents.WithEncodingBinary,
	}
	sender := func(t *testing.T, s source, token string) cloudevents.Client {
		t.Helper()
		c, err := cloudevents.NewClientHTTP(cehttp.WithTarget(s.URL),
			cehttp.WithHeader("Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	// deliverAndRead creates a destination in this mode and calls sendEvents, which sends one event to s. It returns
	// the event that a receiver of the SDK read.
	deliverAndRead := func(t *testing.T, s source, mode string, sendEvents func()) cloudevents.Event {
		t.Helper()
		r := startGoReceiver(t)
		d := s.newDestination(t, "cloudevents", r.url, settings{"mode": mode})
		sendEvents()
		got := r.next(t)
		d.waitUntilDelivered(t)
		return got
	}
	for _, mode := range []string{"structured", "binary"} {
		check(t, client, deliver, mode+": any JSON", func(t *testing.T) {
			s := g.openSource(t)
			got := deliverAndRead(t, s, mode, func() { s.post(t, "application/json", cloudData) })
			wantJSON(t, "data", got.Data(), []byte(cloudData))
			if ev := s.onlyEvent(t); got.ID() != ev.ID || got.Source() != "/in/"+s.Name {
				t.Errorf("the client read %v", got)
			}
		})
		check(t, client, deliver, mode+": bytes that are not text", func(t *testing.T) {
			s := g.openSource(t)
			got := deliverAndRead(t, s, mode, func() { s.post(t, "application/octet-stream", allBytes()) })
			if string(got.Data()) != allBytes() {
				t.Errorf("the client read %v", got)
			}
		})
		name := mode + ": the client's event, subject beyond ASCII, extension"
		if mode == "binary" {
			name += " (the client does not decode the subject)"
		}
		check(t, client, deliver, name, func(t *testing.T) {
			s := cloudEventsSource(t, g)
			got := deliverAndRead(t, s, "structured", func() {
				// the event is delivered in the mode in which it was received
				if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
					newEvent(t, "1", "application/json", json.RawMessage(cloudData))); !cloudevents.IsACK(result) {
					t.Fatalf("%v: %v", result, s.refusals(t))
				}
			})
			subject := withUTF8
			if mode == "binary" {
				subject = encodedUTF8
			}
			if got.Subject() != subject || got.Extensions()["region"] != "west" ||
				got.Time().Format(time.RFC3339Nano) != cloudTime || string(got.Data()) != cloudData {
				t.Errorf("the client read %v", got)
			}
		})
	}
	check(t, client, deliver, "batch, read by NewEventsFromHTTPRequest", func(t *testing.T) {
		s := g.openSource(t)
		found := make(chan string, 1)
		web := listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			events, err := cehttp.NewEventsFromHTTPRequest(r)
			if err != nil || len(events) != 1 {
				found <- fmt.Sprintf("%d events, %v", len(events), err)
			} else {
				found <- string(events[0].Data())
			}
			w.WriteHeader(http.StatusNoContent)
		})
		d := s.newDestination(t, "cloudevents", web, settings{"mode": "batch"})
		s.post(t, "application/json", cloudData)
		wantJSON(t, "data", []byte(<-found), []byte(cloudData))
		d.waitUntilDelivered(t)
	})
	check(t, client, deliver, "batch: its receiver answers 500", func(t *testing.T) {
		s := g.openSource(t)
		r := startGoReceiver(t)
		d := s.newDestination(t, "cloudevents", r.url, settings{"mode": "batch"},
			settings{"retry": settings{"schedule": "none"}})
		s.post(t, "application/json", cloudData)
		if v := d.waitForDelivery(t, "dead"); v.Last.Status != http.StatusInternalServerError {
			t.Errorf("answered %d", v.Last.Status)
		}
	})

	const origin = "hooks.example.com"
	// newHandshakeDestination creates a source, a receiver that allows origins, and a destination that makes the
	// handshake with it. With auto the receiver calls the handshake's callback by itself.
	newHandshakeDestination := func(t *testing.T, auto bool, origins ...string) (source, *destination,
		*cloudReceiver) {
		t.Helper()
		s := g.openSource(t)
		r := startGoReceiver(t, cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 120, origins, auto))
		return s, s.newDestination(t, "cloudevents", r.url, settings{"origin": origin, "rate": 600},
			settings{"handshake": "cloudevents"}), r
	}
	// sendHandshake runs bellhop send --handshake against a receiver that allows one origin and answers at once.
	sendHandshake := func(t *testing.T, allowed string) (string, error) {
		t.Helper()
		post := []string{http.MethodPost}
		r := startGoReceiver(t, cehttp.WithDefaultOptionsHandlerFunc(post, 120, []string{allowed}, false))
		return runBellhop("send", "cloudevents", "--to", r.url, "--set", "origin="+origin, "--handshake")
	}
	check(t, client, deliver, "OPTIONS: it consents by the callback; the granted rate is stored", func(t *testing.T) {
		s, d, r := newHandshakeDestination(t, true, origin)
		if !waitFor(func() bool { return d.reload(t).State == "active" }) || d.Granted == nil ||
			d.Granted.PerSecond != 2 {
			t.Fatalf("the destination is %+v, want it active with 2 requests per second", d)
		}
		s.post(t, "application/json", cloudData)
		r.next(t)
		d.waitUntilDelivered(t)
	})
	check(t, client, deliver, "OPTIONS: without an automatic callback it stays unverified; no attempt is made",
		func(t *testing.T) {
			s, d, r := newHandshakeDestination(t, false, origin)
			// The API creates the destination after the handshake, so its outcome is recorded now.
			if d.State != "unverified" || d.StateReason == "" {
				t.Fatalf("after the handshake the destination is %+v", d)
			}
			// The same event goes to a second destination. When that one has it, an attempt at d would have been due
			// too.
			other := s.newDestination(t, "http", listen(t, nil).URL, settings{"format": "raw"})
			s.post(t, "application/json", cloudData)
			other.waitUntilDelivered(t)
			if v := d.deliveries(t); d.reload(t).State != "unverified" || len(v) != 1 || v[0].Attempts != 0 ||
				len(r.events) != 0 {
				t.Errorf("the destination is %+v, its deliveries are %+v, and %d events were received", d, v,
					len(r.events))
			}
		})
	check(t, client, deliver, "OPTIONS without a callback: it consents in its response", func(t *testing.T) {
		if out, err := sendHandshake(t, origin); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	check(t, client, deliver, "OPTIONS: another origin is refused", func(t *testing.T) {
		_, d, _ := newHandshakeDestination(t, true, "other.example.com")
		if d.State != "unverified" {
			t.Errorf("the destination is %+v, want it unverified", d)
		}
		t.Log(d.StateReason)
		if out, err := sendHandshake(t, "other.example.com"); err == nil {
			t.Errorf("the handshake succeeded: %s", out)
		}
	})
	check(t, client, deliver, "OPTIONS: consent for a prefix of the origin is no consent", func(t *testing.T) {
		// The receiver compares origins by prefix, and answers with the prefix.
		if out, err := sendHandshake(t, "hooks.example"); err == nil {
			t.Errorf("the handshake succeeded: %s", out)
		}
	})

	for _, mode := range []string{"structured", "binary"} {
		check(t, client, receive, mode+": JSON, time, extension, subject beyond ASCII", func(t *testing.T) {
			s := cloudEventsSource(t, g)
			if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
				newEvent(t, "a b", "application/json", json.RawMessage(cloudData))); !cloudevents.IsACK(result) {
				t.Fatalf("%v: %v", result, s.refusals(t))
			}
			ev := s.onlyEvent(t)
			if ev.Type != "order.paid" || ev.Subject != withUTF8 ||
				ev.Time.Format(time.RFC3339Nano) != "2026-11-22T10:00:00.123Z" {
				t.Errorf("the stored event is %+v", ev)
			}
			if mode == "binary" && ev.Body != cloudData {
				t.Errorf("the stored body is %s", ev.Body)
			}
		})
		check(t, client, receive, mode+": bytes", func(t *testing.T) {
			s := cloudEventsSource(t, g)
			if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
				newEvent(t, "b", "application/octet-stream", []byte(allBytes()))); !cloudevents.IsACK(result) {
				t.Fatalf("%v: %v", result, s.refusals(t))
			}
			ev := s.onlyEvent(t)
			if mode == "binary" && ev.Body != allBytes() ||
				mode == "structured" && !strings.Contains(ev.Body, "data_base64") {
				t.Errorf("the stored event is %+v", ev)
			}
		})
	}
	check(t, client, receive, "batch of three, by NewHTTPRequestFromEvents", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		var events []cloudevents.Event
		for i := range 3 {
			events = append(events, newEvent(t, fmt.Sprint(i), "application/json", json.RawMessage(cloudData)))
		}
		req, err := cehttp.NewHTTPRequestFromEvents(context.Background(), s.URL, events)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+cloudToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n := len(s.events(t)); resp.StatusCode != http.StatusAccepted || n != 3 {
			t.Errorf("answered %d, %d events: %v", resp.StatusCode, n, s.refusals(t))
		}
	})
	check(t, client, receive, "wrong token: 401", func(t *testing.T) {
		s := cloudEventsSource(t, g)
		result := sender(t, s, "another").Send(context.Background(),
			newEvent(t, "c", "application/json", json.RawMessage(cloudData)))
		var response *cehttp.Result
		if !cloudevents.ResultAs(result, &response) || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("the client's result is %v", result)
		}
	})
	check(t, client, receive, "the same event again: one event; in the other mode, whose body "+
		"differs, it names the first",
		func(t *testing.T) {
			s := cloudEventsSource(t, g)
			for _, mode := range []string{"structured", "structured", "binary", "binary"} {
				ev := newEvent(t, "d", "application/json", json.RawMessage(cloudData))
				ev.SetTime(time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC))
				if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()), ev); !cloudevents.IsACK(
					result) {
					t.Fatalf("%v: %v", result, s.refusals(t))
				}
			}
			events := s.events(t)
			if len(events) != 2 || events[0].ConflictsWith != "" || events[1].ConflictsWith != events[0].ID {
				t.Errorf("the events are %+v", events)
			}
		})
}

// A cloudReceiver is a running receiver of the Go SDK.
type cloudReceiver struct {
	url    string
	events chan cloudevents.Event
}

// startGoReceiver starts a cloudReceiver. The end of the test stops it.
func startGoReceiver(t *testing.T, options ...cehttp.Option) *cloudReceiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloudevents.NewClientHTTP(append(options, cehttp.WithListener(l))...)
	if err != nil {
		t.Fatal(err)
	}
	r := &cloudReceiver{(&url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/"}).String(),
		make(chan cloudevents.Event, 10)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.StartReceiver(ctx, func(e cloudevents.Event) { r.events <- e }) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return r
}

// next waits for the next event that the receiver read.
func (r *cloudReceiver) next(t *testing.T) cloudevents.Event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(waitLimit):
		t.Fatalf("no event was received within %v", waitLimit)
		return cloudevents.Event{}
	}
}
