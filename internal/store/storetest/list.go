package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A lister lists one kind of thing: ids and the next cursor.
type lister func(page bellhop.Page) (ids []string, next string, err error)

// listers returns one of each kind, and what makes another thing of each kind.
func (w *world) listers() (list map[string]lister, more func()) {
	one := func() {
		w.nouns++
		w.newSource(fmt.Sprintf("source-%d", w.nouns))
		w.newDestination(fmt.Sprintf("destination-%d", w.nouns))
		req := bellhop.Request{SourceID: w.source, Outcome: bellhop.RequestAccepted, Status: 202, ReceivedAt: w.clock.now()}
		_, err := w.Accept(w.ctx, &req, []bellhop.Event{w.event("", nil)}, []bellhop.Owed{{DestinationID: w.destination}})
		w.must(err)
	}
	return map[string]lister{
		"sources":      list1(w.ctx, w.Sources, func(s bellhop.Source) string { return s.ID }),
		"destinations": list1(w.ctx, w.Destinations, func(d bellhop.Destination) string { return d.ID }),
		"events":       list2(w.ctx, w.Events, func(e bellhop.Event) string { return e.ID }),
		"deliveries":   list2(w.ctx, w.Deliveries, func(d bellhop.Delivery) string { return d.ID }),
		"requests":     list2(w.ctx, w.Requests, func(r bellhop.Request) string { return r.ID }),
	}, one
}

func list1[T any](ctx context.Context, f func(context.Context, bellhop.Page) ([]T, string, error), id func(T) string) lister {
	return list2(ctx, func(ctx context.Context, _ struct{}, page bellhop.Page) ([]T, string, error) { return f(ctx, page) }, id)
}

func list2[T, F any](ctx context.Context, f func(context.Context, F, bellhop.Page) ([]T, string, error), id func(T) string) lister {
	return func(page bellhop.Page) (ids []string, next string, err error) {
		var none F
		list, next, err := f(ctx, none, page)
		for _, v := range list {
			ids = append(ids, id(v))
		}
		return ids, next, err
	}
}

// all pages through a list, and calls between before each page but the first.
func (w *world) all(list lister, limit int, between func()) (ids []string) {
	w.Helper()
	for cursor := ""; ; between() {
		page, next, err := list(bellhop.Page{Limit: limit, Cursor: cursor})
		w.must(err)
		ids = append(ids, page...)
		if next == "" {
			return ids
		}
		w.equal("length of a page that is not the last", len(page), limit)
		cursor = next
	}
}

func pages(w *world) {
	listers, more := w.listers()
	for range bellhop.MaxPage + 1 {
		more()
	}
	for name, list := range listers {
		count := func(limit int) int {
			ids, next, err := list(bellhop.Page{Limit: limit})
			w.must(err)
			w.equal(name+": is there more", next != "", true)
			return len(ids)
		}
		w.equal(name+": page without a limit", count(0), bellhop.DefaultPage)
		w.equal(name+": page of less than none", count(-1), bellhop.DefaultPage)
		w.equal(name+": page of one", count(1), 1)
		w.equal(name+": page of too many", count(1<<40), bellhop.MaxPage)
		for _, cursor := range []string{"?", "x y", "9999999999999999999999999"} {
			_, _, err := list(bellhop.Page{Cursor: cursor})
			w.refused(name+": cursor "+cursor, err, bellhop.CodeInvalid)
		}
	}
}

