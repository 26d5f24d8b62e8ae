package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func (w *world) subscription(name string) bellhop.Subscription {
	now := w.clock.now()
	return bellhop.Subscription{ID: w.newID(bellhop.PrefixSubscription), Name: name, Provider: "graph", Tenant: "acme",
		SourceID: w.source, ConnectionID: "con_1", Resource: "/me/events", ChangeTypes: []string{"created", "updated"},
		Settings: []byte(`{"immutable_ids":true}`), ExpectEvery: time.Hour, State: bellhop.SubscriptionPending,
		Secrets: bellhop.SubscriptionSecrets{ClientState: "state-of-" + name}, RenewAt: now, CreatedAt: now,
		UpdatedAt: now}
}

// subscriptions shows that a subscription comes back as it was stored, and that its name is unique.
func subscriptions(w *world) {
	sub := w.subscription("calendar")
	w.must(w.CreateSubscription(w.ctx, sub))
	other := w.subscription("mail")
	other.ConnectionID, other.State = "con_2", bellhop.SubscriptionActive
	w.must(w.CreateSubscription(w.ctx, other))
	read := func(idOrName string) bellhop.Subscription {
		w.Helper()
		got, err := w.Subscription(w.ctx, idOrName)
		w.must(err)
		return got
	}
	w.equal("by id", read(sub.ID), sub)
	w.equal("by name", read("calendar"), sub)
	w.refused("a second one with that name", w.CreateSubscription(w.ctx, w.subscription("calendar")),
		bellhop.CodeConflict)

	w.clock.pass(time.Hour)
	now := w.clock.now()
	sub.Name, sub.State, sub.Reason = "cal", bellhop.SubscriptionRenewing, "why"
	sub.RemoteID, sub.RemoteResource = "r1", "R"
	sub.URL, sub.ExpiresAt, sub.RenewAt, sub.Lifetime = "https://x.example/in/a", now.Add(time.Hour), now,
		4200*time.Minute
	sub.Failures, sub.LostAt, sub.SilentSince, sub.Deleting, sub.UpdatedAt = 3, now, now, true, now
	sub.Secrets = bellhop.SubscriptionSecrets{ClientState: "new", Wish: now,
		Retired: []bellhop.RetiredRemote{{ID: "r0", ClientState: "old"}}}
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{}))
	w.equal("saved", read("cal"), sub)

	sub.LastEventAt = now.Add(time.Minute)
	w.must(w.Spoken(w.ctx, map[string]time.Time{sub.ID: sub.LastEventAt, "sub_unknown": now}))
	w.must(w.Spoken(w.ctx, map[string]time.Time{sub.ID: now})) // an earlier event, told later
	w.equal("spoken", read("cal").LastEventAt, sub.LastEventAt)
	stale := sub
	stale.LastEventAt = time.Time{}
	w.must(w.SaveSubscription(w.ctx, stale, bellhop.SubscriptionNote{}))
	w.equal("a save leaves the time of the latest event", read("cal"), sub)

	taken := sub
	taken.Name = "mail"
	w.refused("renamed to a name that is taken", w.SaveSubscription(w.ctx, taken, bellhop.SubscriptionNote{}),
		bellhop.CodeConflict)
	for what, f := range map[string]bellhop.SubscriptionFilter{"source": {SourceID: w.source},
		"connection": {ConnectionID: "con_2"}, "state": {State: bellhop.SubscriptionActive},
		"tenant": {Tenant: "other"}} {
		list, _, err := w.Subscriptions(w.ctx, f, bellhop.Page{})
		w.must(err)
		var names []string
		for _, s := range list {
			names = append(names, s.Name)
		}
		want := map[string]string{"source": "mail cal", "connection": "mail", "state": "mail", "tenant": ""}[what]
		w.equal("filtered by "+what, strings.Join(names, " "), want)
	}

	w.must(w.DeleteSubscription(w.ctx, sub.ID))
	w.refused("deleted", second(w.Subscription(w.ctx, sub.ID)), bellhop.CodeNotFound)
	w.refused("deleted twice", w.DeleteSubscription(w.ctx, sub.ID), bellhop.CodeNotFound)
	w.refused("saved after it was deleted", w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{}),
		bellhop.CodeNotFound)
	w.must(w.CreateSubscription(w.ctx, w.subscription("cal")))
}

