package client

import (
	"context"
	"net/url"
)

// Counts are how often something happened.
type Counts struct {
	Accepted  int64 `json:"accepted"`  // events that were stored
	Refused   int64 `json:"refused"`   // requests that were refused
	Delivered int64 `json:"delivered"` // deliveries that a receiver took
	Failed    int64 `json:"failed"`    // attempts that failed
}

// A Span is a length of time with its counts.
type Span struct {
	At Time `json:"at"` // the beginning
	Counts
}

// NounCounts are the counts of one source or destination in the whole of a period.
type NounCounts struct {
	ID   string `json:"id" example:"src_01h455vb4pex5vsknk08"`
	Name string `json:"name" example:"media"`
	Counts
}

// A Series is how much happened in each span of a period.
type Series struct {
	Step         string       `json:"step" enum:"1m,10m,1h"` // the length of a span
	Since        Time         `json:"since"`
	Until        Time         `json:"until"` // the end of the present span
	Data         []Span       `json:"data"`  // each span of the period, the oldest first
	Sources      []NounCounts `json:"sources"`
	Destinations []NounCounts `json:"destinations"`
}

// A SeriesFilter chooses what is counted. Zero fields do not narrow. With Source alone no deliveries are counted, and
// with Destination alone no events.
type SeriesFilter struct {
	Period      string // a length of time that ends now, "1h" to "720h"; "" is an hour
	Source      string // name or id
	Destination string // name or id
	Tenant      string
}

// Series counts what has happened in a period.
func (c *Client) Series(ctx context.Context, f SeriesFilter) (Series, error) {
	query := url.Values{}
	for name, value := range map[string]string{"period": f.Period, "source": f.Source, "destination": f.Destination,
		"tenant": f.Tenant} {
		if value != "" {
			query.Set(name, value)
		}
	}
	where := path("series")
	if len(query) > 0 {
		where += "?" + query.Encode()
	}
	return get[Series](ctx, c, where)
}
