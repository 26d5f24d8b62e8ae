package providertest

import (
	"bytes"
	"encoding/json"
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

// testSend checks that a provider's Receiver accepts the requests that its Sender renders.
func (s *suite) testSend(t *testing.T) {
	sender, ok := s.Provider.(provider.Sender)
	if !ok || s.SendSettings == nil {
		t.Skip("does not send")
	}
	t.Run("settings", func(t *testing.T) {
		s.checkSettings(t, s.SendSettings(s.Secrets[0]), s.info.SendSettings, func(raw string) error {
			_, err := sender.OpenSender(s.env(t, Now), []byte(raw))
			return err
		})
	})
	s.checkRenderer(t, s.renderer(t))
	s.checkSigns(t, s.renderer(t))
}

// checkSigns checks that no secret that only makes signatures is in a request.
func (s *suite) checkSigns(t *testing.T, renderer provider.Renderer) {
	var settings map[string]any
	if err := json.Unmarshal([]byte(s.SendSettings(s.Secrets[0])), &settings); err != nil {
		t.Fatal(err)
	}
	for _, setting := range s.info.SendSettings {
		secret, ok := settings[setting.Name].(string)
		if !setting.Signs || !ok {
			continue
		}
		for i, ev := range foreignEvents() {
			ev.ID, ev.ReceivedAt = bellhop.PrefixEvent+fmt.Sprintf("0foreign%012d", i), Now
			at := provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "0", Attempt: 1, Time: Now, URL: s.SendURL}
			m, err := renderer.Render(&ev, at)
			if err == nil && strings.Contains(fmt.Sprint(m.Header)+string(m.Body), secret) {
				t.Errorf("%s is in the request of %s, although it only signs", setting.Name, ev.Type)
			}
		}
	}
}

// renderer opens a destination.
func (s *suite) renderer(t *testing.T) provider.Renderer {
	t.Helper()
	sender, ok := s.Provider.(provider.Sender)
	if !ok {
		t.Skip("does not send")
	}
	r, err := sender.OpenSender(s.env(t, Now), []byte(s.SendSettings(s.Secrets[0])))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkRenderer sends events that came from the provider, and events of other systems.
func (s *suite) checkRenderer(t *testing.T, renderer provider.Renderer) {
	for _, sample := range s.samples {
		for _, ev := range s.ownEvents(t, sample) {
			t.Run(sample.name, func(t *testing.T) { s.checkOwn(t, renderer, ev) })
		}
	}
	for i, ev := range foreignEvents() {
		ev.ID = bellhop.PrefixEvent + fmt.Sprintf("0foreign%012d", i)
		ev.ReceivedAt = Now
		t.Run(fmt.Sprintf("%s %d", ev.Type, i), func(t *testing.T) { s.roundTrip(t, renderer, &ev) })
	}
}

// ownEvents returns the events of a sample as the store keeps them.
func (s *suite) ownEvents(t *testing.T, sample sample) (events []*bellhop.Event) {
	req := s.signed(sample.body)
	for i, ev := range s.accept(t, s.open(t, s.good(), Now), req).Events {
		ev.ID = bellhop.PrefixEvent + fmt.Sprintf("0own%08d%08d", len(sample.body), i)
		ev.Header = bellhop.NewHeader(req.Header, nil)
		ev.ReceivedAt = Now
		events = append(events, &ev)
	}
	return events
}

// testSendBatch checks that a Batcher's request gives the events that it was rendered from, in their order.
func (s *suite) testSendBatch(t *testing.T) {
	batcher, ok := s.renderer(t).(provider.Batcher)
	if !ok {
		t.Skip("sends no batches")
	}
	var events []*bellhop.Event
	for _, sample := range s.samples {
		events = append(events, s.ownEvents(t, sample)...)
	}
	for n := 1; n <= len(events); n++ {
		s.checkBatch(t, batcher, events[:n])
	}
}

func (s *suite) checkBatch(t *testing.T, batcher provider.Batcher, events []*bellhop.Event) {
	t.Helper()
	m, err := batcher.RenderBatch(events, provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "0", Attempt: 1,
		Time: Now, URL: s.SendURL})
	if err != nil {
		t.Fatal(err)
	}
	req := sent(t, m, s.SendURL, Now)
	receipt := s.accept(t, s.open(t, s.SendSource(s.Secrets[0]), Now), req)
	if len(receipt.Events) != len(events) || len(receipt.Refused) > 0 {
		t.Fatalf("of %d events, %d arrive and %d are refused\n%s", len(events), len(receipt.Events),
			len(receipt.Refused), describe(req))
	}
	for i, got := range receipt.Events {
		if want := events[i]; got.Type != want.Type || got.Subject != want.Subject ||
			!bytes.Equal(got.Body, want.Body) {
			t.Errorf("%d of %d arrives as %+v, was %+v", i, len(events), got, want)
		}
	}
}

