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
	state   bellhop.DeliveryState // delivered, dead, or pending until nextAt
	nextAt  time.Time
	disable bool // the destination said that it is gone for good
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
//	429, 503 with Retry-After  pending, no earlier than it says
//	anything else, or nothing  pending by the schedule; dead when that is used up
func decide(schedule bellhop.Schedule, n int, got result, now time.Time, random float64) outcome {
	if got.err == "" && got.status >= 200 && got.status < 300 {
		return outcome{state: bellhop.DeliveryDelivered}
	}
	o := outcome{state: bellhop.DeliveryPending, error: got.err, detail: got.detail}
	if got.err == "" {
		o.error, o.detail = "status", "answered "+describeStatus(got.status)
	}
	if got.err == "" && got.status == http.StatusGone {
		o.state, o.disable = bellhop.DeliveryDead, true
		return o
	}
	if got.final {
		o.state = bellhop.DeliveryDead
		return o
	}
	wait, more := schedule.Wait(n, random)
	if !more {
		o.state = bellhop.DeliveryDead
		o.detail += fmt.Sprintf("; given up after %d attempts", n)
		return o
	}
	if got.status == http.StatusTooManyRequests || got.status == http.StatusServiceUnavailable {
		wait = max(wait, min(maxRetryAfter, retryAfter(got.retryAfter, now)))
	}
	o.nextAt = now.Add(wait)
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