// subscriptionCalls shows that a call is stored before it is made and completed afterwards, that the latest are kept,
// and that gaps stay to be announced until they are.
func subscriptionCalls(w *world) {
	sub := w.subscription("calendar")
	w.must(w.CreateSubscription(w.ctx, sub))
	call := &bellhop.SubscriptionCall{SubscriptionID: sub.ID, At: w.clock.now(), What: "create"}
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Call: call}))
	read := func() []bellhop.SubscriptionCall {
		w.Helper()
		calls, err := w.SubscriptionCalls(w.ctx, sub.ID)
		w.must(err)
		return calls
	}
	w.equal("the intent", read(), []bellhop.SubscriptionCall{*call})
	w.must(w.SettleCalls(w.ctx, "cut off"))
	w.equal("settled", read()[0].Outcome, "cut off")
	call.Status, call.Done, call.Outcome, call.Handshake, call.Took = 201, true, "created", "answered 200", time.Second
	gap := &bellhop.Gap{ID: "gap_1", SubscriptionID: sub.ID, From: w.clock.now(), To: w.clock.now().Add(time.Hour),
		Reason: "lost", State: bellhop.GapOpen}
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Call: call, Gap: gap}))
	w.must(w.SettleCalls(w.ctx, "cut off"))
	w.equal("the outcome", read(), []bellhop.SubscriptionCall{*call})

	due, err := w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("to announce", due, []bellhop.Gap{*gap})
	narrow := *gap
	w.must(w.GapAnnounced(w.ctx, narrow))
	w.must(w.GapAnnounced(w.ctx, bellhop.Gap{ID: "gap_unknown"}))
	due, err = w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("nothing to announce", len(due), 0)
	gap.From, gap.To, gap.Reason = gap.From.Add(-time.Hour), gap.To.Add(time.Hour), "lost; lost again"
	filling := *gap
	filling.State, filling.Since, filling.Found, filling.Announced = bellhop.GapFilling, gap.From, 3, true
	w.must(w.SaveGap(w.ctx, filling, bellhop.Cursor{}))
	w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{Gap: gap})) // of before the fill
	filling.Announced = false
	for _, other := range []bellhop.Gap{narrow, *gap} {
		w.must(w.GapAnnounced(w.ctx, other))
	}
	due, err = w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("widened, and to be announced again", due, []bellhop.Gap{filling})
	w.must(w.GapAnnounced(w.ctx, filling))
	due, err = w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("announced again", len(due), 0)
	for i := range bellhop.MaxGaps + 5 {
		w.must(w.SaveSubscription(w.ctx, sub, bellhop.SubscriptionNote{
			Call: &bellhop.SubscriptionCall{At: w.clock.now(), What: "renew", Outcome: fmt.Sprint(i)},
			Gap: &bellhop.Gap{ID: fmt.Sprint("gap_n", i), From: w.clock.now(), To: w.clock.now(),
				State: bellhop.GapUnknown}}))
	}
	calls := read()
	w.equal("the latest calls", []any{len(calls), calls[0].Outcome},
		[]any{bellhop.MaxSubscriptionCalls, fmt.Sprint(bellhop.MaxGaps + 4)})
	gaps, err := w.SubscriptionGaps(w.ctx, sub.ID)
	w.must(err)
	w.equal("the latest gaps", []any{len(gaps), gaps[0].ID},
		[]any{bellhop.MaxGaps, fmt.Sprint("gap_n", bellhop.MaxGaps+4)})
	w.must(w.DeleteSubscription(w.ctx, sub.ID))
	due, err = w.GapsToAnnounce(w.ctx)
	w.must(err)
	w.equal("gaps of a deleted subscription", len(due), 0)
}

// sourceNotes shows what is kept for the alarm of silence, and when the gateway was running.
func sourceNotes(w *world) {
	src, err := w.Source(w.ctx, w.source)
	w.must(err)
	notes := func() map[string]bellhop.SourceNotes {
		w.Helper()
		got, err := w.SourceNotes(w.ctx)
		w.must(err)
		return got
	}
	w.equal("without ExpectEvery", len(notes()), 0)
	src.ExpectEvery = 2 * time.Hour
	w.must(second(w.UpdateSource(w.ctx, src)))
	got, err := w.Source(w.ctx, w.source)
	w.must(err)
	w.equal("the source", got, src)
	now := w.clock.now()
	w.equal("nothing yet", notes(), map[string]bellhop.SourceNotes{src.ID: {}})
	w.must(w.Spoken(w.ctx, map[string]time.Time{src.ID: now}))
	w.must(w.SourceSilent(w.ctx, src.ID, now))
	w.equal("silent", notes(), map[string]bellhop.SourceNotes{src.ID: {LastEventAt: now, SilentSince: now}})
	w.must(w.SourceSilent(w.ctx, src.ID, time.Time{}))
	w.equal("spoken again", notes(), map[string]bellhop.SourceNotes{src.ID: {LastEventAt: now}})

	before, err := w.Alive(w.ctx, now)
	w.must(err)
	w.equal("the first start", before, time.Time{})
	before, err = w.Alive(w.ctx, now.Add(time.Hour))
	w.must(err)
	w.equal("alive before", before, now)
}
