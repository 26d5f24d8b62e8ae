package delivery

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An outcome is what an attempt makes of its delivery.
type outcome struct {
	state   bellhop.DeliveryState // delivered, dead, cancelled, or pending until nextAt
	nextAt  time.Time
	spared  bool      // the attempt does not count against the schedule
	fails   bool      // the destination was at fault, rather than the event
	disable bool      // the destination said that it wants nothing more
	rest    time.Time // until when it asked to be left alone; zero if it did not
	error   string
	detail  string
}

// Bounds of an outcome.
const (
	maxRetryAfter = 24 * time.Hour // for which a destination may ask to be left alone
	maxSpared     = 100            // attempts of a delivery that do not count against its schedule
)

// A try is what decide needs to know of an attempt beside what came back.
type try struct {
	counted int       // attempts that count against the schedule, this one included
	spared  int       // attempts before it that do not
	probe   bool      // it was made to find out whether a destination that is held back is there again
	born    time.Time // when its delivery began
}

// decide turns what came back from an attempt, ended at now, into an outcome. It is the only place that knows which answers
// are success, which are final and which are tried again.
//
//	2xx                        delivered
//	410                        dead; the destination is disabled
//	429, 503 with Retry-After  pending, no earlier than it says; after 429 the whole destination rests as long, and the attempt is spared
//	anything else, or nothing  pending by the schedule; dead when that is used up, or the delivery would be too old
//
// What the destination does not want is cancelled. What its own outcomes say comes before all of these, and then its provider's
// verdict; that may be to go by the status. A probe is spared.
func decide(r bellhop.Retry, t try, got answer, now time.Time, random float64) outcome {
	if got.skipped {
		return got.outcome(bellhop.DeliveryCancelled, false)
	}
	switch verdict(r.Outcomes, got) {
	case bellhop.OutcomeDelivered:
		return outcome{state: bellhop.DeliveryDelivered}
	case bellhop.OutcomeDisable:
		return got.outcome(bellhop.DeliveryDead, true)
	case bellhop.OutcomeDead:
		return got.outcome(bellhop.DeliveryDead, false)
	}
	o := got.outcome(bellhop.DeliveryPending, false)
	asked := got.asked(now)
	limited := got.status == http.StatusTooManyRequests && asked > 0
	if limited {
		o.rest = now.Add(asked)
	}
	o.fails = !limited && got.blamesDestination()
	o.spared = (t.probe && o.fails || limited) && t.spared < maxSpared && len(r.Schedule) > 0
	n := t.counted
	if o.spared {
		n = max(1, n-1) // as after the one before
	}
	wait, more := r.Schedule.Wait(n, random)
	switch {
	case !more:
		o.state = bellhop.DeliveryDead
		o.detail += fmt.Sprintf("; given up after %d attempts", t.counted+t.spared)
		return o
	case o.spared && limited:
		wait = 0
	}
	o.nextAt = now.Add(max(wait, asked))
	if r.MaxAge > 0 && o.nextAt.Sub(t.born) > r.MaxAge {
		o.state, o.nextAt, o.spared = bellhop.DeliveryDead, time.Time{}, false
		o.detail += "; given up, since at its next attempt it would be older than " + r.MaxAge.String()
	}
	return o
}

// blamesDestination reports whether what came back, which is to be tried again, says that the destination is in trouble: nothing, an
// error of its own, or nobody is let in. A 400 or 422 is about the event: the next may be taken.
func (got answer) blamesDestination() bool {
	switch got.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return got.err != "" || got.status >= 500 || got.status >= 300 && got.status < 400
}

// asked is how long a reply asks to be left alone.
func (got answer) asked(now time.Time) time.Duration {
	if got.status != http.StatusTooManyRequests && got.status != http.StatusServiceUnavailable {
		return 0
	}
	return min(maxRetryAfter, retryAfter(got.retryAfter, now))
}

// verdict is what a reply means, or that there is none; never "".
func verdict(own bellhop.Outcomes, got answer) bellhop.Outcome {
	if got.final {
		return bellhop.OutcomeDead
	}
	adjusted, ok := own.OfStatus(got.status)
	if got.err != "" {
		adjusted, ok = own.OfError(got.err)
	}
	switch {
	case ok:
		return adjusted
	case got.err != "":
		return bellhop.OutcomeRetry
	case got.verdict != "":
		return got.verdict
	case got.status >= 200 && got.status < 300:
		return bellhop.OutcomeDelivered
	case got.status == http.StatusGone:
		return bellhop.OutcomeDisable
	}
	return bellhop.OutcomeRetry
}

// outcome is that of an attempt that did not deliver.
func (got answer) outcome(state bellhop.DeliveryState, disable bool) outcome {
	o := outcome{state: state, disable: disable, error: got.err, detail: got.detail}
	if got.err == "" {
		o.error, o.detail = "status", "answered "+describeStatus(got.status)
		if got.status >= 200 && got.status < 300 {
			o.error, o.detail = "reply", o.detail+", which is no success here"
		}
	}
	return o
}

func describeStatus(status int) string {
	text := strconv.Itoa(status)
	if status >= 300 && status < 400 {
		return text + ": redirects are not followed"
	}
	if name := http.StatusText(status); name != "" {
		return text + " " + name
	}
	return text
}

// retryAfter reads a Retry-After header: seconds, or a date. Anything else, and the past, is zero.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" { // beyond the range of a number it is beyond the bound too
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
