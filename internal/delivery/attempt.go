package delivery

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// A lesson is what a lane learns from one attempt. After an attempt that a stop cut off, its decision is zero.
type lesson struct {
	dst   *destination
	probe bool // it probed a destination that is held back
	// returns is Engine.returns as the attempt began.
	returns int64
	unmade  bool // there was no attempt: the deliveries wait as before
	decision
}

// attempt makes the next attempt of batch, which is mostly one delivery, and records it for each of them: the
// only way in which an event leaves. The receiver takes the request as a whole, or not. Each delivery then has
// its new state. probe says that the attempt probes whether a destination that is held back is there again.
func (e *Engine) attempt(l *lane, batch []*bellhop.Delivery, probe bool) lesson {
	dst := l.destination.Load()
	start, returns := e.now(), e.returns.Load()
	ctx, span := e.traceAttempt(e.ctx, dst, batch)
	defer span.End()
	reply := outbound.Reply{Class: outbound.Unsent, Error: outbound.ErrorSettings, Detail: dst.StateReason}
	if dst.target != nil {
		reply = dst.target.Send(ctx, batch, start)
	}
	end := e.now()
	if e.ctx.Err() != nil && reply.Class == outbound.Cancelled {
		ids := make([]string, len(batch))
		for i, d := range batch {
			ids[i] = d.ID
		}
		e.release(ids) // the next process repeats the attempt
		return lesson{dst: dst}
	}
	if reply.Class == outbound.Unmade {
		return lesson{dst: dst, returns: returns, unmade: true,
			decision: decision{parked: reply.Parked, detail: reply.Detail, unsent: true}}
	}
	a := lesson{dst: dst, probe: probe, returns: returns, decision: decide(dst.Retry, reply, end)}
	if a.short {
		e.warnShort(a.detail, end)
	}
	random := e.opts.Random() // one for all, so that deliveries which failed together are due together
	for i, d := range batch {
		result := a.resultOf(d, reply, start, end, random)
		if i == 0 {
			describeAttempt(span, &result)
		}
		e.record(l, d, result, e.opts.Store.Record)
		if a.disable {
			e.disable(l, dst, "delivery "+d.ID+": it "+a.detail)
		}
	}
	return a
}

// resultOf returns the result of an attempt of d that lasted from start to end.
func (a *lesson) resultOf(d *bellhop.Delivery, reply outbound.Reply, start, end time.Time,
	random float64) bellhop.Result {
	result := a.result(a.dst.Retry, tryOf(d, a.probe), end, random)
	result.Attempt.StartedAt, result.Attempt.Duration = start, end.Sub(start)
	result.Attempt.Status, result.Attempt.Reply, result.Progress = reply.Status, reply.Body, reply.Progress
	return result
}

// Try makes one attempt for ev with a destination that need not be stored, and returns the attempt with the state that
// a first attempt of a delivery would bring about. The attempt waits for no lane, limit or breaker; it is not recorded
// or counted, and changes nothing. An error is one of the settings, as [outbound.Opener.Open] has them.
func (e *Engine) Try(ctx context.Context, d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error) {
	target, err := e.opts.Opener.Open(d)
	if err != nil {
		return bellhop.Result{}, err
	}
	start := e.now()
	tried := &bellhop.Delivery{ID: bellhop.PrefixDelivery + "try", EventID: ev.ID, DestinationID: d.ID, Event: &ev,
		CreatedAt: start}
	reply := target.Send(ctx, []*bellhop.Delivery{tried}, start)
	end := e.now()
	a := lesson{dst: &destination{Destination: d}, decision: decide(d.Retry, reply, end)}
	result := a.resultOf(tried, reply, start, end, 0.5)
	result.Attempt.Number = 1
	return result, nil
}

