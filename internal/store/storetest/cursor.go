package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// positions shows that a cursor is kept for each key of an owner, and goes with its owner.
func positions(w *world) {
	sub := w.subscription("calendar")
	w.must(w.CreateSubscription(w.ctx, sub))
	now := w.clock.now()
	read := func(owner, key string) bellhop.Cursor {
		w.Helper()
		got, err := w.Cursor(w.ctx, owner, key)
		w.must(err)
		return got
	}
	first := bellhop.Cursor{Value: "https://graph.example/delta?$deltatoken=é", SavedAt: now}
	second := bellhop.Cursor{Value: strings.Repeat("x", bellhop.MaxCursorBytes), SavedAt: now.Add(time.Hour)}
	w.equal("none", read(sub.ID, "a"), bellhop.Cursor{})
	for _, owner := range []string{sub.ID, w.destination} {
		w.must(w.SaveCursor(w.ctx, owner, "a", first))
		w.must(w.SaveCursor(w.ctx, owner, "b", first))
		w.must(w.SaveCursor(w.ctx, owner, "b", second))
		w.equal("saved", []bellhop.Cursor{read(owner, "a"), read(owner, "b")}, []bellhop.Cursor{first, second})
		w.must(w.SaveCursor(w.ctx, owner, "a", bellhop.Cursor{}))
		w.must(w.SaveCursor(w.ctx, owner, "a", bellhop.Cursor{}))
		w.equal("deleted", []bellhop.Cursor{read(owner, "a"), read(owner, "b")}, []bellhop.Cursor{{}, second})
	}
	w.refused("no such owner", w.SaveCursor(w.ctx, "sub_unknown", "a", first), bellhop.CodeNotFound)
	long := bellhop.Cursor{Value: second.Value + "x", SavedAt: now}
	w.refused("a long value", w.SaveCursor(w.ctx, sub.ID, "a", long), bellhop.CodeInvalid)
	w.refused("a long key", w.SaveCursor(w.ctx, sub.ID, strings.Repeat("k", bellhop.MaxCursorKey+1), first),
		bellhop.CodeInvalid)
	w.must(w.DeleteDestination(w.ctx, w.destination))
	w.must(w.DeleteSubscription(w.ctx, sub.ID))
	for _, owner := range []string{sub.ID, w.destination} {
		w.equal("of an owner that is gone", read(owner, "b"), bellhop.Cursor{})
		w.refused("saved after its owner is gone", w.SaveCursor(w.ctx, owner, "b", first), bellhop.CodeNotFound)
	}
}

// gapsToFill shows that a gap and its cursor change together while it is filled, and that the cursors of the oldest
// gaps go with them.
func gapsToFill(w *world) {
	sub := w.subscription("calendar")
	w.must(w.CreateSubscription(w.ctx, sub))
	now := w.clock.now()
	gap := bellhop.Gap{ID: "gap_1", SubscriptionID: sub.ID, From: now, To: now.Add(time.Hour), Reason: "lost",
		State: bellhop.GapOpen}
	unknown := gap
	unknown.ID, unknown.State, unknown.Outcome = "gap_2", bellhop.GapUnknown, "nobody can be asked"
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Gap: &gap}))
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Gap: &unknown}))
	toFill := func() []bellhop.Gap {
		w.Helper()
		got, err := w.GapsToFill(w.ctx)
		w.must(err)
		return got
	}
	cursor := func() bellhop.Cursor {
		w.Helper()
		got, err := w.Cursor(w.ctx, sub.ID, gap.ID)
		w.must(err)
		return got
	}
	w.equal("open", toFill(), []bellhop.Gap{gap})
	gap.State, gap.Outcome, gap.Since, gap.Until = bellhop.GapFilling, "waits", now.Add(-time.Minute),
		now.Add(time.Minute)
	gap.Found, gap.Folded, gap.Announced, gap.To = 7, 3, true, gap.To.Add(time.Second)
	w.must(w.GapAnnounced(w.ctx, toFill()[0]))
	at := bellhop.Cursor{Value: "page 2", SavedAt: now}
	w.must(w.SaveGap(w.ctx, gap, at))
	w.equal("being filled", toFill(), []bellhop.Gap{gap})
	narrow := gap
	narrow.From, narrow.To = now.Add(time.Minute), now.Add(time.Minute)
	w.must(w.SaveGap(w.ctx, narrow, at))
	w.equal("no narrower", toFill(), []bellhop.Gap{gap})
	w.equal("its cursor", cursor(), at)
	gap.State, gap.Announced = bellhop.GapFilled, false
	w.must(w.SaveGap(w.ctx, gap, bellhop.Cursor{}))
	w.equal("filled", len(toFill()), 0)
	due, err := w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("announced anew", due, []bellhop.Gap{gap, unknown})
	w.equal("its cursor, then", cursor(), bellhop.Cursor{})
	gaps, err := w.SubscriptionGaps(w.ctx, sub.ID)
	w.must(err)
	w.equal("both", gaps, []bellhop.Gap{unknown, gap})
	missing := gap
	missing.ID = "gap_unknown"
	w.refused("a gap that is not there", w.SaveGap(w.ctx, missing, at), bellhop.CodeNotFound)
	gap.Found, gap.Folded = 1, 2
	if w.SaveGap(w.ctx, gap, at) == nil || cursor() != (bellhop.Cursor{}) {
		w.Error("a gap with more folded than found was stored, or its cursor was")
	}

	gap.Found, gap.Folded, gap.State = 0, 0, bellhop.GapFilling
	w.must(w.SaveGap(w.ctx, gap, at))
	for i := range bellhop.MaxGaps {
		w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Gap: &bellhop.Gap{ID: fmt.Sprint("gap_n", i),
			From: now, To: now, State: bellhop.GapUnknown}}))
	}
	w.equal("of a gap that is not kept any more", cursor(), bellhop.Cursor{})
	w.equal("nothing to fill", len(toFill()), 0)
}

// eventsAfter shows that the events of a source are read whole and in order, in pages bounded by their number and
// size.
func eventsAfter(w *world) {
	other := w.newSource("other")
	begin := w.clock.now()
	var want []string
	for i := range 7 {
		w.clock.pass(time.Minute)
		body := []byte(fmt.Sprintf(`{"n":%d}`, i))
		if i >= 5 {
			body = []byte(strings.Repeat("x", 5<<20)) // more than are read at once
		}
		for _, source := range []string{w.source, other} {
			ev := w.event(fmt.Sprint("e", i), body)
			ev.SourceID, ev.Subject = source, "subject"
			events := []bellhop.Event{ev}
			w.accept(events, nil)
			if source == w.source {
				want = append(want, events[0].ID)
			}
		}
	}
	var got []string
	pages, after := 0, ""
	for {
		events, err := w.EventsAfter(w.ctx, w.source, begin.Add(2*time.Minute), after, 3)
		w.must(err)
		if len(events) == 0 {
			break
		}
		pages++
		for _, ev := range events {
			got = append(got, ev.ID)
			w.equal("whole", len(ev.Body) > 0 && ev.Subject == "subject" && ev.Source == "media", true)
		}
		after = got[len(got)-1]
	}
	w.equal("since the second one", got, want[1:])
	w.equal("pages", pages, 3)
	w.refused("no such source", second(w.EventsAfter(w.ctx, "src_unknown", begin, "", 3)), bellhop.CodeNotFound)
	w.refused("no such event", second(w.EventsAfter(w.ctx, w.source, begin, "evt_unknown", 3)), bellhop.CodeNotFound)
}
