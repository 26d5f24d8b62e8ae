package storetest

import (
	"bytes"
	"crypto/sha256"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func acceptKeepsEverything(w *world) {
	for _, ev := range []bellhop.Event{
		{Type: "x"},
		{Type: "invoice.paid", Subject: "in_1", ProviderID: "evt-1", Tenant: "contoso",
			Time:        w.clock.now().Add(-time.Hour),
			ContentType: "application/cloudevents+json", Header: bellhop.Header("Accept: */*\nX-Empty: \n"),
			Body: []byte("\x00\xff{}\r\n")},
		{Type: "событие.создано", Subject: "темы/1", ProviderID: "ид", Tenant: "арендатор", Body: []byte("тело")},
		{Type: string(bytes.Repeat([]byte("t"), bellhop.MaxTypeLength)), ProviderID: string(bytes.Repeat([]byte("p"),
			bellhop.MaxProviderIDLength)),
			Subject: string(bytes.Repeat([]byte("s"), bellhop.MaxSubjectLength))},
	} {
		ev.SourceID, ev.Source, ev.ReceivedAt, ev.SHA256 = w.source, "media", w.clock.now(),
			w.event("", ev.Body).SHA256
		events := []bellhop.Event{ev}
		w.accept(events, nil)
		got, err := w.Event(w.ctx, events[0].ID)
		w.must(err)
		if len(got.Body) == 0 && len(got.Header) == 0 {
			got.Body, got.Header = nil, nil
		}
		w.equal("stored", got, events[0])
	}
	own := []bellhop.Event{{SourceID: bellhop.SourceAPIID, Type: "x", ReceivedAt: w.clock.now(),
		SHA256: sha256.Sum256(nil)}}
	w.accept(own, nil)
	got, err := w.Event(w.ctx, own[0].ID)
	w.must(err)
	w.equal("source of an event published through the API", got.Source, bellhop.SourceAPI)
}

func acceptInOrder(w *world) {
	var ids, deliveries []string
	for range 10 {
		events := []bellhop.Event{w.event("", []byte("1")), w.event("", []byte("2")), w.event("", []byte("3"))}
		owed := []bellhop.NewDelivery{{Event: 0, DestinationID: w.destination},
			{Event: 2, DestinationID: w.destination, Leased: true}, {Event: 2, DestinationID: w.destination}}
		w.equal("accepted", w.accept(events, owed), bellhop.Accepted{})
		for i, ev := range events {
			got, err := w.Event(w.ctx, ev.ID)
			w.must(err)
			w.equal("body", string(got.Body), string('1'+rune(i)))
			ids = append(ids, ev.ID)
		}
		for _, o := range owed {
			w.equal("event of the delivery", w.delivery(o.DeliveryID).EventID, events[o.Event].ID)
			deliveries = append(deliveries, o.DeliveryID)
		}
		w.clock.pass(-time.Second) // ids grow even if the clock goes back
	}
	for what, list := range map[string][]string{"events": ids, "deliveries": deliveries} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			w.Errorf("ids of %s do not grow: %q", what, list)
		}
	}
}

func acceptFoldsRepeats(w *world) {
	other := w.newSource("other")
	first := []bellhop.Event{w.event("a", []byte("first"))}
	w.accept(first, nil)
	elsewhere := w.event("a", []byte("elsewhere"))
	elsewhere.SourceID = other
	for _, c := range []struct {
		name       string
		events     []bellhop.Event
		duplicates int
		same       [][2]int // pairs of events that get the same id; index -1 is the event stored first of all
	}{
		{"the same again", []bellhop.Event{w.event("a", []byte("first"))}, 1, [][2]int{{0, -1}}},
		{"of another source", []bellhop.Event{elsewhere}, 0, nil},
		{"without an id", []bellhop.Event{w.event("", []byte("x")), w.event("", []byte("x"))}, 0, nil},
		{"within one call", []bellhop.Event{w.event("b", nil), w.event("c", nil), w.event("b", nil),
			w.event("b", nil)}, 2,
			[][2]int{{2, 0}, {3, 0}}},
		{"new among old", []bellhop.Event{w.event("a", []byte("first")), w.event("d", nil), w.event("c", nil)}, 2,
			[][2]int{{0, -1}}},
		{"of another case", []bellhop.Event{w.event("A", nil), w.event("a ", nil)}, 0, nil},
	} {
		var owed []bellhop.NewDelivery
		for i := range c.events {
			owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: w.destination})
		}
		w.equal(c.name+": duplicates", w.accept(c.events, owed).Duplicates, c.duplicates)
		fresh := 0
		for _, o := range owed {
			if o.DeliveryID != "" {
				fresh++
			}
		}
		w.equal(c.name+": deliveries made", fresh, len(c.events)-c.duplicates)
		for _, pair := range c.same {
			want := first[0].ID
			if pair[1] >= 0 {
				want = c.events[pair[1]].ID
			}
			w.equal(c.name+": id of the one first stored", c.events[pair[0]].ID, want)
		}
	}
	got, err := w.Event(w.ctx, first[0].ID)
	w.must(err)
	w.equal("body of the one first stored", string(got.Body), "first")
}

