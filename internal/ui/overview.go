package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) overview() {
	s.page("/{$}", viewer, s.showOverview)
}

// overviewPage is what the first page shows.
type overviewPage struct {
	Stats   *client.Stats // nil if the person may see one tenant alone
	States  []stateCount
	Needs   []need
	Charts  charts
	Tabs    []tab            // of the period of the charts
	Events  []client.Event   // the newest
	Refused []client.Request // the newest
	Command command
}

// A stateCount is how many deliveries have a state.
type stateCount struct {
	State string
	Count int64
	To    link
	Since string // since when it is counted; "" is always
}

// A need is something that waits for a person, with the page to look at.
type need struct {
	Grave  bool
	Text   string
	Detail string
	At     client.Time // written after the detail; zero is none
	Verb   string
	To     link
}

// shownOnOverview bounds the lists of the first page.
const shownOnOverview = 8

func (s *server) showOverview(v *visit) error {
	page := overviewPage{Command: s.get("stats", "/stats")}
	stats, err := s.API.Stats(v.ctx)
	refused, ok := asRefusal(err)
	switch {
	case err == nil:
		page.Stats = &stats
		page.States = countStates(stats.Deliveries)
	case !ok || refused.Status != http.StatusForbidden: // a person of one tenant may not see what is about all of them
		return err
	}
	page.Needs, err = v.needs()
	if err != nil {
		return err
	}
	series, err := s.API.Series(v.ctx, client.SeriesFilter{Period: v.periodOf()})
	if err != nil {
		return err
	}
	page.Charts = newCharts(series, client.SeriesFilter{})
	page.Charts.From = seriesPath(client.SeriesFilter{Period: v.periodOf()})
	page.Tabs = tabs(v.r.URL.Query(), Root, "period", periods)
	events, err := s.API.Events(v.ctx, client.EventFilter{}, client.Page{Limit: shownOnOverview})
	if err != nil {
		return err
	}
	requests, err := s.API.Requests(v.ctx, client.RequestFilter{Outcome: "refused"},
		client.Page{Limit: shownOnOverview})
	if err != nil {
		return err
	}
	page.Events, page.Refused = events.Data, requests.Data
	v.show(http.StatusOK, "overview", "Overview", page)
	return nil
}

// countStates returns the deliveries by state, in the order of the tabs of their list. Final states are counted from
// the start of the server on.
func countStates(counts map[string]int64) (all []stateCount) {
	for _, each := range deliveryStates[1:] {
		since := ""
		if each.Value != "pending" && each.Value != "leased" {
			since = "since the start"
		}
		all = append(all, stateCount{each.Value, counts[each.Value],
			link(Root + "deliveries?state=" + each.Value), since})
	}
	return all
}

// needs returns what waits for a person: destinations that fail or get nothing, and dead deliveries.
func (v *visit) needs() (all []need, err error) {
	destinations, err := v.API.Destinations(v.ctx, client.DestinationFilter{}, client.Page{Limit: 250})
	if err != nil {
		return nil, err
	}
	for _, d := range destinations.Data {
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
	dead, err := v.API.Deliveries(v.ctx, client.DeliveryFilter{State: "dead"}, client.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	for _, d := range dead.Data {
		all = append(all, need{true, "Dead deliveries", "The newest is to " + d.Destination + ", of", d.UpdatedAt,
			"Look at them", link(Root + "deliveries?state=dead")})
	}
	return all, nil
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