// testHandshake checks that a Receiver's answer to the handshake of the same provider's Handshaker counts as
// consent, and that other answers do not.
func (s *suite) testHandshake(t *testing.T) {
	handshaker, ok := s.renderer(t).(provider.Handshaker)
	if !ok {
		t.Skip("makes no handshake")
	}
	at := provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "0", Attempt: 1, Time: Now, URL: s.SendURL}
	handshake, err := handshaker.Handshake(at)
	if err != nil {
		t.Fatal(err)
	}
	to := handshake.URL
	if to == "" {
		to = s.SendURL
	}
	source := s.SendSource
	if s.HandshakeSource != nil {
		source = s.HandshakeSource
	}
	req := sent(t, handshake.Request, to, Now)
	reply := s.accept(t, s.open(t, source(s.Secrets[0]), Now), req).Reply
	if reply == nil {
		t.Fatalf("the handshake is not answered as one\n%s", describe(req))
	}
	header := reply.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if agreed, err := handshake.Read(reply.Status, header, reply.Body); err != nil || agreed.Pending {
		t.Errorf("the answer counts as %+v, %v\n%d %v %q", agreed, err, reply.Status, header, reply.Body)
	}
	for _, status := range []int{200, 202, 204, 302, 400, 401, 404, 500} {
		if agreed, err := handshake.Read(status, http.Header{}, []byte(canary)); err == nil && !agreed.Pending {
			t.Errorf("%d and any body counts as %+v", status, agreed)
		} else if err != nil {
			checkText(t, "error", err.Error(), append(s.Secrets[:], canary))
		}
	}
}

// testEmulation checks the provider's emulation: it reads the samples as the system's own bodies, and a source
// accepts the system's own requests and its test message.
func (s *suite) testEmulation(t *testing.T) {
	e := provider.EmulationOf(s.Provider)
	s.testOwnEvents(t, e)
	if e.Open == nil {
		t.Skip("only the system itself can make authentic requests")
	}
	settings, called := s.SendSettings, *s
	if e.OfSource {
		settings, called.Sent = func(secret string) string { return s.Settings([]string{secret}) }, nil
	}
	r, err := e.Open(s.env(t, Now), []byte(settings(s.Secrets[0])))
	if err != nil {
		t.Fatal(err)
	}
	if e.OfSource { // otherwise r is the Sender's, which testSend has checked
		called.checkRenderer(t, r)
	}
	if e.TestBody != nil {
		ev := bellhop.Event{
			ID:          bellhop.PrefixEvent + "0test",
			Type:        "bellhop.test",
			Time:        Now,
			ReceivedAt:  Now,
			ContentType: "application/json",
			Body:        e.TestBody(Now),
		}
		called.roundTrip(t, r, &ev)
	}
}

