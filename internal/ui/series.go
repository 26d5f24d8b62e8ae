package ui

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file shows how much happened over time: as charts, which are SVG that the server draws, and as a table.

func (s *server) series() {
	s.page("/series", viewer, s.showSeries)
}

// periods are the tabs of the charts: each has a length of time that the API takes.
var periods = []option{{"", "1 h"}, {"24h", "24 h"}, {"720h", "30 d"}}

// maxBars is how many bars a chart has at most. The spans of a longer series are added up.
const maxBars = 72

// Measures of a chart, in the units of its viewBox.
const (
	chartWidth  = 600
	chartHeight = 60
)

// charts are what the template of that name shows.
type charts struct {
	Charts []chart
	Rows   []chartRow // one for each bar
	Step   string     // the length of time of a bar, in words
	Since  client.Time
	Until  client.Time
	From   link // the page with these charts alone
}

// A chartRow has the counts of one bar of each chart.
type chartRow struct {
	At    client.Time
	Cells []chartCell
}

type chartCell struct {
	Title string
	Count int64
}

// A chart is one count over time.
type chart struct {
	Name  string // of the count
	Title string
	Total int64
	Rate  string // of the latest span that is over
	Most  int64  // of a span
	Bars  link   // the outline of all bars
}

// A measure is one of the counts.
type measure struct {
	name, title string
	of          func(client.Counts) int64
}

// The measures of the side of sources, and of that of destinations.
var (
	sourceMeasures = []measure{
		{"accepted", "Accepted events", func(c client.Counts) int64 { return c.Accepted }},
		{"refused", "Refused requests", func(c client.Counts) int64 { return c.Refused }},
	}
	destinationMeasures = []measure{
		{"delivered", "Delivered", func(c client.Counts) int64 { return c.Delivered }},
		{"failed", "Failed attempts", func(c client.Counts) int64 { return c.Failed }},
	}
)

// newCharts returns the charts of a series. A filter of one side leaves those of the other out.
func newCharts(series client.Series, f client.SeriesFilter) charts {
	var measures []measure
	if f.Destination == "" || f.Source != "" {
		measures = append(measures, sourceMeasures...)
	}
	if f.Source == "" || f.Destination != "" {
		measures = append(measures, destinationMeasures...)
	}
	step := map[string]time.Duration{"1m": time.Minute, "10m": 10 * time.Minute, "1h": time.Hour}[series.Step]
	spans, times := fold(series.Data)
	out := charts{Step: lengthText(step * time.Duration(times)), Since: series.Since, Until: series.Until,
		Rows: make([]chartRow, len(spans))}
	for _, m := range measures {
		c := chart{Name: m.name, Title: m.title}
		values := make([]int64, len(spans))
		for i, span := range spans {
			values[i] = m.of(span.Counts)
			out.Rows[i].At = span.At
			out.Rows[i].Cells = append(out.Rows[i].Cells, chartCell{m.title, values[i]})
			c.Total += values[i]
			c.Most = max(c.Most, values[i])
		}
		if last := len(series.Data) - 2; last >= 0 && step > 0 {
			c.Rate = rateText(m.of(series.Data[last].Counts), step)
		}
		c.Bars = bars(values, c.Most)
		out.Charts = append(out.Charts, c)
	}
	return out
}

// fold adds up neighbours, so that at most maxBars spans are left, and returns how many each one has.
func fold(data []client.Span) (spans []client.Span, times int) {
	times = max(1, (len(data)+maxBars-1)/maxBars)
	for i, span := range data {
		if i%times == 0 {
			spans = append(spans, client.Span{At: span.At})
		}
		sum := &spans[len(spans)-1].Counts
		sum.Accepted += span.Accepted
		sum.Refused += span.Refused
		sum.Delivered += span.Delivered
		sum.Failed += span.Failed
	}
	return spans, times
}

