package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// changeNouns shows that the changes of a configuration are made as single ones are, and that the store remembers what
// configurations made.
func changeNouns(w *world) {
	at := w.clock.now()
	source := func(name string) bellhop.Source {
		return bellhop.Source{ID: w.newID(bellhop.PrefixSource), Name: name, Provider: "ams",
			Settings:  []byte(`{"a":"é"}`),
			CreatedAt: at, UpdatedAt: at}
	}
	connection := bellhop.Connection{ID: w.newID(bellhop.PrefixConnection), Name: "work", Provider: "graph",
		Settings: []byte("{}"), State: bellhop.ConnectionReady, CreatedAt: at, UpdatedAt: at}
	key := bellhop.Key{ID: w.newID(bellhop.PrefixKey), Name: "ci", Scope: bellhop.ScopeRead,
		Hash:      bellhop.HashKey("one"),
		CreatedAt: at}
	first, second := source("first"), source("second")
	sub := w.subscription("calendar")
	copied, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	made := copied
	made.ID, made.Name = w.newID(bellhop.PrefixDestination), "archive"

	tenant := bellhop.Tenant{ID: w.newID(bellhop.PrefixTenant), Name: "acme", CreatedAt: at, UpdatedAt: at}
	var changes bellhop.NounChanges
	changes.Tenants.Created = []bellhop.Tenant{tenant}
	changes.Sources.Created = []bellhop.Source{first, second}
	changes.Connections.Created = []bellhop.Connection{connection}
	changes.Destinations.Created = []bellhop.Destination{made}
	changes.Subscriptions.Created = []bellhop.Subscription{sub}
	changes.Keys.Created = []bellhop.Key{key}
	w.must(w.ChangeNouns(w.ctx, changes))
	declared := func() (ids []string) {
		w.Helper()
		set, err := w.Declared(w.ctx)
		w.must(err)
		for id := range set {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	ids := []string{tenant.ID, first.ID, second.ID, connection.ID, made.ID, sub.ID, key.ID}
	slices.Sort(ids)
	w.equal("what a configuration made", declared(), ids)
	got, err := w.Source(w.ctx, "first")
	w.must(err)
	w.equal("a source", got, first)
	storedKey, err := w.Key(w.ctx, "ci")
	w.must(err)
	w.equal("a key", storedKey, key)
	storedSub, err := w.Subscription(w.ctx, "calendar")
	w.must(err)
	w.equal("a subscription", storedSub, sub)
	w.owe(false) // the source and the destination of before still work
	w.Accept(w.ctx, nil, []bellhop.Event{{SourceID: first.ID, Type: "a", ReceivedAt: at}},
		[]bellhop.NewDelivery{{DestinationID: made.ID}})

	later := at.Add(time.Second)
	changes = bellhop.NounChanges{}
	first.MaxBodyBytes, first.UpdatedAt = 17, later
	changes.Sources.Updated = []bellhop.Successor[bellhop.Source]{{Noun: first, Version: at}}
	changes.Sources.Deleted = []bellhop.Version{{ID: second.ID, UpdatedAt: at}}
	changes.Sources.Created = []bellhop.Source{source("second")} // its name is free again
	made.State, made.StateReason, made.UpdatedAt = bellhop.DestinationUnverified, "asked", later
	changes.Destinations.Updated = []bellhop.Successor[bellhop.Destination]{
		{Noun: made, Version: copied.UpdatedAt, Restart: true}}
	changes.Destinations.Deleted = []bellhop.Version{{ID: copied.ID, UpdatedAt: copied.UpdatedAt}}
	connection.Settings, connection.UpdatedAt = []byte(`{"b":1}`), later
	changes.Connections.Updated = []bellhop.Successor[bellhop.Connection]{{Noun: connection, Version: at}}
	sub.Resource = "/me/messages"
	changes.Subscriptions.Updated = []bellhop.Successor[bellhop.Subscription]{{Noun: sub}}
	changes.Keys.Deleted = []bellhop.Version{{ID: key.ID}}
	tenant.Limits.Destinations = 7
	changes.Tenants.Updated = []bellhop.Successor[bellhop.Tenant]{{Noun: tenant}}
	w.must(w.ChangeNouns(w.ctx, changes))
	got, err = w.Source(w.ctx, "first")
	w.must(err)
	w.equal("a changed source", got, first)
	state, err := w.Destination(w.ctx, "archive")
	w.must(err)
	w.equal("a destination that begins anew", state.State, bellhop.DestinationUnverified)
	_, err = w.Destination(w.ctx, copied.ID)
	w.refused("a deleted destination", err, bellhop.CodeNotFound)
	_, err = w.Key(w.ctx, "ci")
	w.refused("a deleted key", err, bellhop.CodeNotFound)
	storedTenant, err := w.Tenant(w.ctx, "acme")
	w.must(err)
	w.equal("a changed tenant", storedTenant, tenant)
	ids = []string{tenant.ID, first.ID, changes.Sources.Created[0].ID, connection.ID, made.ID, sub.ID}
	slices.Sort(ids)
	w.equal("what a configuration made and is still there", declared(), ids)
}

// changeNounsWholly shows that one change that cannot be made undoes all others.
func changeNounsWholly(w *world) {
	at := w.clock.now()
	source := func(name string) bellhop.Source {
		return bellhop.Source{ID: w.newID(bellhop.PrefixSource), Name: name, Provider: "ams", Settings: []byte("{}"),
			CreatedAt: at, UpdatedAt: at}
	}
	present, err := w.Source(w.ctx, w.source)
	w.must(err)
	destination, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	for what, c := range map[string]struct {
		spoil func(changes *bellhop.NounChanges)
		code  bellhop.Code
	}{
		"a taken name": {func(changes *bellhop.NounChanges) {
			changes.Sources.Created = append(changes.Sources.Created, source(present.Name))
		}, bellhop.CodeConflict},
		"an earlier version": {func(changes *bellhop.NounChanges) {
			changes.Destinations.Updated = []bellhop.Successor[bellhop.Destination]{
				{Noun: destination, Version: destination.UpdatedAt.Add(-time.Second)}}
		}, bellhop.CodeChanged},
		"a noun that is gone": {func(changes *bellhop.NounChanges) {
			changes.Connections.Deleted = []bellhop.Version{{ID: "con_gone"}}
		}, bellhop.CodeNotFound},
	} {
		var changes bellhop.NounChanges
		for i := range 3 {
			changes.Sources.Created = append(changes.Sources.Created, source(fmt.Sprintf("new%d", i)))
		}
		changed := present
		changed.MaxBodyBytes, changed.UpdatedAt = 99, at.Add(time.Hour)
		changes.Sources.Updated = []bellhop.Successor[bellhop.Source]{{Noun: changed, Version: present.UpdatedAt}}
		c.spoil(&changes)
		w.refused(what, w.ChangeNouns(w.ctx, changes), c.code)
		list, _, err := w.Sources(w.ctx, bellhop.SourceFilter{}, bellhop.Page{})
		w.must(err)
		w.equal(what+": the sources", list, []bellhop.Source{present})
		ids, err := w.Declared(w.ctx)
		w.must(err)
		w.equal(what+": what configurations made", len(ids), 0)
	}
}
