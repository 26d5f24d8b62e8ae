package delivery

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/trace"
)

// This file keeps leases: the attempts of destinations of type pull, each from the pull to its ack or nack or to the
// end of its time. Leases are in memory, and their deliveries are leased in the table. So a restart ends all leases,
// and their deliveries are due again.

// A lease is an attempt of a delivery that a program makes. Its lane's mu guards the fields from token on.
type lease struct {
	lane     *lane
	dst      *destination
	delivery *bellhop.Delivery // once it is granted, without the body and the header of its event
	probe    bool              // see lesson
	returns  int64
	began    time.Time

	token   string // "" until it is granted
	endsAt  time.Time
	timer   *time.Timer // calls expire
	renewed int         // how often it was extended, so that a timer that fired before is ignored
	ending  bool        // somebody ends it: nobody else does
	span    trace.Span  // of the attempt; whoever ends it ends the span
}

// settleTime is how long an ack or a nack waits for the disk.
const settleTime = 10 * time.Second

// errEnding answers a second ack or nack while the first one waits for the disk.
var errEnding = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "an ack or a nack of this lease is being written: ask again whether it counts"}

// render returns the form of the delivery of x, or ok is false and why says why there is none.
func (x *lease) render(ctx context.Context) (form outbound.Form, why outbound.Reply, ok bool) {
	ctx, x.span = x.lane.engine.traceAttempt(ctx, x.dst, []*bellhop.Delivery{x.delivery})
	return x.dst.target.Form(ctx, x.delivery, x.began)
}

// grant begins the lease of x, and frees the memory of its event. It reports false if the lane has stopped.
func (x *lease) grant(form outbound.Form) (granted bellhop.Lease, ok bool) {
	l, d := x.lane, *x.delivery
	ev := *d.Event
	ev.Body, ev.Header = nil, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return granted, false
	}
	l.addBytes(weight(&ev) - weight(d.Event))
	d.Event, d.Progress = &ev, nil
	x.delivery = &d
	x.token = bellhop.LeaseToken(d.ID, d.Attempts+1, rand.Text())
	l.pulls.leases[d.ID] = x
	l.engine.metrics.leases.Inc()
	x.setEnd(l.engine.now(), x.dst.Timeout)
	return bellhop.Lease{Token: x.token, DeliveryID: d.ID, Attempt: d.Attempts + 1, Event: ev, EndsAt: x.endsAt,
		Header: form.Header, Body: form.Body}, true
}

// setEnd makes x end after a time from now. The caller holds the lane's mu.
func (x *lease) setEnd(now time.Time, after time.Duration) {
	x.endsAt = now.Add(after)
	if x.timer != nil {
		x.timer.Stop()
	}
	x.renewed++
	as := x.renewed
	x.timer = time.AfterFunc(after, func() { x.expire(as) })
}

// expire ends x as an attempt that got no answer in time, unless it was extended since.
func (x *lease) expire(as int) {
	l := x.lane
	l.mu.Lock()
	if l.pulls.leases[x.delivery.ID] != x || x.ending || x.renewed != as {
		l.mu.Unlock()
		return
	}
	x.ending = true
	lasted := l.engine.now().Sub(x.began).Round(time.Millisecond)
	l.mu.Unlock()
	l.engine.metrics.leaseEnded("expired")
	x.end(outbound.Reply{Class: outbound.Failed, Error: "timeout",
		Detail: "no ack within " + lasted.String() + ", when the lease ended" + outbound.Unknown},
		l.engine.opts.Store.Record)
}

// Ack ends the lease that token names: its delivery is delivered. That is on disk when Ack returns. The error is
// bellhop.ErrNoLease if there is no such lease, and bellhop.CodeUnavailable if the disk cannot take it soon; it is
// then written as soon as that is possible.
func (e *Engine) Ack(ctx context.Context, destinationID, deliveryID, token string) error {
	return e.settle(ctx, destinationID, deliveryID, token, "acked",
		outbound.Reply{Class: outbound.Answered, Outcome: bellhop.OutcomeDelivered})
}

// Nack ends the lease that token names: its attempt has failed, and the next one is due after the delay of n or by the
// schedule. Its errors are those of Ack.
func (e *Engine) Nack(ctx context.Context, destinationID, deliveryID, token string, n bellhop.Nack) error {
	detail := "the program gave it up"
	if n.Detail != "" {
		detail += ": " + n.Detail
	}
	return e.settle(ctx, destinationID, deliveryID, token, "nacked", outbound.Reply{Class: outbound.Failed,
		Error: bellhop.ErrorNacked, Detail: detail, Refused: true, Delay: n.Delay})
}

// settle ends the lease that token names with reply, and waits for the disk.
func (e *Engine) settle(ctx context.Context, destinationID, deliveryID, token, outcome string,
	reply outbound.Reply) error {
	x, err := e.find(destinationID, deliveryID, token)
	if err != nil {
		return err
	}
	x.lane.mu.Lock()
	if x.ending {
		x.lane.mu.Unlock()
		return errEnding
	}
	x.ending = true
	x.timer.Stop()
	x.lane.mu.Unlock()
	e.metrics.leaseEnded(outcome)
	// The caller may have gone: the attempt ends all the same.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return x.end(reply, func(r bellhop.Result) error {
		stored, err := e.opts.Store.Settle(limited, r)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return &bellhop.Error{Code: bellhop.CodeUnavailable, Err: err,
				Message: "the storage cannot take it now; it is kept, and counts once it is written"}
		case err == nil && !stored:
			return bellhop.ErrNoLease
		}
		return err
	})
}

