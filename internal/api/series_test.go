package api

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestSeries: the period chooses the step and the spans, filters reach the store as ids, and nonsense is refused.
func TestSeries(t *testing.T) {
	r := newRig(t)
	for period, want := range map[string]struct {
		step  string
		spans time.Duration
	}{"": {"1m", time.Hour}, "?period=3h": {"1m", 3 * time.Hour}, "?period=24h": {"10m", 24 * time.Hour},
		"?period=720h": {"1h", 720 * time.Hour}, "?period=90s": {"1m", 2 * time.Minute}} {
		got := r.do("GET", "/api/v1/series"+period, "").is(200)
		q := r.filter.(bellhop.SeriesQuery)
		length := q.Until.Sub(q.Since)
		if got["step"] != want.step || length != want.spans || q.Since.Truncate(q.Step) != q.Since ||
			!q.Until.After(time.Now()) || q.Until.After(time.Now().Add(q.Step)) {
			t.Errorf("%q: step %v, %v to %v", period, got["step"], q.Since, q.Until)
		}
		span := got["data"].([]any)[0].(map[string]any)
		if span["accepted"] != 2.0 || span["refused"] != 1.0 || span["delivered"] != 0.0 || span["failed"] != 0.0 {
			t.Errorf("%v", span)
		}
		same(t, got["sources"], `[{"id":"src_1","name":"media","accepted":2,"refused":1,"delivered":0,"failed":0}]`)
		same(t, got["destinations"], `[]`)
	}
	r.do("GET", "/api/v1/series?source=api&tenant=acme", "").is(200)
	q := r.filter.(bellhop.SeriesQuery)
	if len(q.SourceIDs) != 1 || q.SourceIDs[0] != bellhop.SourceAPIID || q.DestinationIDs != nil ||
		q.Tenant != "acme" {
		t.Errorf("%+v", q)
	}
	for _, period := range []string{"1s", "721h", "-1h", "soon", "30d"} {
		r.do("GET", "/api/v1/series?period="+period, "").refused(422, bellhop.CodeInvalid, "period")
	}
	r.do("GET", "/api/v1/series?source=nobody", "").refused(422, bellhop.CodeInvalid, "source")
	r.do("GET", "/api/v1/series?until=now", "").refused(422, bellhop.CodeInvalid, "until")
}
