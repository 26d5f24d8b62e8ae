package storetest

import (
	"slices"
	"sync"

	"github.com/bellhop-gateway/bellhop"
)

// An observer keeps everything that it is told, as lines of text.
type observer struct {
	mu    sync.Mutex
	lines []string
}

func (o *observer) Observing() bool { return true }

func (o *observer) Accepted(ev *bellhop.Event, deliveries []bellhop.NewDelivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, "event "+ev.ID)
	for _, d := range deliveries {
		o.lines = append(o.lines, "delivery "+d.DeliveryID)
	}
}

func (o *observer) Recorded(r *bellhop.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, "result "+r.DeliveryID+" "+string(r.State))
}

func (o *observer) Noted(r *bellhop.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, "request "+r.ID+" "+string(r.Outcome))
}

// take returns the lines since the last call of take.
func (o *observer) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.lines
	o.lines = nil
	return lines
}

// observe shows that the observer is told of every new event and result, in order, and of nothing else.
func observe(w *world) {
	known := []bellhop.Event{w.event("known", nil)}
	w.accept(known, nil)
	w.equal("an event without deliveries", w.observer.take(), []string{"event " + known[0].ID})

	events := []bellhop.Event{w.event("", nil), w.event("known", nil), w.event("", nil)}
	owed := []bellhop.NewDelivery{{Event: 0, DestinationID: w.destination, Leased: true},
		{Event: 0, DestinationID: "dst_deleted"},
		{Event: 1, DestinationID: w.destination}, {Event: 2, DestinationID: w.destination, Leased: true},
		{Event: 2, DestinationID: w.destination}}
	w.accept(events, owed)
	w.equal("events with deliveries, one of them a repeat", w.observer.take(),
		[]string{"event " + events[0].ID, "delivery " + owed[0].DeliveryID, "delivery ",
			"event " + events[2].ID, "delivery " + owed[3].DeliveryID, "delivery " + owed[4].DeliveryID})

	nameless := w.event("", nil)
	nameless.Type = ""
	if _, err := w.Accept(w.ctx, nil, []bellhop.Event{w.event("", nil), nameless}, nil); err == nil {
		w.Error("an event without a type was accepted")
	}
	w.equal("a refused event", w.observer.take(), []string(nil))

	req := w.refusal()
	req.Outcome = bellhop.RequestPartial
	batch := []bellhop.Event{w.event("", nil)}
	accepted, err := w.Accept(w.ctx, &req, batch, nil)
	w.must(err)
	w.equal("a request with an event", w.observer.take(), []string{"event " + batch[0].ID,
		"request " + accepted.RequestID + " partial"})
	w.Note(w.refusal())
	w.must(w.Release(w.ctx, nil))
	w.must(w.Release(w.ctx, []string{owed[4].DeliveryID})) // a write after the note
	stored := w.requests()
	w.equal("a note", w.observer.take(), []string{"request " + stored[0].ID + " refused"})

	w.must(w.Record(w.result(owed[0].DeliveryID, 1, pending)))
	w.must(w.Record(w.result(owed[0].DeliveryID, 1, delivered))) // outdated
	w.must(w.Record(w.result(owed[3].DeliveryID, 1, delivered)))
	w.settle()
	got := w.observer.take()
	w.equal("results", got[:min(2, len(got))], []string{"result " + owed[0].DeliveryID + " pending",
		"result " + owed[3].DeliveryID + " delivered"})
	w.equal("the attempts of a delivery that was told", w.delivery(owed[3].DeliveryID).Attempts, 1)
}

// observeMany shows that the observer is told of an event before its sender is answered, also under load.
func observeMany(w *world) {
	var all sync.WaitGroup
	var mu sync.Mutex
	told := map[string]bool{}
	for range 16 {
		all.Go(func() {
			for range 20 {
				events := []bellhop.Event{w.event("", nil)}
				_, err := w.Accept(w.ctx, nil, events, nil)
				if err != nil {
					w.Error(err)
				}
				mu.Lock()
				for _, line := range w.observer.take() {
					told[line] = true
				}
				if !told["event "+events[0].ID] {
					w.Errorf("%s was not told before it was answered", events[0].ID)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	lines := []string{}
	for line := range told {
		lines = append(lines, line)
	}
	w.equal("events that were told", len(slices.Compact(slices.Sorted(slices.Values(lines)))), 16*20)
}
