package delivery

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// TestMatchError: a where expression that fails does not match. The destination shows its error until the expression
// changes.
func TestMatchError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("picky")
		d := r.destination(to, func(d *bellhop.Destination) { d.Match.Where = `data.a.b == 1` })
		if got := r.engine.MatchError(d.ID); got.Count != 0 || r.engine.MatchError("dst_none").Count != 0 {
			t.Errorf("before: %+v", got)
		}
		for range 3 {
			time.Sleep(time.Second)
			r.accept(bellhop.Event{Body: []byte(`{}`)})
		}
		got := r.engine.MatchError(d.ID)
		if got.Count != 3 || !got.At.Equal(r.now()) || !strings.HasPrefix(got.Message, "where: cannot fetch b from <nil>") {
			t.Errorf("%+v", got)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Concurrency = 2 })
		if got := r.engine.MatchError(d.ID); got.Count != 3 {
			t.Errorf("after another change: %+v", got)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Match.Where = `data.a?.b == 1` })
		r.accept(bellhop.Event{Body: []byte(`{}`)})
		if got := r.engine.MatchError(d.ID); got.Count != 0 || len(to.got()) != 0 {
			t.Errorf("after it was mended: %+v", got)
		}
	})
}

// TestMayWant: each lane that may want an event is found once, for every kind of match.
func TestMayWant(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of ...string) (list []string) {
		for range random.IntN(4) {
			list = append(list, of[random.IntN(len(of))])
		}
		return list
	}
	many := make([]string, bellhop.MaxMatchEntries)
	for i := range many {
		many[i] = fmt.Sprint("t", i)
	}
	lanes := map[string]*lane{}
	for i := range 300 {
		m := bellhop.Match{Sources: some("media", "src_1", "other", "src_2"), Types: some("t1", "t2", "t*", "x")}
		if i%50 == 0 {
			m.Types = many
		}
		matcher, err := match.Compile(m)
		if err != nil {
			t.Fatal(err)
		}
		l := &lane{id: fmt.Sprint(i)}
		l.destination.Store(&destination{Destination: bellhop.Destination{ID: l.id, Match: m}, matcher: matcher})
		lanes[l.id] = l
	}
	table := newLaneTable(lanes)
	for _, ev := range []bellhop.Event{{Source: "media", SourceID: "src_1", Type: "t1"},
		{Source: "other", SourceID: "src_2", Type: "t77"}, {Source: "none", SourceID: "src_3", Type: "x"}} {
		var want, found, got []string
		for id, l := range lanes {
			if ok, _ := l.destination.Load().matcher.Wants(&ev); ok {
				want = append(want, id)
			}
		}
		for l := range table.mayWant(&ev) {
			found = append(found, l.id)
			if ok, _ := l.destination.Load().matcher.Wants(&ev); ok {
				got = append(got, l.id)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		slices.Sort(found)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%+v: found %v, want %v", ev, got, want)
		}
		if n := len(found); n != len(slices.Compact(found)) {
			t.Errorf("%+v: some were found twice", ev)
		}
	}
}

func BenchmarkMatchOfTenThousand(b *testing.B) {
	r := newRig(b)
	to := r.network.receiver("one")
	var list []bellhop.Destination
	d := r.destination(to)
	for i := range 10_000 {
		d.ID, d.Name, d.Match.Types, d.State = fmt.Sprint("dst_", i), fmt.Sprint("d",
			i), []string{fmt.Sprint("kind.", i)}, bellhop.DestinationPaused
		list = append(list, d)
	}
	r.engine.SetDestinations(b.Context(), list)
	events := []bellhop.Event{{SourceID: r.source.ID, Source: r.source.Name, Type: "kind.77"}}
	for b.Loop() {
		if deliveries := r.engine.Match(events); len(deliveries) != 1 {
			b.Fatal(deliveries)
		}
	}
}

// TestReserve: an event that is assigned to one destination goes to that destination only, even if its match does not
// want the event.
func TestReserve(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("tested"), r.network.receiver("other")
		d := r.destination(to, func(d *bellhop.Destination) { d.Match.Types = []string{"nothing"} })
		r.destination(other)
		body := []byte("a test")
		events := []bellhop.Event{{Type: "bellhop.test", SourceID: r.source.ID, Source: r.source.Name,
			ReceivedAt: time.Now(), Body: body, SHA256: sha256.Sum256(body)}}
		if deliveries := r.engine.Reserve(events, "dst_none"); len(deliveries) != 0 {
			t.Errorf("owed to nobody: %+v", deliveries)
		}
		deliveries := r.engine.Reserve(events, d.ID)
		if _, err := r.store.Accept(t.Context(), nil, events, deliveries); err != nil {
			t.Fatal(err)
		}
		r.engine.Deliver(events, deliveries)
		synctest.Wait()
		if len(to.got()) != 1 || len(other.got()) != 0 || r.only().State != bellhop.DeliveryDelivered {
			t.Errorf("%d and %d arrived", len(to.got()), len(other.got()))
		}
		r.engine.Unreserve(events, r.engine.Reserve(events, d.ID))
		r.wantIdle()
	})
}
