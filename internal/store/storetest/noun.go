package storetest

import (
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// sources shows that sources are stored, read, updated and deleted whole.
func sources(w *world) {
	at := w.clock.now()
	s := bellhop.Source{ID: "src_1", Name: "graph", Provider: "graph",
		Settings:     json.RawMessage(`{"client_state":"\u0000 é"}`),
		MaxBodyBytes: 5, Disabled: true, CreatedAt: at, UpdatedAt: at.Add(1000),
		SecretsAt: bellhop.SecretTimes{"settings.key": at.Add(2000)},
		Reply:     &bellhop.SourceReply{Status: 201, ContentType: "text/xml", Body: "<é\x00/>", Template: "data"}}
	w.must(w.CreateSource(w.ctx, s))
	read := func(idOrName string) bellhop.Source {
		w.Helper()
		got, err := w.Source(w.ctx, idOrName)
		w.must(err)
		return got
	}
	w.equal("by id", read("src_1"), s)
	w.equal("by name", read("graph"), s)

	s.Name, s.Provider, s.Settings, s.MaxBodyBytes, s.Disabled, s.UpdatedAt, s.SecretsAt = "mail", "outlook",
		json.RawMessage(`{}`), 0, false, at.Add(3000),
		bellhop.SecretTimes{"settings.key": at.Add(4000), "access.token": at}
	w.must(second(w.UpdateSource(w.ctx, s)))
	w.equal("updated", read("mail"), s)
	s.Reply, s.Retention = nil, bellhop.SourceRetention{Age: 3 * time.Hour, MaxBytes: 7 << 30}
	w.must(second(w.UpdateSource(w.ctx, s)))
	w.equal("without a reply", read("mail"), s)
	_, err := w.Source(w.ctx, "graph")
	w.refused("by the old name", err, bellhop.CodeNotFound)

	list, _, err := w.Sources(w.ctx, bellhop.SourceFilter{}, bellhop.Page{})
	w.must(err)
	w.equal("listed, newest first", []string{list[0].Name, list[1].Name}, []string{"mail", "media"})

	w.must(w.DeleteSource(w.ctx, "src_1"))
	for what, err := range map[string]error{"read": second(w.Source(w.ctx, "src_1")),
		"update":           second(w.UpdateSource(w.ctx, s)),
		"delete":           w.DeleteSource(w.ctx, "src_1"),
		"delete the API's": w.DeleteSource(w.ctx, "src_api"), "read the API's": second(w.Source(w.ctx,
			bellhop.SourceAPI))} {
		w.refused(what, err, bellhop.CodeNotFound)
	}
}

func second[T any](_ T, err error) error { return err }

// renameSource shows that destinations follow a source to its new name, and those alone.
func renameSource(w *world) {
	other := w.newSource("other")
	match := func(name string, m bellhop.Match) {
		w.Helper()
		d, err := w.Destination(w.ctx, w.newDestination(name))
		w.must(err)
		d.Match = m
		w.must(w.UpdateDestination(w.ctx, d))
	}
	match("by-name", bellhop.Match{Sources: []string{"other", "media", "media"}, Types: []string{"media"},
		Where: `source == "media"`})
	match("by-id", bellhop.Match{Sources: []string{w.source}})
	match("another", bellhop.Match{Sources: []string{"other", "media2"}, Types: []string{"media"}})
	match("all", bellhop.Match{})
	match("after", bellhop.Match{Sources: []string{"media"}})
	match("deleted", bellhop.Match{Sources: []string{"media"}})
	deleted, err := w.Destination(w.ctx, "deleted")
	w.must(err)
	w.must(w.DeleteDestination(w.ctx, deleted.ID))

	versions := func() map[string]time.Time {
		w.Helper()
		at := map[string]time.Time{}
		list, err := w.DestinationVersions(w.ctx)
		w.must(err)
		for _, d := range list {
			at[d.ID] = d.UpdatedAt
		}
		return at
	}
	before := versions()
	w.clock.pass(time.Minute)
	src, err := w.Source(w.ctx, w.source)
	w.must(err)
	src.Name, src.UpdatedAt = "other", w.clock.now()
	w.refused("to a name that is taken", second(w.UpdateSource(w.ctx, src)), bellhop.CodeConflict)
	w.equal("unchanged by that", versions(), before)

	src.Name = "films"
	followed, err := w.UpdateSource(w.ctx, src)
	w.must(err)
	w.equal("followed", followed, []string{"after", "by-name"})
	for name, want := range map[string]bellhop.Match{
		"by-name": {Sources: []string{"other", "films"}, Types: []string{"media"}, Where: `source == "media"`},
		"after":   {Sources: []string{"films"}},
		"by-id":   {Sources: []string{w.source}},
		"another": {Sources: []string{"other", "media2"}, Types: []string{"media"}},
		"all":     {},
	} {
		d, err := w.Destination(w.ctx, name)
		w.must(err)
		w.equal(name, d.Match, want)
		changed := name == "by-name" || name == "after"
		w.equal(name+" has another version", !versions()[d.ID].Equal(before[d.ID]), changed)
	}
	followed, err = w.UpdateSource(w.ctx, src)
	w.must(err)
	w.equal("without another name", len(followed), 0)
	w.must(w.DeleteSource(w.ctx, other))
	src.Name = "media2"
	followed, err = w.UpdateSource(w.ctx, src)
	w.must(err)
	w.equal("followed once more", followed, []string{"after", "by-name"})
	d, err := w.Destination(w.ctx, "another")
	w.must(err)
	w.equal("a match that named it before it was there", d.Match.Sources, []string{"other", "media2"})
}

// destinations shows that destinations are stored, read, updated and deleted whole, and how their state changes.
func destinations(w *world) {
	at := w.clock.now()
	d := bellhop.Destination{ID: "dst_1", Name: "crm", Type: "slack", URL: "https://crm.example/é?x=1",
		Settings: json.RawMessage(`{"token":"t"}`),
		Match: bellhop.Match{Sources: []string{"media"}, Types: []string{"a.*", "b"},
			Where: `data.x > 1 && subject != "<>"`},
		Timeout: 90 * time.Second, Concurrency: bellhop.MaxConcurrency, State: bellhop.DestinationPaused,
		Retry: bellhop.Retry{Schedule: bellhop.Schedule{time.Second, time.Hour}, MaxAge: 36 * time.Hour,
			Outcomes: bellhop.Outcomes{"404": bellhop.OutcomeDead, "timeout": bellhop.OutcomeRetry}},
		Order: bellhop.OrderSubject, Breaker: bellhop.Breaker{Failures: 3, DisableAfter: time.Hour},
		ExpiresAt: at.Add(1000 * time.Hour), Access: json.RawMessage(`{"token":"tk"}`),
		Rate: bellhop.Rate{PerSecond: 0.5, Burst: 3}, Batch: bellhop.Batch{MaxEvents: 100,
			MaxWait: 1500 * time.Millisecond}, Handshake: "validation-token", Granted: bellhop.PerSecond(1.0 / 60),
		StateReason: "for the move", CreatedAt: at, UpdatedAt: at.Add(1000),
		SecretsAt: bellhop.SecretTimes{"settings.key": at.Add(2000)}}
	w.must(w.CreateDestination(w.ctx, d))
	read := func(idOrName string) bellhop.Destination {
		w.Helper()
		got, err := w.Destination(w.ctx, idOrName)
		w.must(err)
		return got
	}
	w.equal("by id", read("dst_1"), d)
	w.equal("by name", read("crm"), d)

	d.Name, d.Type, d.URL, d.Settings, d.Match, d.Timeout, d.Concurrency = "erp", "http", "https://erp.example/",
		json.RawMessage(`{}`), bellhop.Match{}, time.Second, 1
	d.Rate, d.Batch, d.Handshake = bellhop.Rate{}, bellhop.Batch{}, bellhop.HandshakeNone
	d.Order, d.Breaker, d.ExpiresAt, d.Access = bellhop.OrderNone, bellhop.DefaultBreaker, time.Time{}, nil
	d.Retry, d.UpdatedAt, d.SecretsAt = bellhop.Retry{Schedule: bellhop.Schedule{}}, at.Add(3000),
		bellhop.SecretTimes{"settings.key": at.Add(4000), "access.token": at}
	granted := bellhop.PerSecond(1.0 / 60)
	d.Granted = granted
	changed := d
	changed.State, changed.StateReason, changed.Granted = bellhop.DestinationActive, "", bellhop.Rate{}
	w.must(w.UpdateDestination(w.ctx, changed))
	w.equal("updated, except its state", read("erp"), d)
	changed.State, changed.StateReason = bellhop.DestinationUnverified, "asked"
	w.must(w.RestartDestination(w.ctx, changed))
	w.equal("restarted", read("erp"), changed)
	w.must(w.ExplainUnverified(w.ctx, "dst_1", "no answer", false))
	if got := read("erp"); got.StateReason != "no answer" {
		w.Errorf("the reason is %q", got.StateReason)
	}
	d = changed
	d.StateReason = "no answer"
	w.must(w.AskHandshake(w.ctx, "dst_1", [32]byte{9}, w.clock.now().Add(time.Hour), bellhop.Rate{}))
	_, err := w.AgreeHandshake(w.ctx, [32]byte{9}, &granted)
	w.must(err)
	d.State, d.StateReason, d.Granted, d.UpdatedAt = bellhop.DestinationActive, "", bellhop.Rate{}, at.Add(5000)
	w.must(w.RestartDestination(w.ctx, d))
	w.equal("without a handshake", read("erp"), d)

	w.clock.pass(time.Minute)
	w.must(w.SetDestinationState(w.ctx, "dst_1", bellhop.DestinationDisabled, "answered 410"))
	d.State, d.StateReason, d.UpdatedAt = bellhop.DestinationDisabled, "answered 410", w.clock.now()
	w.equal("disabled", read("dst_1"), d)

	w.must(w.SetFailing(w.ctx, "dst_1", at.Add(6000)))
	d.FailingSince = at.Add(6000)
	w.equal("failing, with the same UpdatedAt", read("dst_1"), d)
	w.must(w.SetDestinationState(w.ctx, "dst_1", bellhop.DestinationActive, ""))
	d.State, d.StateReason, d.FailingSince = bellhop.DestinationActive, "", time.Time{}
	w.equal("active again, and well", read("dst_1"), d)

	ended, err := w.EndDestination(w.ctx, "dst_1", d.UpdatedAt.Add(-1000), bellhop.DestinationExpired, "over")
	w.must(err)
	w.equal("of another version", []any{ended, read("dst_1")}, []any{false, d})
	w.clock.pass(time.Minute)
	ended, err = w.EndDestination(w.ctx, "dst_1", d.UpdatedAt, bellhop.DestinationExpired, "over")
	w.must(err)
	d.State, d.StateReason, d.UpdatedAt = bellhop.DestinationExpired, "over", w.clock.now()
	w.equal("ended", []any{ended, read("dst_1")}, []any{true, d})

	list, _, err := w.Destinations(w.ctx, bellhop.DestinationFilter{}, bellhop.Page{})
	w.must(err)
	w.equal("listed, newest first", []string{list[0].Name, list[1].Name}, []string{"erp", "billing"})

	w.must(w.DeleteDestination(w.ctx, "dst_1"))
	for what, err := range map[string]error{"read": second(w.Destination(w.ctx, "dst_1")),
		"update":  w.UpdateDestination(w.ctx, d),
		"disable": w.SetDestinationState(w.ctx, "dst_1", bellhop.DestinationActive, ""),
		"delete":  w.DeleteDestination(w.ctx, "dst_1"),
		"claim":   second(w.Claim(w.ctx, "dst_1", 1, 1))} {
		w.refused(what, err, bellhop.CodeNotFound)
	}
}

// handshakes shows that a receiver can agree once, in time, with the token of the latest question.
func handshakes(w *world) {
	granted, asked := bellhop.PerSecond(0.5), bellhop.PerSecond(2)
	ask := func(token byte) {
		w.Helper()
		w.must(w.SetDestinationState(w.ctx, w.destination, bellhop.DestinationUnverified, "asked"))
		w.must(w.AskHandshake(w.ctx, w.destination, [32]byte{token}, w.clock.now().Add(time.Hour), asked))
	}
	agree := func(token byte, rate bellhop.Rate) error {
		_, err := w.AgreeHandshake(w.ctx, [32]byte{token}, &rate)
		return err
	}
	check := func(what string, state bellhop.DestinationState, rate bellhop.Rate) {
		w.Helper()
		d, err := w.Destination(w.ctx, w.destination)
		w.must(err)
		w.equal(what, []any{d.State, d.Granted}, []any{state, rate})
	}
	w.refused("without a question", agree(1, granted), bellhop.CodeNotFound)
	ask(1)
	check("asked", bellhop.DestinationUnverified, bellhop.Rate{})
	w.refused("another token", agree(2, granted), bellhop.CodeNotFound)
	id, err := w.AgreeHandshake(w.ctx, [32]byte{1}, &granted)
	w.must(err)
	w.equal("the destination", id, w.destination)
	check("granted less", bellhop.DestinationActive, granted)
	w.refused("twice", agree(1, granted), bellhop.CodeNotFound)

	ask(3)
	ask(4)
	w.refused("the earlier question", agree(3, granted), bellhop.CodeNotFound)
	w.must(agree(4, bellhop.Rate{}))
	check("any rate", bellhop.DestinationActive, bellhop.Rate{})
	ask(10)
	_, err = w.AgreeHandshake(w.ctx, [32]byte{10}, nil)
	w.must(err)
	check("without a rate", bellhop.DestinationActive, asked)

	ask(5)
	w.must(w.SetDestinationState(w.ctx, w.destination, bellhop.DestinationPaused, "by a person"))
	w.must(agree(5, granted))
	check("paused meanwhile", bellhop.DestinationPaused, granted)
	w.must(w.ExplainUnverified(w.ctx, w.destination, "too late", true))
	check("explained when it is not unverified", bellhop.DestinationPaused, granted)

	ask(5)
	d, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	d.State = bellhop.DestinationUnverified
	w.must(w.RestartDestination(w.ctx, d))
	w.refused("the question before the restart", agree(5, granted), bellhop.CodeNotFound)

	ask(5)
	w.must(w.ExplainUnverified(w.ctx, w.destination, "it waits", false))
	w.must(w.ExplainUnverified(w.ctx, w.destination, "it refused", true))
	w.refused("the refused question", agree(5, granted), bellhop.CodeNotFound)

	ask(6)
	w.clock.pass(time.Hour)
	w.refused("too late", agree(6, granted), bellhop.CodeNotFound)
	ask(7)
	w.must(w.DeleteDestination(w.ctx, w.destination))
	w.refused("deleted", agree(7, granted), bellhop.CodeNotFound)
	w.refused("asked of a deleted destination", w.AskHandshake(w.ctx, w.destination, [32]byte{8}, w.clock.now(),
		asked),
		bellhop.CodeNotFound)
}

// names shows that names are unique among the sources and among the destinations that are not deleted.
func names(w *world) {
	src := bellhop.Source{ID: "src_2", Name: "media", Provider: "ams", CreatedAt: w.clock.now(),
		UpdatedAt: w.clock.now()}
	dst, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	dst.ID = "dst_2"
	w.refused("a second source with that name", w.CreateSource(w.ctx, src), bellhop.CodeConflict)
	w.refused("a second destination with that name", w.CreateDestination(w.ctx, dst), bellhop.CodeConflict)
	src.Name = bellhop.SourceAPI
	w.refused("a source with the name of the API's source", w.CreateSource(w.ctx, src), bellhop.CodeConflict)

	src.Name, dst.Name = "billing", "media" // names of the other noun
	w.must(w.CreateSource(w.ctx, src))
	w.must(w.CreateDestination(w.ctx, dst))
	src.Name, dst.Name = "media", "billing"
	w.refused("a source renamed to that name", second(w.UpdateSource(w.ctx, src)), bellhop.CodeConflict)
	w.refused("a destination renamed to that name", w.UpdateDestination(w.ctx, dst), bellhop.CodeConflict)

	w.must(w.DeleteSource(w.ctx, w.source))
	w.must(w.DeleteDestination(w.ctx, w.destination))
	w.must(second(w.UpdateSource(w.ctx, src)))
	w.must(w.UpdateDestination(w.ctx, dst))
	got, err := w.Source(w.ctx, "media")
	w.must(err)
	w.equal("the source with the name now", got.ID, "src_2")
}
