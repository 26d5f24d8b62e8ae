package storetest

import (
	"bytes"

	"github.com/bellhop-gateway/bellhop"
)

// progressOfActions shows that the progress in a result is there for the next attempts, until another result replaces it.
func progressOfActions(w *world) {
	id, number := w.owe(true), 0
	attempt := func(state bellhop.DeliveryState, progress []byte) {
		w.Helper()
		number++
		r := w.result(id, number, state)
		r.Progress = progress
		w.record(r)
	}
	claimed := func(what string, want []byte) {
		w.Helper()
		list, err := w.Claim(w.ctx, w.destination, 1, 1<<20)
		w.must(err)
		if len(list) != 1 || list[0].ID != id {
			w.Fatalf("%s: claimed %+v", what, list)
		}
		w.equal(what, list[0].Progress, want)
	}
	large := bytes.Repeat([]byte{0xff}, bellhop.MaxProgressBytes)
	for _, c := range []struct {
		name           string
		progress, want []byte
	}{
		{"none so far", nil, nil},
		{"the first", []byte("offset 1"), []byte("offset 1")},
		{"an attempt without progress", nil, []byte("offset 1")},
		{"a later one", []byte("offset 2\x00"), []byte("offset 2\x00")},
		{"cleared", []byte{}, nil},
		{"the largest", large, large},
	} {
		attempt(pending, c.progress)
		w.clock.pass(retryIn)
		claimed(c.name, c.want)
		w.must(w.Release(w.ctx, []string{id}))
		claimed(c.name+", released and claimed again", c.want)
	}
	r := w.result(id, number+1, pending)
	r.Progress = append(large, 0)
	w.refused("more than the largest", w.Record(r), bellhop.CodeInvalid)

	// A result of an outdated lease changes no progress.
	stale := w.result(id, number, pending)
	stale.Progress = []byte("stale")
	w.must(w.Record(stale))
	w.settle()
	attempt(dead, nil)
	_, err := w.RetryDelivery(w.ctx, id)
	w.must(err)
	claimed("retried by a person", large)

	events := []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, w.delivery(id).EventID, events))
	id = events[0].DeliveryID
	claimed("a replay begins without", nil)
}
