package api

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestRepair(t *testing.T) {
	r := newRig(t)
	r.fill()
	const repair = `{"id":"rpr_1","kind":"replay","state":"running","reason":"","filter":{"source_ids":["src_1"],"type":"x.*","since":"2026-11-22T09:30:00.123Z"},
		"rate":200,"looked_at":3,"changed":2,"skipped":1,"position_at":"2026-11-22T09:30:00.123Z","created_at":"2026-11-22T09:30:00.123Z","updated_at":"2026-11-22T09:30:00.123Z","starts_at":"2026-11-22T09:30:00.123Z"}`
	same(t, r.do("GET", "/api/v1/repairs", "").is(200), `{"data":[`+repair+`],"next":null}`)
	same(t, r.do("GET", "/api/v1/repairs/rpr_1", "").is(200), repair)
	if got := r.do("POST", "/api/v1/repairs/rpr_1/cancel", "").is(200); got["state"] != "cancelled" {
		t.Error(got)
	}
	r.do("POST", "/api/v1/repairs/rpr_1/cancel", "").refused(409, bellhop.CodeConflict)
	r.do("POST", "/api/v1/repairs/rpr_2/cancel", "").refused(404, bellhop.CodeNotFound)
	r.do("GET", "/api/v1/repairs/rpr_2", "").refused(404, bellhop.CodeNotFound)
}

// TestBeginRepair: the repair that begins is the one that was asked for.
func TestBeginRepair(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       bellhop.Repair
	}{
		{"/events/replay",
			`{"source":"media","type":"x.*","where":"data.a != nil","destination":"billing","since":"2026-11-22T08:00:00Z","until":"2026-11-22T09:00:00Z","rate":0}`,
			bellhop.Repair{Kind: "replay", Filter: bellhop.RepairFilter{SourceIDs: []string{"src_1"}, Type: "x.*",
				Where:         "data.a != nil",
				DestinationID: "dst_1",
				Since:         time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
				Until:         time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}}},
		{"/events/replay", `{"all":true}`, bellhop.Repair{Kind: "replay", Rate: 200}},
		{"/events/replay", `{"source":"api","rate":2.5}`,
			bellhop.Repair{Kind: "replay", Rate: 2.5,
				Filter: bellhop.RepairFilter{SourceIDs: []string{bellhop.SourceAPIID}}}},
		{"/events/replay", `{"source":"bellhop"}`,
			bellhop.Repair{Kind: "replay", Rate: 200,
				Filter: bellhop.RepairFilter{SourceIDs: []string{bellhop.SourceSelfID}}}},
		{"/deliveries/retry", `{"destination":"billing"}`,
			bellhop.Repair{Kind: "retry", Rate: 200, Filter: bellhop.RepairFilter{DestinationID: "dst_1",
				State: "dead"}}},
		{"/deliveries/retry", `{"error":"timeout","state":"cancelled","rate":1}`,
			bellhop.Repair{Kind: "retry", Rate: 1, Filter: bellhop.RepairFilter{Error: "timeout",
				State: "cancelled"}}},
		{"/deliveries/cancel", `{"event":"evt_1"}`,
			bellhop.Repair{Kind: "cancel", Filter: bellhop.RepairFilter{EventID: "evt_1", State: "pending"}}},
		{"/deliveries/cancel", `{"all":true,"state":"pending"}`,
			bellhop.Repair{Kind: "cancel", Filter: bellhop.RepairFilter{State: "pending"}}},
		{"/deliveries/cancel", `{"all":true,"start_in":"10s"}`,
			bellhop.Repair{Kind: "cancel", Filter: bellhop.RepairFilter{State: "pending"},
				State: bellhop.RepairWaiting, StartsAt: testNow.Add(10 * time.Second)}},
		{"/events/replay", `{"all":true,"start_in":"1h"}`, bellhop.Repair{Kind: "replay", Rate: 200,
			State: bellhop.RepairWaiting, StartsAt: testNow.Add(time.Hour)}},
	} {
		r := newRig(t)
		r.fill()
		a := r.do("POST", Prefix+c.path, c.body)
		got := a.is(202)
		begun := r.repairs[len(r.repairs)-1]
		if got["id"] != begun.ID || !strings.HasPrefix(begun.ID, "rpr_") ||
			a.header.Get("Location") != Prefix+"/repairs/"+begun.ID {
			t.Errorf("%s: %s", c.body, a.body)
		}
		c.want.ID, c.want.CreatedAt, c.want.UpdatedAt = begun.ID, testNow, testNow
		if c.want.State == "" {
			c.want.State, c.want.StartsAt = bellhop.RepairRunning, testNow
		}
		if begun.Filter.Since, begun.Filter.Until = begun.Filter.Since.UTC(),
			begun.Filter.Until.UTC(); !reflect.DeepEqual(begun, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.body, begun, c.want)
		}
		body := strings.Replace(c.body, "{", `{"dry_run":true,`, 1)
		if got := r.do("POST", Prefix+c.path, body).is(200); got["events"] != 2.0 || got["deliveries"] != 3.0 ||
			got["complete"] != true || len(r.repairs) != 2 {
			t.Errorf("%s: %v", body, got)
		}
		if counted := r.counted; counted.Filter.DestinationID != c.want.Filter.DestinationID ||
			counted.Kind != c.want.Kind {
			t.Errorf("%s: counted %+v", body, counted)
		}
	}
}

