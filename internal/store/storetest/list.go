package storetest

import (
	"context"
	"fmt"
	"slices"

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
		_, err := w.Accept(w.ctx, &req, []bellhop.Event{w.event("", nil)}, []bellhop.NewDelivery{{DestinationID: w.destination}})
		w.must(err)
	}
	return map[string]lister{
		"sources":      listerOf(w.ctx, w.Sources, func(s bellhop.Source) string { return s.ID }),
		"destinations": listerOf(w.ctx, w.Destinations, func(d bellhop.Destination) string { return d.ID }),
		"events":       listerOf(w.ctx, w.Events, func(e bellhop.Event) string { return e.ID }),
		"deliveries":   listerOf(w.ctx, w.Deliveries, func(d bellhop.Delivery) string { return d.ID }),
		"requests":     listerOf(w.ctx, w.Requests, func(r bellhop.Request) string { return r.ID }),
	}, one
}

func listerOf[T, F any](ctx context.Context, f func(context.Context, F, bellhop.Page) ([]T, string, error), id func(T) string) lister {
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
