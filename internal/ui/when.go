package ui

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file writes and reads times and other figures. A page has every time in UTC, and says so; a module of static
// writes it in local time, if the person wants that.

// utc returns t for reading: "2026-11-30 15:23:05 UTC"; "" for the zero time.
func utc(t client.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// iso returns t for programs, with milliseconds.
func iso(t client.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// whenHint says what parseWhen reads.
const whenHint = "2h, 3d, 14:30, 2026-11-30 or 2026-11-30 14:30, in UTC"

// errNoTime is the error of a text that is no time. The hint of its field says what to write.
var errNoTime = errors.New("this is no time that can be read here")

// parseWhen reads a time that a person typed: how long ago, a time of the latest 24 hours, a day, a day with a time,
// or RFC 3339. Times without a zone are UTC. "" is the zero time.
func parseWhen(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.ParseUint(days, 10, 16)
	if isDays && err == nil {
		return now.Add(-time.Duration(n) * 24 * time.Hour), nil
	}
	ago, err := time.ParseDuration(text)
	if err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	clock, err := time.Parse("15:04", text)
	if err == nil {
		now := now.UTC()
		at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, time.UTC)
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return at, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04",
		"2006-01-02 15:04:05", "2006-01-02 15:04:05 UTC"} {
		at, err := time.Parse(layout, text)
		if err == nil {
			return at, nil
		}
	}
	return time.Time{}, errNoTime
}

// size returns a number of bytes for reading: "812 B", "1.5 KiB".
func size(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value := float64(n)
	unit := ""
	for _, unit = range units {
		value /= 1024
		if value < 1024 {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
}

// count returns a number with commas: "1,204".
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// took returns milliseconds for reading: "31 ms", "1.2 s".
func took(ms float64) string {
	switch {
	case ms < 1:
		return "< 1 ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
}
