package eventgrid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func openSender(t testing.TB, settings values) provider.Batcher {
	t.Helper()
	if settings == nil {
		settings = values{}
	}
	r, err := eventgrid.Provider{}.OpenSender(provider.Env{Rand: rand.NewChaCha8([32]byte{1})},
		[]byte(providertest.JSON(settings)))
	if err != nil {
		t.Fatal(err)
	}
	return r.(provider.Batcher)
}

// deliver returns the events that a source receives with a rendered request.
func deliver(t *testing.T, m provider.OutboundRequest) []bellhop.Event {
	t.Helper()
	receipt, err := open(t, values{"unauthenticated": true}).Receive(context.Background(),
		&provider.Request{Method: "POST", Target: "/in/grid", Header: m.Header, Body: m.Body,
			ReceivedAt: providertest.Now})
	if err != nil || len(receipt.Refused) > 0 {
		t.Fatalf("refused: %v, %+v\n%.500q", err, receipt.Refused, m.Body)
	}
	return receipt.Events
}

var at = provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 3, Time: providertest.Now,
	URL: "https://receiver.example/"}

func otherEvent(contentType, body string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_1", Source: "shop", Type: "invoice.paid", Subject: "in_1", ContentType: contentType,
		Body: []byte(body),
		Time: time.Date(2026, 11, 22, 9, 15, 30, 123456789, time.FixedZone("", 3600)), ReceivedAt: providertest.Now}
}

