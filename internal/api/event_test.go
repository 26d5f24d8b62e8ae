package api

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestPublish(t *testing.T) {
	r := newRig(t)
	a := r.do("POST", "/api/v1/events",
		`{"type":"invoice.paid","subject":"i/1","data": {"n": 12345678901234567890} ,"time":"2026-11-22T11:00:00+01:00","tenant":"acme"}`)
	same(t, a.is(202),
		`{"id":"evt_1","type":"invoice.paid","subject":"i/1","source":"api","source_id":"src_api","provider_id":"","tenant":"acme",
		"time":"2026-11-22T10:00:00.000Z","received_at":"2026-11-22T09:30:00.123Z","content_type":"application/json","body_bytes":27,
		"body_sha256":"43fc99fa47c4fc52878551b9fee3412ffc3f712fb7dd639028e48c0d06581f90","conflicts_with":"","caused_by":""}`)
	if ev := r.events[0]; string(ev.Body) != `{"n": 12345678901234567890}` {
		t.Errorf("stored %s", ev.Body)
	}
	for _, selfType := range []string{"bellhop.destination.disabled", "bellhop.", "bellhop.test"} {
		r.do("POST", "/api/v1/events", `{"type":"`+selfType+`","data":1}`).refused(422, bellhop.CodeInvalid, "type")
	}
	r.do("POST", "/api/v1/events", `{"type":"bellhops","data":1}`).is(202)
	for _, kind := range []string{"order:created", "com.example/order-v1", "größe", "A_1~"} {
		r.do("POST", "/api/v1/events", `{"type":"`+kind+`","data":1}`).is(202)
	}
	for _, data := range []string{`null`, `0`, `"x"`, `[]`, `false`} {
		r.do("POST", "/api/v1/events", `{"type":"t","data":`+data+`}`).is(202)
	}

	first := r.do("POST", "/api/v1/events", `{"type":"t","data":1}`, "Idempotency-Key: k1")
	again := r.do("POST", "/api/v1/events", `{"type":"t","data":1,"time":"2026-11-22T11:00:00Z"}`,
		"Idempotency-Key: k1")
	if first.is(202)["id"] != again.is(202)["id"] || first.header.Get("Idempotent-Replayed") != "" ||
		again.header.Get("Idempotent-Replayed") != "true" ||
		again.is(202)["type"] != "t" {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	for _, other := range []string{`{"type":"other","data":1}`, `{"type":"t","data":2}`,
		`{"type":"t","data":1,"subject":"x"}`, `{"type":"t","data":1,"tenant":"x"}`, `{"type":"t","data": 1.0}`} {
		a := r.do("POST", "/api/v1/events", other, "Idempotency-Key: k1")
		a.refused(409, bellhop.CodeConflict)
		if !strings.Contains(a.body, "a new event needs a new key") {
			t.Error(a.body)
		}
	}
	for body, paths := range map[string][]string{
		`{}`:                                                   {"data", "type"},
		`{"type":"","data":1}`:                                 {"type"},
		`{"type":"a\nb","data":1}`:                             {"type"},
		`{"type":"foo bar","data":1}`:                          {"type"},
		`{"type":"paid ","data":1}`:                            {"type"},
		`{"type":"a\u200bb","data":1}`:                         {"type"},
		`{"type":"a\u00a0b","data":1}`:                         {"type"},
		`{"type":"invoice.*","data":1}`:                        {"type"},
		`{"type":"` + strings.Repeat("x", 256) + `","data":1}`: {"type"},
		`{"type":"t","data":1,"subject":"` + strings.Repeat("x", 1025) + `"}`: {"subject"},
		`{"type":"t","data":1,"time":"today"}`:                                {"time"},
		`{"type":"t","data":1,"id":"x"}`:                                      {"id"},
		`{"type":"t","data":1,"tenant":7}`:                                    {"tenant"},
	} {
		r.do("POST", "/api/v1/events", body).refused(422, bellhop.CodeInvalid, paths...)
	}
	r.do("POST", "/api/v1/events", `{"type":"t","data":1}`, "Idempotency-Key: "+strings.Repeat("k", 256)).refused(422,
		bellhop.CodeInvalid, "Idempotency-Key")
}

func TestEvent(t *testing.T) {
	r := newRig(t)
	r.fill()
	got := r.do("GET", "/api/v1/events/evt_1", "").is(200)
	same(t, got["data"], `{"a":[1]}`)
	same(t, got["headers"], `{"X-One":["1"]}`)
	same(t, got["time"], `null`)
	same(t, got["body_bytes"], `10`)
	r.do("GET", "/api/v1/events/evt_2", "").refused(404, bellhop.CodeNotFound)

	a := r.do("GET", "/api/v1/events/evt_1/body", "")
	if a.status != 200 || a.body != `{"a": [1]}` || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", a)
	}
	r.events[0].ContentType, r.events[0].Body = "text/html", []byte("<script>\xff")
	a = r.do("GET", "/api/v1/events/evt_1/body", "")
	if a.body != "<script>\xff" || a.header.Get("Content-Type") != "text/html" ||
		a.header.Get("Content-Disposition") != `attachment; filename="evt_1"` ||
		!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") ||
		len(a.header.Values("Content-Security-Policy")) != 1 {
		t.Errorf("%+v", a)
	}
	got = r.do("GET", "/api/v1/events/evt_1", "").is(200)
	if _, ok := got["data"]; ok {
		t.Error("data that is not JSON")
	}
	r.events[0].ContentType, r.events[0].Body = "", []byte(`"`+strings.Repeat("x", maxDataBytes)+`"`)
	if a = r.do("GET", "/api/v1/events/evt_1/body", ""); a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%+v", a.header)
	}
	if _, ok := r.do("GET", "/api/v1/events/evt_1", "").is(200)["data"]; ok {
		t.Error("data that is too large")
	}
}

