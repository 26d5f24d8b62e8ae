package storetest

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A lister lists one noun: ids and the next cursor.
type lister func(page bellhop.Page) (ids []string, next string, err error)

// listers returns a lister of each noun, and a function that creates one more of each.
func (w *world) listers() (list map[string]lister, more func()) {
	one := func() {
		w.nouns++
		w.newSource(fmt.Sprintf("source-%d", w.nouns))
		w.newDestination(fmt.Sprintf("destination-%d", w.nouns))
		repair, err := w.CreateRepair(w.ctx, bellhop.Repair{ID: w.newID(bellhop.PrefixRepair),
			Kind:      bellhop.RepairRetry,
			CreatedAt: w.clock.now()})
		w.must(err)
		_, err = w.EndRepair(w.ctx, repair.ID, bellhop.RepairCancelled, "")
		w.must(err)
		req := bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestAccepted, Status: 202,
			ReceivedAt: w.clock.now()}
		_, err = w.Accept(w.ctx, &req, []bellhop.Event{w.event("", nil)},
			[]bellhop.NewDelivery{{DestinationID: w.destination}})
		w.must(err)
	}
	return map[string]lister{
		"sources":      listerOf(w.ctx, w.Sources, func(s bellhop.Source) string { return s.ID }),
		"destinations": listerOf(w.ctx, w.Destinations, func(d bellhop.Destination) string { return d.ID }),
		"events":       listerOf(w.ctx, w.Events, func(e bellhop.Event) string { return e.ID }),
		"deliveries":   listerOf(w.ctx, w.Deliveries, func(d bellhop.Delivery) string { return d.ID }),
		"requests":     listerOf(w.ctx, w.Requests, func(r bellhop.Request) string { return r.ID }),
		"repairs": func(page bellhop.Page) (ids []string, next string, err error) {
			list, next, err := w.Repairs(w.ctx, bellhop.RepairQuery{}, page)
			return idsOf(list, func(r bellhop.Repair) string { return r.ID }), next, err
		},
	}, one
}

func listerOf[T, F any](ctx context.Context, f func(context.Context, F,
	bellhop.Page) ([]T, string, error), id func(T) string) lister {
	return func(page bellhop.Page) (ids []string, next string, err error) {
		var none F
		list, next, err := f(ctx, none, page)
		for _, v := range list {
			ids = append(ids, id(v))
		}
		return ids, next, err
	}
}

// all returns the ids of all pages, and calls between before each page but the first.
func (w *world) all(list lister, limit int, between func()) (ids []string) {
	w.Helper()
	for cursor := ""; ; between() {
		page, next, err := list(bellhop.Page{Limit: limit, Cursor: cursor})
		w.must(err)
		ids = append(ids, page...)
		if next == "" {
			return ids
		}
		w.equal("length of a page before the last", len(page), limit)
		cursor = next
	}
}

// pages shows the bounds of a page and of its cursor.
func pages(w *world) {
	listers, more := w.listers()
	for range bellhop.MaxPage + 1 {
		more()
	}
	for name, list := range listers {
		count := func(limit int) int {
			ids, next, err := list(bellhop.Page{Limit: limit})
			w.must(err)
			w.equal(name+": has a next page", next != "", true)
			return len(ids)
		}
		w.equal(name+": page without a limit", count(0), bellhop.DefaultPage)
		w.equal(name+": page with a negative limit", count(-1), bellhop.DefaultPage)
		w.equal(name+": page of one", count(1), 1)
		w.equal(name+": page with too large a limit", count(1<<40), bellhop.MaxPage)
		_, next, err := list(bellhop.Page{Limit: 1})
		w.must(err)
		for _, cursor := range []string{"?", "x y", "garbage", "1", "9999999999999999999999999", next[:len(next)-1],
			next + "0", "z" + next[1:], next[:1] + "z" + next[2:], " " + next, strings.ToUpper(next) + "."} {
			_, _, err := list(bellhop.Page{Cursor: cursor})
			w.refused(name+": cursor "+cursor, err, bellhop.CodeInvalid)
		}
		for other, list := range listers {
			if _, _, err := list(bellhop.Page{Cursor: next}); other != name {
				w.refused("cursor of "+name+" in the list of "+other, err, bellhop.CodeInvalid)
			}
		}
	}
}