// testOwnEvents checks that OwnEvents reads a body of the system, without a proof, into the same events as a source.
// Their types are not compared: some systems name the type in a header, which OwnEvents does not see.
func (s *suite) testOwnEvents(t *testing.T, e provider.Emulation) {
	for _, sample := range s.samples {
		req := s.signed(sample.body)
		want := s.accept(t, s.open(t, s.good(), Now), req)
		got, err := e.OwnEvents(t.Context(), req.Header.Get("Content-Type"), req.Body)
		if err != nil || len(got) == 0 || want.Reply != nil {
			continue // the body cannot be read without a proof, or is a handshake
		}
		if len(got) != len(want.Events) {
			t.Errorf("%s: %d own events, want %d", sample.name, len(got), len(want.Events))
			continue
		}
		for i, ev := range got {
			if !bytes.Equal(ev.Body, want.Events[i].Body) {
				t.Errorf("%s: event %d is %.200q, want %.200q", sample.name, i, ev.Body, want.Events[i].Body)
			}
		}
	}
	if got, err := e.OwnEvents(t.Context(), "text/plain", []byte(canary)); err != nil &&
		strings.Contains(err.Error(), canary) {
		t.Errorf("the error repeats the body: %v, %v", got, err)
	}
}

// foreignEvents returns events of other systems.
func foreignEvents() []bellhop.Event {
	long := strings.Repeat("long ", 20_000)
	return []bellhop.Event{
		{Type: "invoice.paid", Subject: "in_1", Time: Now, ContentType: "application/json",
			Body: []byte(
				`{"id":"in_1","amount":12.50,"big":12345678901234567890,"paid":true,"note":null,` +
					`"lines":[{"a":1}],"more":{"b":"é"}}`,
			)},
		{Type: "invoice.paid", ContentType: "application/json", Body: []byte(" [1, 2]\r\n")},
		{Type: "note", ContentType: "text/plain", Body: []byte("plain words\n")},
		{Type: "note", Body: nil},
		{Type: "note", ContentType: "application/octet-stream", Body: []byte(allBytes())},
		{Type: strings.Repeat("t", bellhop.MaxTypeLength), Subject: strings.Repeat("s", bellhop.MaxSubjectLength),
			ProviderID: strings.Repeat("p", bellhop.MaxProviderIDLength),
			Body:       []byte(`{"long":"` + long + `","short":"kept"}`)},
		{Type: "wide", Body: []byte(wideObject(1000))},
		{Type: "not.utf-8", Body: []byte("{\"a\":\"\xff\"}")},
		{Type: "deep", Body: []byte(strings.Repeat("[", 100) + strings.Repeat("]", 100))},
		{
			Type:       "header",
			Header:     bellhop.Header("Webhook-Id: " + canary + "\nX-Other: 1\n"),
			ProviderID: "1.2",
			Body:       []byte("{}"),
		},
	}
}

// checkOwn sends an event that came from this provider: it arrives as it was.
func (s *suite) checkOwn(t *testing.T, renderer provider.Renderer, ev *bellhop.Event) {
	got := s.roundTrip(t, renderer, ev)
	if s.Sent != nil {
		return
	}
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
		if s.Sent != nil {
			s.Sent(t, ev, req)
			arrived[i].Body = req.Body
			continue
		}
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

func (s *suite) render(
	t *testing.T,
	renderer provider.Renderer,
	ev *bellhop.Event,
	attempt int,
	at time.Time,
) *provider.Request {
	t.Helper()
	before := *ev
	before.Body, before.Header = bytes.Clone(ev.Body), bytes.Clone(ev.Header)
	m, err := renderer.Render(ev, provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "0", Attempt: attempt,
		Time: at, URL: s.SendURL})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, *ev) {
		t.Error("the event was changed")
	}
	return sent(t, m, s.SendURL, at)
}

// sent returns m as it arrives at the URL to.
func sent(t testing.TB, m provider.OutboundRequest, to string, at time.Time) *provider.Request {
	t.Helper()
	for name, values := range m.Header {
		if http.CanonicalHeaderKey(name) != name || len(values) != 1 || !fits(values[0], 16<<10) {
			t.Errorf("header %s: %q", name, values)
		}
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	if m.Method == "" {
		m.Method = http.MethodPost
	}
	if m.Header == nil {
		m.Header = http.Header{}
	}
	return &provider.Request{
		Method:     m.Method,
		Target:     u.RequestURI(),
		Header:     m.Header,
		Body:       m.Body,
		RemoteAddr: "192.0.2.1:1",
		ReceivedAt: at,
	}
}