// acceptConflicts shows, for random sequences of ids and bodies in random batches, that the number of stored events is
// the number of distinct pairs: a repeat is a repeat of the event with its body, and every other event is stored,
// delivered, and names the first one with its id.
func acceptConflicts(w *world) {
	random := mathrand.New(mathrand.NewPCG(2, 0))
	type pair struct{ id, body string }
	stored, first, conflicts := map[pair]string{}, map[string]string{}, 0
	for range 100 {
		var events []bellhop.Event
		var owed []bellhop.NewDelivery
		var pairs []pair
		for i := range 1 + random.IntN(4) {
			p := pair{string('a' + rune(random.IntN(6))), string('0' + rune(random.IntN(5)))}
			ev := w.event(p.id, []byte(p.body))
			if random.IntN(2) == 0 { // the provider says which bytes count
				ev.Fingerprint = ev.SHA256
				ev.Body = append(ev.Body, "; try "+string('0'+rune(random.IntN(9)))...)
				ev.SHA256 = sha256.Sum256(ev.Body)
			}
			pairs, events = append(pairs, p), append(events, ev)
			owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: w.destination})
		}
		want := bellhop.Accepted{}
		got := w.accept(events, owed)
		for i, p := range pairs {
			known, repeat := stored[p]
			w.equal("a delivery is made", owed[i].DeliveryID != "", !repeat)
			if repeat {
				want.Duplicates++
				w.equal("id of a repeat", events[i].ID, known)
				continue
			}
			stored[p] = events[i].ID
			w.equal("what it conflicts with", events[i].ConflictsWith, first[p.id])
			kept, err := w.Event(w.ctx, events[i].ID)
			w.must(err)
			w.equal("body", string(kept.Body), string(events[i].Body))
			w.equal("what it conflicts with, as stored", kept.ConflictsWith, first[p.id])
			if first[p.id] == "" {
				first[p.id] = events[i].ID
			} else {
				want.Conflicts++
				conflicts++
			}
		}
		w.equal("accepted", got, want)
	}
	list, _, err := w.Events(w.ctx, bellhop.EventFilter{}, bellhop.Page{Limit: bellhop.MaxPage})
	w.must(err)
	listed := 0
	for _, ev := range list {
		if ev.ConflictsWith != "" {
			listed++
		}
	}
	w.equal("stored events", len(list), len(stored))
	w.equal("listed conflicts", listed, conflicts)

	byID := w.event("key", []byte("1"))
	byID.Fingerprint = bellhop.FingerprintByID
	w.equal("an event that its id identifies", w.accept([]bellhop.Event{byID}, nil), bellhop.Accepted{})
	byID.Body, byID.SHA256 = []byte("2"), sha256.Sum256([]byte("2"))
	w.equal("with another body", w.accept([]bellhop.Event{byID}, nil), bellhop.Accepted{Duplicates: 1})
	w.equal("beside an event whose body counts", w.accept([]bellhop.Event{w.event("key", []byte("1"))}, nil),
		bellhop.Accepted{Conflicts: 1})
}

func acceptOwed(w *world) {
	other := w.newDestination("other")
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}, {DestinationID: other},
		{DestinationID: "dst_deleted"}}
	events := []bellhop.Event{w.event("", nil)}
	w.accept(events, owed)
	for i, want := range []bellhop.Delivery{
		{DestinationID: w.destination, State: bellhop.DeliveryLeased},
		{DestinationID: other, State: bellhop.DeliveryPending, NextAt: w.clock.now()},
	} {
		want.ID, want.EventID, want.CreatedAt, want.UpdatedAt = owed[i].DeliveryID, events[0].ID, w.clock.now(),
			w.clock.now()
		w.equal("delivery", w.delivery(owed[i].DeliveryID), want)
	}
	w.equal("delivery to a deleted destination", owed[2].DeliveryID, "")
	w.equal("claimed while leased", w.claim(), []string(nil))
	due, err := w.Claim(w.ctx, other, 10, 1<<20)
	w.must(err)
	w.equal("claimed while pending", len(due), 1)
}

