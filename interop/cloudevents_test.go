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

// cloudDoor makes a source for CloudEvents that wants a token.
func cloudDoor(t *testing.T, g *gateway) source {
	t.Helper()
	return g.source(t, "cloudevents", settings{"bearer_token": cloudToken})
}

// byteList is what a client may say of bytes.
func byteList(text string) []int {
	list := make([]int, len(text))
	for i := range text {
		list[i] = int(text[i])
	}
	return list
}

func TestNpmCloudevents(t *testing.T) {
	g := live(t)
	g.provider(t, "cloudevents")
	const script = "cloudevents.mjs"
	client := npm(t, "cloudevents")
	// send has the client send and reports whether it could.
	send := func(t *testing.T, s source, mode, token string, event settings) bool {
		t.Helper()
		p := node(t, script, settings{"to": s.URL, "mode": mode, "event": event,
			"headers": settings{"authorization": "Bearer " + token}})
		return p.next()["sent"] == true
	}
	// reads has the client read what a destination in that mode delivers of what ring sends to s.
	reads := func(t *testing.T, s source, mode string, ring func()) (event map[string]any, contentType string) {
		t.Helper()
		p := receiver(t, script, settings{})
		d := s.to(t, "cloudevents", p.URL, settings{"mode": mode})
		ring()
		got := p.next()
		d.delivered(t)
		events := got["events"].([]any)
		if len(events) != 1 {
			t.Fatalf("it read %v", events)
		}
		return events[0].(map[string]any), got["contentType"].(string)
	}
	types := map[string]string{"structured": "application/cloudevents+json", "binary": "application/json",
		"batch": "application/cloudevents-batch+json"}

	for _, mode := range []string{"structured", "binary", "batch"} {
		show(t, client, deliver, mode+": any JSON", func(t *testing.T) {
			s := g.plain(t)
			got, contentType := reads(t, s, mode, func() { s.ring(t, "application/json", cloudData) })
			same(t, "data", got["data"], []byte(cloudData))
			if ev := s.one(t); got["id"] != ev.ID || got["source"] != "/in/"+s.Name || !strings.HasPrefix(contentType,
				types[mode]) {
				t.Errorf("it is %v in %s", got, contentType)
			}
		})
	}
	show(t, client, deliver, "structured: text", func(t *testing.T) {
		s := g.plain(t)
		if got, _ := reads(t, s, "structured",
			func() { s.ring(t, "text/plain; charset=utf-8", withUTF8) }); got["data"] != withUTF8 {
			t.Errorf("data is %v", got["data"])
		}
	})
	for _, mode := range []string{"structured", "binary"} {
		show(t, client, deliver, mode+": bytes that are no text", func(t *testing.T) {
			s := g.plain(t)
			got, _ := reads(t, s, mode, func() { s.ring(t, "application/octet-stream", allBytes()) })
			same(t, "data", got["bytes"], byteList(allBytes()))
		})
	}
	show(t, client, deliver, "structured: what it sent itself, subject beyond ASCII, extension", func(t *testing.T) {
		s := cloudDoor(t, g)
		got, _ := reads(t, s, "binary", func() { // it stays structured, as it came
			event := settings{"id": "1", "type": "order.paid", "source": "/shop", "subject": withUTF8, "region": "west",
				"data": settings{"n": 1}}
			if !send(t, s, "structured", cloudToken, event) {
				t.Fatal("it could not send")
			}
		})
		if got["subject"] != withUTF8 || got["region"] != "west" || got["id"] != "1" {
			t.Errorf("it is %v", got)
		}
	})
	show(t, client, deliver, "binary: subject beyond ASCII, which it leaves percent-coded", func(t *testing.T) {
		s := cloudDoor(t, g)
		got, _ := reads(t, s, "binary", func() {
			status := post(t, s.URL, http.Header{"Content-Type": {"application/json"},
				"Authorization": {"Bearer " + cloudToken}, "Ce-Specversion": {"1.0"},
				"Ce-Id": {"2"}, "Ce-Type": {"order.paid"}, "Ce-Source": {"/shop"}, "Ce-Subject": {withUTF8}}, `{"n":1}`)
			if status != http.StatusAccepted {
				t.Fatalf("answered %d: %v", status, s.refusals(t))
			}
		})
		if got["subject"] != encodedUTF8 {
			t.Errorf("it is %v", got)
		}
	})

	for _, mode := range []string{"structured", "binary"} {
		show(t, client, receive, mode+": JSON, time, extension", func(t *testing.T) {
			s := cloudDoor(t, g)
			event := settings{"id": "a b", "type": "order.paid", "source": "/shop", "subject": "50% off",
				"time": "2026-11-22T10:00:00.123Z", "region": "west", "data": settings{"n": 1}}
			if !send(t, s, mode, cloudToken, event) {
				t.Fatal("it could not send")
			}
			ev := s.one(t)
			if ev.Type != "order.paid" || ev.Subject != "50% off" ||
				ev.Time.Format(time.RFC3339Nano) != "2026-11-22T10:00:00.123Z" || !strings.Contains(ev.Body, `"n":1`) {
				t.Errorf("it is %+v", ev)
			}
			if mode == "binary" && strings.Join(ev.Headers["Ce-Region"], "") != "west" {
				t.Errorf("its headers are %v", ev.Headers)
			}
		})
		show(t, client, receive, mode+": bytes", func(t *testing.T) {
			s := cloudDoor(t, g)
			event := settings{"id": "b", "type": "order.paid", "source": "/shop", "datacontenttype": "application/octet-stream",
				"bytes": byteList(allBytes())}
			if !send(t, s, mode, cloudToken, event) {
				t.Fatal("it could not send")
			}
			if ev := s.one(t); mode == "binary" && ev.Body != allBytes() || mode == "structured" && !strings.Contains(ev.Body,
				"data_base64") {
				t.Errorf("it is %+v", ev)
			}
		})
	}
	show(t, client, receive, "structured: subject beyond ASCII", func(t *testing.T) {
		s := cloudDoor(t, g)
		send(t, s, "structured", cloudToken, settings{"id": "c", "type": "order.paid", "source": "/shop",
			"subject": withUTF8, "data": settings{}})
		if ev := s.one(t); ev.Subject != withUTF8 {
			t.Errorf("it is %+v", ev)
		}
	})
	show(t, client, receive, "binary: subject beyond Latin-1, which it cannot send", func(t *testing.T) {
		s := cloudDoor(t, g)
		if send(t, s, "binary", cloudToken, settings{"id": "d", "type": "order.paid", "source": "/shop", "subject": "世界",
			"data": settings{}}) {
			t.Error("it could")
		}
	})
	show(t, client, receive, "another token: refused", func(t *testing.T) {
		s := cloudDoor(t, g)
		send(t, s, "structured", "another", settings{"id": "e", "type": "order.paid", "source": "/shop", "data": settings{}})
		if refused := s.refused(t); len(s.events(t)) != 0 || !strings.HasPrefix(refused, "signature") {
			t.Errorf("refused: %v", refused)
		}
	})
}