// cursors shows that paging through a list returns every row once that exists throughout, although others come
// and go meanwhile.
func cursors(w *world) {
	listers, more := w.listers()
	for range 40 {
		more()
	}
	for name, list := range listers {
		before := w.all(list, bellhop.MaxPage, func() {})
		gone := map[string]bool{}
		got := w.all(list, 7, func() {
			more()
			if i := 3 * len(gone); name == "destinations" && i < len(before) && before[i] != w.destination {
				w.must(w.DeleteDestination(w.ctx, before[i]))
				gone[before[i]] = true
			}
		})
		seen := map[string]bool{}
		for _, id := range got {
			if seen[id] {
				w.Errorf("%s: %s was seen twice", name, id)
			}
			seen[id] = true
		}
		for _, id := range before {
			if !seen[id] && !gone[id] {
				w.Errorf("%s: %s was missed", name, id)
			}
		}
		if name == "events" || name == "deliveries" || name == "requests" {
			slices.Reverse(got)
			w.equal(name+": newest first", slices.IsSorted(got), true)
		}
	}
}

func filterEvents(w *world) {
	other := w.newSource("other")
	start := w.clock.now()
	var ids []string // one a minute
	for _, ev := range []bellhop.Event{{SourceID: w.source, Type: "ams.Job"}, {SourceID: other, Type: "ams.Job"},
		{SourceID: w.source, Type: "ams.JobState"},
		{SourceID: w.source, Type: "заказ.создан", Subject: "orders/17", ProviderID: "17",
			Body: []byte("a\x00needle b")},
		{SourceID: other, Type: "a%_*b", Subject: "orders/18", ProviderID: "17", Body: []byte("a Needle")}} {
		ev.ReceivedAt = w.clock.now()
		if len(ids) == 4 {
			ev.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {ids[0]}, bellhop.HopsHeader: {"1"}}, nil)
		}
		events := []bellhop.Event{ev}
		w.accept(events, nil)
		ids = append(ids, events[0].ID)
		w.clock.pass(time.Minute)
	}
	for name, c := range map[string]struct {
		f    bellhop.EventFilter
		want []int
	}{
		"none":           {bellhop.EventFilter{}, []int{4, 3, 2, 1, 0}},
		"source":         {bellhop.EventFilter{SourceIDs: []string{other}}, []int{4, 1}},
		"type":           {bellhop.EventFilter{Type: "ams.Job"}, []int{1, 0}},
		"prefix":         {bellhop.EventFilter{Type: "ams.*"}, []int{2, 1, 0}},
		"prefix letter":  {bellhop.EventFilter{Type: "зак*"}, []int{3}},
		"any":            {bellhop.EventFilter{Type: "*"}, []int{4, 3, 2, 1, 0}},
		"not a pattern":  {bellhop.EventFilter{Type: "a%_**"}, []int{4}},
		"case":           {bellhop.EventFilter{Type: "AMS.*"}, nil},
		"caused by":      {bellhop.EventFilter{CausedBy: ids[0]}, []int{4}},
		"caused by none": {bellhop.EventFilter{CausedBy: ids[1]}, nil},
		"no id":          {bellhop.EventFilter{CausedBy: "evt"}, nil},
		"caused, type":   {bellhop.EventFilter{CausedBy: ids[0], Type: "ams.*"}, nil},
		"subject":        {bellhop.EventFilter{Subject: "orders/18"}, []int{4}},
		"subjects":       {bellhop.EventFilter{Subject: "orders/*"}, []int{4, 3}},
		"provider id":    {bellhop.EventFilter{ProviderID: "17"}, []int{4, 3}},
		"its source":     {bellhop.EventFilter{ProviderID: "17", SourceIDs: []string{other}}, []int{4}},
		"its type":       {bellhop.EventFilter{ProviderID: "17", Type: "ams.*"}, nil},
		"contains":       {bellhop.EventFilter{Contains: "\x00needle"}, []int{3}},
		"contains, type": {bellhop.EventFilter{Contains: "eedle", Type: "a%*"}, []int{4}},
		"no body":        {bellhop.EventFilter{Contains: "' OR 1"}, nil},
		"since":          {bellhop.EventFilter{Since: start.Add(3 * time.Minute)}, []int{4, 3}},
		"until":          {bellhop.EventFilter{Until: start.Add(time.Minute)}, []int{0}},
		"everything": {bellhop.EventFilter{SourceIDs: []string{w.source}, Type: "ams.*", Since: start.Add(time.Minute),
			Until: start.Add(time.Hour)}, []int{2}},
	} {
		list, _, err := w.Events(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, ev := range list {
			got = append(got, slices.Index(ids, ev.ID))
		}
		w.equal(name, got, c.want)
	}
	_, _, err := w.Events(w.ctx, bellhop.EventFilter{SourceIDs: []string{"src_stranger"}}, bellhop.Page{})
	w.refused("an unknown source", err, bellhop.CodeNotFound)

	big := w.event("", make([]byte, 1000))
	w.accept([]bellhop.Event{big}, nil)
	list, _, err := w.Events(w.ctx, bellhop.EventFilter{}, bellhop.Page{Limit: 1})
	w.must(err)
	w.equal("length of a listed body", len(list[0].Body), 1000)
	w.equal("length of a listed header", len(list[0].Header), 0)
}