// Who pages through a list sees once what was there throughout, though others come and go meanwhile.
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
	for _, ev := range []bellhop.Event{{SourceID: w.source, Type: "ams.Job"}, {SourceID: other, Type: "ams.Job"}, {SourceID: w.source, Type: "ams.JobState"},
		{SourceID: w.source, Type: "заказ.создан"}, {SourceID: other, Type: "a%_*b"}} {
		ev.ReceivedAt = w.clock.now()
		events := []bellhop.Event{ev}
		w.accept(events, nil)
		ids = append(ids, events[0].ID)
		w.clock.pass(time.Minute)
	}
	for name, c := range map[string]struct {
		f    bellhop.EventFilter
		want []int
	}{
		"none":          {bellhop.EventFilter{}, []int{4, 3, 2, 1, 0}},
		"source":        {bellhop.EventFilter{SourceID: other}, []int{4, 1}},
		"type":          {bellhop.EventFilter{Type: "ams.Job"}, []int{1, 0}},
		"prefix":        {bellhop.EventFilter{Type: "ams.*"}, []int{2, 1, 0}},
		"prefix letter": {bellhop.EventFilter{Type: "зак*"}, []int{3}},
		"any":           {bellhop.EventFilter{Type: "*"}, []int{4, 3, 2, 1, 0}},
		"not a pattern": {bellhop.EventFilter{Type: "a%_**"}, []int{4}},
		"case":          {bellhop.EventFilter{Type: "AMS.*"}, nil},
		"since":         {bellhop.EventFilter{Since: start.Add(3 * time.Minute)}, []int{4, 3}},
		"until":         {bellhop.EventFilter{Until: start.Add(time.Minute)}, []int{0}},
		"everything":    {bellhop.EventFilter{SourceID: w.source, Type: "ams.*", Since: start.Add(time.Minute), Until: start.Add(time.Hour)}, []int{2}},
	} {
		list, _, err := w.Events(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, ev := range list {
			got = append(got, slices.Index(ids, ev.ID))
		}
		w.equal(name, got, c.want)
	}
	_, _, err := w.Events(w.ctx, bellhop.EventFilter{SourceID: "src_stranger"}, bellhop.Page{})
	w.refused("a source that there is not", err, bellhop.CodeNotFound)

	big := w.event("", make([]byte, 1000))
	w.accept([]bellhop.Event{big}, nil)
	list, _, err := w.Events(w.ctx, bellhop.EventFilter{}, bellhop.Page{Limit: 1})
	w.must(err)
	w.equal("length of a listed body", len(list[0].Body), 1000)
	w.equal("a listed header", len(list[0].Header), 0)
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
	owed := []bellhop.Owed{{DestinationID: w.destination, Leased: true}, {DestinationID: other}}
	last := []bellhop.Event{w.event("", nil)}
	w.accept(last, owed)
	ids, events = append(ids, owed[0].DeliveryID, owed[1].DeliveryID), append(events, last[0].ID)
	for name, c := range map[string]struct {
		f    bellhop.DeliveryFilter
		want []int
	}{
		"none":        {bellhop.DeliveryFilter{}, []int{4, 3, 2, 1, 0}},
		"event":       {bellhop.DeliveryFilter{EventID: events[3]}, []int{4, 3}},
		"destination": {bellhop.DeliveryFilter{DestinationID: other}, []int{4}},
		"pending":     {bellhop.DeliveryFilter{State: pending}, []int{4, 0}},
		"leased":      {bellhop.DeliveryFilter{State: leased}, []int{3}},
		"delivered":   {bellhop.DeliveryFilter{State: delivered}, []int{1}},
		"dead":        {bellhop.DeliveryFilter{State: dead}, []int{2}},
		"cancelled":   {bellhop.DeliveryFilter{State: cancelled}, nil},
		"no state":    {bellhop.DeliveryFilter{State: "' OR '1'='1"}, nil},
		"since":       {bellhop.DeliveryFilter{Since: start.Add(2 * time.Minute)}, []int{4, 3, 2}},
		"until":       {bellhop.DeliveryFilter{Until: start.Add(2 * time.Minute)}, []int{1, 0}},
		"everything": {bellhop.DeliveryFilter{EventID: events[3], DestinationID: w.destination, State: leased, Since: start, Until: start.Add(time.Hour)},
			[]int{3}},
	} {
		list, _, err := w.Deliveries(w.ctx, c.f, bellhop.Page{})
		w.must(err)
		var got []int
		for _, d := range list {
			got = append(got, slices.Index(ids, d.ID))
			w.equal(name+": as it is read alone", d, w.delivery(d.ID))
		}
		w.equal(name, got, c.want)
	}
	for what, f := range map[string]bellhop.DeliveryFilter{"event": {EventID: "evt_x"}, "destination": {DestinationID: "dst_x"}} {
		_, _, err := w.Deliveries(w.ctx, f, bellhop.Page{})
		w.refused("an "+what+" that there is not", err, bellhop.CodeNotFound)
	}
}
