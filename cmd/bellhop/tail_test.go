package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestStreamLine: each kind of message is one line, whatever strangers have written, and on a terminal it fits.
func TestStreamLine(t *testing.T) {
	at := client.Time{Time: time.Date(2026, 11, 30, 9, 0, 0, 123_000_000, time.UTC)}
	const evil = "\x1b[2J\r\nfake  line\u202e"
	for want, item := range map[string]client.StreamItem{
		`2026-11-30T09:00:00.123Z  event.accepted  media  \x1b[2J\r\nfake  line\u202e  -  no deliveries  0 bytes  evt_1`: {
			Kind:  "event.accepted",
			Event: &client.StreamEvent{Event: client.Event{ID: "evt_1", Source: "media", Type: evil}}},
		`2026-11-30T09:00:00.123Z  request.refused  \x1b[2J\r\nfake  line\u202e?  refused  404  unknown_source  -  req_1`: {
			Kind: "request.refused", Request: &client.Request{ID: "req_1", RequestName: evil, Outcome: "refused",
				Status: 404,
				Reason: "unknown_source"}},
		`2026-11-30T09:00:00.123Z  delivery.attempted  billing  pending until 2026-11-30T09:00:00.123Z  timeout  5.0013s` +
			`  attempt 2  x.y  \x1b[2J\r\nfake  line\u202e  evt_1`: {
			Kind: "delivery.attempted", Attempt: &client.StreamAttempt{Destination: "billing", State: "pending",
				NextAt: at,
				Error:  "timeout", DurationMS: 5001.34, Number: 2, Type: "x.y", Detail: evil, EventID: "evt_1"}},
		`2026-11-30T09:00:00.123Z  destination.changed  billing  updated  disabled  \x1b[2J\r\nfake  line\u202e  dst_1`: {
			Kind: "destination.changed", Change: &client.StreamChange{Noun: "destination", ID: "dst_1",
				Name:   "billing",
				Action: "updated", State: "disabled", Reason: evil}},
		`2026-11-30T09:00:00.123Z  something.\x1b[2J\r\nfake  line\u202e`: {Kind: "something." + evil},
	} {
		item.At = at
		if got := (&env{}).streamLine(item); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		narrow := &env{width: func() int { return 40 }}
		wide := &env{width: narrow.width, format: formatWide}
		if _, whole, _ := strings.Cut(want, "  "); !strings.HasSuffix(wide.streamLine(item), whole) {
			t.Errorf("wide: %s", wide.streamLine(item))
		}
		line := narrow.streamLine(item)
		if n := len([]rune(line)); n > 40 || strings.ContainsAny(line, "\x1b\r\n\u202e") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