func filterDeliveries(w *world) {
	other := w.newDestination("other")
	start := w.clock.now()
	var ids, events []string // one event a minute
	for _, state := range []bellhop.DeliveryState{pending, delivered, dead} {
		id := w.in(state)
		ids, events = append(ids, id), append(events, w.delivery(id).EventID)
		w.clock.pass(time.Minute)
	}
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}, {DestinationID: other}}
	last := []bellhop.Event{w.event("", nil)}
	last[0].SourceID, last[0].Type, last[0].Subject = w.newSource("shop"), "order.paid", "orders/17"
	w.accept(last, owed)
	ids, events = append(ids, owed[0].DeliveryID, owed[1].DeliveryID), append(events, last[0].ID)
	for name, c := range map[string]struct {
		f    bellhop.DeliveryFilter
		want []int
	}{
		"none":        {bellhop.DeliveryFilter{}, []int{4, 3, 2, 1, 0}},
		"event":       {bellhop.DeliveryFilter{EventID: events[3]}, []int{4, 3}},
		"destination": {bellhop.DeliveryFilter{DestinationIDs: []string{other}}, []int{4}},
		"pending":     {bellhop.DeliveryFilter{State: pending}, []int{4, 0}},
		"leased":      {bellhop.DeliveryFilter{State: leased}, []int{3}},
		"delivered":   {bellhop.DeliveryFilter{State: delivered}, []int{1}},
		"dead":        {bellhop.DeliveryFilter{State: dead}, []int{2}},
		"cancelled":   {bellhop.DeliveryFilter{State: cancelled}, nil},
		"no state":    {bellhop.DeliveryFilter{State: "' OR '1'='1"}, nil},
		"dead there":  {bellhop.DeliveryFilter{State: dead, DestinationIDs: []string{w.destination}}, []int{2}},
		"dead of two": {bellhop.DeliveryFilter{State: dead, DestinationIDs: []string{other, w.destination}}, []int{2}},
		"due there":   {bellhop.DeliveryFilter{State: pending, DestinationIDs: []string{other}}, []int{4}},
		"error":       {bellhop.DeliveryFilter{Error: w.delivery(ids[2]).Last.Error}, []int{2}},
		"any error":   {bellhop.DeliveryFilter{Error: bellhop.AnyError}, []int{2}},
		"a status":    {bellhop.DeliveryFilter{Error: "503"}, []int{2}},
		"a class":     {bellhop.DeliveryFilter{Error: "5xx"}, []int{2}},
		"no success":  {bellhop.DeliveryFilter{Error: "2xx"}, nil},
		"dead, error": {bellhop.DeliveryFilter{State: dead, Error: "no such"}, nil},
		"source":      {bellhop.DeliveryFilter{SourceIDs: []string{last[0].SourceID}}, []int{4, 3}},
		"type":        {bellhop.DeliveryFilter{Type: "order.*", State: pending}, []int{4}},
		"subject":     {bellhop.DeliveryFilter{Subject: "orders/17", State: leased}, []int{3}},
		"since":       {bellhop.DeliveryFilter{Since: start.Add(2 * time.Minute)}, []int{4, 3, 2}},
		"until":       {bellhop.DeliveryFilter{Until: start.Add(2 * time.Minute)}, []int{1, 0}},
		"everything": {bellhop.DeliveryFilter{EventID: events[3], DestinationIDs: []string{w.destination},
			State: leased,
			Since: start,
			Until: start.Add(time.Hour)},
			[]int{3}},
	} {
		list, _, err := w.Deliveries(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, d := range list {
			got = append(got, slices.Index(ids, d.ID))
			w.equal(name+": the same as read alone", d, w.delivery(d.ID))
		}
		w.equal(name, got, c.want)
	}
	states := map[bellhop.DeliveryState]int{}
	counts, err := w.CountDeliveries(w.ctx, []string{events[3], events[0]})
	w.must(err)
	for _, i := range []int{0, 3, 4} {
		states[w.delivery(ids[i]).State]++
	}
	w.equal("counted", counts, map[string]map[bellhop.DeliveryState]int{events[0]: {pending: 1},
		events[3]: {leased: 1, pending: 1}})
	w.equal("as the deliveries are", states, map[bellhop.DeliveryState]int{pending: 2, leased: 1})
	_, err = w.CountDeliveries(w.ctx, []string{"evt_x"})
	w.refused("count of an unknown event", err, bellhop.CodeNotFound)
	for what, f := range map[string]bellhop.DeliveryFilter{"event": {EventID: "evt_x"},
		"source": {SourceIDs: []string{"x"}}, "destination": {DestinationIDs: []string{w.destination, "dst_x"}}} {
		_, _, err := w.Deliveries(w.ctx, f, bellhop.Page{})
		w.refused("an unknown "+what, err, bellhop.CodeNotFound)
	}
}