func TestGoCloudevents(t *testing.T) {
	g := live(t)
	g.provider(t, "cloudevents")
	client := module(t, "github.com/cloudevents/sdk-go/v2")
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
		c, err := cloudevents.NewClientHTTP(cehttp.WithTarget(s.URL), cehttp.WithHeader("Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	// reads has a receiver of the SDK read what is delivered of what ring sends to s.
	reads := func(t *testing.T, s source, mode string, ring func()) cloudevents.Event {
		t.Helper()
		r := goReceiver(t)
		d := s.to(t, "cloudevents", r.url, settings{"mode": mode})
		ring()
		got := r.next(t)
		d.delivered(t)
		return got
	}
	for _, mode := range []string{"structured", "binary"} {
		show(t, client, deliver, mode+": any JSON", func(t *testing.T) {
			s := g.plain(t)
			got := reads(t, s, mode, func() { s.ring(t, "application/json", cloudData) })
			same(t, "data", got.Data(), []byte(cloudData))
			if ev := s.one(t); got.ID() != ev.ID || got.Source() != "/in/"+s.Name {
				t.Errorf("it is %v", got)
			}
		})
		show(t, client, deliver, mode+": bytes that are no text", func(t *testing.T) {
			s := g.plain(t)
			got := reads(t, s, mode, func() { s.ring(t, "application/octet-stream", allBytes()) })
			if string(got.Data()) != allBytes() {
				t.Errorf("it is %v", got)
			}
		})
		what := mode + ": what it sent itself, subject beyond ASCII, extension"
		if mode == "binary" {
			what += " (it leaves the subject percent-coded)"
		}
		show(t, client, deliver, what, func(t *testing.T) {
			s := cloudDoor(t, g)
			got := reads(t, s, "structured", func() { // it stays in the mode in which it came
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
				t.Errorf("it is %v", got)
			}
		})
	}
	show(t, client, deliver, "batch, read by NewEventsFromHTTPRequest", func(t *testing.T) {
		s := g.plain(t)
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
		d := s.to(t, "cloudevents", web, settings{"mode": "batch"})
		s.ring(t, "application/json", cloudData)
		same(t, "data", []byte(<-found), []byte(cloudData))
		d.delivered(t)
	})
	show(t, client, deliver, "batch, at its receiver: answered 500", func(t *testing.T) {
		s := g.plain(t)
		r := goReceiver(t)
		d := s.to(t, "cloudevents", r.url, settings{"mode": "batch"}, settings{"retry": settings{"schedule": "none"}})
		s.ring(t, "application/json", cloudData)
		if v := d.settled(t, func(v delivery) bool { return v.State == "dead" }); v.Last.Status != http.StatusInternalServerError {
			t.Errorf("answered %d", v.Last.Status)
		}
	})

	const origin = "hooks.example.com"
	shaken := func(t *testing.T, auto bool, origins ...string) (source, *destination, *cloudReceiver) {
		t.Helper()
		s := g.plain(t)
		r := goReceiver(t, cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 120, origins, auto))
		return s, s.to(t, "cloudevents", r.url, settings{"origin": origin, "rate": 600},
			settings{"handshake": "cloudevents"}), r
	}
	show(t, client, deliver, "OPTIONS: it agrees by the callback, and its rate is kept", func(t *testing.T) {
		s, d, r := shaken(t, true, origin)
		for end := time.Now().Add(patience); d.reload(t).State != "active" && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		if d.State != "active" || d.Granted == nil || d.Granted.PerSecond != 2 {
			t.Fatalf("it is %+v", d)
		}
		s.ring(t, "application/json", cloudData)
		r.next(t)
		d.delivered(t)
	})
	show(t, client, deliver, "OPTIONS: without its automatic callback it waits for a person; nothing is delivered",
		func(t *testing.T) {
			s, d, _ := shaken(t, false, origin)
			s.ring(t, "application/json", cloudData)
			time.Sleep(300 * time.Millisecond)
			if v := d.deliveries(t); d.reload(t).State != "unverified" || len(v) != 1 || v[0].Attempts != 0 {
				t.Errorf("it is %+v, %+v", d, v)
			}
		})
	show(t, client, deliver, "OPTIONS without a callback: it agrees in its answer", func(t *testing.T) {
		r := goReceiver(t, cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 120, []string{origin}, false))
		if out, err := bellhop("send", "cloudevents", "--to", r.url, "--set", "origin="+origin, "--handshake"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	show(t, client, deliver, "OPTIONS: refused for another origin", func(t *testing.T) {
		_, d, _ := shaken(t, true, "other.example.com")
		if d.State != "unverified" {
			t.Errorf("it is %+v", d)
		}
		t.Log(d.StateReason)
		r := goReceiver(t, cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 120,
			[]string{"other.example.com"}, false))
		if out, err := bellhop("send", "cloudevents", "--to", r.url, "--set", "origin="+origin, "--handshake"); err == nil {
			t.Errorf("it agreed: %s", out)
		}
	})
	show(t, client, deliver, "OPTIONS: it compares by prefix; that is no consent for us", func(t *testing.T) {
		r := goReceiver(t, cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 120, []string{"hooks.example"},
			false))
		if out, err := bellhop("send", "cloudevents", "--to", r.url, "--set", "origin="+origin, "--handshake"); err == nil {
			t.Errorf("it agreed: %s", out)
		}
	})

	for _, mode := range []string{"structured", "binary"} {
		show(t, client, receive, mode+": JSON, time, extension, subject beyond ASCII", func(t *testing.T) {
			s := cloudDoor(t, g)
			if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
				newEvent(t, "a b", "application/json", json.RawMessage(cloudData))); !cloudevents.IsACK(result) {
				t.Fatalf("%v: %v", result, s.refusals(t))
			}
			ev := s.one(t)
			if ev.Type != "order.paid" || ev.Subject != withUTF8 ||
				ev.Time.Format(time.RFC3339Nano) != "2026-11-22T10:00:00.123Z" {
				t.Errorf("it is %+v", ev)
			}
			if mode == "binary" && ev.Body != cloudData {
				t.Errorf("its body is %s", ev.Body)
			}
		})
		show(t, client, receive, mode+": bytes", func(t *testing.T) {
			s := cloudDoor(t, g)
			if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
				newEvent(t, "b", "application/octet-stream", []byte(allBytes()))); !cloudevents.IsACK(result) {
				t.Fatalf("%v: %v", result, s.refusals(t))
			}
			if ev := s.one(t); mode == "binary" && ev.Body != allBytes() || mode == "structured" && !strings.Contains(ev.Body,
				"data_base64") {
				t.Errorf("it is %+v", ev)
			}
		})
	}
	show(t, client, receive, "batch of three, by NewHTTPRequestFromEvents", func(t *testing.T) {
		s := cloudDoor(t, g)
		var events []cloudevents.Event
		for i := range 3 {
			events = append(events, newEvent(t, fmt.Sprint(i), "application/json", json.RawMessage(cloudData)))
		}
		req, err := cehttp.NewHTTPRequestFromEvents(context.Background(), s.URL, events)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+cloudToken)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if n := len(s.events(t)); answer.StatusCode != http.StatusAccepted || n != 3 {
			t.Errorf("answered %d, %d events: %v", answer.StatusCode, n, s.refusals(t))
		}
	})
	show(t, client, receive, "another token: 401", func(t *testing.T) {
		s := cloudDoor(t, g)
		result := sender(t, s, "another").Send(context.Background(),
			newEvent(t, "c", "application/json", json.RawMessage(cloudData)))
		var told *cehttp.Result
		if !cloudevents.ResultAs(result, &told) || told.StatusCode != http.StatusUnauthorized {
			t.Errorf("it is told %v", result)
		}
	})
	show(t, client, receive, "the same source and id again: one event", func(t *testing.T) {
		s := cloudDoor(t, g)
		for _, mode := range []string{"structured", "binary"} {
			if result := sender(t, s, cloudToken).Send(modes[mode](context.Background()),
				newEvent(t, "d", "application/json", json.RawMessage(cloudData))); !cloudevents.IsACK(result) {
				t.Fatalf("%v: %v", result, s.refusals(t))
			}
		}
		s.one(t)
	})
}

// A cloudReceiver is a receiver of the SDK at work.
type cloudReceiver struct {
	url    string
	events chan cloudevents.Event
}

// goReceiver starts one for the length of the test.
func goReceiver(t *testing.T, options ...cehttp.Option) *cloudReceiver {
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

// next returns the next event that it read.
func (r *cloudReceiver) next(t *testing.T) cloudevents.Event {
	t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(patience):
		t.Fatalf("no event came within %v", patience)
		return cloudevents.Event{}
	}
}
