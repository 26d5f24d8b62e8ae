package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// TestConflicts: two different events under one id are both stored, and the second is counted, logged at most once a
// minute, and says with which event it conflicts. Repeats of either are recognized.
func TestConflicts(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	registry := prometheus.NewRegistry()
	r := newRig(t, func(o *Options) {
		o.Metrics = registry
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		o.Env.Now = func() time.Time { return now }
	})
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		ev := event(req.Body)
		ev.ProviderID = "msg_same"
		return provider.Receipt{Events: []bellhop.Event{ev}}, nil
	}
	for i, body := range []string{"paid", "refund", "paid", "refund", "another", "refund"} {
		if w := r.send("POST", "/in/src", strings.NewReader(body)); w.Code != 202 {
			t.Fatalf("request %d: %d", i, w.Code)
		}
	}
	events := r.events() // newest first
	if len(events) != 3 || events[0].ConflictsWith != events[2].ID || events[1].ConflictsWith != events[2].ID ||
		events[2].ConflictsWith != "" {
		t.Fatalf("%+v", events)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if counter := f.GetMetric()[0].GetCounter(); counter != nil {
			counted[f.GetName()] = counter.GetValue()
		}
	}
	if counted["bellhop_ingest_conflicts_total"] != 2 || counted["bellhop_ingest_duplicates_total"] != 3 {
		t.Errorf("counted %v, want 2 conflicts and 3 repeats", counted)
	}
	want := fmt.Sprintf("event_id=%s source_id=src_src source=src conflicts_with=%s", events[1].ID, events[2].ID)
	if text := logged.String(); strings.Count(text, "event.conflict") != 1 || !strings.Contains(text, want) {
		t.Errorf("the log says %s, want one line with %s", text, want)
	}
	now = now.Add(conflictLogEvery)
	r.send("POST", "/in/src", strings.NewReader("a minute later"))
	if n := strings.Count(logged.String(), "event.conflict"); n != 2 {
		t.Errorf("%d lines after a minute, want 2", n)
	}
}

// TestConflictsLogsAreBounded: the sources of which a conflict was logged are remembered within a bound.
func TestConflictLogsAreBounded(t *testing.T) {
	var c conflicts
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for i := range 3 * maxConflictLogs {
		if !c.due(fmt.Sprint(i), now) || c.due(fmt.Sprint(i), now) {
			t.Fatal("the first of each source is logged, and no other")
		}
		if len(c.logged) > maxConflictLogs {
			t.Fatalf("%d sources are remembered", len(c.logged))
		}
	}
	if !c.due("0", now.Add(-time.Hour)) {
		t.Error("nothing is logged after the clock was set back")
	}
}

// TestAnnounceFoldsByID: an announcement that is made again has another time, and is a repeat all the same.
func TestAnnounceFoldsByID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, body := range []string{`{"at":1}`, `{"at":2}`} {
		ev := event([]byte(body))
		ev.ProviderID = "expired dst_1"
		if err := r.door.Announce(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	if list := r.events(); len(list) != 1 {
		t.Errorf("%d events", len(list))
	}
}