// record stores the result of an attempt of d by keep, and returns the error of that.
func (e *Engine) record(l *lane, d *bellhop.Delivery, r bellhop.Result, keep func(bellhop.Result) error) error {
	r.DeliveryID, r.DestinationID = d.ID, d.DestinationID
	r.Attempt.DeliveryID, r.Attempt.Number = d.ID, d.Attempts+1
	r.Event = d.Event.Label()
	d.State = r.State
	err := keep(r)
	e.metrics.attempt(&r, r.Attempt.StartedAt.Add(r.Attempt.Duration).Sub(d.Event.ReceivedAt))
	e.log(l.name(), d, &r, err)
	switch r.State {
	case bellhop.DeliveryDead:
		l.noteDead(d, &r.Attempt)
	case bellhop.DeliveryPending:
		l.noteDue(r.NextAt)
	}
	return err
}

// recordDamaged ends a delivery whose event was damaged in storage: its body is not the one that was received.
func (e *Engine) recordDamaged(l *lane, d *bellhop.Delivery) {
	now := e.now()
	e.record(l, d, bellhop.Result{State: bellhop.DeliveryDead,
		Attempt: bellhop.Attempt{StartedAt: now, Error: "damaged", Detail: "the stored body does not match its " +
			"checksum"}},
		e.opts.Store.Record)
	l.noteDue(now) // of deliveries that waited behind it
}

// warnEvery is how often a shortage of this machine is logged at most.
const warnEvery = time.Minute

// warnShort logs that this machine was short of a resource at now, as detail says.
func (e *Engine) warnShort(detail string, now time.Time) {
	last := e.warnedShort.Load()
	if last != 0 && now.UnixNano()-last < int64(warnEvery) || !e.warnedShort.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	e.opts.Logger.Warn("machine.short", "component", "delivery", "detail", detail,
		"meaning", "attempts are repeated later and use up no try; see the limit of open files (ulimit -n), "+
			"memory and local ports")
}

// log writes the attempt's line: at level info if it failed, otherwise at level debug. name is the destination's.
func (e *Engine) log(name string, d *bellhop.Delivery, r *bellhop.Result, recordErr error) {
	level := slog.LevelDebug
	if r.State != bellhop.DeliveryDelivered || recordErr != nil {
		level = slog.LevelInfo
	}
	if !e.opts.Logger.Enabled(e.ctx, level) {
		return
	}
	args := []any{"component", "delivery", "delivery_id", d.ID, "event_id", d.EventID, "destination_id",
		d.DestinationID, "destination", name, "attempt", r.Attempt.Number, "state", r.State, "status",
		r.Attempt.Status, "duration_ms", r.Attempt.Duration.Milliseconds()}
	if r.Attempt.Error != "" {
		args = append(args, "error", r.Attempt.Error, "detail", r.Attempt.Detail)
	}
	if !r.NextAt.IsZero() {
		args = append(args, "next_at", r.NextAt)
	}
	if recordErr != nil {
		args = append(args, "record_error", recordErr)
	}
	e.opts.Logger.Log(e.ctx, level, "delivery.attempted", args...)
}

// A decision is what a reply means. It is the same for all deliveries of the attempt; result makes of it the
// result of each. The zero decision says nothing about the destination.
type decision struct {
	state   bellhop.DeliveryState // of the deliveries; pending ones die if their schedule is used up
	error   string                // of the attempts; "" if they delivered
	detail  string
	disable bool // the destination refuses all deliveries

	// What the reply says about the destination. At most one of delivered, refused and fails holds.
	answered bool           // an HTTP reply came, or a program that pulled gave the attempt up; false for an action
	fails    bool           // the destination is at fault, rather than the event
	limited  bool           // it asked for a rest of all deliveries
	asked    time.Duration  // how long it asked to wait
	delay    *time.Duration // when a program that pulled wants the next attempt; nil is by the schedule
	rest     time.Time      // until when it asked for a rest of all deliveries; zero if it did not
	unsent   bool           // nothing was sent, so that no rate was used
	short    bool           // this machine was short of a resource

	continueAt time.Time // when an action continues its work; zero if it is done or failed
	parked     string    // id of what an action waits for: a connection, or its own destination; "" if it is nothing
}

// delivered reports whether the receiver took the events.
func (d *decision) delivered() bool { return d.state == bellhop.DeliveryDelivered }

// refused reports whether the receiver is there and refused the events for what they are.
func (d *decision) refused() bool {
	return d.answered && !d.delivered() && !d.fails && d.rest.IsZero()
}

