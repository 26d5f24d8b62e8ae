package action

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// passedOn are the variables of the server that a command gets. Others may hold its secrets.
var passedOn = []string{"PATH", "HOME", "LANG", "TZ"}

// environ is what a destination's command begins with, whatever the event: "NAME=value" each.
func (x Exec) environ(env map[string]string) []string {
	var list []string
	for _, name := range passedOn {
		if value, ok := x.Lookup(name); ok {
			list = append(list, name+"="+value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name]) // of two of a name the later one counts
	}
	return slices.Clip(list)
}

// fields are the variables that tell of the event and of the attempt. What is not known is empty.
func fields(ev *bellhop.Event, at provider.AttemptInfo) []string {
	return []string{
		"BELLHOP_EVENT_ID=" + plain(ev.ID),
		"BELLHOP_EVENT_TYPE=" + plain(ev.Type),
		"BELLHOP_EVENT_SUBJECT=" + plain(ev.Subject),
		"BELLHOP_EVENT_SOURCE=" + plain(ev.Source),
		"BELLHOP_EVENT_TIME=" + ev.HappenedAt().UTC().Format(time.RFC3339Nano),
		"BELLHOP_EVENT_RECEIVED_AT=" + ev.ReceivedAt.UTC().Format(time.RFC3339Nano),
		"BELLHOP_EVENT_TENANT=" + plain(ev.Tenant),
		"BELLHOP_EVENT_CONTENT_TYPE=" + plain(ev.ContentType),
		"BELLHOP_DELIVERY_ID=" + plain(at.DeliveryID),
		"BELLHOP_ATTEMPT=" + strconv.Itoa(at.Attempt),
	}
}

// plain is text as a variable can hold it: NUL would end it.
func plain(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }
