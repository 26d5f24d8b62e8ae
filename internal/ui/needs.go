package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file finds what waits for a person: each with the page where something can be done about it.

// A need is something that waits for a person, with the page to look at.
type need struct {
	Grave  bool
	Text   string
	Detail string
	At     client.Time // written after the detail; zero is none
	Verb   string
	To     link
}

// Bounds of what is looked through for the needs.
const (
	needsLooked   = 250            // entries of each list
	needsRefusals = 5              // reasons of refusals that are shown
	needsSince    = 24 * time.Hour // refusals of before are history
	needsExpiry   = 24 * time.Hour // before the end of a registration whose renewal fails
)

// needs returns what waits for a person, the grave first.
func (v *visit) needs() (all []need, err error) {
	for _, find := range []func() ([]need, error){v.standby, v.failingDestinations, v.deadDeliveries,
		v.brokenConnections, v.endingSubscriptions, v.silentSources, v.refusals} {
		found, err := find()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b need) int {
		switch {
		case a.Grave && !b.Grave:
			return -1
		case b.Grave && !a.Grave:
			return 1
		}
		return 0
	})
	return all, nil
}

// standby finds that the server was restored and sends nothing. Who may see one tenant alone is not told.
func (v *visit) standby() (all []need, err error) {
	standby, err := v.API.Standby(v.ctx)
	if refused, ok := asRefusal(err); ok && refused.Status == http.StatusForbidden {
		return nil, nil
	}
	if standby.On {
		all = append(all, need{true, "Standby", "The server sends nothing, because " + standby.Why +
			". Once the server of the backup does not run any more, `bellhop resume` lets it deliver. Since",
			standby.Since, "Settings", Root + "settings"})
	}
	return all, err
}

// failingDestinations finds destinations that fail or get nothing.
func (v *visit) failingDestinations() (all []need, err error) {
	l, err := v.API.Destinations(v.ctx, client.DestinationFilter{Troubled: true}, client.Page{Limit: needsLooked})
	for _, d := range l.Data {
		trouble, grave := troubleOf(d)
		if trouble == "" {
			continue
		}
		n := need{Grave: grave, Text: d.Name, Detail: trouble, Verb: "Look at its deliveries",
			To: link(Root + "deliveries?destination=" + url.QueryEscape(d.Name))}
		if trouble == failsSince {
			n.At = d.FailingSince
		}
		all = append(all, n)
	}
	return all, err
}

func (v *visit) deadDeliveries() (all []need, err error) {
	l, err := v.API.Deliveries(v.ctx, client.DeliveryFilter{State: "dead"}, client.Page{Limit: 1})
	for _, d := range l.Data {
		all = append(all, need{true, "Dead deliveries", "The newest is to " + d.Destination + ", of", d.UpdatedAt,
			"Look at them", Root + "deliveries?state=dead"})
	}
	return all, err
}

// brokenConnections finds connections that nobody is signed in with, or whose calls fail.
func (v *visit) brokenConnections() (all []need, err error) {
	l, err := v.API.Connections(v.ctx, client.ConnectionFilter{}, client.Page{Limit: needsLooked})
	for _, c := range l.Data {
		switch c.State {
		case "signed_out":
			all = append(all, need{true, c.Name, "The connection is signed out: " + sentence(c.Reason), client.Time{},
				"Sign in", connectionPath(c)})
		case "failing":
			all = append(all, need{true, c.Name, "The calls of the connection fail: " + sentence(c.Reason),
				client.Time{}, "Look", connectionPath(c)})
		}
	}
	return all, err
}

