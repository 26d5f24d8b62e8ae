package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// tenantNouns shows that tenants are stored, read, listed, changed and deleted whole, and not while nouns belong to
// them.
func tenantNouns(w *world) {
	at := w.clock.now()
	acme := bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at,
		Limits: bellhop.TenantLimits{Events: bellhop.PerSecond(100), StoredBytes: 1 << 40, Destinations: 3}}
	globex := bellhop.Tenant{ID: "ten_2", Name: "globex", CreatedAt: at, UpdatedAt: at}
	w.must(w.CreateTenant(w.ctx, acme))
	w.must(w.CreateTenant(w.ctx, globex))
	read := func(idOrName string) bellhop.Tenant {
		w.Helper()
		got, err := w.Tenant(w.ctx, idOrName)
		w.must(err)
		return got
	}
	w.equal("by id", read("ten_1"), acme)
	w.equal("by name", read("globex"), globex)
	w.refused("a taken name", w.CreateTenant(w.ctx, bellhop.Tenant{ID: "ten_3", Name: "acme", CreatedAt: at,
		UpdatedAt: at}), bellhop.CodeConflict)
	acme.Limits, acme.UpdatedAt = bellhop.TenantLimits{}, at.Add(time.Second)
	w.must(w.UpdateTenant(w.ctx, acme))
	w.equal("without limits", read("acme"), acme)
	list, _, err := w.Tenants(w.ctx, bellhop.Page{})
	w.must(err)
	w.equal("newest first", list, []bellhop.Tenant{globex, acme})

	d, err := w.Destination(w.ctx, w.newDestination("of-acme"))
	w.must(err)
	d.Tenant, d.Tenants = "acme", []string{"globex"}
	w.must(w.UpdateDestination(w.ctx, d))
	stored, err := w.Destination(w.ctx, d.ID)
	w.must(err)
	w.equal("the tenants of a destination", stored.Tenants, d.Tenants)
	count, err := w.TenantDestinations(w.ctx, "acme")
	w.must(err)
	w.equal("its destinations", count, 1)
	w.must(w.CreateKey(w.ctx, bellhop.Key{ID: "key_1", Name: "k", Scope: bellhop.ScopeRead, Tenant: "acme",
		CreatedAt: at}))
	err = w.DeleteTenant(w.ctx, "ten_1")
	w.refused("delete it with its nouns", err, bellhop.CodeConflict)
	w.equal("what it still has", err.Error(), "tenant acme still has 1 destination, 1 key: delete these first")
	w.must(w.DeleteDestination(w.ctx, d.ID))
	w.must(w.DeleteKey(w.ctx, "key_1"))
	w.must(w.DeleteTenant(w.ctx, "ten_1"))
	w.refused("delete it again", w.DeleteTenant(w.ctx, "ten_1"), bellhop.CodeNotFound)
	w.refused("change it", w.UpdateTenant(w.ctx, acme), bellhop.CodeNotFound)
	w.refused("read it", second(w.Tenant(w.ctx, "acme")), bellhop.CodeNotFound)
}

// countsWithin shows that the deliveries of an event are counted for each tenant by those to its own destinations
// alone, also where the event went to another tenant's destination.
func countsWithin(w *world) {
	at := w.clock.now()
	owed := []bellhop.NewDelivery{{DestinationID: w.destination}}
	for i, name := range []string{"acme", "globex"} {
		w.must(w.CreateTenant(w.ctx, bellhop.Tenant{ID: fmt.Sprint("ten_", i), Name: name, CreatedAt: at,
			UpdatedAt: at}))
		d, err := w.Destination(w.ctx, w.destination)
		w.must(err)
		d.ID, d.Name, d.Tenant = w.newID(bellhop.PrefixDestination), "of-"+name, name
		if name == "globex" {
			d.Tenants = []string{"acme"} // it gets events of acme
		}
		w.must(w.CreateDestination(w.ctx, d))
		owed = append(owed, bellhop.NewDelivery{DestinationID: d.ID, Leased: name == "globex"})
	}
	ev := w.event("", []byte("{}"))
	ev.SourceID, ev.Source, ev.Tenant = bellhop.SourceAPIID, bellhop.SourceAPI, "acme"
	events := []bellhop.Event{ev, w.event("", nil)}
	w.accept(events, owed)
	ids := []string{events[0].ID, events[1].ID}
	for tenant, want := range map[string]map[bellhop.DeliveryState]int{
		"":       {pending: 2, leased: 1},
		"acme":   {pending: 1},
		"globex": {leased: 1},
		"nobody": nil,
	} {
		ctx := w.ctx
		if tenant != "" {
			ctx = bellhop.WithTenant(ctx, tenant)
		}
		counts, err := w.CountDeliveries(ctx, ids)
		w.must(err)
		all := map[string]map[bellhop.DeliveryState]int{}
		if want != nil {
			all[ids[0]] = want
		}
		w.equal("counted for tenant "+tenant, counts, all)
	}
}

