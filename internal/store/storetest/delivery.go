package storetest

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

const (
	pending   = bellhop.DeliveryPending
	leased    = bellhop.DeliveryLeased
	delivered = bellhop.DeliveryDelivered
	dead      = bellhop.DeliveryDead
	cancelled = bellhop.DeliveryCancelled
)

// in returns the id of a new delivery in that state.
func (w *world) in(state bellhop.DeliveryState) (id string) {
	w.Helper()
	id = w.owe(state != pending && state != cancelled)
	switch state {
	case delivered, dead:
		w.record(w.result(id, 1, state))
	case cancelled:
		_, err := w.CancelDelivery(w.ctx, id)
		w.must(err)
	}
	return id
}

// changeDelivery shows in which states a delivery can be retried and cancelled.
func changeDelivery(w *world) {
	for _, c := range []struct {
		do       string
		from, to bellhop.DeliveryState // to is "" for a conflict
	}{
		{"retry", pending, pending},
		{"retry", leased, ""},
		{"retry", delivered, ""},
		{"retry", dead, pending},
		{"retry", cancelled, pending},
		{"cancel", pending, cancelled},
		{"cancel", leased, ""},
		{"cancel", delivered, ""},
		{"cancel", dead, ""},
		{"cancel", cancelled, ""},
	} {
		id := w.in(c.from)
		w.clock.pass(time.Minute)
		before := w.delivery(id)
		got, err := map[string]func(context.Context, string) (bellhop.Delivery, error){"retry": w.RetryDelivery,
			"cancel": w.CancelDelivery}[c.do](w.ctx, id)
		if c.to == "" {
			w.refused(c.do+" while "+string(c.from), err, bellhop.CodeConflict)
			w.equal("the delivery", w.delivery(id), before)
			continue
		}
		w.must(err)
		want := before
		want.State, want.UpdatedAt, want.NextAt = c.to, w.clock.now(), time.Time{}
		if c.to == pending {
			want.NextAt, want.Spared = w.clock.now(), want.Attempts // its schedule begins anew
		}
		w.equal(c.do+" while "+string(c.from), got, want)
		w.equal("the delivery", w.delivery(id), want)
	}
	for _, id := range []string{"", "dlv_", "dlv_nonsense", "evt_0000000000000000"} {
		_, err := w.RetryDelivery(w.ctx, id)
		w.refused("retry of "+id, err, bellhop.CodeNotFound)
		_, err = w.CancelDelivery(w.ctx, id)
		w.refused("cancel of "+id, err, bellhop.CodeNotFound)
		_, err = w.Delivery(w.ctx, id)
		w.refused("read of "+id, err, bellhop.CodeNotFound)
	}
}

// retryContinues shows that a dead delivery that is retried goes on counting its attempts.
func retryContinues(w *world) {
	id := w.in(dead)
	_, err := w.RetryDelivery(w.ctx, id)
	w.must(err)
	due, err := w.Claim(w.ctx, w.destination, 1, 1<<20)
	w.must(err)
	w.equal("attempts so far", due[0].Attempts, 1)
	w.record(w.result(id, 2, delivered))
	list, err := w.Attempts(w.ctx, id)
	w.must(err)
	w.equal("attempts", len(list), 2)
}