// endingSubscriptions finds registrations at providers that have ended, may lose notifications, or end soon because
// they could not be renewed.
func (v *visit) endingSubscriptions() (all []need, err error) {
	l, err := v.API.Subscriptions(v.ctx, client.SubscriptionFilter{}, client.Page{Limit: needsLooked})
	for _, sub := range l.Data {
		n := need{Grave: true, Text: sub.Name, Verb: "Look", To: subscriptionPath(sub)}
		soon := !sub.ExpiresAt.IsZero() && sub.ExpiresAt.Sub(v.Now()) < needsExpiry
		switch {
		case sub.State == "expired" || sub.State == "removed" || sub.State == "failed":
			n.Detail = "The subscription is " + sub.State + ": " + sentence(sub.Reason)
		case sub.State == "paused":
			continue
		case !sub.LostAt.IsZero():
			n.Detail, n.At = "Notifications may be lost since", sub.LostAt
		case soon && sub.Reason != "":
			n.Detail, n.At = "It could not be renewed: "+sentence(sub.Reason)+" It expires", sub.ExpiresAt
		default:
			continue
		}
		all = append(all, n)
	}
	return all, err
}

// silentSources finds sources from which nothing came for longer than they may be silent.
func (v *visit) silentSources() (all []need, err error) {
	l, err := v.API.Sources(v.ctx, client.SourceFilter{}, client.Page{Limit: needsLooked})
	for _, src := range l.Data {
		if !src.SilentSince.IsZero() && !src.Disabled {
			all = append(all, need{false, src.Name, "Nothing came for longer than " + src.ExpectEvery + ", since",
				src.SilentSince, "Look at the source", sourcePath(src)})
		}
	}
	return all, err
}

// refusals finds why requests were refused lately, with the newest request of each reason: none of them if they are
// not found soon among many that were accepted.
func (v *visit) refusals() (all []need, err error) {
	ctx, cancel := v.soon()
	defer cancel()
	l, err := v.API.Requests(ctx, client.RequestFilter{Outcome: "refused", Since: v.Now().Add(-needsSince)},
		client.Page{Limit: needsLooked})
	if err != nil && ctx.Err() != nil && v.ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type kind struct{ source, reason string }
	counts, newest, kinds := map[kind]int{}, map[kind]client.Request{}, []kind{}
	for _, r := range l.Data {
		of := kind{r.Source, r.Reason}
		if counts[of] == 0 {
			newest[of], kinds = r, append(kinds, of)
		}
		counts[of]++
	}
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(counts[b], counts[a]) })
	for _, of := range kinds[:min(len(kinds), needsRefusals)] {
		n := need{Text: cmp.Or(of.source, "Unknown URL"), At: newest[of].ReceivedAt, Verb: "Check again",
			To: link(Root + "requests/" + url.PathEscape(newest[of].ID))}
		if of.source == "" { // there is no secret to check it by
			n.Verb = "Look"
		}
		atLeast := ""
		if l.Next != "" {
			atLeast = "at least "
		}
		n.Detail = "In a day " + atLeast + requestCount(counts[of]) + " refused: " +
			strings.ReplaceAll(of.reason, "_", " ") + ". The newest is of"
		all = append(all, n)
	}
	return all, nil
}

// requestCount returns a number of requests in words.
func requestCount(n int) string {
	if n == 1 {
		return "1 request was"
	}
	return count(int64(n)) + " requests were"
}

// failsSince is the trouble of a destination whose breaker is open.
const failsSince = "Its deliveries have failed since"

// troubleOf says why a destination gets nothing, or gets it late; "" if all is well.
func troubleOf(d client.Destination) (trouble string, grave bool) {
	switch {
	case d.Closed != "":
		return "It cannot be opened: " + sentence(d.Closed), true
	case d.State != "active" && d.State != "":
		reason := ""
		if d.StateReason != "" {
			reason = ": " + strings.TrimSuffix(d.StateReason, ".")
		}
		return "It is " + d.State + reason + ".", d.State == "disabled"
	case !d.FailingSince.IsZero():
		return failsSince, true
	case d.HeldBack != nil && d.HeldBack.Reason != "":
		return "It is held back: " + sentence(d.HeldBack.Reason), false
	case d.MatchError != nil:
		return "The where of its match failed: " + sentence(d.MatchError.Message), false
	}
	return "", false
}