// Extend makes the lease that token names end after a time from now; 0 is the timeout of the destination. No lease
// lasts longer than bellhop.MaxLease. It returns when the lease ends. The error is bellhop.ErrNoLease if there is no
// such lease.
func (e *Engine) Extend(destinationID, deliveryID, token string, by time.Duration) (endsAt time.Time, err error) {
	x, err := e.find(destinationID, deliveryID, token)
	if err != nil {
		return endsAt, err
	}
	x.lane.mu.Lock()
	defer x.lane.mu.Unlock()
	if x.ending {
		return endsAt, bellhop.ErrNoLease
	}
	if by == 0 {
		by = x.dst.Timeout
	}
	now := e.now()
	x.setEnd(now, max(0, min(by, x.began.Add(bellhop.MaxLease).Sub(now))))
	return x.endsAt, nil
}

// find returns the lease of a delivery that token names.
func (e *Engine) find(destinationID, deliveryID, token string) (*lease, error) {
	l := e.lanes.Load().byID[destinationID]
	if l == nil || l.pulls == nil {
		return nil, bellhop.ErrNoLease
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.pulls.leases[deliveryID]
	if x == nil || subtle.ConstantTimeCompare([]byte(x.token), []byte(token)) == 0 {
		return nil, bellhop.ErrNoLease
	}
	return x, nil
}

// PutBack ends leases whose program did not get them: their deliveries are due now, and no attempt was made.
func (e *Engine) PutBack(destinationID string, leases []bellhop.Lease) {
	var back []*lease
	for _, granted := range leases {
		x, err := e.find(destinationID, granted.DeliveryID, granted.Token)
		if err != nil {
			continue
		}
		x.lane.mu.Lock()
		ends := !x.ending
		if ends {
			x.ending = true
			x.timer.Stop()
		}
		x.lane.mu.Unlock()
		if ends {
			e.metrics.leaseEnded("returned")
			back = append(back, x)
		}
	}
	if len(back) > 0 {
		back[0].lane.putBack(back)
	}
}

// putBack ends attempts that were not made. The caller has seen to it that nobody else ends them.
func (l *lane) putBack(back []*lease) {
	if len(back) == 0 {
		return
	}
	batch := make([]*bellhop.Delivery, len(back))
	for i, x := range back {
		batch[i] = x.delivery
	}
	l.drop(back...)
	l.mu.Lock()
	for range back[1:] { // finish gives back the first
		l.pacer.bucket.giveBack()
	}
	l.mu.Unlock()
	l.finish(batch, lesson{dst: back[0].dst, unmade: true, decision: decision{unsent: true}})
	l.goOn()
	l.engine.attempts.Add(-len(back))
}

// end ends the attempt of x with reply, which keep stores, and lets the lane go on. It returns the error of keep.
func (x *lease) end(reply outbound.Reply, keep func(bellhop.Result) error) error {
	l, e := x.lane, x.lane.engine
	now := e.now()
	a := lesson{dst: x.dst, probe: x.probe, returns: x.returns, decision: decide(x.dst.Retry, reply, now)}
	result := a.resultOf(x.delivery, reply, x.began, now, e.opts.Random())
	describeAttempt(x.span, &result)
	x.span.End()
	err := e.record(l, x.delivery, result, keep)
	if a.disable {
		e.disable(l, x.dst, "delivery "+x.delivery.ID+": it "+a.detail)
	}
	l.drop(x)
	l.finish([]*bellhop.Delivery{x.delivery}, a)
	l.goOn()
	e.attempts.Done()
	return err
}

// drop forgets attempts that have ended.
func (l *lane) drop(ended ...*lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range ended {
		l.active--
		if l.pulls.leases[x.delivery.ID] == x {
			delete(l.pulls.leases, x.delivery.ID)
			l.engine.metrics.leases.Dec()
		}
	}
	if l.pulls.emptied != nil && len(l.pulls.leases) == 0 {
		close(l.pulls.emptied)
		l.pulls.emptied = nil
	}
}

// goOn serves the pulls that waited for the end of an attempt.
func (l *lane) goOn() {
	l.mu.Lock()
	l.serve()
	l.claimIfDue(l.engine.now())
	var back []string
	if len(l.pulls.waiting) == 0 { // the end of an attempt brought forth the next delivery of its key
		back = l.empty()
	}
	l.mu.Unlock()
	l.giveBack(back)
}

// revoke ends all leases of the lane without a result, unless somebody ends them already, and returns the ids of their
// deliveries. They stay leased in the table.
func (l *lane) revoke() (ids []string) {
	if l.pulls == nil {
		return nil
	}
	l.mu.Lock()
	var ended []*lease
	for id, x := range l.pulls.leases {
		if !x.ending {
			x.ending = true
			x.timer.Stop()
			ended, ids = append(ended, x), append(ids, id)
			l.addBytes(-weight(x.delivery.Event))
		}
	}
	l.mu.Unlock()
	l.drop(ended...)
	l.engine.attempts.Add(-len(ended))
	return ids
}

// EndLeases waits until the leases of an engine that was halted have ended, or ctx ends. Acks and nacks go on to be
// taken.
func (e *Engine) EndLeases(ctx context.Context) {
	for _, l := range e.lanes.Load().byID {
		if l.pulls == nil {
			continue
		}
		l.mu.Lock()
		var emptied chan struct{}
		if len(l.pulls.leases) > 0 {
			emptied = make(chan struct{})
			l.pulls.emptied = emptied
		}
		l.mu.Unlock()
		if emptied == nil {
			continue
		}
		select {
		case <-emptied:
		case <-ctx.Done():
			return
		}
	}
}

// abandonLeases ends the leases of an engine that stops. Their deliveries are due for the next process.
func (e *Engine) abandonLeases() {
	for _, l := range e.lanes.Load().byID {
		l.revoke()
	}
}
