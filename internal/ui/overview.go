package ui

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) overview() {
	s.page("/{$}", viewer, s.showOverview)
}

// overviewPage is what the first page shows.
type overviewPage struct {
	Stats     *client.Stats // nil if the person may see one tenant alone
	Latencies []latencyFigure
	States    []stateCount
	Needs     []need
	Charts    charts
	Tabs      []tab            // of the period of the charts
	Events    []client.Event   // the newest
	Refused   []client.Request // the newest
	Command   command
}

// A stateCount is how many deliveries have a state.
type stateCount struct {
	State string
	Count int64
	To    link
	Since string // since when it is counted; "" is always
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
		page.Latencies = latencyFigures(stats.Latency)
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

// A latencyFigure is how long something took in the latest hour, in milliseconds.
type latencyFigure struct {
	Title    string
	P50, P99 float64
}

// latencyFigures returns the latencies of which there is a value.
func latencyFigures(l client.Latencies) (all []latencyFigure) {
	for _, each := range []struct {
		title string
		of    client.Latency
	}{{"Accepting, p50 · p99", l.Accept}, {"An attempt, p50 · p99", l.Attempt},
		{"Until delivered, p50 · p99", l.Delivery}} {
		if each.of.Count > 0 {
			all = append(all, latencyFigure{each.title, each.of.P50MS, each.of.P99MS})
		}
	}
	return all
}
