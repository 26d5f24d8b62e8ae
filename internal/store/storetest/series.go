package storetest

import (
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// minutes is how many spans lastHour asks for.
const minutes = 60

// lastHour asks for the minutes of the hour that ends with the present one.
func (w *world) lastHour() bellhop.SeriesQuery {
	until := w.clock.now().Truncate(time.Minute).Add(time.Minute)
	return bellhop.SeriesQuery{Step: time.Minute, Since: until.Add(-minutes * time.Minute), Until: until}
}

// acceptOf accepts events of a source, whose own tenant is none.
func (w *world) acceptOf(source, tenant string, count int) {
	w.Helper()
	for range count {
		ev := w.event("", []byte("x"))
		ev.SourceID, ev.Tenant = source, tenant
		w.accept([]bellhop.Event{ev}, nil)
	}
}

// series shows that what happens is counted in its minute, in all and for each noun, and what narrows the counts.
func series(w *world) {
	other := w.newSource("other")
	w.acceptOf(w.source, "", 3)
	w.Note(w.unknown())
	w.settle() // an event and a delivery more
	w.clock.pass(2 * time.Minute)
	w.acceptOf(other, "", 2)
	w.acceptOf(bellhop.SourceAPIID, "acme", 1)
	twice := []bellhop.Event{w.event("a", nil)}
	w.accept(twice, nil)
	w.accept(twice, nil)
	w.Note(w.refusal())
	failed := w.result(w.owe(true), 1, bellhop.DeliveryDead)
	w.record(failed)
	w.must(w.Record(failed)) // its lease is outdated
	w.settle()

	name := func(id string) string {
		src, err := w.Source(w.ctx, id)
		w.must(err)
		return src.Name
	}
	media := name(w.source)
	check := func(what string, q bellhop.SeriesQuery, before, now bellhop.Counts, sources ...string) {
		w.Helper()
		got, err := w.Series(w.ctx, q)
		w.must(err)
		if len(got.Spans) != minutes {
			w.Fatalf("%s: %d spans", what, len(got.Spans))
		}
		w.equal(what+": the first span", got.Spans[0].At.Equal(q.Since), true)
		w.equal(what+": two minutes ago", got.Spans[minutes-3].Counts, before)
		w.equal(what+": the minute after that", got.Spans[minutes-2].Counts, bellhop.Counts{})
		w.equal(what+": now", got.Spans[minutes-1].Counts, now)
		var named []string
		for _, n := range got.Sources {
			named = append(named, n.Name+" "+strconv.FormatInt(n.Accepted, 10)+" "+strconv.FormatInt(n.Refused, 10))
		}
		w.equal(what+": sources", named, sources)
	}
	q := w.lastHour()
	check("all", q, bellhop.Counts{Accepted: 4, Refused: 1, Delivered: 1},
		bellhop.Counts{Accepted: 6, Refused: 1, Delivered: 1, Failed: 1}, media+" 7 1", "other 2 0", "api 1 0")
	q.SourceIDs = []string{other}
	check("one source", q, bellhop.Counts{}, bellhop.Counts{Accepted: 2}, "other 2 0")
	q.SourceIDs = []string{"src_unknown"}
	check("an unknown source", q, bellhop.Counts{}, bellhop.Counts{})
	q.SourceIDs, q.DestinationIDs = nil, []string{w.destination}
	check("a destination", q, bellhop.Counts{Delivered: 1}, bellhop.Counts{Delivered: 1, Failed: 1})
	q.DestinationIDs, q.Tenant = nil, "acme"
	check("a tenant", q, bellhop.Counts{}, bellhop.Counts{Accepted: 1}, "api 1 0")
	q.Tenant = ""
	w.ctx = bellhop.WithTenant(w.ctx, "acme")
	check("a caller of a tenant", q, bellhop.Counts{}, bellhop.Counts{Accepted: 1}, "api 1 0")
	q.Tenant = "globex"
	check("one who asks for another", q, bellhop.Counts{}, bellhop.Counts{})
}

// seriesOfMany shows that of many tenants a bounded number is counted one by one, and all of them in all.
func seriesOfMany(w *world) {
	const events = bellhop.MaxSeriesNouns + 50
	w.atOnce(events, func(n int) error {
		ev := w.event("", []byte("x"))
		ev.SourceID, ev.Tenant = bellhop.SourceAPIID, "t"+strconv.Itoa(n)
		return second(w.Accept(w.ctx, nil, []bellhop.Event{ev}, nil))
	})
	got, err := w.Series(w.ctx, w.lastHour())
	w.must(err)
	w.equal("in all", got.Spans[minutes-1].Accepted, int64(events))
	w.equal("of the source", got.Sources[0].Accepted, int64(bellhop.MaxSeriesNouns))
}