// narrowed shows that a context of one tenant finds everything of that tenant, and nothing of another or of none, by
// every method that reads, and that it changes nothing of another.
func narrowed(w *world) {
	at := w.clock.now()
	acme := bellhop.WithTenant(w.ctx, "acme")
	strangers := []context.Context{bellhop.WithTenant(w.ctx, "globex"), bellhop.WithTenant(w.ctx, "nobody")}
	w.must(w.CreateTenant(w.ctx, bellhop.Tenant{ID: "ten_1", Name: "acme", CreatedAt: at, UpdatedAt: at}))
	src := bellhop.Source{ID: w.newID(bellhop.PrefixSource), Name: "of-acme", Provider: "ams", Tenant: "acme",
		Settings: []byte(`{}`), CreatedAt: at, UpdatedAt: at}
	d, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	d.ID, d.Name, d.Tenant = w.newID(bellhop.PrefixDestination), "of-acme", "acme"
	con := bellhop.Connection{ID: w.newID(bellhop.PrefixConnection), Name: "of-acme", Provider: "graph",
		Tenant: "acme", Settings: []byte(`{}`), State: bellhop.ConnectionReady, CreatedAt: at, UpdatedAt: at}
	key := bellhop.Key{ID: w.newID(bellhop.PrefixKey), Name: "of-acme", Scope: bellhop.ScopeRead, Tenant: "acme",
		CreatedAt: at}
	for _, stranger := range strangers {
		for what, err := range map[string]error{"a source": w.CreateSource(stranger, src),
			"a destination": w.CreateDestination(stranger, d), "a connection": w.CreateConnection(stranger, con),
			"a key": w.CreateKey(stranger, key)} {
			w.refused("create "+what+" of another tenant", err, bellhop.CodeForbidden)
		}
	}
	w.must(w.CreateSource(acme, src))
	w.must(w.CreateDestination(acme, d))
	w.must(w.CreateConnection(acme, con))
	w.must(w.CreateKey(acme, key))
	ev := w.event("", []byte("{}"))
	ev.SourceID, ev.Source, ev.Tenant = src.ID, src.Name, "acme"
	events, owed := []bellhop.Event{ev}, []bellhop.NewDelivery{{DestinationID: d.ID}}
	req := bellhop.Request{SourceID: src.ID, Outcome: bellhop.RequestAccepted, ReceivedAt: at}
	accepted, err := w.Accept(w.ctx, &req, events, owed)
	w.must(err)
	file, err := w.BeginFile(w.ctx, bellhop.File{ID: w.newID(bellhop.PrefixFile), Name: "of-acme", Total: -1,
		EventID: events[0].ID, DestinationID: d.ID, CreatedAt: at})
	w.must(err)
	repair, err := w.CreateRepair(acme, bellhop.Repair{ID: w.newID(bellhop.PrefixRepair), Kind: bellhop.RepairCancel,
		Filter: bellhop.RepairFilter{Tenant: "acme", State: bellhop.DeliveryPending}, CreatedAt: at})
	w.must(err)
	w.owe(false) // what belongs to no tenant

	reads := map[string]func(ctx context.Context) error{
		"source":         func(ctx context.Context) error { return second(w.Source(ctx, src.ID)) },
		"source by name": func(ctx context.Context) error { return second(w.Source(ctx, src.Name)) },
		"destination":    func(ctx context.Context) error { return second(w.Destination(ctx, d.Name)) },
		"connection":     func(ctx context.Context) error { return second(w.Connection(ctx, con.ID)) },
		"key":            func(ctx context.Context) error { return second(w.Key(ctx, key.Name)) },
		"tenant":         func(ctx context.Context) error { return second(w.Tenant(ctx, "acme")) },
		"event":          func(ctx context.Context) error { return second(w.Event(ctx, events[0].ID)) },
		"delivery":       func(ctx context.Context) error { return second(w.Delivery(ctx, owed[0].DeliveryID)) },
		"attempts":       func(ctx context.Context) error { return second(w.Attempts(ctx, owed[0].DeliveryID)) },
		"request":        func(ctx context.Context) error { return second(w.Request(ctx, accepted.RequestID)) },
		"file":           func(ctx context.Context) error { return second(w.File(ctx, file.Name)) },
		"repair":         func(ctx context.Context) error { return second(w.Repair(ctx, repair.ID)) },
		"retry a delivery": func(ctx context.Context) error {
			return second(w.RetryDelivery(ctx, owed[0].DeliveryID))
		},
		"cancel a delivery": func(ctx context.Context) error {
			return second(w.CancelDelivery(ctx, owed[0].DeliveryID))
		},
		"end a repair": func(ctx context.Context) error {
			return second(w.EndRepair(ctx, repair.ID, bellhop.RepairCancelled, ""))
		},
	}
	for what, read := range reads {
		for _, stranger := range strangers {
			w.refused(what+" of another tenant", read(stranger), bellhop.CodeNotFound)
		}
	}
	w.equal("the delivery, after that", w.state(owed[0].DeliveryID), bellhop.DeliveryPending)
	for _, what := range []string{"source", "source by name", "destination", "connection", "key", "tenant", "event",
		"delivery", "attempts", "request", "file", "repair", "retry a delivery", "end a repair"} {
		if err := reads[what](acme); err != nil {
			w.Errorf("%s of its own: %v", what, err)
		}
	}

	w.equal("lists of its own", w.namesWithin(acme), []string{"connection of-acme", "delivery " + owed[0].DeliveryID,
		"destination of-acme", "event " + events[0].ID, "file of-acme", "key of-acme", "repair " + repair.ID,
		"request " + accepted.RequestID, "source of-acme", "tenant acme"})
	for _, stranger := range strangers {
		w.equal("lists of another", w.namesWithin(stranger), []string(nil))
	}
	w.must(w.SaveFile(w.ctx, file.ID, bellhop.FileProgress{Size: 7}))
	label := w.event("", []byte("of a label"))
	label.SourceID, label.Source, label.Tenant = bellhop.SourceAPIID, bellhop.SourceAPI, "globex"
	w.accept([]bellhop.Event{label}, nil)
	bytes, err := w.TenantBytes(w.ctx)
	w.must(err)
	w.equal("stored bytes", bytes, map[string]int64{"acme": int64(len(ev.Body)) + 7, "globex": int64(len(label.Body))})

	for of, find := range map[[2]string]func(context.Context, string) ([]string, error){
		{src.ID, src.Name}: w.SourceIDs, {d.ID, d.Name}: w.DestinationIDs} {
		for _, idOrName := range of {
			ids, err := find(strangers[0], idOrName)
			w.must(err)
			w.equal("the id of another for "+idOrName, len(ids), 0)
			ids, err = find(acme, idOrName)
			w.must(err)
			w.equal("its id for "+idOrName, ids, []string{of[0]})
		}
	}
	names, err := w.DestinationNames(strangers[0], []string{d.ID, w.destination})
	w.must(err)
	w.equal("the names of destinations of others", len(names), 0)
	names, err = w.DestinationNames(acme, []string{d.ID, w.destination})
	w.must(err)
	w.equal("the names of its destinations", names, map[string]string{d.ID: "of-acme"})
	ids, err := w.SourceIDs(acme, bellhop.SourceAPI)
	w.must(err)
	w.equal("the source of published events", ids, []string{bellhop.SourceAPIID})
}