func TestEventList(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.events = nil
	for i := range 120 {
		r.events = append(r.events, bellhop.Event{ID: "evt_" + strconv.Itoa(i), SourceID: "src_" + strconv.Itoa(i%2),
			Type: "t" + strconv.Itoa(i%3), ReceivedAt: testNow.Add(time.Duration(i) * time.Second), Body: []byte("x")})
	}
	count := func(query string) int { return len(r.do("GET", "/api/v1/events"+query, "").is(200)["data"].([]any)) }
	for query, want := range map[string]int{
		"": 50, "?limit=7": 7, "?limit=250": 120, "?limit=250&source=media": 60, "?limit=250&source=src_1": 60,
		"?limit=250&source=src_0": 60, "?limit=250&source=src_9": 0,
		"?limit=250&source=api": 0, "?limit=250&type=t1": 40, "?limit=250&since=2026-11-22T09:30:10.123Z": 110,
		"?limit=250&until=2026-11-22T10:30:10.123%2B01:00": 10,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	seen, cursor, pages := map[any]bool{}, "", 0
	for {
		got := r.do("GET", "/api/v1/events?limit=50"+cursor, "").is(200)
		for _, ev := range got["data"].([]any) {
			seen[ev.(map[string]any)["id"]] = true
		}
		pages++
		next, ok := got["next"].(string)
		if !ok {
			break
		}
		cursor = "&cursor=" + next
	}
	if len(seen) != 120 || pages != 3 {
		t.Errorf("%d events on %d pages", len(seen), pages)
	}
	r.events = nil
	if a := r.do("GET", "/api/v1/events", ""); strings.TrimSpace(a.body) != `{"data":[],"next":null}` {
		t.Error(a.body)
	}
}

func TestDelivery(t *testing.T) {
	r := newRig(t)
	r.fill()
	const attempt = `{"number":1,"started_at":"2026-11-22T09:30:00.123Z","duration_ms":1.5,"status":500,"error":"status","detail":"","reply":"","reply_base64":"bm//"}`
	const delivery = `{"id":"dlv_1","event_id":"evt_1","destination_id":"dst_1","destination":"billing","state":"pending","attempts":1,"next_at":"2026-11-22T09:30:00.123Z",
		"created_at":null,"updated_at":null,"last":` + attempt
	same(t, r.do("GET", "/api/v1/deliveries", "").is(200), `{"data":[`+delivery+`}],"next":null}`)
	same(t, r.do("GET", "/api/v1/deliveries/dlv_1", "").is(200), delivery+`,"history":[`+attempt+`]}`)
	for query, want := range map[string]int{
		"event=evt_1": 1, "event=evt_2": 0, "destination=billing": 1, "destination=dst_1": 1, "destination=dst_9": 0,
		"state=pending": 1, "state=dead": 0,
	} {
		if got := r.do("GET", "/api/v1/deliveries?"+query, "").is(200)["data"].([]any); len(got) != want {
			t.Errorf("%s: %d, want %d", query, len(got), want)
		}
	}
	r.do("GET", "/api/v1/deliveries?destination=nobody", "").refused(422, bellhop.CodeInvalid, "destination")
	r.do("GET", "/api/v1/deliveries/dlv_2", "").refused(404, bellhop.CodeNotFound)
}

func TestRetryAndCancel(t *testing.T) {
	r := newRig(t)
	r.fill()
	got := r.do("POST", "/api/v1/deliveries/dlv_1/cancel", "").is(200)
	if got["state"] != "cancelled" || got["next_at"] != nil || len(r.woken) != 1 || r.woken[0] != "dst_1" {
		t.Error(got, r.woken)
	}
	r.do("POST", "/api/v1/deliveries/dlv_1/cancel", "").refused(409, bellhop.CodeConflict)
	got = r.do("POST", "/api/v1/deliveries/dlv_1/retry", "").is(200)
	if got["state"] != "pending" || len(r.woken) != 2 || r.woken[1] != "dst_1" {
		t.Error(got, r.woken)
	}
	r.deliveries[0].State = bellhop.DeliveryDelivered
	r.do("POST", "/api/v1/deliveries/dlv_1/retry", "").refused(409, bellhop.CodeConflict)
	r.do("POST", "/api/v1/deliveries/dlv_2/retry", "").refused(404, bellhop.CodeNotFound)
}

func TestRequest(t *testing.T) {
	r := newRig(t)
	r.fill()
	const request = `{"id":"req_1","source":"media","source_id":"src_1","outcome":"refused","status":401,"reason":"signature_mismatch","detail":"","method":"POST",
		"target":"/in/media","remote_addr":"","body_bytes":5,"events":0,"received_at":"2026-11-22T09:30:00.123Z"`
	same(t, r.do("GET", "/api/v1/requests?outcome=refused&source=media", "").is(200),
		`{"data":[`+request+`}],"next":null}`)
	same(t, r.do("GET", "/api/v1/requests/req_1", "").is(200), request+`,"headers":{},"body":"hello"}`)
	r.requests[0].Body, r.requests[0].SourceID = []byte("\xff"), "src_gone"
	got := r.do("GET", "/api/v1/requests/req_1", "").is(200)
	if got["body"] != "" || got["body_base64"] != "/w==" || got["source"] != "media" {
		t.Error(got)
	}
	same(t, r.do("GET", "/api/v1/requests?no_source=true", "").is(200), `{"data":[],"next":null}`)
	r.requests[0].SourceID, r.requests[0].Source, r.requests[0].RequestName = "", "", "medai"
	got = r.do("GET", "/api/v1/requests?no_source=true", "").is(200)["data"].([]any)[0].(map[string]any)
	if got["request_name"] != "medai" || got["source"] != "" || got["source_id"] != "" {
		t.Error(got)
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	const nothing = `{"count":0,"p50_ms":0,"p99_ms":0}`
	same(t, r.do("GET", "/api/v1/stats", "").is(200),
		`{"sources":0,"destinations":0,"events":0,"deliveries":{"pending":0,"leased":0,"delivered":0,"dead":2,"cancelled":0}, "oldest_pending_at":null,"next_due_at":null,"database_bytes":0,"requests_refused":0,`+
			`"latency":{"since":null,"accept":`+nothing+`,"attempt":`+nothing+`,"delivery":`+nothing+`}}`)
}