// bars returns the outline of a bar for each value, as the path of an SVG. A value that is not zero can be seen.
func bars(values []int64, most int64) link {
	var b strings.Builder
	width := float64(chartWidth) / float64(max(len(values), 1))
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	rounded := func(n float64) float64 { return float64(int(n*10+0.5)) / 10 }
	for i, value := range values {
		if value <= 0 {
			continue
		}
		left := rounded(float64(i) * width)
		right := rounded((float64(i) + 0.85) * width)
		high := rounded(max(1.5, float64(value)/float64(most)*chartHeight))
		b.WriteString("M" + number(left) + " " + strconv.Itoa(chartHeight) + "V" + number(chartHeight-high) + "H" +
			number(right) + "V" + strconv.Itoa(chartHeight) + "z")
	}
	return link(b.String())
}

// rateText returns how often something happened in a length of time: "412/s", "1.5/s", "3/min".
func rateText(n int64, in time.Duration) string {
	perSecond := float64(n) / in.Seconds()
	switch {
	case n == 0:
		return "0/s"
	case perSecond >= 10:
		return count(int64(perSecond+0.5)) + "/s"
	case perSecond >= 0.1:
		return strconv.FormatFloat(perSecond, 'f', 1, 64) + "/s"
	case perSecond*60 >= 1:
		return strconv.FormatFloat(perSecond*60, 'f', 0, 64) + "/min"
	}
	return strconv.FormatFloat(perSecond*3600, 'f', 0, 64) + "/h"
}

// lengthText returns a length of time after the word every: "minute", "30 minutes", "12 hours".
func lengthText(d time.Duration) string {
	n, unit := int(d/time.Minute), "minute"
	if n >= 60 && n%60 == 0 {
		n, unit = n/60, "hour"
	}
	if n == 1 {
		return unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// seriesPage is what the page of the charts shows.
type seriesPage struct {
	charts
	Path         link
	Filter       form
	Tabs         []tab
	Sources      []nounRow
	Destinations []nounRow
	Command      command
}

// A nounRow is a source or destination with its counts, and the page of what was counted.
type nounRow struct {
	client.NounCounts
	To link
}

// seriesPath returns the path of the page of those charts.
func seriesPath(f client.SeriesFilter) link {
	return withQuery(Root+"series", url.Values{"period": {f.Period}, "source": {f.Source},
		"destination": {f.Destination}})
}

// periodOf returns the period that the query of v asks for: that of a tab.
func (v *visit) periodOf() string {
	for _, each := range periods {
		if v.r.URL.Query().Get("period") == each.Value {
			return each.Value
		}
	}
	return ""
}

func (s *server) showSeries(v *visit) error {
	query := v.r.URL.Query()
	f := newForm(query,
		field{Name: "source", Label: "Source", Known: v.sourceNames()},
		field{Name: "destination", Label: "Destination", Known: v.destinationNames()},
		field{Name: "period", Label: "Period", Kind: "hidden"},
	)
	filter := client.SeriesFilter{Period: v.periodOf(), Source: f.get("source"), Destination: f.get("destination")}
	page := seriesPage{Path: Root + "series", Tabs: tabs(query, Root+"series", "period", periods),
		Command: s.get("series", "/series", flagValue{"period", "period", filter.Period},
			flagValue{"source", "source", filter.Source}, flagValue{"destination", "destination", filter.Destination})}
	series, err := s.API.Series(v.ctx, filter)
	err = f.accepts(err)
	if err != nil {
		return err
	}
	page.charts, page.Filter = newCharts(series, filter), f
	page.From = seriesPath(filter)
	for _, n := range series.Sources {
		page.Sources = append(page.Sources, nounRow{n, link(Root + "series?source=" + url.QueryEscape(n.Name))})
	}
	for _, n := range series.Destinations {
		page.Destinations = append(page.Destinations,
			nounRow{n, link(Root + "series?destination=" + url.QueryEscape(n.Name))})
	}
	v.show(statusOf(f), "series", "Over time", page)
	return nil
}