// acceptPlaces shows that, whichever events are repeats and whichever destinations were deleted, each id that
// Accept sets is the id of the delivery of that event to that destination.
func acceptPlaces(w *world) {
	random := mathrand.New(mathrand.NewPCG(1, 0))
	destinations := []string{w.destination, w.newDestination("other"), "dst_deleted"}
	w.accept([]bellhop.Event{w.event("known", nil)}, nil)
	for range 50 {
		var events []bellhop.Event
		var owed []bellhop.NewDelivery
		var repeat []bool
		for i := range 1 + random.IntN(4) {
			repeat = append(repeat, random.IntN(3) == 0)
			ev := w.event("", nil)
			if repeat[i] {
				ev.ProviderID = "known"
			}
			events = append(events, ev)
			for range random.IntN(4) {
				owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: destinations[random.IntN(3)],
					Leased: random.IntN(2) == 0})
			}
		}
		w.accept(events, owed)
		for _, o := range owed {
			if made := !repeat[o.Event] && o.DestinationID != "dst_deleted"; (o.DeliveryID != "") != made {
				w.Errorf("the id of the delivery is %q; it should exist: %t", o.DeliveryID, made)
			} else if made {
				d := w.delivery(o.DeliveryID)
				w.equal("event of the delivery", d.EventID, events[o.Event].ID)
				w.equal("destination of the delivery", d.DestinationID, o.DestinationID)
				w.equal("the delivery is leased", d.State == leased, o.Leased)
			}
		}
	}
}

func acceptRequest(w *world) {
	req := &bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestPartial, Status: 202,
		Reason: "signature_mismatch", Detail: "1 of 2 items was refused",
		Method: "POST", Target: "/in/media?code", RemoteAddr: "192.0.2.1", Header: bellhop.Header("A: b\n"),
		Body: []byte("[{},{}]"), BodyBytes: 7,
		Events: 1, ReceivedAt: w.clock.now()}
	got, err := w.Accept(w.ctx, req, []bellhop.Event{w.event("", nil)}, nil)
	w.must(err)
	kept, err := w.Request(w.ctx, got.RequestID)
	w.must(err)
	want := *req
	want.ID, want.Source = got.RequestID, "media"
	w.equal("request", kept, want)
	alone, err := w.Accept(w.ctx, req, nil, nil)
	w.must(err)
	if alone.RequestID <= got.RequestID {
		w.Errorf("the id of a later request without events is %q, not above %q", alone.RequestID, got.RequestID)
	}
}

func acceptRefuses(w *world) {
	stranger, nameless, long := w.event("", nil), w.event("", nil), w.event(string(make([]byte,
		bellhop.MaxProviderIDLength+1)), nil)
	stranger.SourceID = "src_stranger"
	nameless.Type = ""
	_, err := w.Accept(w.ctx, nil, []bellhop.Event{stranger}, nil)
	w.refused("an event of an unknown source", err, bellhop.CodeNotFound)
	for what, ev := range map[string]bellhop.Event{"without a type": nameless, "with a long id": long} {
		if _, err := w.Accept(w.ctx, nil, []bellhop.Event{w.event("good", nil), ev}, nil); err == nil {
			w.Errorf("an event %s was accepted", what)
		}
	}
	list, _, err := w.Events(w.ctx, bellhop.EventFilter{}, bellhop.Page{})
	w.must(err)
	w.equal("events kept of calls that failed", len(list), 0)
}

func acceptBodies(w *world) {
	random := mathrand.NewChaCha8([32]byte{1})
	for _, length := range []int{0, 1, 2, 4095, 4096, 8191, 8192, 8193, 1 << 16, 1 << 20} {
		body := make([]byte, length)
		random.Read(body)
		ev := []bellhop.Event{w.event("", body)}
		w.accept(ev, nil)
		got, err := w.Event(w.ctx, ev[0].ID)
		w.must(err)
		if !bytes.Equal(got.Body, body) || got.SHA256 != ev[0].SHA256 {
			w.Errorf("a body of %d bytes came back changed", length)
		}
	}
}
