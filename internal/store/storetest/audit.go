package storetest

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// audit shows that a change is noted with who made it, one that fails is not, and what the gateway changes by itself
// is not; that filters choose; and that a caller of one tenant sees what was of its own.
func audit(w *world) {
	plain := w.ctx
	at := bellhop.StoredTime(w.clock.now())
	ada := bellhop.Actor{Key: "ada", KeyID: "key_1"}
	w.ctx = bellhop.WithActor(plain, ada)
	other := w.newSource("other") // by ada
	w.must(w.SetDestinationState(w.ctx, w.destination, bellhop.DestinationPaused, ""))
	w.must(w.SetDestinationState(plain, w.destination, bellhop.DestinationDisabled, "it answered 410"))
	taken := bellhop.Source{ID: w.newID(bellhop.PrefixSource), Name: "other", Provider: "ams", Settings: []byte(`{}`),
		CreatedAt: w.clock.now(), UpdatedAt: w.clock.now()}
	w.refused("a name that is taken", w.CreateSource(w.ctx, taken), bellhop.CodeConflict)
	w.refused("an unknown one", w.DeleteSource(w.ctx, "src_none"), bellhop.CodeNotFound)
	w.clock.pass(time.Minute)
	later := bellhop.StoredTime(w.clock.now())
	admin := bellhop.Actor{Key: bellhop.AdminKeyName}
	w.ctx = bellhop.WithActor(plain, admin)
	acme := bellhop.Key{ID: "key_2", Name: "ci", Scope: bellhop.ScopeRead, Tenant: "acme", CreatedAt: w.clock.now(),
		Hash: bellhop.HashKey("x")}
	w.must(w.CreateKey(w.ctx, acme))
	w.must(w.DeleteKey(w.ctx, acme.ID))
	w.must(w.DeleteSource(w.ctx, other))

	all := []bellhop.AuditEntry{
		{At: later, Actor: admin, Noun: "source", NounID: other, Name: "other", Action: "deleted"},
		{At: later, Actor: admin, Noun: "key", NounID: "key_2", Name: "ci", Tenant: "acme", Action: "deleted"},
		{At: later, Actor: admin, Noun: "key", NounID: "key_2", Name: "ci", Tenant: "acme", Action: "created"},
		{At: at, Actor: ada, Noun: "destination", NounID: w.destination, Name: "billing", Action: "paused"},
		{At: at, Actor: ada, Noun: "source", NounID: other, Name: "other", Action: "created"},
	}
	read := func(f bellhop.AuditFilter) []bellhop.AuditEntry {
		w.Helper()
		list, next, err := w.Audit(w.ctx, f, bellhop.Page{Limit: 50})
		w.must(err)
		w.equal("next", next, "")
		return list
	}
	w.equal("all", read(bellhop.AuditFilter{}), all)
	w.equal("by key", read(bellhop.AuditFilter{Key: "ada"}), all[3:])
	w.equal("by name", read(bellhop.AuditFilter{Name: "billing"}), all[3:4])
	w.equal("by id and action", read(bellhop.AuditFilter{Name: other, Action: "created"}), all[4:])
	w.equal("by noun", read(bellhop.AuditFilter{Noun: "key"}), all[1:3])
	w.equal("by tenant", read(bellhop.AuditFilter{Tenant: "acme"}), all[1:3])
	w.equal("since", read(bellhop.AuditFilter{Since: later}), all[:3])
	w.equal("until", read(bellhop.AuditFilter{Until: later}), all[3:])
	list, next, err := w.Audit(w.ctx, bellhop.AuditFilter{}, bellhop.Page{Limit: 2})
	w.must(err)
	w.equal("the first page", list, all[:2])
	list, _, err = w.Audit(w.ctx, bellhop.AuditFilter{}, bellhop.Page{Limit: 2, Cursor: next})
	w.must(err)
	w.equal("the second page", list, all[2:4])
	w.ctx = bellhop.WithTenant(w.ctx, "acme")
	w.equal("of its own tenant", read(bellhop.AuditFilter{}), all[1:3])
}

// auditOfDeliveries shows that what is done with one delivery or one file is noted, with the tenant of its
// destination, as is a change outside of the store; and that a tenant learns the ids of its own keys alone.
func auditOfDeliveries(w *world) {
	plain := w.ctx
	at := bellhop.StoredTime(w.clock.now())
	w.must(w.CreateTenant(plain, bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at}))
	mine := w.newID(bellhop.PrefixDestination)
	w.must(w.CreateDestination(plain, bellhop.Destination{ID: mine, Name: "mine", Type: bellhop.TypeHTTP,
		URL: "https://acme.example/in", Settings: []byte(`{}`), Timeout: time.Second, Concurrency: 1,
		Retry: bellhop.Retry{Schedule: bellhop.ScheduleSharePoint}, State: bellhop.DestinationActive, Tenant: "acme",
		CreatedAt: at, UpdatedAt: at}))
	owed := []bellhop.NewDelivery{{DestinationID: mine}}
	w.accept([]bellhop.Event{w.event("", []byte(`{}`))}, owed)
	delivery := owed[0].DeliveryID
	ada := bellhop.Actor{Key: "ada", KeyID: "key_1"}
	own := bellhop.Actor{Key: "own", KeyID: "key_2"}
	byAda := bellhop.WithActor(plain, ada)
	w.must(second(w.CancelDelivery(byAda, delivery)))
	_, err := w.CancelDelivery(byAda, delivery)
	w.refused("cancelled again", err, bellhop.CodeConflict)
	w.must(second(w.RetryDelivery(bellhop.WithTenant(bellhop.WithActor(plain, own), "acme"), delivery)))
	w.must(second(w.CancelDelivery(plain, delivery))) // by nobody
	w.must(w.NoteChange(byAda, "key", "", bellhop.AdminKeyName, "rotated"))
	w.must(w.NoteChange(byAda, "destination", mine, "another name", "looked at"))
	w.must(w.NoteChange(plain, "key", "", bellhop.AdminKeyName, "rotated"))
	all := []bellhop.AuditEntry{
		{At: at, Actor: ada, Noun: "destination", NounID: mine, Name: "mine", Tenant: "acme", Action: "looked at"},
		{At: at, Actor: ada, Noun: "key", Name: bellhop.AdminKeyName, Action: "rotated"},
		{At: at, Actor: own, Noun: "delivery", NounID: delivery, Name: "mine", Tenant: "acme", Action: "retried"},
		{At: at, Actor: ada, Noun: "delivery", NounID: delivery, Name: "mine", Tenant: "acme", Action: "cancelled"},
	}
	list, _, err := w.Audit(plain, bellhop.AuditFilter{}, bellhop.Page{Limit: 50})
	w.must(err)
	w.equal("all", list, all)
	all[0].KeyID, all[3].KeyID = "", ""
	list, _, err = w.Audit(bellhop.WithTenant(plain, "acme"), bellhop.AuditFilter{}, bellhop.Page{Limit: 50})
	w.must(err)
	w.equal("of the tenant", list, []bellhop.AuditEntry{all[0], all[2], all[3]})
}