func TestSendOther(t *testing.T) {
	before, after := `[{"id":"evt_1","topic":"/in/shop","subject":"in_1","data":`,
		`,"eventType":"invoice.paid","eventTime":"2026-11-22T08:15:30.1234567Z","dataVersion":"1.0","metadataVersion":"1"}]`
	for _, c := range []struct{ contentType, body, data string }{
		{"application/json", ` {"n":12345678901234567890,"t":"<é>"} `, `{"n":12345678901234567890,"t":"<é>"}`},
		{"application/json", "[1]", "[1]"},
		{"", "7", "7"},
		{"", "", "{}"},
		{"text/plain", "two\nlines", `"two\nlines"`},
		{"application/xml", "<a/>", `"<a/>"`},
		{"application/json", `{"cut`, `{"contentType":"application/json","data_base64":"eyJjdXQ="}`},
		{"application/json", `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"application/json", "{\"a\":\"\xff\"}", `{"contentType":"application/json","data_base64":"eyJhIjoi/yJ9"}`},
		{"application/json", `1},{"b":2`, `{"contentType":"application/json","data_base64":"MX0seyJiIjoy"}`},
		{"", "\xff", `{"contentType":"application/octet-stream","data_base64":"/w=="}`},
		{"image/png", "\x89PNG", `{"contentType":"image/png","data_base64":"iVBORw=="}`},
	} {
		m, err := openSender(t, nil).Render(otherEvent(c.contentType, c.body), at)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(m.Body), before+c.data+after; got != want {
			t.Errorf("%s %q:\ngot  %s\nwant %s", c.contentType, c.body, got, want)
		}
		deliver(t, m)
	}
	m, err := openSender(t, values{"topic": "/contoso/orders"}).Render(otherEvent("", "1"), at)
	if err != nil || !strings.Contains(string(m.Body), `"topic":"/contoso/orders"`) {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// The headers are those of the samples, in both schemas.
func TestSendHeaders(t *testing.T) {
	var sample struct{ EventGridSchema, CloudEventsSchema map[string]string }
	providertest.ReadJSON(t, "testdata/delivery-headers.json", &sample)
	first := at
	first.Attempt = 1
	native := nativeEvents(t, "testdata/samples/notification-single.json")[0]
	for schema, want := range map[string]map[string]string{"eventgrid": sample.EventGridSchema,
		"cloudevents": sample.CloudEventsSchema} {
		m, err := openSender(t, values{"schema": schema, "subscription_name": "RecordingSub"}).Render(native, first)
		if err != nil || len(m.Header) != len(want) {
			t.Errorf("%s: %v, %v", schema, m.Header, err)
		}
		for name, value := range want {
			if got := strings.Join(m.Header.Values(name), "|"); got != value {
				t.Errorf("%s: %s is %q, want %q", schema, name, got, value)
			}
		}
	}
	m, err := openSender(t, values{"header": "x-key", "header_secret": "k3y"}).Render(native, at)
	if err != nil || m.Header.Get("X-Key") != "k3y" || m.Header.Get("Aeg-Delivery-Count") != "2" ||
		m.Header.Get("Aeg-Subscription-Name") != "BELLHOP" {
		t.Errorf("got %v, %v", m.Header, err)
	}
	odd := *native
	odd.Body = bytes.Replace(native.Body, []byte(`"dataVersion": "1.0"`), []byte(`"dataVersion": "1\r\nX: y"`), 1)
	if m, err = openSender(t, nil).Render(&odd, at); err != nil || m.Header.Get("Aeg-Data-Version") != "" {
		t.Errorf("got %q, %v", m.Header, err)
	}
	deleted := nativeEvents(t, "testdata/samples/subscription-deleted.json")[0]
	if m, err = openSender(t, nil).Render(deleted, at); err != nil ||
		m.Header.Get(eventgrid.EventTypeHeader) != "SubscriptionDeletion" {
		t.Errorf("got %v, %v", m.Header, err)
	}
}

// nativeEvents returns the events in the body of a file, as the store returns them.
func nativeEvents(t *testing.T, path string) (events []*bellhop.Event) {
	t.Helper()
	for _, ev := range deliver(t, provider.OutboundRequest{Header: http.Header{},
		Body: []byte(providertest.ReadFile(t, path))}) {
		ev.ID, ev.Source, ev.ReceivedAt = "evt_own", "grid", providertest.Now
		events = append(events, &ev)
	}
	return events
}

// An event keeps its bytes in its native schema, and its fields in the other schema.
func TestSendNative(t *testing.T) {
	for path, schema := range map[string]string{
		"testdata/samples/notification-batch.json":         "eventgrid",
		"testdata/cloudevents/cloudevent-batch.json":       "cloudevents",
		"testdata/cloudevents/cloudevent-single.json":      "cloudevents",
		"testdata/samples/dead-letter.json":                "eventgrid",
		"testdata/samples/subscription-deleted.json":       "eventgrid",
		"testdata/cloudevents/dead-letter-cloudevent.json": "cloudevents",
	} {
		events := nativeEvents(t, path)
		for _, to := range []string{"eventgrid", "cloudevents"} {
			r := openSender(t, values{"schema": to})
			m, err := r.RenderBatch(events, at)
			if err != nil || m.Body[0] != '[' {
				t.Fatalf("%s: %s, %v", path, m.Body, err)
			}
			arrived := deliver(t, m)
			for i, ev := range events {
				m, err := r.Render(ev, at)
				if err != nil || (m.Body[0] == '{') != (to == "cloudevents") {
					t.Fatalf("%s: %s, %v", path, m.Body, err)
				}
				checkDelivered(t, ev, deliver(t, m)[0], to == schema)
				checkDelivered(t, ev, arrived[i], to == schema)
			}
		}
	}
}

// A published event has neither topic nor metadataVersion. Event Grid adds them, and readers require them.
func TestSendPublished(t *testing.T) {
	const published = `{"id":"1", "eventType":"order.paid","subject":"o/1","eventTime":"2026-11-22T09:00:00Z","data":{"n":12345678901234567890},"dataVersion":"2.0"`
	for more, want := range map[string]string{
		``:                                    published + `,"topic":"/in/grid","metadataVersion":"1"}`,
		`,"metadataVersion":"1"`:              published + `,"metadataVersion":"1","topic":"/in/grid"}`,
		`,"topic":"/t"`:                       published + `,"topic":"/t","metadataVersion":"1"}`,
		`,"topic":null,"metadataVersion":"1"`: published + `,"topic":"/in/grid","metadataVersion":"1"}`,
	} {
		ev := &bellhop.Event{ID: "evt_1", Source: "grid", Type: "order.paid", Body: []byte(published + more + "}")}
		m, err := openSender(t, nil).Render(ev, at)
		if got := string(m.Body); err != nil || got != "["+want+"]" {
			t.Errorf("%s, %v", got, err)
		}
		if arrived := deliver(t, m)[0]; arrived.Type != "order.paid" {
			t.Errorf("arrives as %+v", arrived)
		}
	}
}

func checkDelivered(t *testing.T, was *bellhop.Event, is bellhop.Event, same bool) {
	t.Helper()
	deletedElsewhere := was.Type == eventgrid.DeletedType && !same // these events have their subject in data
	if is.Type != was.Type || is.Subject != was.Subject && !deletedElsewhere || !is.Time.Equal(was.Time) ||
		!strings.EqualFold(is.ProviderID, was.ProviderID) {
		t.Errorf("arrives as %+v, was %+v", is, *was)
	}
	var a, b struct{ Data any }
	if json.Unmarshal(is.Body, &a) != nil || json.Unmarshal(was.Body, &b) != nil ||
		providertest.JSON(a) != providertest.JSON(b) {
		t.Errorf("arrives with %s, had %s", is.Body, was.Body)
	}
	if bytes.Equal(is.Body, was.Body) != same {
		t.Errorf("arrives as %s, was %s", is.Body, was.Body)
	}
}

func TestSendConverted(t *testing.T) {
	ev := deliver(t, provider.OutboundRequest{Header: http.Header{}, Body: []byte(
		`{"specversion":"1.0","id":"1","source":"/s","type":"a","time":"2026-11-22T08:15:30.1234567Z","datacontenttype":"image/png","data_base64":"iVBORw==","more":1}`)})[0]
	m, err := openSender(t, nil).Render(&ev, at)
	const want = `[{"id":"1","topic":"/s","subject":"","data":{"contentType":"image/png","data_base64":"iVBORw=="},"eventType":"a",` +
		`"eventTime":"2026-11-22T08:15:30.1234567Z","dataVersion":"1.0","metadataVersion":"1"}]`
	if string(m.Body) != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", m.Body, err, want)
	}
	ev = deliver(t, provider.OutboundRequest{Header: http.Header{},
		Body: []byte(`[{"id":"1","eventType":"a","eventTime":"yesterday"}]`)})[0]
	ev.Source = "grid"
	m, err = openSender(t, values{"schema": "cloudevents"}).Render(&ev, at)
	if string(m.Body) != `{"id":"1","source":"/in/grid","specversion":"1.0","type":"a"}` || err != nil {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// An event that another system sent as a binary CloudEvent keeps its attributes. It is not sent in binary mode, which
// Event Grid does not use.
func TestSendOtherCloudEvents(t *testing.T) {
	r := openSender(t, values{"schema": "cloudevents", "topic": "/contoso/orders"})
	for _, ev := range []*bellhop.Event{
		otherEvent("application/json", `{"a":1}`), otherEvent("text/plain", "words"), otherEvent("",
			""), otherEvent("image/png", "\x89PNG"),
	} {
		ev.Header = bellhop.Header("Ce-Id: 1\nCe-Source: /s\nCe-Specversion: 1.0\nCe-Subject: in_1\n" +
			"Ce-Type: invoice.paid\n")
		ev.ProviderID = "/s 1"
		one, err := r.Render(ev, at)
		if err != nil || one.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("got %v, %v", one.Header, err)
		}
		two, err := r.RenderBatch([]*bellhop.Event{ev, ev}, at)
		if err != nil || two.Header.Get("Content-Type") != "application/cloudevents-batch+json; charset=utf-8" {
			t.Errorf("got %v, %v", two.Header, err)
		}
		for _, got := range append(deliver(t, one), deliver(t, two)...) {
			if got.Type != ev.Type || got.Subject != ev.Subject || got.ProviderID != "/s 1" {
				t.Errorf("arrives as %+v", got)
			}
		}
	}
}

// TestSendForms: a CloudEvent that came in binary mode and the same one in structured mode are sent as equal events.
func TestSendForms(t *testing.T) {
	for _, c := range []struct{ contentType, data, binary string }{
		{"application/json", `"data":{"n":12345678901234567890}`, `{"n":12345678901234567890}`},
		{"text/plain", `"data":"words"`, "words"}, {"image/png", `"data_base64":"iVBORw=="`, "\x89PNG"},
	} {
		structured :=
			`{"specversion":"1.0","id":"order-17","source":"/shop","type":"order.paid","subject":"Österreich",` +
				`"time":"2026-11-22T08:15:30.1234567Z","traceparent":"00-ab","datacontenttype":"` + c.contentType +
				`",` + c.data +
				`}`
		var events []*bellhop.Event
		for _, req := range []provider.Request{
			{Header: http.Header{"Content-Type": {cloudevents.MediaType}}, Body: []byte(structured)},
			{Body: []byte(c.binary), Header: http.Header{"Content-Type": {c.contentType}, "Ce-Specversion": {"1.0"},
				"Ce-Id": {"order-17"}, "Ce-Source": {"/shop"}, "Ce-Type": {"order.paid"},
				"Ce-Subject": {"%C3%96sterreich"},
				"Ce-Time":    {"2026-11-22T08:15:30.1234567Z"}, "Ce-Traceparent": {"00-ab"}}},
		} {
			receipt, err := cloudevents.ReadRequest(req.Header, req.Body)
			if err != nil {
				t.Fatal(err)
			}
			ev := receipt.Events[0]
			ev.ID, ev.Source, ev.ReceivedAt, ev.Header = "evt_1", "shop", providertest.Now,
				bellhop.NewHeader(req.Header, nil)
			events = append(events, &ev)
		}
		for _, schema := range []string{"eventgrid", "cloudevents"} {
			r := openSender(t, values{"schema": schema})
			var sent [2]any
			for i, ev := range events {
				m, err := r.Render(ev, at)
				if err != nil || json.Unmarshal(m.Body, &sent[i]) != nil ||
					!strings.Contains(string(m.Body), `"id":"order-17"`) ||
					!strings.Contains(string(m.Body), `Österreich`) || !strings.Contains(string(m.Body), `"/shop"`) {
					t.Fatalf("%s: %s, %v", schema, m.Body, err)
				}
				if schema == "cloudevents" && !strings.Contains(string(m.Body), `"traceparent":"00-ab"`) {
					t.Errorf("%s has lost its extension", m.Body)
				}
			}
			if providertest.JSON(sent[0]) != providertest.JSON(sent[1]) {
				t.Errorf("%s %s:\nstructured %s\nbinary     %s", schema, c.contentType, providertest.JSON(sent[0]),
					providertest.JSON(sent[1]))
			}
		}
	}
}

