package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestShownState: lists and details show what the state means for the events: a destination that cannot be opened, or
// is held back, does not look active.
func TestShownState(t *testing.T) {
	since := client.Time{Time: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	next := client.Time{Time: since.Add(time.Minute)}
	for _, c := range []struct {
		d            client.Destination
		list, detail string
	}{
		{client.Destination{State: "active"}, "active", "active"},
		{client.Destination{State: "active", Closed: "type: exec is off"}, "closed",
			"closed: it cannot be opened, so nothing is sent: type: exec is off"},
		{client.Destination{State: "active", FailingSince: since}, "active, held back",
			"active, held back since 2026-11-22"},
		{client.Destination{State: "active", FailingSince: since,
			HeldBack: &client.HeldBack{Reason: "answered 503", NextAt: next}},
			"active, held back", "active, held back since 2026-11-22T09:30:00.000Z: answered 503"},
		{client.Destination{State: "active", HeldBack: &client.HeldBack{NextAt: next}}, "active, held back",
			"active, held back: no attempt was made since the server's start"},
		{client.Destination{State: "active", HeldBack: &client.HeldBack{Reason: "connection work is signed out"}},
			"active, held back", "active, held back: connection work is signed out"},
		{client.Destination{State: "active", FailingSince: since, Closed: "no"}, "closed", "closed: it cannot be " +
			"opened"},
		{client.Destination{State: "paused", StateReason: "paused by hand", FailingSince: since, Closed: ""}, "paused",
			"paused: paused by hand"},
		{client.Destination{State: "disabled", StateReason: "answered 410"}, "disabled", "disabled: answered 410"},
	} {
		if got := shownState(c.d); got != c.list {
			t.Errorf("%+v: listed as %q, want %q", c.d, got, c.list)
		}
		var out bytes.Buffer
		if err := showDestination(&env{stdout: &out}, &connection{}, c.d); err != nil {
			t.Fatal(err)
		}
		shown := strings.Join(strings.Fields(out.String()), " ")
		if !strings.Contains(shown, "state "+c.detail) {
			t.Errorf("shown as\n%s\nwant %q", &out, c.detail)
		}
		hasNext := c.d.HeldBack != nil && !c.d.HeldBack.NextAt.IsZero()
		if strings.Contains(shown, "next attempt not before 2026-11-22") != hasNext {
			t.Errorf("the next attempt of %+v is shown as\n%s", c.d, &out)
		}
	}
}
