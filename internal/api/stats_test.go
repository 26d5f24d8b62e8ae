package api

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestLatency: the counts have how long accepting and delivering took, in milliseconds.
func TestLatency(t *testing.T) {
	r := newRig(t)
	r.latencies = bellhop.Latencies{Since: testNow, Accept: bellhop.Latency{Count: 7, P50: 1500 * time.Microsecond,
		P99: 2 * time.Second}}
	a := r.do("GET", "/api/v1/stats", "")
	a.is(200)
	if !strings.Contains(a.body, `"latency":{"since":"2026-11-22T09:30:00.123Z","accept":{"count":7,"p50_ms":1.5,`+
		`"p99_ms":2000},"attempt":{"count":0,"p50_ms":0,"p99_ms":0},"delivery":`) {
		t.Error(a.body)
	}
	r.latencies = bellhop.Latencies{}
	if a := r.do("GET", "/api/v1/stats", ""); !strings.Contains(a.body, `"latency":{"since":null,`) {
		t.Error(a.body)
	}
}

// TestSilentSource: a source says since when it has been silent for longer than it may be. A PATCH with the whole
// answer is accepted.
func TestSilentSource(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.notes = map[string]bellhop.SourceNotes{"src_1": {SilentSince: testNow}}
	const silent = `"silent_since":"2026-11-22T09:30:00.123Z"`
	if a := r.do("GET", "/api/v1/sources/src_1", ""); strings.Contains(a.body, "silent_since") {
		t.Errorf("one that expects nothing: %s", a.body)
	}
	r.sources[0].ExpectEvery = time.Hour
	for _, path := range []string{"/api/v1/sources/src_1", "/api/v1/sources"} {
		if a := r.do("GET", path, ""); a.status != 200 || !strings.Contains(a.body, silent) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	r.do("PATCH", "/api/v1/sources/src_1", `{"disabled":true,`+silent+`}`).is(200)
	r.notes = nil
	if a := r.do("GET", "/api/v1/sources/src_1", ""); strings.Contains(a.body, "silent_since") {
		t.Errorf("one that has spoken: %s", a.body)
	}
}
