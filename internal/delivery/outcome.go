package delivery

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// An outcome is what an attempt makes of its delivery.
type outcome struct {
	state   bellhop.DeliveryState // delivered, dead, cancelled, or pending until nextAt
	nextAt  time.Time
	disable bool      // the destination said that it wants nothing more
	rest    time.Time // until when it asked to be left alone; zero if it did not
	error   string
	detail  string
}

// maxRetryAfter bounds how long a destination may ask to be left alone.
const maxRetryAfter = 24 * time.Hour

// decide turns what came back from attempt number n, ended at now, into an outcome. It is the only place that
// knows which answers are success, which are final and which are tried again.
//
//	2xx                        delivered
//	410                        dead; the destination is disabled
//	429, 503 with Retry-After  pending, no earlier than it says; after 429 the whole destination rests as long
//	anything else, or nothing  pending by the schedule; dead when that is used up
//
// What the destination does not want is cancelled. Where its provider judges a reply, the verdict comes before all of
// these; it may be to go by the status.
func decide(schedule bellhop.Schedule, n int, got answer, now time.Time, random float64) outcome {
	if got.skipped {
		return got.outcome(bellhop.DeliveryCancelled, false)
	}
	switch verdict(got) {
	case provider.Delivered:
		return outcome{state: bellhop.DeliveryDelivered}
	case provider.Stop:
		return got.outcome(bellhop.DeliveryDead, true)
	case provider.GiveUp:
		return got.outcome(bellhop.DeliveryDead, false)
	}
	o := got.outcome(bellhop.DeliveryPending, false)
	wait, more := schedule.Wait(n, random)
	var asked time.Duration
	if got.status == http.StatusTooManyRequests || got.status == http.StatusServiceUnavailable {
		asked = min(maxRetryAfter, retryAfter(got.retryAfter, now))
	}
	if got.status == http.StatusTooManyRequests && asked > 0 {
		o.rest = now.Add(asked)
	}
	if !more {
		o.state = bellhop.DeliveryDead
		o.detail += fmt.Sprintf("; given up after %d attempts", n)
		return o
	}
	o.nextAt = now.Add(max(wait, asked))
	return o
}

// verdict is what a reply means, or that there is none; never provider.ByStatus.
func verdict(got answer) provider.Verdict {
	switch {
	case got.final:
		return provider.GiveUp
	case got.err != "":
		return provider.Retry
	case got.verdict != provider.ByStatus:
		return got.verdict
	case got.status >= 200 && got.status < 300:
		return provider.Delivered
	case got.status == http.StatusGone:
		return provider.Stop
	}
	return provider.Retry
}

// outcome is that of an attempt that did not deliver.
func (got answer) outcome(state bellhop.DeliveryState, disable bool) outcome {
	o := outcome{state: state, disable: disable, error: got.err, detail: got.detail}
	if got.err == "" {
		o.error, o.detail = "status", "answered "+describeStatus(got.status)
		if got.status >= 200 && got.status < 300 {
			o.error, o.detail = "reply", o.detail+", and said that it did not take it"
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
