package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
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
		if got.Count != 3 || !got.At.Equal(r.now()) ||
			!strings.HasPrefix(got.Message, "where: cannot fetch b from <nil>") {
			t.Errorf("%+v", got)
		}
		if troubled := r.engine.Troubled(); !slices.Equal(troubled, []string{d.ID}) {
			t.Errorf("in trouble: %v", troubled)
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
		if deliveries, _ := r.engine.Match(b.Context(), events); len(deliveries) != 1 {
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

// largeBody is a body that waits for its turn before expressions are evaluated over it.
func largeBody() []byte {
	return []byte(`{"a":1,"text":"` + strings.Repeat("x", match.LargeBody) + `"}`)
}

// TestMatchBusy: while too many large bodies are being evaluated, further ones are refused, with no place reserved.
// Small bodies, and large ones that no expression is evaluated over, are matched at once.
func TestMatchBusy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		gate := match.NewGate(1)
		r := newRig(t, func(r *rig) { r.gate = gate })
		r.destination(r.network.receiver("choosy"), func(d *bellhop.Destination) {
			d.Match = bellhop.Match{Types: []string{"checked"}, Where: `data.a == 1`}
		})
		r.destination(r.network.receiver("any"))
		large := func(kind string) []bellhop.Event { return []bellhop.Event{{Type: kind, Body: largeBody()}} }
		var batch []bellhop.Event
		for range 100 { // many small bodies are as much work as a large one
			batch = append(batch, bellhop.Event{Type: "checked", Body: largeBody()[:match.LargeBody/100+1]})
		}
		if err := gate.Enter(t.Context()); err != nil { // a large body, as if its decoding took for ever
			t.Fatal(err)
		}
		refused := make(chan error, 100)
		for i := range 20 {
			events := large("checked")
			if i%2 == 0 {
				events = batch
			}
			go func() {
				deliveries, err := r.engine.Match(t.Context(), events)
				if len(deliveries) > 0 {
					t.Errorf("%d deliveries", len(deliveries))
				}
				refused <- err
			}()
		}
		synctest.Wait()
		if len(refused) != 4 {
			t.Errorf("%d are refused at once", len(refused))
		}
		for _, events := range [][]bellhop.Event{{{Type: "checked", Body: []byte(`{"a":1}`)}}, large("other")} {
			before := time.Now()
			if n := len(r.match(events)); n == 0 || time.Since(before) != 0 {
				t.Errorf("%s of %d bytes: %d deliveries after %v", events[0].Type, len(events[0].Body), n,
					time.Since(before))
			}
			r.engine.Unreserve(events, r.match(events))
			r.engine.Unreserve(events, r.match(events)[:0])
		}
		time.Sleep(time.Minute)
		for range 20 {
			var known interface{ Code() string }
			var shown *bellhop.Error
			if err := <-refused; !errors.As(err, &known) || known.Code() != "busy" || !errors.As(err, &shown) ||
				shown.Code != bellhop.CodeUnavailable {
				t.Errorf("%v", err)
			}
		}
		go func() {
			time.Sleep(time.Second)
			gate.Leave()
		}()
		events := large("checked")
		if deliveries := r.match(events); len(deliveries) != 2 {
			t.Errorf("after a wait: %d deliveries", len(deliveries))
		}
	})
}

// TestRepairWaits: a replay of an event with a large body waits until its expressions may be evaluated.
func TestRepairWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		gate := match.NewGate(1)
		r := newRig(t, func(r *rig) { r.gate = gate })
		to := r.network.receiver("choosy")
		r.destination(to, func(d *bellhop.Destination) { d.Match.Where = `data.a == 1` })
		ev := bellhop.Event{Source: r.source.Name, Type: "x", Body: largeBody()}
		gate.Enter(t.Context())
		go func() {
			time.Sleep(time.Hour)
			gate.Leave()
		}()
		began := time.Now()
		filter, err := match.Compile(bellhop.Match{Where: `len(data.text) > 10`})
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.engine.Look(t.Context(), &ev, filter)
		if err != nil || time.Since(began) != time.Hour {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		if ok, err := filter.WantsView(v); !ok || err != nil || len(r.engine.Assign(nil, 0, v)) != 1 {
			t.Errorf("%v %v", ok, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := r.engine.Look(ctx, &ev, filter); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while another one is looked at: %v", err)
		}
		v.Close()
		if v, err = r.engine.Look(t.Context(), &ev, filter); err != nil {
			t.Fatal(err)
		}
		v.Close()
	})
}

// TestTemplateWaits: a template is rendered over a large body when it is its turn; a stop does not wait for that.
func TestTemplateWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		gate := match.NewGate(1)
		r := newRig(t, func(r *rig) { r.gate = gate })
		to := r.network.receiver("made")
		r.destination(to, func(d *bellhop.Destination) {
			d.Settings = []byte(`{"format":"template","template":{"body":"data.a"}}`)
		})
		gate.Enter(t.Context())
		r.accept(bellhop.Event{Body: largeBody()}, bellhop.Event{Body: []byte(`{"a":2}`)})
		synctest.Wait()
		if got := to.got(); len(got) != 1 || string(got[0].body) != "2" {
			t.Errorf("beside a large body: %+v", got)
		}
		gate.Leave()
		synctest.Wait()
		if got := to.got(); len(got) != 2 || string(got[1].body) != "1" {
			t.Errorf("after it: %+v", got)
		}
		gate.Enter(t.Context())
		r.accept(bellhop.Event{Body: largeBody()})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r.stop(ctx) == nil || len(to.got()) != 2 {
			t.Error("the attempt was not given up")
		}
		r.open()
		gate.Leave()
		synctest.Wait()
		if len(to.got()) != 3 {
			t.Errorf("after a restart: %d", len(to.got()))
		}
	})
}

// BenchmarkMatch matches a small event with the destinations of one type, which have no where, one, or many of them.
func BenchmarkMatch(b *testing.B) {
	for name, wheres := range map[string][]string{"plain": {""}, "where": {`data.amount > 100`},
		"ten": strings.Split(strings.Repeat(`data.amount > 100,`, 9)+`data.kind == "x"`, ",")} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			to := r.network.receiver("one")
			var list []bellhop.Destination
			d := r.destination(to)
			for i, where := range wheres {
				d.ID, d.Name, d.State = fmt.Sprint("dst_", i), fmt.Sprint("d", i), bellhop.DestinationPaused
				d.Match = bellhop.Match{Sources: []string{"rig"}, Where: where}
				list = append(list, d)
			}
			r.engine.SetDestinations(b.Context(), list)
			events := []bellhop.Event{{SourceID: r.source.ID, Source: r.source.Name, Type: "kind.77",
				Body: []byte(`{"kind":"x","amount":120,"lines":[{"n":12,"price":4.5,"text":"a line"}]}`)}}
			b.ReportAllocs()
			for b.Loop() {
				if deliveries, _ := r.engine.Match(b.Context(), events); len(deliveries) != len(wheres) {
					b.Fatal(deliveries)
				}
			}
		})
	}
}
