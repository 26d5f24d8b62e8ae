package providertest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// testSend holds that what a Sender renders, the same provider's Receiver accepts.
func (s *suite) testSend(t *testing.T) {
	sender, ok := s.Provider.(provider.Sender)
	if !ok || s.SendSettings == nil {
		t.Skip("does not send")
	}
	t.Run("settings", func(t *testing.T) {
		s.checkSettings(t, s.SendSettings(s.Secrets[0]), s.info.SendSettings, func(raw string) error {
			_, err := sender.OpenSender(env(t, Now, s.Secrets[:]), []byte(raw))
			return err
		})
	})
	renderer, err := sender.OpenSender(env(t, Now, s.Secrets[:]), []byte(s.SendSettings(s.Secrets[0])))
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range s.samples {
		req := s.signed(sample.body)
		for i, ev := range s.accept(t, s.open(t, s.good(), Now), req).Events {
			ev.ID = bellhop.PrefixEvent + fmt.Sprintf("0own%08d%08d", len(sample.body), i)
			ev.Header = bellhop.NewHeader(req.Header, nil)
			ev.ReceivedAt = Now
			t.Run(sample.name, func(t *testing.T) { s.checkOwn(t, renderer, &ev) })
		}
	}
	for i, ev := range foreign() {
		ev.ID = bellhop.PrefixEvent + fmt.Sprintf("0foreign%012d", i)
		ev.ReceivedAt = Now
		t.Run(fmt.Sprintf("%s %d", ev.Type, i), func(t *testing.T) { s.roundTrip(t, renderer, &ev) })
	}
}

// foreign are events of other systems.
func foreign() []bellhop.Event {
	long := strings.Repeat("long ", 20_000)
	return []bellhop.Event{
		{Type: "invoice.paid", Subject: "in_1", Time: Now, ContentType: "application/json",
			Body: []byte(`{"id":"in_1","amount":12.50,"big":12345678901234567890,"paid":true,"note":null,"lines":[{"a":1}],"more":{"b":"é"}}`)},
		{Type: "invoice.paid", ContentType: "application/json", Body: []byte(" [1, 2]\r\n")},
		{Type: "note", ContentType: "text/plain", Body: []byte("plain words\n")},
		{Type: "note", Body: nil},
		{Type: "note", ContentType: "application/octet-stream", Body: []byte(every())},
		{Type: strings.Repeat("t", bellhop.MaxTypeLength), Subject: strings.Repeat("s", bellhop.MaxSubjectLength),
			ProviderID: strings.Repeat("p", bellhop.MaxProviderIDLength), Body: []byte(`{"long":"` + long + `","short":"kept"}`)},
		{Type: "wide", Body: []byte(wide(1000))},
		{Type: "not.utf-8", Body: []byte("{\"a\":\"\xff\"}")},
		{Type: "deep", Body: []byte(strings.Repeat("[", 100) + strings.Repeat("]", 100))},
		{Type: "header", Header: bellhop.Header("Webhook-Id: " + canary + "\nX-Other: 1\n"), ProviderID: "1.2", Body: []byte("{}")},
	}
}

// checkOwn sends an event that came from this provider: it arrives as it was.
func (s *suite) checkOwn(t *testing.T, renderer provider.Renderer, ev *bellhop.Event) {
	got := s.roundTrip(t, renderer, ev)
	if got.Type != ev.Type || got.Subject != ev.Subject || !bytes.Equal(got.Body, ev.Body) {
		t.Errorf("arrives as %+v, was %+v", got, ev)
	}
}

// roundTrip renders ev for two attempts, receives both, and returns the event that arrived.
func (s *suite) roundTrip(t *testing.T, renderer provider.Renderer, ev *bellhop.Event) bellhop.Event {
	t.Helper()
	var arrived [2]bellhop.Event
	for i := range arrived {
		at := Now.Add(time.Duration(i) * 48 * time.Hour)
		req := s.render(t, renderer, ev, i+1, at)
		receipt := s.accept(t, s.open(t, s.SendSource(s.Secrets[0]), at), req)
		if len(receipt.Events) != 1 || len(receipt.Refused) > 0 {
			t.Fatalf("makes %d events and %d refusals\n%s", len(receipt.Events), len(receipt.Refused), describe(req))
		}
		arrived[i] = receipt.Events[0]
	}
	if !bytes.Equal(arrived[0].Body, arrived[1].Body) {
		t.Errorf("attempts differ: %q and %q", arrived[0].Body, arrived[1].Body)
	}
	return arrived[0]
}

func (s *suite) render(t *testing.T, renderer provider.Renderer, ev *bellhop.Event, attempt int, at time.Time) *provider.Request {
	t.Helper()
	before := *ev
	before.Body, before.Header = bytes.Clone(ev.Body), bytes.Clone(ev.Header)
	m, err := renderer.Render(ev, provider.Sending{DeliveryID: bellhop.PrefixDelivery + "0", Attempt: attempt, Time: at, URL: s.SendURL})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, *ev) {
		t.Error("the event was changed")
	}
	for name, values := range m.Header {
		if http.CanonicalHeaderKey(name) != name || len(values) != 1 || !fits(values[0], 16<<10) {
			t.Errorf("header %s: %q", name, values)
		}
	}
	u, err := url.Parse(s.SendURL)
	if err != nil {
		t.Fatal(err)
	}
	if m.Method == "" {
		m.Method = http.MethodPost
	}
	return &provider.Request{Method: m.Method, Target: u.RequestURI(), Header: m.Header, Body: m.Body, RemoteAddr: "192.0.2.1:1", ReceivedAt: at}
}
