package cloudevents_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func renderer(t testing.TB, settings string) provider.Renderer {
	t.Helper()
	return providertest.OpenSender(t, cloudevents.Provider{}, settings)
}

func render(t testing.TB, settings string, ev *bellhop.Event) provider.OutboundRequest {
	t.Helper()
	m, err := renderer(t, settings).Render(ev,
		provider.AttemptInfo{Attempt: 1, Time: providertest.Now, URL: "https://receiver.example/x?access_token=t"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// otherEvent returns an event that is not a CloudEvent.
func otherEvent(contentType, body string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_1", Source: "media", Type: "ams.JobStateChange", Subject: "Job é",
		ReceivedAt:  providertest.Now,
		ContentType: contentType, Body: []byte(body)}
}

// received returns the event that a source receives with req, as the store returns it.
func received(t testing.TB, req *provider.Request) *bellhop.Event {
	t.Helper()
	receipt, err := open(t, nil).Receive(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	ev := receipt.Events[0]
	ev.ID, ev.Header = "evt_own", bellhop.NewHeader(req.Header, nil)
	return &ev
}

func TestSendStructured(t *testing.T) {
	const head = `{"specversion":"1.0","id":"evt_1","source":"/in/media","type":"ams.JobStateChange","time":"2026-11-22T09:00:00Z","subject":"Job é"`
	for _, c := range []struct{ contentType, body, want string }{
		{"application/json", `{"n": 1.50, "n2": 12345678901234567890}`,
			`,"datacontenttype":"application/json","data":{"n": 1.50, "n2": 12345678901234567890}}`},
		{"", `"a string"`, `,"datacontenttype":"application/json","data":"a string"}`},
		{"application/problem+json", `[1]`, `,"datacontenttype":"application/problem+json","data":[1]}`},
		{"application/json", `1,2`, `,"datacontenttype":"application/json","data_base64":"MSwy"}`},
		{"application/json", `1],[2`, `,"datacontenttype":"application/json","data_base64":"MV0sWzI="}`},
		{"application/json", `{"a":1,"a":2}`, `,"datacontenttype":"application/json","data":{"a":1,"a":2}}`},
		{"application/json", "\"\xff\"", `,"datacontenttype":"application/json","data_base64":"Iv8i"}`},
		{"text/plain", "a \"b\"\n", `,"datacontenttype":"text/plain","data":"a \"b\"\n"}`},
		{"text/plain; charset=UTF-8", "é", `,"datacontenttype":"text/plain; charset=UTF-8","data":"é"}`},
		{"text/plain; charset=iso-8859-1", "a",
			`,"datacontenttype":"text/plain; charset=iso-8859-1","data_base64":"YQ=="}`},
		{"application/xml", "<a/>", `,"datacontenttype":"application/xml","data":"<a/>"}`},
		{"image/svg+xml", "<svg/>", `,"datacontenttype":"image/svg+xml","data":"<svg/>"}`},
		{"image/png", "\x89PNG", `,"datacontenttype":"image/png","data_base64":"iVBORw=="}`},
		{"application/json", "", `}`},
	} {
		for _, settings := range []string{`{}`, `{"mode":"batch"}`} {
			m := render(t, settings, otherEvent(c.contentType, c.body))
			want := head + c.want
			if settings != `{}` {
				want = "[" + want + "]"
			}
			if string(m.Body) != want || !json.Valid(m.Body) {
				t.Errorf("%s %q in %s:\ngot  %s\nwant %s", c.contentType, c.body, settings, m.Body, want)
			}
		}
	}
}

func TestSendBinary(t *testing.T) {
	m := render(t, `{"mode":"binary","source":"urn:x","origin":"hooks.example.com","bearer_token":"t"}`,
		otherEvent("text/plain", "words"))
	want := http.Header{
		"Content-Type": {"text/plain"}, "Authorization": {"Bearer t"}, "Origin": {self},
		"Webhook-Request-Origin": {self},
		"Cache-Control":          {"no-store"},
		"Ce-Specversion":         {"1.0"}, "Ce-Id": {"evt_1"}, "Ce-Source": {"urn:x"},
		"Ce-Type":    {"ams.JobStateChange"},
		"Ce-Subject": {"Job%20%C3%A9"},
		"Ce-Time":    {"2026-11-22T09:00:00Z"},
	}
	if !reflect.DeepEqual(m.Header, want) || string(m.Body) != "words" {
		t.Errorf("got %v %q", m.Header, m.Body)
	}
	for name, ev := range map[string]*bellhop.Event{"no body": otherEvent("", ""),
		"of a type that means another mode": otherEvent("application/cloudevents+json", "{}")} {
		m := render(t, `{"mode":"binary"}`, ev)
		if !strings.HasPrefix(m.Header.Get("Content-Type"), cloudevents.MediaType) || len(m.Body) == 0 {
			t.Errorf("%s: got %v %q", name, m.Header, m.Body)
		}
	}
}

// A CloudEvent is sent as it came in every mode except batch.
func TestSendNative(t *testing.T) {
	binary := received(t, with(binaryRequest(tokens[0], "application/json", []byte(`{"n":1}`)), "ce-flag", "%C3%28"))
	structured := received(t, request(tokens[0], cloudevents.MediaType, event(`,"data":1`)))
	for _, mode := range []string{"binary", "structured"} {
		settings := `{"mode":"` + mode + `"}`
		m := render(t, settings, binary)
		if m.Header.Get("Ce-Tenantname") != "50%25%20off" || m.Header.Get("Ce-Id") != "A234-1234-1237" ||
			string(m.Body) != `{"n":1}` || m.Header["Ce-Flag"] != nil {
			t.Errorf("%s: binary becomes %v %s", mode, m.Header, m.Body)
		}
		if m := render(t, settings, structured); m.Header.Get("Ce-Id") != "" ||
			string(m.Body) != string(structured.Body) {
			t.Errorf("%s: structured becomes %v %s", mode, m.Header, m.Body)
		}
	}
	const want = `[{"id":"A234-1234-1237","source":"/gateway/contoso","specversion":"1.0","subject":"Euro € 😀","tenantname":"50% off",` +
		`"time":"2026-11-22T08:15:30.123Z","type":"com.example.recording.available","datacontenttype":"application/json","data":{"n":1}}]`
	if m := render(t, `{"mode":"batch"}`, binary); string(m.Body) != want {
		t.Errorf("in a batch: got %s", m.Body)
	}
}

// Data of another system that resembles a CloudEvent is not sent as if it were our event.
func TestSendLookalike(t *testing.T) {
	headers := bellhop.Header("Ce-Id: 1\nCe-Source: /evil\nCe-Specversion: 1.0\nCe-Type: evil\n")
	document := string(event(""))
	for name, c := range map[string]struct {
		ev   *bellhop.Event
		want string // the id that is sent
	}{
		"document of another type": {otherEvent("application/json", document), "evt_1"},
		"document, sent by command": {&bellhop.Event{ID: "evt_1", Type: "cloudevents.event",
			ContentType: "application/json", Body: []byte(document)}, "1"},
		"document of the same type": {&bellhop.Event{ID: "evt_1", Type: "com.example.a",
			ContentType: "application/json",
			Body:        []byte(document)}, "1"},
		"document as text": {&bellhop.Event{ID: "evt_1", Type: "com.example.a", ContentType: "text/plain",
			Body: []byte(document)}, "evt_1"},
		"headers of another type": {&bellhop.Event{ID: "evt_1", Type: "x", ProviderID: "/evil 1", Header: headers,
			Body: []byte("{}")}, "evt_1"},
		"headers of another id": {&bellhop.Event{ID: "evt_1", Type: "evil", ProviderID: "7", Header: headers,
			Body: []byte("{}")}, "evt_1"},
		"headers of the event": {&bellhop.Event{ID: "evt_1", Type: "evil", ProviderID: "/evil 1", Header: headers,
			Body: []byte("{}")}, "1"},
		"headers in part": {&bellhop.Event{ID: "evt_1", Type: "evil", ProviderID: "/evil 1", Header: headers[:8],
			Body: []byte("{}")}, "evt_1"},
	} {
		m := render(t, `{"mode":"structured"}`, c.ev)
		var sent struct{ ID string }
		if sent.ID = m.Header.Get("Ce-Id"); sent.ID == "" {
			if err := json.Unmarshal(m.Body, &sent); err != nil {
				t.Fatal(err)
			}
		}
		if sent.ID != c.want {
			t.Errorf("%s: sent as %s, want %s", name, sent.ID, c.want)
		}
	}
}

func TestSendWithoutID(t *testing.T) {
	for _, mode := range []string{"binary", "structured", "batch"} {
		r := renderer(t, `{"mode":"`+mode+`"}`)
		if _, err := r.Render(&bellhop.Event{Type: "x", Body: []byte("{}")}, provider.AttemptInfo{}); err == nil {
			t.Errorf("%s: rendered an event without an id", mode)
		}
	}
}

// FuzzRender checks that the Receiver accepts every rendered request, and returns the same event.
func FuzzRender(f *testing.F) {
	f.Add("structured", "a.b", "", "application/json", []byte(`{"a":1}`))
	f.Add("binary", "a b", "é\"%", "text/plain", []byte("x"))
	f.Add("batch", "é", "s", "", []byte("\xff"))
	f.Fuzz(func(t *testing.T, mode, kind, subject, contentType string, body []byte) {
		if mode != "binary" && mode != "batch" {
			mode = "structured"
		}
		ev := bellhop.Event{ID: "evt_1", Type: strings.ToValidUTF8(kind, "?"), Subject: provider.Subject(subject),
			Time:        providertest.Now.Add(time.Hour),
			ContentType: provider.ContentType(http.Header{"Content-Type": {contentType}}), Body: body}
		if _, err := cloudevents.Parse([]byte(providertest.JSON(map[string]string{"specversion": "1.0", "id": "1",
			"source": "s", "type": ev.Type}))); err != nil {
			return // no stored event has such a type
		}
		m := render(t, `{"mode":"`+mode+`"}`, &ev)
		receipt, err := cloudevents.ReadRequest(m.Header, m.Body)
		if err != nil || len(receipt.Events) != 1 {
			t.Fatalf("%v: %v %s", err, m.Header, m.Body)
		}
		if native, err := cloudevents.Parse(body); err == nil && receipt.Events[0].ProviderID == native.ProviderID {
			return // sent unchanged
		}
		if got := receipt.Events[0]; got.Type != ev.Type || got.Subject != ev.Subject || !got.Time.Equal(ev.Time) ||
			got.ProviderID != "/in/ evt_1" {
			t.Errorf("%+v becomes %+v", ev, got)
		}
	})
}

func handshake(t *testing.T, settings, callback string) provider.HandshakeRequest {
	t.Helper()
	g, err := renderer(t,
		settings).(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://receiver.example/x",
		Callback: callback})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestHandshake(t *testing.T) {
	g := handshake(t, `{"origin":"hooks.example.com","rate":120,"bearer_token":"t"}`,
		"https://hooks.example.com/agree/1")
	want := http.Header{"Webhook-Request-Origin": {self}, "Webhook-Request-Rate": {"120"},
		"Webhook-Request-Callback": {"https://hooks.example.com/agree/1"}}
	if g.URL != "" || g.Request.Method != "OPTIONS" || !reflect.DeepEqual(g.Request.Header, want) ||
		g.Request.Body != nil {
		t.Errorf("got %+v", g)
	}
	if g := handshake(t, `{"origin":"hooks.example.com"}`, ""); len(g.Request.Header) != 1 {
		t.Errorf("got %+v", g.Request)
	}
	if _, err := renderer(t, `{}`).(provider.Handshaker).Handshake(provider.AttemptInfo{}); err == nil {
		t.Error("made a handshake without an origin")
	}
}

func TestReadHandshakeReply(t *testing.T) {
	type answer struct {
		status       int
		origin, rate []string
	}
	const later, refused = "later", "refused"
	none := []string(nil)
	for _, c := range []struct {
		name            string
		answer          answer
		want            float64
		withoutCallback string // the result without a callback; "" is accepted
		withCallback    string // the result with a callback
	}{
		{name: "as asked", answer: answer{200, []string{self}, []string{"120"}}, want: 2},
		{name: "204", answer: answer{204, []string{self}, []string{"120"}}, want: 2},
		{name: "in another case", answer: answer{200, []string{"Hooks.Example.COM"}, []string{"60"}}, want: 1},
		{name: "anyone, any rate", answer: answer{200, []string{"*"}, []string{"*"}}},
		{name: "less than asked", answer: answer{200, []string{self}, []string{"6"}}, want: 0.1},
		{name: "no rate", answer: answer{200, []string{self}, none}, want: 2},
		{name: "rate 0", answer: answer{200, []string{self}, []string{"0"}}, withoutCallback: refused,
			withCallback: refused},
		{name: "invalid rate", answer: answer{200, []string{self}, []string{"soon"}}, withoutCallback: refused,
			withCallback: refused},
		{name: "two rates", answer: answer{200, []string{self}, []string{"1", "2"}}, withoutCallback: refused,
			withCallback: refused},
		{name: "200 without headers, as of any server", answer: answer{200, none, none}, withoutCallback: refused,
			withCallback: later},
		{name: "another origin", answer: answer{200, []string{"hooks.example.com.evil.example.net"}, none},
			withoutCallback: refused, withCallback: refused},
		{name: "a part of the origin", answer: answer{200, []string{"example.com"}, none}, withoutCallback: refused,
			withCallback: refused},
		{name: "two origins", answer: answer{200, []string{self, self}, none}, withoutCallback: refused,
			withCallback: refused},
		{name: "empty origin", answer: answer{200, []string{""}, none}, withoutCallback: refused,
			withCallback: refused},
		{name: "405", answer: answer{405, none, none}, withoutCallback: refused, withCallback: later},
		{name: "an error with permission", answer: answer{500, []string{self}, []string{"1"}},
			withoutCallback: refused,
			withCallback:    refused},
		{name: "503", answer: answer{503, none, none}, withoutCallback: refused, withCallback: refused},
		{name: "429", answer: answer{429, none, none}, withoutCallback: refused, withCallback: refused},
		{name: "a redirect", answer: answer{302, []string{self}, none}, withoutCallback: refused,
			withCallback: refused},
	} {
		for callback, want := range map[string]string{"": c.withoutCallback,
			"https://hooks.example.com/agree/1": c.withCallback} {
			h := http.Header{"Webhook-Allowed-Origin": c.answer.origin, "Webhook-Allowed-Rate": c.answer.rate}
			result, err := handshake(t, `{"origin":"hooks.example.com","rate":120}`, callback).Read(c.answer.status, h,
				nil)
			switch {
			case (err != nil) != (want == refused), result.Pending != (want == later):
				t.Errorf("%s, callback %q: %+v, %v", c.name, callback, result, err)
			case want == "" && result.Rate != c.want:
				t.Errorf("%s: %v deliveries a second, want %v", c.name, result.Rate, c.want)
			}
		}
	}
}