// tenantRenames shows that destinations follow a source or a connection of a tenant to its new name if they may get
// its events or find it, and that a caller of that tenant is told its own.
func tenantRenames(w *world) {
	src, err := w.Source(w.ctx, w.newSource("orders"))
	w.must(err)
	src.Tenant, src.UpdatedAt = "acme", w.clock.now()
	w.must(second(w.UpdateSource(w.ctx, src)))
	con := bellhop.Connection{ID: w.newID(bellhop.PrefixConnection), Name: "work", Provider: "graph", Tenant: "acme",
		Settings: []byte(`{}`), State: bellhop.ConnectionReady, CreatedAt: w.clock.now(), UpdatedAt: w.clock.now()}
	w.must(w.CreateConnection(w.ctx, con))
	owners := map[string][]string{"acme": nil, "globex": nil, "": nil, "globex-and-acme": {"acme"}, "all": {"*"}}
	for owner, tenants := range owners {
		d, err := w.Destination(w.ctx, w.newAction("of-"+owner, "work"))
		w.must(err)
		d.Match.Sources, d.Tenants = []string{"orders"}, tenants
		d.Tenant, _, _ = strings.Cut(owner, "-")
		if owner == "all" {
			d.Tenant = ""
		}
		w.must(w.UpdateDestination(w.ctx, d))
	}
	acme := bellhop.WithTenant(w.ctx, "acme")
	src.Name, con.Name = "sales", "home"
	followed, err := w.UpdateSource(acme, src)
	w.must(err)
	w.equal("its own that follow the source", followed, []string{"of-acme"})
	followed, err = w.UpdateConnection(acme, con)
	w.must(err)
	w.equal("its own that follow the connection", followed, []string{"of-acme"})
	for owner, want := range map[string]string{"acme": "sales home", "globex": "orders work", "": "orders home",
		"globex-and-acme": "sales work", "all": "sales home"} {
		d, err := w.Destination(w.ctx, "of-"+owner)
		w.must(err)
		var settings struct{ Connection string }
		w.must(json.Unmarshal(d.Settings, &settings))
		w.equal("what the destination of "+owner+" names", d.Match.Sources[0]+" "+settings.Connection, want)
	}
	src.Name = "orders"
	followed, err = w.UpdateSource(w.ctx, src)
	w.must(err)
	w.equal("those that follow, as all see it", followed, []string{"of-acme", "of-all", "of-globex-and-acme"})
}