// TestSendWhole: whatever a source accepts is sent with every member that Microsoft's readers require, of its type.
func TestSendWhole(t *testing.T) {
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	bodies := []string{`[{"id":"1","eventType":"a","data":` + deep + "}]",
		`{"specversion":"1.0","id":"1","type":"a","source":"/s","data":` + deep + "}"}
	others := []string{`null`, `1`, `""`, `"x"`, `{}`, `[]`, `true`, ``}
	for _, name := range []string{"topic", "subject", "data", "eventTime", "dataVersion", "metadataVersion", "time",
		"datacontenttype", "source"} {
		for _, value := range others {
			member := ""
			if value != "" {
				member = `,"` + name + `":` + value
			}
			bodies = append(bodies, `[{"id":"1","eventType":"a"`+member+"}]",
				`{"specversion":"1.0","id":"1","type":"a","source":"/s"`+member+"}")
		}
	}
	for _, body := range bodies {
		req := delivery("s3cret", []byte(body))
		receipt, err := open(t, values{"query_secret": "s3cret"}).Receive(t.Context(), req)
		if err != nil {
			continue // refused
		}
		for _, ev := range receipt.Events {
			ev.ID, ev.Source, ev.ReceivedAt = "evt_1", "grid", providertest.Now
			checkWhole(t, &ev)
		}
	}
}

