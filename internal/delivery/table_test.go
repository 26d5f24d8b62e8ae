package delivery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// TestMayWant: whatever matches name, each lane that wants an event is found, and found once.
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
	for _, ev := range []bellhop.Event{{Source: "media", SourceID: "src_1", Type: "t1"}, {Source: "other", SourceID: "src_2", Type: "t77"}, {Source: "none", SourceID: "src_3", Type: "x"}} {
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
		d.ID, d.Name, d.Match.Types, d.State = fmt.Sprint("dst_", i), fmt.Sprint("d", i), []string{fmt.Sprint("kind.", i)}, bellhop.DestinationPaused
		list = append(list, d)
	}
	r.engine.SetDestinations(b.Context(), list)
	events := []bellhop.Event{{SourceID: r.source.ID, Source: r.source.Name, Type: "kind.77"}}
	for b.Loop() {
		if owed := r.engine.Match(events); len(owed) != 1 {
			b.Fatal(owed)
		}
	}
}