func filterRequests(w *world) {
	first := w.source
	start := w.clock.now()
	note := func(outcome bellhop.RequestOutcome) {
		r := w.refusal()
		r.Outcome = outcome
		w.Note(r)
		w.settle()
		w.clock.pass(time.Minute)
	}
	note(bellhop.RequestRefused)
	note(bellhop.RequestHandshake)
	w.source = w.newSource("other")
	note(bellhop.RequestRefused)
	w.Note(w.unknown())
	w.settle()
	list := w.requests()
	ids := []string{list[3].ID, list[2].ID, list[1].ID, list[0].ID}
	for name, c := range map[string]struct {
		f    bellhop.RequestFilter
		want []int
	}{
		"none":      {bellhop.RequestFilter{}, []int{3, 2, 1, 0}},
		"no source": {bellhop.RequestFilter{NoSource: true}, []int{3}},
		"source":    {bellhop.RequestFilter{SourceIDs: []string{first}}, []int{1, 0}},
		"outcome":   {bellhop.RequestFilter{Outcome: bellhop.RequestRefused}, []int{3, 2, 0}},
		"accepted":  {bellhop.RequestFilter{Outcome: bellhop.RequestAccepted}, nil},
		"reason":    {bellhop.RequestFilter{Reason: list[1].Reason, SourceIDs: []string{w.source}}, []int{2}},
		"no reason": {bellhop.RequestFilter{Reason: "no such"}, nil},
		"contains":  {bellhop.RequestFilter{Contains: "no such text"}, nil},
		"since":     {bellhop.RequestFilter{Since: start.Add(time.Minute)}, []int{3, 2, 1}},
		"until":     {bellhop.RequestFilter{Until: start.Add(time.Minute)}, []int{0}},
	} {
		list, _, err := w.Requests(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, r := range list {
			got = append(got, slices.Index(ids, r.ID))
		}
		w.equal(name, got, c.want)
	}
	_, _, err := w.Requests(w.ctx, bellhop.RequestFilter{SourceIDs: []string{"src_x"}}, bellhop.Page{})
	w.refused("an unknown source", err, bellhop.CodeNotFound)
}

// filterNouns shows the filters of the nouns that are few.
func filterNouns(w *world) {
	other := w.newSource("other")
	src, err := w.Source(w.ctx, other)
	w.must(err)
	src.Provider = "graph"
	w.must(second(w.UpdateSource(w.ctx, src)))
	sources, _, err := w.Sources(w.ctx, bellhop.SourceFilter{Provider: "graph"}, bellhop.Page{})
	w.must(err)
	w.equal("sources of a provider", idsOf(sources, func(s bellhop.Source) string { return s.ID }), []string{other})

	paused := w.newDestination("paused")
	w.must(w.SetDestinationState(w.ctx, paused, bellhop.DestinationPaused, ""))
	for name, c := range map[string]struct {
		f    bellhop.DestinationFilter
		want []string
	}{
		"state": {bellhop.DestinationFilter{State: bellhop.DestinationPaused}, []string{paused}},
		"type":  {bellhop.DestinationFilter{Type: bellhop.TypeHTTP}, []string{paused, w.destination}},
		"type, prefix": {bellhop.DestinationFilter{Type: "ht*", State: bellhop.DestinationActive},
			[]string{w.destination}},
		"no type":  {bellhop.DestinationFilter{Type: "slack"}, nil},
		"troubled": {bellhop.DestinationFilter{Troubled: true}, []string{paused}},
		"troubled, by id": {bellhop.DestinationFilter{Troubled: true, InTrouble: []string{w.destination, "dst_0"}},
			[]string{paused, w.destination}},
	} {
		list, _, err := w.Destinations(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		w.equal("destinations: "+name, idsOf(list, func(d bellhop.Destination) string { return d.ID }), c.want)
	}

	start := w.clock.now()
	var ids []string
	for _, kind := range []bellhop.RepairKind{bellhop.RepairRetry, bellhop.RepairCancel} {
		r, err := w.CreateRepair(w.ctx, bellhop.Repair{ID: w.newID(bellhop.PrefixRepair), Kind: kind,
			CreatedAt: w.clock.now()})
		w.must(err)
		ids = append(ids, r.ID)
		w.clock.pass(time.Minute)
	}
	w.must(second(w.EndRepair(w.ctx, ids[0], bellhop.RepairCancelled, "")))
	for name, c := range map[string]struct {
		q    bellhop.RepairQuery
		want []int
	}{
		"none":  {bellhop.RepairQuery{}, []int{1, 0}},
		"kind":  {bellhop.RepairQuery{Kind: bellhop.RepairRetry}, []int{0}},
		"state": {bellhop.RepairQuery{State: bellhop.RepairRunning}, []int{1}},
		"since": {bellhop.RepairQuery{Since: start.Add(time.Minute)}, []int{1}},
		"until": {bellhop.RepairQuery{Until: start.Add(time.Minute)}, []int{0}},
		"both":  {bellhop.RepairQuery{Kind: bellhop.RepairRetry, State: bellhop.RepairRunning}, nil},
	} {
		list, _, err := w.Repairs(w.ctx, c.q, bellhop.Page{})
		w.must(err)
		var got []int
		for _, r := range list {
			got = append(got, slices.Index(ids, r.ID))
		}
		w.equal("repairs: "+name, got, c.want)
	}
}

// scansStop shows that a search for entries that no index finds ends after a bounded time, and goes on from there
// without missing an entry and without returning one twice.
func scansStop(w *world) {
	start := w.clock.now()
	const count = 400
	var events, deliveries, requests []string
	for i := range count {
		ev := w.event("", []byte("nothing"))
		if ev.Type = "common"; i%100 == 7 {
			ev.Type, ev.Subject, ev.Body = "rare", "rare", []byte("a rare text")
		}
		list, owed := []bellhop.Event{ev}, []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}}
		req := bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestAccepted, Body: ev.Body,
			ReceivedAt: w.clock.now()}
		got, err := w.Accept(w.ctx, &req, list, owed)
		w.must(err)
		if ev.Subject != "" {
			events, deliveries = append(events, list[0].ID), append(deliveries, owed[0].DeliveryID)
			requests = append(requests, got.RequestID)
		}
		w.clock.pass(time.Minute)
	}
	w.clock.mu.Lock()
	w.clock.step = bellhop.ScanTime
	w.clock.mu.Unlock()
	slices.Reverse(events)
	slices.Reverse(deliveries)
	slices.Reverse(requests)
	for name, c := range map[string]struct {
		noun string
		list lister
		want []string
	}{
		"events of a type":    {"events", filtered(w.ctx, w.Events, bellhop.EventFilter{Type: "rare"}), events},
		"events of a subject": {"events", filtered(w.ctx, w.Events, bellhop.EventFilter{Subject: "ra*"}), events},
		"events with a text": {"events", filtered(w.ctx, w.Events, bellhop.EventFilter{Contains: "rare text"}),
			events},
		"no events": {"events", filtered(w.ctx, w.Events, bellhop.EventFilter{Type: "none"}), nil},
		"deliveries of a type": {"deliveries", filtered(w.ctx, w.Deliveries, bellhop.DeliveryFilter{Type: "rare"}),
			deliveries},
		"requests with a text": {"requests", filtered(w.ctx, w.Requests, bellhop.RequestFilter{Contains: "rare"}),
			requests},
	} {
		var got []string
		calls, at := 0, w.clock.now()
		for page := (bellhop.Page{Limit: 2}); ; calls++ {
			ids, next, err := c.list(page)
			w.must(err)
			got = append(got, ids...)
			if next == "" {
				break
			}
			if page.Cursor = next; calls > count {
				w.Fatalf("%s: the search makes no progress", name)
			}
			position := w.CursorAt(c.noun, next)
			if position.After(at) || position.Before(start.Truncate(time.Millisecond)) {
				w.Errorf("%s: the search stands at %v, after %v", name, position, at)
			}
			at = position
		}
		w.equal(name, got, c.want)
		if calls < 3 {
			w.Errorf("%s: the search did not end for lack of time: %d pages", name, calls+1)
		}
	}
	w.equal("the time of no cursor", w.CursorAt("events", "garbage"), time.Time{})
}