// namesWithin returns what the lists show to a caller, each with its noun, sorted.
func (w *world) namesWithin(ctx context.Context) (names []string) {
	w.Helper()
	page := bellhop.Page{}
	add := func(noun string, list []string) {
		for _, name := range list {
			names = append(names, noun+" "+name)
		}
	}
	sources, _, err := w.Sources(ctx, bellhop.SourceFilter{}, page)
	w.must(err)
	add("source", idsOf(sources, func(s bellhop.Source) string { return s.Name }))
	destinations, _, err := w.Destinations(ctx, bellhop.DestinationFilter{}, page)
	w.must(err)
	add("destination", idsOf(destinations, func(d bellhop.Destination) string { return d.Name }))
	connections, _, err := w.Connections(ctx, bellhop.ConnectionFilter{}, page)
	w.must(err)
	add("connection", idsOf(connections, func(c bellhop.Connection) string { return c.Name }))
	subscriptions, _, err := w.Subscriptions(ctx, bellhop.SubscriptionFilter{}, page)
	w.must(err)
	add("subscription", idsOf(subscriptions, func(s bellhop.Subscription) string { return s.Name }))
	events, _, err := w.Events(ctx, bellhop.EventFilter{}, page)
	w.must(err)
	add("event", idsOf(events, func(e bellhop.Event) string { return e.ID }))
	deliveries, _, err := w.Deliveries(ctx, bellhop.DeliveryFilter{}, page)
	w.must(err)
	add("delivery", idsOf(deliveries, func(d bellhop.Delivery) string { return d.ID }))
	requests, _, err := w.Requests(ctx, bellhop.RequestFilter{}, page)
	w.must(err)
	add("request", idsOf(requests, func(r bellhop.Request) string { return r.ID }))
	files, _, err := w.Files(ctx, bellhop.FileFilter{}, page)
	w.must(err)
	add("file", idsOf(files, func(f bellhop.File) string { return f.Name }))
	repairs, _, err := w.Repairs(ctx, bellhop.RepairQuery{}, page)
	w.must(err)
	add("repair", idsOf(repairs, func(r bellhop.Repair) string { return r.ID }))
	keys, _, err := w.Keys(ctx, bellhop.KeyFilter{}, page)
	w.must(err)
	add("key", idsOf(keys, func(k bellhop.Key) string { return k.Name }))
	tenants, _, err := w.Tenants(ctx, page)
	w.must(err)
	add("tenant", idsOf(tenants, func(t bellhop.Tenant) string { return t.Name }))
	slices.Sort(names)
	return names
}