func checkWhole(t *testing.T, ev *bellhop.Event) {
	t.Helper()
	for schema, required := range map[string][]string{
		"eventgrid":   {"id", "topic", "subject", "eventType", "eventTime", "dataVersion", "metadataVersion"},
		"cloudevents": {"id", "source", "specversion", "type"},
	} {
		m, err := openSender(t, values{"schema": schema}).Render(ev, at)
		if err != nil {
			t.Fatal(err)
		}
		items, err := eventgrid.Items(m.Body)
		if err != nil || len(items) != 1 {
			t.Fatalf("%.300s: %v", m.Body, err)
		}
		members := map[string]string{}
		if err := strictjson.Object(items[0],
			func(name, value []byte) { members[string(name)] = string(value) }); err != nil {
			t.Fatal(err)
		}
		for _, name := range required {
			text, ok := strictjson.Text([]byte(members[name]))
			_, timeErr := time.Parse(time.RFC3339, text)
			if !ok || name == "eventTime" && timeErr != nil || text == "" && name != "subject" &&
				name != "dataVersion" && name != "topic" {
				t.Errorf("%s of %.300s is %s in %.300s", name, ev.Body, members[name], m.Body)
			}
		}
		if data := members["data"]; schema == "eventgrid" && (data == "" || data == "null") {
			t.Errorf("%.300s has no data: %.300s", ev.Body, m.Body)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, schema := range []string{"eventgrid", "cloudevents"} {
		judge := openSender(t, values{"schema": schema}).(provider.ReplyJudge)
		for status, want := range map[int]bellhop.Outcome{
			200: bellhop.OutcomeDelivered, 201: bellhop.OutcomeDelivered, 202: bellhop.OutcomeDelivered,
			203: bellhop.OutcomeDelivered, 204: bellhop.OutcomeDelivered,
			205: bellhop.OutcomeRetry, 206: bellhop.OutcomeRetry, 226: bellhop.OutcomeRetry,
			400: bellhop.OutcomeDead, 401: bellhop.OutcomeDead, 403: bellhop.OutcomeDead, 413: bellhop.OutcomeDead,
			302: "", 404: "", 408: "", 410: "", 429: "", 503: "",
		} {
			if got := judge.Judge(status, nil); got != want {
				t.Errorf("%s: %d is %v, want %v", schema, status, got, want)
			}
		}
	}
}

func sendHandshake(t *testing.T, settings values, callback string) provider.HandshakeRequest {
	t.Helper()
	to := at
	to.Attempt, to.Callback = 1, callback
	g, err := openSender(t, settings).(provider.Handshaker).Handshake(to)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// The validation event equals the sample, except for its ids.
func TestHandshake(t *testing.T) {
	g := sendHandshake(t, values{"subscription_name": "recordingsub", "header": "X-Key", "header_secret": "k3y"},
		"https://hooks.example/agree/1?x=y&z")
	var got, sample []map[string]any
	if json.Unmarshal(g.Request.Body, &got) != nil ||
		json.Unmarshal([]byte(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json")),
			&sample) != nil {
		t.Fatalf("%s", g.Request.Body)
	}
	data := got[0]["data"].(map[string]any)
	if len(got) != 1 || data["validationUrl"] != "https://hooks.example/agree/1?x=y&z" ||
		len(data["validationCode"].(string)) != 36 {
		t.Errorf("asks by %s", g.Request.Body)
	}
	for name := range sample[0] {
		if _, ok := got[0][name].(string); !ok && name != "data" {
			t.Errorf("no %s", name)
		}
	}
	for _, name := range []string{"eventType", "metadataVersion", "dataVersion", "subject"} {
		if got[0][name] != sample[0][name] {
			t.Errorf("%s is %v, want %v", name, got[0][name], sample[0][name])
		}
	}
	want := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Event-Type": {"SubscriptionValidation"},
		"Aeg-Subscription-Name": {"RECORDINGSUB"},
		"Aeg-Delivery-Count":    {"0"}, "Aeg-Data-Version": {"2"}, "Aeg-Metadata-Version": {"1"}, "X-Key": {"k3y"},
	}
	if !reflect.DeepEqual(g.Request.Header, want) {
		t.Errorf("got %v", g.Request.Header)
	}
	if again := sendHandshake(t, nil, ""); strings.Contains(string(again.Request.Body), "validationUrl") ||
		!strings.Contains(string(again.Request.Body), `"validationCode"`) {
		t.Errorf("without a callback: %s", again.Request.Body)
	}
}

func TestSendHandshakeAnswers(t *testing.T) {
	const yes, later, no = "yes", "later", "no"
	for _, c := range []struct {
		status          int
		body            string
		want, withoutCB string
	}{
		{200, `{"validationResponse":"CODE"}`, yes, yes},
		{200, `{"other":1,"validationResponse":"CODE"}` + "\n", yes, yes},
		{202, `{"validationResponse":"CODE"}`, no, no},
		{204, "", no, no},
		{200, "", later, no},
		{200, "OK", later, no},
		{200, "{}", later, no},
		{200, `{"ValidationResponse":"CODE"}`, later, no},
		{200, `{"validationResponse":1}`, later, no},
		{200, `"CODE"`, later, no},
		{200, `CODE`, later, no},
		{200, `{"validationResponse":"other"}`, no, no},
		{200, `{"validationResponse":"CODE","validationResponse":"CODE"}`, no, no},
		{302, `{"validationResponse":"CODE"}`, no, no},
		{400, `{"validationResponse":"CODE"}`, no, no},
	} {
		for callback, want := range map[string]string{"https://hooks.example/agree": c.want, "": c.withoutCB} {
			g := sendHandshake(t, nil, callback)
			var asked []struct {
				Data struct{ ValidationCode string }
			}
			if err := json.Unmarshal(g.Request.Body, &asked); err != nil {
				t.Fatal(err)
			}
			body := strings.ReplaceAll(c.body, "CODE", asked[0].Data.ValidationCode)
			result, err := g.Read(c.status, http.Header{}, []byte(body))
			if got := describeResult(result, err); got != want {
				t.Errorf("%d %s, callback %q: got %s, %v, want %s", c.status, c.body, callback, got, err, want)
			}
		}
	}
}

func describeResult(result provider.HandshakeResult, err error) string {
	switch {
	case err != nil:
		return "no"
	case result.Pending:
		return "later"
	}
	return "yes"
}

// In the CloudEvents schema the handshake is an OPTIONS request, which a source answers and which carries no
// secret.
func TestSendHandshakeCloudEvents(t *testing.T) {
	g := sendHandshake(t, values{"schema": "cloudevents", "header": "X-Key", "header_secret": "k3y"},
		"https://hooks.example/agree")
	h := g.Request.Header
	if g.Request.Method != "OPTIONS" || h.Get("WebHook-Request-Origin") != "eventgrid.azure.net" ||
		h.Get("WebHook-Request-Callback") == "" || h.Get("X-Key") != "" {
		t.Errorf("asks by %s %v", g.Request.Method, h)
	}
	receipt, err := open(t, values{"query_secret": "s3cret"}).Receive(context.Background(),
		&provider.Request{Method: "OPTIONS", Target: "/in/grid", Header: h})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := g.Read(receipt.Reply.Status, receipt.Reply.Header, receipt.Reply.Body); err != nil ||
		result != (provider.HandshakeResult{}) {
		t.Errorf("got %+v, %v", result, err)
	}
	if result, err := g.Read(200, http.Header{}, nil); err != nil || !result.Pending {
		t.Errorf("without consent: %+v, %v", result, err)
	}
	if result, err := sendHandshake(t, values{"schema": "cloudevents"}, "").Read(200, http.Header{}, nil); err == nil {
		t.Errorf("without permission and without a callback: %+v", result)
	}
}

// A source with manual validation accepts later.
func TestSendHandshakeManual(t *testing.T) {
	g := sendHandshake(t, nil, "https://rp.eventgrid.azure.net/agree")
	tr := &transport{status: 200}
	r, err := eventgrid.Provider{}.Open(provider.Env{Client: &http.Client{Transport: tr}},
		[]byte(providertest.JSON(values{"unauthenticated": true, "validation": "manual"})))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := r.Receive(context.Background(),
		&provider.Request{Method: "POST", Header: g.Request.Header, Body: g.Request.Body})
	if err != nil {
		t.Fatal(err)
	}
	result, err := g.Read(receipt.Reply.Status, http.Header{}, receipt.Reply.Body)
	if err != nil || !result.Pending {
		t.Errorf("got %+v, %v", result, err)
	}
	if err := receipt.Reply.Then(context.Background()); err != nil || len(tr.requests) != 1 ||
		tr.requests[0].URL.String() != "https://rp.eventgrid.azure.net/agree" {
		t.Errorf("%d calls, %v", len(tr.requests), err)
	}
}

// A source answers the vectors and the sample as expected.
func TestValidationVectors(t *testing.T) {
	sample := handshake{Body: json.RawMessage(providertest.ReadFile(t,
		"testdata/handshake/subscription-validation-request.json"))}
	sample.Expect.Status, sample.Expect.ContentType = 200, "application/json; charset=utf-8"
	sample.Expect.Body = json.RawMessage(providertest.ReadFile(t,
		"testdata/handshake/subscription-validation-response.json"))
	for _, v := range append(handshakes(t), sample) {
		req := validation(string(v.Body))
		for name, value := range v.Headers {
			req.Header.Set(name, value)
		}
		receipt, err := open(t, values{"query_secret": secrets[0]}).Receive(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(receipt.Reply.Body, &got) != nil || json.Unmarshal(v.Expect.Body, &want) != nil ||
			!reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, want %s", v.Name, receipt.Reply.Body, v.Expect.Body)
		}
		if receipt.Reply.Status != v.Expect.Status || receipt.Reply.ContentType != v.Expect.ContentType {
			t.Errorf("%s: got %d %s", v.Name, receipt.Reply.Status, receipt.Reply.ContentType)
		}
	}
}
