package sqlite

import (
	"flag"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

// Histories of some hundred random calls leave the store as they leave a model of a few lines. Runs share one store,
// each with a source and destinations of its own; -rapid.checks sets how many they are.
func TestModel(t *testing.T) {
	runs := "300"
	if underRace || testing.Short() {
		runs = "50"
	}
	for name, want := range map[string]string{"rapid.checks": runs, "rapid.steps": "100"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			f.Value.Set(want)
			t.Cleanup(func() { f.Value.Set(f.DefValue) })
		}
	}
	now := epoch.AddDate(2, 0, 0)
	dir := t.TempDir()
	weak := func(o *Options) { o.sync, o.Now = "off", func() time.Time { return now } }
	s := reopen(t, dir, weak)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := newModel(t, r, s, run)
		r.Repeat(map[string]func(*rapid.T){
			"accept": func(r *rapid.T) { m.accept(r, now) }, "accept more": func(r *rapid.T) { m.accept(r, now) },
			"record": func(r *rapid.T) { m.record(r, now) }, "record more": func(r *rapid.T) { m.record(r, now) },
			"claim":   func(r *rapid.T) { m.claim(r, now) },
			"release": func(r *rapid.T) { m.release(r, now) },
			"retry": func(r *rapid.T) {
				m.change(r, now, m.s.RetryDelivery, bellhop.DeliveryPending, "pending", "dead", "cancelled")
			},
			"cancel": func(r *rapid.T) { m.change(r, now, m.s.CancelDelivery, bellhop.DeliveryCancelled, "pending") },
			"next":   m.nextDue,
			"list":   m.list,
			"wait": func(r *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(-1e6, 1e7).Draw(r, "µs")) * time.Microsecond)
			},
			"restart": func(r *rapid.T) {
				if rapid.IntRange(0, 15).Draw(r, "rarely") > 0 {
					r.Skip()
				}
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				s = reopen(t, dir, weak)
				m.restart(s, now)
				m.compare(r)
			},
		})
		m.compare(r)
	})
}