// filtered is listerOf with a filter.
func filtered[T, F any](ctx context.Context, f func(context.Context, F, bellhop.Page) ([]T, string, error),
	filter F) lister {
	return func(page bellhop.Page) (ids []string, next string, err error) {
		list, next, err := f(ctx, filter, page)
		for _, v := range list {
			ids = append(ids, reflect.ValueOf(v).FieldByName("ID").String())
		}
		return ids, next, err
	}
}

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
		w.must(second(w.UpdateSource(w.ctx, s)))
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
		got, err := w.Accept(w.ctx, &bellhop.Request{SourceID: source, Outcome: bellhop.RequestAccepted,
			ReceivedAt: w.clock.now()}, events, owed)
		w.must(err)
		return got.RequestID, events[0].ID, owed[0].DeliveryID
	}
	for range 2 {
		for _, c := range []struct{ sourceOf, label, destinationOf, tenant string }{
			{"", "", "", ""},
			{"", "acme", "", "acme"}, // published for a tenant at a source without one
			{"acme", "", "acme", "acme"},
			{"acme", "globex", "acme", "acme"}, // the label of the sender does not move it
			{"globex", "", "globex", "globex"},
			{"globex", "", "acme", "globex"},
		} {
			request, event, delivery := accept(want[c.sourceOf].sources[0], c.label,
				want[c.destinationOf].destinations[0])
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
