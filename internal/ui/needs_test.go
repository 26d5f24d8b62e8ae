package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// needsOf returns the needs of a rig as lines: ! or ~, text, detail, verb and path.
func needsOf(t *testing.T, r *rig) (all []string) {
	t.Helper()
	v := &visit{server: r.server, ctx: t.Context()}
	needs, err := v.needs()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range needs {
		sign := "~"
		if n.Grave {
			sign = "!"
		}
		all = append(all, fmt.Sprintf("%s %s | %s | %s | %s", sign, n.Text, n.Detail, n.Verb, n.To))
	}
	return all
}

// TestNeeds: what waits for a person stands on the first page, the grave first, each with where to go.
func TestNeeds(t *testing.T) {
	r := newRig(t)
	r.empty()
	if got := needsOf(t, r); len(got) > 0 {
		t.Errorf("of nothing: %v", got)
	}
	set := func(noun string, data any) { r.api.set("GET /"+noun, listOf{Data: data}) }
	sub := func(name, state, reason string, expires, lost client.Time) client.Subscription {
		return client.Subscription{ID: "sub_" + name, Name: name, State: state, Reason: reason, ExpiresAt: expires,
			LostAt: lost}
	}
	set("destinations", []client.Destination{testDestination, testPaused, {Name: "well", State: "active"}})
	set("deliveries", []client.Delivery{testDelivery})
	set("connections", []client.Connection{testConnection, {ID: "con_2", Name: "fine", State: "ready"},
		{ID: "con_3", Name: "bad", State: "failing", Reason: "answered 403"}})
	none := client.Time{}
	set("subscriptions", []client.Subscription{sub("a", "active", "", at(-time.Hour), none),
		sub("b", "active", "consent gone", at(-time.Hour), none),
		sub("c", "active", "consent gone", at(-48*time.Hour), none),
		sub("d", "expired", "nobody renewed it", none, none),
		sub("e", "active", "", none, at(time.Hour)), sub("f", "paused", "by a person", none, at(time.Hour))})
	set("sources", []client.Source{testSource, testDisabled, {ID: "src_3", Name: "loud"}})
	r.api.set("GET /requests", listOf{Data: []client.Request{testUnknown, testRequest, testRequest}, Next: &next})
	r.api.set("GET /standby", client.Standby{On: true, Since: at(time.Hour), Why: "it was restored"})
	want := []string{
		"! Standby | The server sends nothing, because it was restored. Once the server of the backup does not run " +
			"any more, `bellhop resume` lets it deliver. Since | Settings | /ui/settings",
		"! billing | Its deliveries have failed since | Look at its deliveries | /ui/deliveries?destination=billing",
		"! Dead deliveries | The newest is to billing, of | Look at them | /ui/deliveries?state=dead",
		"! work | The connection is signed out: Nobody has signed in. | Sign in | /ui/connections/con_1",
		"! bad | The calls of the connection fail: Answered 403. | Look | /ui/connections/con_3",
		"! b | It could not be renewed: Consent gone. It expires | Look | /ui/subscriptions/sub_b",
		"! d | The subscription is expired: Nobody renewed it. | Look | /ui/subscriptions/sub_d",
		"! e | Notifications may be lost since | Look | /ui/subscriptions/sub_e",
		"~ archive | It is paused. | Look at its deliveries | /ui/deliveries?destination=archive",
		"~ media | Nothing came for longer than 24h, since | Look at the source | /ui/sources/src_1",
		"~ media | In a day at least 2 requests were refused: signature mismatch. The newest is of | Check again | " +
			"/ui/requests/req_1",
		"~ Unknown URL | In a day at least 1 request was refused: unknown source. The newest is of | Look | " +
			"/ui/requests/req_2",
	}
	if got := needsOf(t, r); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