func TestReplayEvent(t *testing.T) {
	r := newRig(t)
	r.fill()
	const made = `{"deliveries":[{"id":"dlv_2","destination_id":"dst_1","destination":"billing"}]}`
	for _, body := range []string{"", "{}", `{"destination":"billing"}`, `{"destination":"dst_1"}`} {
		same(t, r.do("POST", "/api/v1/events/evt_1/replay", body).is(202), made)
	}
	r.do("POST", "/api/v1/events/evt_9/replay", "").refused(404, bellhop.CodeNotFound)
	for state, status := range map[bellhop.DestinationState]int{"active": 202, "paused": 202, "unverified": 202,
		"disabled": 409, "expired": 409} {
		r.destinations[0].State = state
		for path, body := range map[string]string{"/events/evt_1/replay": `{"destination":"billing"}`,
			"/events/replay": `{"destination":"billing","source":"media"}`} {
			a := r.do("POST", Prefix+path, body)
			if a.status != status || status == 409 && !strings.Contains(a.body, " first, or name another") {
				t.Errorf("%s while %s: %d %s", path, state, a.status, a.body)
			}
		}
	}
	r.destinations[0].State, r.destinations[0].ExpiresAt = "active", testNow
	r.do("POST", "/api/v1/events/evt_1/replay", `{"destination":"billing"}`).refused(409, bellhop.CodeConflict)
}

func TestBadRepairs(t *testing.T) {
	r := newRig(t)
	r.fill()
	before := len(r.repairs)
	for _, c := range []struct {
		path, body string
		status     int
		code       bellhop.Code
		paths      []string
	}{
		{"/events/evt_1/replay", `{"destination":"nobody"}`, 422, bellhop.CodeInvalid, []string{"destination"}},
		{"/events/evt_1/replay", `{"to":"billing"}`, 422, bellhop.CodeInvalid, []string{"to"}},
		{"/events/evt_1/replay", `[]`, 422, bellhop.CodeInvalid, []string{"body"}},
		{"/events/evt_1/replay", `{"destination":`, 400, bellhop.CodeMalformed, []string{"body"}},
		{"/events/replay", "", 400, bellhop.CodeMalformed, nil},
		{"/events/replay", `{}`, 422, bellhop.CodeInvalid, []string{"all"}},
		{"/events/replay", `{"destination":"billing"}`, 422, bellhop.CodeInvalid, []string{"all"}},
		{"/events/replay",
			`{"source":"nobody","destination":"nobody","type":"a*b","where":"data.","since":"2026-11-22T08:00:00Z","until":"2026-11-22T08:00:00Z"}`,
			422, bellhop.CodeInvalid, []string{"source", "type", "where", "destination", "until"}},
		{"/events/replay", `{"where":"` + strings.Repeat("a", bellhop.MaxWhereLength+1) + `"}`, 422,
			bellhop.CodeInvalid, []string{"where"}},
		{"/events/replay", `{"source":"media","rate":-1}`, 422, bellhop.CodeInvalid, []string{"rate"}},
		{"/events/replay", `{"source":"media","rate":1e9}`, 422, bellhop.CodeInvalid, []string{"rate"}},
		{"/events/replay", `{"source":"media","rate":1e-9}`, 422, bellhop.CodeInvalid, []string{"rate"}},
		{"/deliveries/retry", `{"all":true,"rate":0.0001}`, 422, bellhop.CodeInvalid, []string{"rate"}},
		{"/events/replay", `{"source":"media","rate":"fast"}`, 422, bellhop.CodeInvalid, []string{"rate"}},
		{"/events/replay", `{"since":"yesterday"}`, 422, bellhop.CodeInvalid, []string{"since"}},
		{"/events/replay", `{"source":"media","state":"dead"}`, 422, bellhop.CodeInvalid, []string{"state"}},
		{"/deliveries/retry", `{}`, 422, bellhop.CodeInvalid, []string{"all"}},
		{"/deliveries/retry", `{"state":"dead"}`, 422, bellhop.CodeInvalid, []string{"all"}},
		{"/deliveries/retry", `{"all":true,"state":"delivered"}`, 422, bellhop.CodeInvalid, []string{"state"}},
		{"/deliveries/retry", `{"all":true,"state":"leased"}`, 422, bellhop.CodeInvalid, []string{"state"}},
		{"/deliveries/retry", `{"event":"evt_9"}`, 422, bellhop.CodeInvalid, []string{"event"}},
		{"/deliveries/retry", `{"destination":"nobody"}`, 422, bellhop.CodeInvalid, []string{"destination"}},
		{"/deliveries/cancel", `{"error":"status:429"}`, 422, bellhop.CodeInvalid, []string{"error"}},
		{"/deliveries/retry", `{"error":"a\u0007"}`, 422, bellhop.CodeInvalid, []string{"error"}},
		{"/deliveries/cancel", `{}`, 422, bellhop.CodeInvalid, []string{"all"}},
		{"/deliveries/cancel", `{"all":true,"state":"dead"}`, 422, bellhop.CodeInvalid, []string{"state"}},
		{"/deliveries/cancel", `{"all":true,"start_in":"soon"}`, 422, bellhop.CodeInvalid, []string{"start_in"}},
		{"/deliveries/retry", `{"all":true,"start_in":"-1s"}`, 422, bellhop.CodeInvalid, []string{"start_in"}},
		{"/events/replay", `{"all":true,"rate":0.0001,"start_in":"61m"}`, 422, bellhop.CodeInvalid,
			[]string{"rate", "start_in"}},
		{"/events/replay", `{"all":true,"start_in":10}`, 422, bellhop.CodeInvalid, []string{"start_in"}},
		{"/deliveries/cancel", `{"since":"2026-11-22T08:00:00Z","until":"2026-11-21T08:00:00Z"}`, 422,
			bellhop.CodeInvalid, []string{"until"}},
	} {
		t.Run(c.path+c.body[:min(40, len(c.body))], func(t *testing.T) {
			r.t = t
			r.do("POST", Prefix+c.path, c.body).refused(c.status, c.code, c.paths...)
		})
	}
	if len(r.repairs) != before {
		t.Error("something began")
	}
}