// alive reports whether the reply shows that the destination is there.
func (d *decision) alive() bool { return d.delivered() || d.refused() || !d.continueAt.IsZero() }

// Bounds of a decision.
const (
	maxRetryAfter = 24 * time.Hour // for which a destination may ask for a rest
	maxSpared     = 100            // attempts of a delivery that do not count against its schedule
)

// decide returns what a reply means, for an attempt that ended at now. It is the only place that knows which
// replies are success, which are final and which are tried again.
//
//	2xx                        delivered
//	410                        dead; the destination is disabled
//	429, 503 with Retry-After  pending, no earlier than it says; after 429 the whole destination rests as long,
//	                           and the attempt is spared
//	an action continues        pending, at the time that it asked for; the attempt is spared
//	an action is parked        pending, until its connection is back, or somebody listens; the attempt is spared
//	a program gives it up      pending, after the delay that it asked for, or by the schedule
//	this machine is short      pending, after a pause of this gateway's own; the attempt is spared
//	anything else, or nothing  pending by the schedule; dead if that is used up, or the delivery would be too old
//
// An event that the destination's settings exclude is cancelled. The destination's own outcomes come before
// this table, and then the outcome of its provider, if it has one.
func decide(r bellhop.Retry, reply outbound.Reply, now time.Time) decision {
	d := decision{answered: reply.Status != 0 || reply.Refused, delay: reply.Delay,
		unsent: reply.Class == outbound.Unsent || reply.Class == outbound.Skipped}
	switch outcome := outcomeOf(r.Outcomes, reply); {
	case reply.Class == outbound.Short:
		d.state, d.short, d.unsent = bellhop.DeliveryPending, true, true
	case reply.Class == outbound.Skipped:
		d.state = bellhop.DeliveryCancelled
	case reply.Parked != "":
		d.state, d.parked = bellhop.DeliveryPending, reply.Parked
	case outcome == bellhop.OutcomeRetry && !reply.Continue.IsZero():
		d.state, d.continueAt = bellhop.DeliveryPending, reply.Continue
		return d
	case outcome == bellhop.OutcomeDelivered:
		d.state = bellhop.DeliveryDelivered
		return d
	case outcome == bellhop.OutcomeDead || outcome == bellhop.OutcomeDisable:
		d.state, d.disable = bellhop.DeliveryDead, outcome == bellhop.OutcomeDisable
	default:
		d.state = bellhop.DeliveryPending
		d.asked = requestedRest(reply, now)
		d.limited = reply.Status == http.StatusTooManyRequests && d.asked > 0
		if d.limited {
			d.rest = now.Add(d.asked)
		}
		d.fails = !d.limited && blamesDestination(reply)
	}
	d.error, d.detail = reply.Error, reply.Detail
	if reply.Error == "" {
		d.error, d.detail = "status", reply.Describe()
		if reply.Status >= 200 && reply.Status < 300 {
			d.error, d.detail = "reply", d.detail+", which is no success here"
		}
	}
	return d
}

// A try is what result needs to know about one delivery.
type try struct {
	counted int       // attempts that count against the schedule, including this one
	spared  int       // earlier attempts that do not
	probe   bool      // this attempt probed a destination that is held back
	born    time.Time // when the delivery was made
}

// tryOf returns the next attempt of d.
func tryOf(d *bellhop.Delivery, probe bool) try {
	t := try{counted: d.Attempts - d.Spared + 1, spared: d.Spared, probe: probe, born: d.CreatedAt}
	if t.born.IsZero() {
		t.born = d.Event.ReceivedAt
	}
	return t
}

