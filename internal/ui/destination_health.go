package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file shows how a destination fares: how much it takes, how long that lasts, what goes wrong, and when a failed
// delivery is tried again.

// healthSample is how many of the newest deliveries to a destination are looked at.
const healthSample = 50

// A health is how the latest attempts at a destination went.
type health struct {
	Charts  charts // of the latest hour
	Sample  int    // newest deliveries with an attempt
	Middle  string // of how long their latest attempts took; "" without any
	Longest string
	Errors  []faultCount // of their latest attempts, the most frequent first
}

// A faultCount is how often an error happened.
type faultCount struct {
	Error string
	Count int
	To    link // the deliveries that have it
}

// healthOf returns how a destination fares, and the newest deliveries to it, or that those are not found soon.
func (v *visit) healthOf(d client.Destination) (h health, newest []client.Delivery, slow bool, err error) {
	filter := client.SeriesFilter{Destination: d.ID}
	series, err := v.API.Series(v.ctx, filter)
	if err != nil {
		return h, nil, false, err
	}
	h.Charts = newCharts(series, filter)
	h.Charts.From = destinationPath(d)
	all, slow, err := v.newestTo(d, healthSample)
	h.sample(d, all)
	return h, all[:min(len(all), shownOnOverview)], slow, err
}

// newestTo returns at most so many of the newest deliveries to a destination, or that they are not found soon.
func (v *visit) newestTo(d client.Destination, limit int) (newest []client.Delivery, slow bool, err error) {
	ctx, cancel := v.soon()
	defer cancel()
	l, err := v.API.Deliveries(ctx, client.DeliveryFilter{Destination: d.ID}, client.Page{Limit: limit})
	if err != nil && ctx.Err() != nil && v.ctx.Err() == nil {
		return nil, true, nil
	}
	return l.Data, l.Incomplete, err
}

// sample sums up the latest attempts of deliveries to d.
func (h *health) sample(d client.Destination, deliveries []client.Delivery) {
	var durations []float64
	errors := map[string]int{}
	for _, each := range deliveries {
		if each.Last == nil {
			continue
		}
		durations = append(durations, each.Last.DurationMS)
		if text := errorOf(*each.Last); text != "" {
			errors[text]++
		}
	}
	h.Sample = len(durations)
	if h.Sample == 0 {
		return
	}
	slices.Sort(durations)
	h.Middle, h.Longest = took(durations[(len(durations)-1)/2]), took(durations[len(durations)-1])
	for text, n := range errors {
		h.Errors = append(h.Errors, faultCount{text, n, withQuery(Root+"deliveries",
			map[string][]string{"destination": {d.ID}, "error": {text}})})
	}
	slices.SortFunc(h.Errors, func(a, b faultCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Error, b.Error))
	})
}

// errorOf returns the error of an attempt as the filter of deliveries takes it: a status, or a code; "" if it
// succeeded.
func errorOf(a client.Attempt) string {
	if a.Error == "status" && a.Status > 0 {
		return strconv.Itoa(a.Status)
	}
	return a.Error
}

// A retryLine shows when a delivery that fails is tried, on a line of time that is stretched where it begins.
type retryLine struct {
	Points []retryPoint
	Ends   string // what happens after the last one
	Width  int
}

// A retryPoint is an attempt on the line.
type retryPoint struct {
	Number int
	X      int    // on the line
	After  string // the first attempt, in words
}

// Measures of the line, in the units of its viewBox.
const (
	lineWidth  = 600
	lineMargin = 10
)

// newRetryLine returns the attempts of a retry, of which those that would be too old are not made.
func newRetryLine(r client.Retry) retryLine {
	line := retryLine{Width: lineWidth, Ends: "Then the delivery is dead."}
	waits, err := r.Schedule.Waits()
	if err != nil {
		return retryLine{}
	}
	most, _ := time.ParseDuration(r.MaxAge)
	times := []time.Duration{0}
	for _, wait := range waits {
		at := times[len(times)-1] + wait
		if most > 0 && at > most {
			line.Ends = "Then it would be older than " + spanText(most) + ", and the delivery is dead."
			break
		}
		times = append(times, at)
	}
	place := func(at time.Duration) float64 { return math.Log1p(at.Seconds()) }
	whole := max(place(times[len(times)-1]), 1)
	for i, at := range times {
		x := lineMargin + int((lineWidth-2*lineMargin)*place(at)/whole)
		line.Points = append(line.Points, retryPoint{i + 1, x, spanText(at)})
	}
	return line
}

// spanText returns a length of time with its two largest units: "5 s", "1 h 30 min", "3 d 3 h".
func spanText(d time.Duration) string {
	if d <= 0 {
		return "at once"
	}
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		n := d / unit.length
		d -= n * unit.length
		if n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+unit.name)
		} else if len(parts) > 0 {
			break
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}
