package storetest

import (
	"slices"

	"github.com/bellhop-gateway/bellhop"
)

// tenants shows that a list of one tenant has everything of that tenant and nothing of another.
func tenants(w *world) {
	type lists struct{ sources, destinations, events, deliveries, requests []string }
	want := map[string]*lists{"": {}, "acme": {}, "globex": {}}
	want[""].sources, want[""].destinations = []string{w.source}, []string{w.destination}

	for _, tenant := range []string{"acme", "globex"} {
		l := want[tenant]
		source, destination := w.newSource("source-of-"+tenant), w.newDestination("destination-of-"+tenant)
		s, err := w.Source(w.ctx, source)
		w.must(err)
		s.Tenant = tenant
		w.must(w.UpdateSource(w.ctx, s))
		d, err := w.Destination(w.ctx, destination)
		w.must(err)
		d.Tenant = tenant
		w.must(w.UpdateDestination(w.ctx, d))
		s, err = w.Source(w.ctx, source)
		w.must(err)
		w.equal("tenant of the source", s.Tenant, tenant)
		d, err = w.Destination(w.ctx, destination)
		w.must(err)
		w.equal("tenant of the destination", d.Tenant, tenant)
		l.sources, l.destinations = append(l.sources, source), append(l.destinations, destination)
	}
	accept := func(source, label, destination string) (request, event, delivery string) {
		ev := w.event("", nil)
		ev.SourceID, ev.Tenant = source, label
		events, owed := []bellhop.Event{ev}, []bellhop.NewDelivery{{DestinationID: destination}}
		got, err := w.Accept(w.ctx, &bellhop.Request{SourceID: source, Outcome: bellhop.RequestAccepted, ReceivedAt: w.clock.now()}, events, owed)
		w.must(err)
		return got.RequestID, events[0].ID, owed[0].DeliveryID
	}
	for range 2 {
		for _, c := range []struct{ sourceOf, label, destinationOf, tenant string }{
			{"", "", "", ""},
			{"", "acme", "", "acme"}, // published for a tenant at a source of none
			{"acme", "", "acme", "acme"},
			{"acme", "globex", "acme", "acme"}, // what the sender says does not move it
			{"globex", "", "globex", "globex"},
			{"globex", "", "acme", "globex"},
		} {
			request, event, delivery := accept(want[c.sourceOf].sources[0], c.label, want[c.destinationOf].destinations[0])
			want[c.sourceOf].requests = append(want[c.sourceOf].requests, request)
			want[c.tenant].events = append(want[c.tenant].events, event)
			want[c.destinationOf].deliveries = append(want[c.destinationOf].deliveries, delivery)
		}
	}
	everything := &lists{}
	for _, l := range want {
		everything.sources = append(everything.sources, l.sources...)
		everything.destinations = append(everything.destinations, l.destinations...)
		everything.events = append(everything.events, l.events...)
		everything.deliveries = append(everything.deliveries, l.deliveries...)
		everything.requests = append(everything.requests, l.requests...)
	}
	want[""], want["stranger"] = everything, &lists{} // no tenant selects all
	for tenant, l := range want {
		for noun, c := range map[string]struct {
			list lister
			want []string
		}{
			"sources": {func(p bellhop.Page) ([]string, string, error) {
				list, next, err := w.Sources(w.ctx, bellhop.SourceFilter{Tenant: tenant}, p)
				return idsOf(list, func(s bellhop.Source) string { return s.ID }), next, err
			}, l.sources},
			"destinations": {func(p bellhop.Page) ([]string, string, error) {
				list, next, err := w.Destinations(w.ctx, bellhop.DestinationFilter{Tenant: tenant}, p)
				return idsOf(list, func(d bellhop.Destination) string { return d.ID }), next, err
			}, l.destinations},
			"events": {func(p bellhop.Page) ([]string, string, error) {
				list, next, err := w.Events(w.ctx, bellhop.EventFilter{Tenant: tenant}, p)
				return idsOf(list, func(ev bellhop.Event) string { return ev.ID }), next, err
			}, l.events},
			"deliveries": {func(p bellhop.Page) ([]string, string, error) {
				list, next, err := w.Deliveries(w.ctx, bellhop.DeliveryFilter{Tenant: tenant}, p)
				return idsOf(list, func(d bellhop.Delivery) string { return d.ID }), next, err
			}, l.deliveries},
			"requests": {func(p bellhop.Page) ([]string, string, error) {
				list, next, err := w.Requests(w.ctx, bellhop.RequestFilter{Tenant: tenant}, p)
				return idsOf(list, func(r bellhop.Request) string { return r.ID }), next, err
			}, l.requests},
		} {
			for _, limit := range []int{1, bellhop.MaxPage} {
				got := w.all(c.list, limit, func() {})
				slices.Sort(got)
				w.equal(noun+" of tenant "+tenant, got, slices.Sorted(slices.Values(c.want)))
			}
		}
	}
}

func idsOf[T any](list []T, id func(T) string) (ids []string) {
	for _, item := range list {
		ids = append(ids, id(item))
	}
	return ids
}
