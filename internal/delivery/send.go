package delivery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// An answer is what came back from an attempt.
type answer struct {
	status     int
	retryAfter string
	reply      []byte
	err        string // "" when a reply came, whatever its status
	detail     string
	final      bool // trying again cannot help
	skipped    bool // the destination does not want it
	unsent     bool // nothing was sent
	verdict    bellhop.Outcome
}

// attempt makes the next attempt of batch, which mostly is one delivery, and records it for each: the one way an event
// leaves. A request is taken, or not, as a whole. Each delivery then has the state that it has from now on. probe is that it
// is to find out whether a destination that is held back is there again.
func (e *Engine) attempt(l *lane, batch []*bellhop.Delivery, probe bool) ended {
	dst := l.destination.Load()
	start := e.now()
	got := e.send(dst, batch, start)
	end := e.now()
	if e.ctx.Err() != nil && got.err == string(egress.ClassCanceled) {
		ids := make([]string, len(batch))
		for i, d := range batch {
			ids[i] = d.ID
		}
		e.release(ids) // cut off by Stop: not the destination's doing
		return ended{dst: dst}
	}
	random := e.opts.Random() // one for all, so that what failed together is due together
	after := ended{dst: dst, probe: probe, answered: got.status != 0, unsent: got.unsent}
	for _, d := range batch {
		o := decide(dst.Retry, tryOf(d, probe), got, end, random)
		e.record(l, dst, d, o, got, start, end)
		after.delivered, after.fails, after.rest, after.why = o.state == bellhop.DeliveryDelivered, o.fails, o.rest, o.detail
		after.refused = got.status != 0 && !after.delivered && !o.fails && o.rest.IsZero()
	}
	return after
}

// tryOf is the next attempt of d.
func tryOf(d *bellhop.Delivery, probe bool) try {
	t := try{counted: d.Attempts - d.Spared + 1, spared: d.Spared, probe: probe, born: d.CreatedAt}
	if t.born.IsZero() {
		t.born = d.Event.ReceivedAt
	}
	return t
}

// record keeps what an attempt made of d.
func (e *Engine) record(l *lane, dst *destination, d *bellhop.Delivery, o outcome, got answer, start, end time.Time) {
	n := d.Attempts + 1
	d.State = o.state
	err := e.opts.Store.Record(bellhop.Result{DeliveryID: d.ID, DestinationID: d.DestinationID, State: o.state, NextAt: o.nextAt, Spared: o.spared,
		Attempt: bellhop.Attempt{DeliveryID: d.ID, Number: n, StartedAt: start, Duration: end.Sub(start), Status: got.status,
			Error: o.error, Detail: o.detail, Reply: got.reply}})
	e.metrics.attempt(o, end.Sub(start), end.Sub(d.Event.ReceivedAt))
	e.log(d, n, o, got, end.Sub(start), err)
	switch o.state {
	case bellhop.DeliveryDead:
		l.noteDead(d, o)
	case bellhop.DeliveryPending:
		l.noteDue(o.nextAt)
	}
	if o.disable {
		e.disable(l, dst, "delivery "+d.ID+": it "+o.detail)
	}
}

// bury ends a delivery whose event was damaged in storage: what is not what was received is not delivered.
func (e *Engine) bury(l *lane, d *bellhop.Delivery) {
	now := e.now()
	o := outcome{state: bellhop.DeliveryDead, error: "damaged", detail: "the stored body does not match its checksum"}
	err := e.opts.Store.Record(bellhop.Result{DeliveryID: d.ID, DestinationID: d.DestinationID, State: o.state,
		Attempt: bellhop.Attempt{DeliveryID: d.ID, Number: d.Attempts + 1, StartedAt: now, Error: o.error, Detail: o.detail}})
	e.metrics.attempt(o, 0, 0)
	e.log(d, d.Attempts+1, o, answer{}, 0, err)
	l.noteDead(d, o)
	l.noteDue(now) // what waited behind it
}

// send renders batch and sends it, within the destination's timeout.
func (e *Engine) send(dst *destination, batch []*bellhop.Delivery, now time.Time) answer {
	if dst.performer != nil {
		return e.perform(dst, batch[0], now)
	}
	if dst.render == nil {
		return answer{err: errorOff, detail: dst.StateReason, unsent: true}
	}
	m, err := dst.renderSafely(batch, provider.AttemptInfo{DeliveryID: batch[0].ID, Attempt: batch[0].Attempts + 1, Time: now, URL: dst.URL, ExpiresAt: dst.ExpiresAt})
	if err != nil && len(batch) > 1 { // one of them is at fault; each goes alone the next time
		return answer{err: errorRender, detail: "as one of a batch: " + err.Error(), unsent: true}
	}
	if errors.Is(err, provider.ErrSkip) {
		return answer{err: errorSkipped, detail: err.Error(), skipped: true, unsent: true}
	}
	if err != nil {
		return answer{err: errorRender, detail: err.Error(), final: true, unsent: true}
	}
	// A context that cannot end is the cheapest; Stop cuts attempts off by closing the client.
	reply, err := e.exchange(context.Background(), dst.access, &egress.Request{Target: dst.target, Method: m.method, Header: m.header, Body: m.body,
		Timeout: dst.Timeout, ReplyBytes: bellhop.MaxReplyBytes})
	if err != nil {
		var failure *egress.Error
		if !errors.As(err, &failure) {
			return answer{err: "network", detail: err.Error()}
		}
		detail := failure.Detail
		if failure.Sent {
			detail += unknown
		}
		unsent := failure.Class == errorToken || failure.Class == errorRender
		return answer{err: string(failure.Class), detail: detail, unsent: unsent}
	}
	got := answer{status: reply.Status, retryAfter: reply.RetryAfter, reply: reply.Body}
	if dst.judge != nil {
		got.verdict = e.judgeSafely(dst, reply.Status, reply.Body)
	}
	return got
}

// unknown is added to the detail of an attempt of which bytes may have left, but no whole reply came: only after one of
// those can the next be a repeat to the receiver.
const unknown = "; whether it was taken is unknown"

// log writes the attempt's line: those that failed for operators, those that passed for us.
func (e *Engine) log(d *bellhop.Delivery, n int, o outcome, got answer, took time.Duration, recordErr error) {
	level := slog.LevelDebug
	if o.state != bellhop.DeliveryDelivered || recordErr != nil {
		level = slog.LevelInfo
	}
	if !e.opts.Logger.Enabled(e.ctx, level) {
		return
	}
	args := []any{"component", "delivery", "delivery_id", d.ID, "event_id", d.EventID, "destination_id", d.DestinationID,
		"attempt", n, "state", o.state, "status", got.status, "duration_ms", took.Milliseconds()}
	if o.error != "" {
		args = append(args, "error", o.error, "detail", o.detail)
	}
	if !o.nextAt.IsZero() {
		args = append(args, "next_at", o.nextAt)
	}
	if recordErr != nil {
		args = append(args, "record_error", recordErr)
	}
	e.opts.Logger.Log(e.ctx, level, "delivery.attempted", args...)
}