// result returns the decision's result for one delivery. A probe that fails is spared, and so is an attempt
// that the destination put off, or that an action continues or parks. A parked delivery is due at once, but its lane
// rests. It never grows too old: retry.max_age counts again at the first attempt after the connection is back.
func (d *decision) result(r bellhop.Retry, t try, now time.Time, random float64) bellhop.Result {
	result := bellhop.Result{State: d.state, Attempt: bellhop.Attempt{Error: d.error, Detail: d.detail}}
	if d.state != bellhop.DeliveryPending {
		return result
	}
	if !d.continueAt.IsZero() {
		result.Spared, result.NextAt = true, now
		if d.continueAt.After(now) {
			result.NextAt = d.continueAt
		}
		return limitAge(result, r.MaxAge, t.born)
	}
	if d.parked != "" {
		result.Spared, result.NextAt = true, now
		return result
	}
	if d.short && t.spared < maxSpared {
		result.Spared, result.NextAt = true, now.Add(shortWait(time.Second, time.Minute, t.spared, random))
		return limitAge(result, r.MaxAge, t.born)
	}
	result.Spared = (t.probe && d.fails || d.limited) && t.spared < maxSpared && len(r.Schedule) > 0
	n := t.counted
	if result.Spared {
		n = max(1, n-1) // the wait after the attempt before
	}
	wait, more := r.Schedule.Wait(n, random)
	switch {
	case !more:
		result.State = bellhop.DeliveryDead
		result.Attempt.Detail += "; given up after " + bellhop.Count(t.counted+t.spared, "attempt")
		return result
	case result.Spared && d.limited:
		wait = 0
	}
	result.NextAt = now.Add(max(wait, d.asked))
	if d.delay != nil {
		result.NextAt = now.Add(*d.delay)
	}
	return limitAge(result, r.MaxAge, t.born)
}

// shortWait returns the pause after an attempt for which this machine was short: least, doubled by each of the n such
// attempts before, and at most most. random, in [0, 1), chooses it within bellhop.Jitter.
func shortWait(least, most time.Duration, n int, random float64) time.Duration {
	wait := float64(min(most, least<<min(n, 20)))
	return time.Duration(wait + wait*bellhop.Jitter*(2*random-1))
}

// limitAge ends a pending delivery that was made at born, if it would be older than limit at its next attempt.
// A limit of 0 is none.
func limitAge(result bellhop.Result, limit time.Duration, born time.Time) bellhop.Result {
	if limit <= 0 || result.NextAt.Sub(born) <= limit {
		return result
	}
	if result.Attempt.Error == "" {
		result.Attempt.Error, result.Attempt.Detail = "unfinished", "its work is not done"
	}
	result.State, result.NextAt, result.Spared = bellhop.DeliveryDead, time.Time{}, false
	result.Attempt.Detail += "; given up, since at its next attempt it would be older than " + limit.String()
	return result
}

// outcomeOf returns the outcome of a reply; never "".
func outcomeOf(own bellhop.Outcomes, reply outbound.Reply) bellhop.Outcome {
	if reply.Final {
		return bellhop.OutcomeDead
	}
	adjusted, ok := own.OfStatus(reply.Status)
	if reply.Error != "" {
		adjusted, ok = own.OfError(reply.Error)
	}
	switch {
	case ok:
		return adjusted
	case reply.Error != "":
		return bellhop.OutcomeRetry
	case reply.Outcome != "":
		return reply.Outcome
	case reply.Status >= 200 && reply.Status < 300:
		return bellhop.OutcomeDelivered
	case reply.Status == http.StatusGone:
		return bellhop.OutcomeDisable
	}
	return bellhop.OutcomeRetry
}

// blamesDestination reports whether a reply that is tried again shows that the destination is in trouble: there
// was no reply, or an error of the server, or nobody is let in. A 400 or 422 concerns the event: the next one
// may be taken.
func blamesDestination(reply outbound.Reply) bool {
	switch reply.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return reply.Error != "" && !reply.Refused || reply.Status >= 500 || reply.Status >= 300 && reply.Status < 400
}

// requestedRest returns for how long a reply asks to send nothing.
func requestedRest(reply outbound.Reply, now time.Time) time.Duration {
	if reply.Status != http.StatusTooManyRequests && reply.Status != http.StatusServiceUnavailable {
		return 0
	}
	return min(maxRetryAfter, parseRetryAfter(reply.RetryAfter, now))
}

// parseRetryAfter reads a Retry-After header: seconds, or a date. Anything else, and a date in the past, is zero.
func parseRetryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil { // a number out of range is beyond the bound too
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
