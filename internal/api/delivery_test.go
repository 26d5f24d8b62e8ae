package api

import (
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func TestDelivery(t *testing.T) {
	r := newRig(t)
	r.fill()
	const attempt = `{"number":1,"started_at":"2026-11-22T09:30:00.123Z","duration_ms":1.5,"status":500,"error":"status","detail":"","reply":"","reply_base64":"bm//"}`
	const delivery = `{"id":"dlv_1","event_id":"evt_1","destination_id":"dst_1","state":"pending","attempts":1,"next_at":"2026-11-22T09:30:00.123Z",
		"created_at":null,"updated_at":null,"last":` + attempt
	same(t, r.do("GET", "/api/v1/deliveries", "").is(200), `{"data":[`+delivery+`}],"next":null}`)
	same(t, r.do("GET", "/api/v1/deliveries/dlv_1", "").is(200), delivery+`,"history":[`+attempt+`]}`)
	for query, want := range map[string]int{
		"event=evt_1": 1, "event=evt_2": 0, "destination=billing": 1, "destination=dst_1": 1, "destination=dst_9": 0, "state=pending": 1, "state=dead": 0,
	} {
		if got := r.do("GET", "/api/v1/deliveries?"+query, "").is(200)["data"].([]any); len(got) != want {
			t.Errorf("%s: %d, want %d", query, len(got), want)
		}
	}
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
	same(t, r.do("GET", "/api/v1/requests?outcome=refused&source=media", "").is(200), `{"data":[`+request+`}],"next":null}`)
	same(t, r.do("GET", "/api/v1/requests/req_1", "").is(200), request+`,"headers":{},"body":"hello"}`)
	r.requests[0].Body, r.requests[0].SourceID = []byte("\xff"), "src_gone"
	got := r.do("GET", "/api/v1/requests/req_1", "").is(200)
	if got["body"] != "" || got["body_base64"] != "/w==" || got["source"] != "" {
		t.Error(got)
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	same(t, r.do("GET", "/api/v1/stats", "").is(200), `{"sources":0,"destinations":0,"events":0,"deliveries":{"pending":0,"leased":0,"delivered":0,"dead":2,"cancelled":0},
		"oldest_pending_at":null,"database_bytes":0,"requests_refused":0}`)
}

func TestProviders(t *testing.T) {
	r := newRig(t)
	got := r.do("GET", "/api/v1/providers", "").is(200)["data"].([]any)
	same(t, got[0], `{"name":"lock","title":"Lock","summary":"","links":[],"sends":true,
		"settings":[{"name":"key","title":"","doc":"","example":"","kind":"text","secret":true,"required":true},{"name":"account_id","title":"","doc":"","example":"","kind":"text","secret":false,"required":false}],
		"send_settings":[{"name":"key","title":"","doc":"","example":"","kind":"text","secret":true,"required":true}]}`)
}
