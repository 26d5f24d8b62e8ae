package api

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// seriesInput is what a client asks to have counted.
type seriesInput struct {
	Period      string `query:"period" default:"1h" example:"24h" doc:"A length of time that ends now, at most 720h"`
	Source      string `query:"source" doc:"Name or id of a source: its events and requests alone are counted"`
	Destination string `query:"destination" doc:"Name or id of a destination: its deliveries alone are counted"`
	Owned
}

// showSeries answers with the counts of a period.
func (s *server) showSeries(ctx context.Context, in *seriesInput) (*bodyOf[client.Series], error) {
	period, err := time.ParseDuration(in.Period)
	if err != nil || period < bellhop.MinSeries || period > bellhop.MaxSeries {
		return nil, bellhop.Invalid("period", `use a length of time from "1m" to "720h", such as "24h"`)
	}
	q := bellhop.SeriesQuery{Step: bellhop.StepOf(period), Tenant: in.Tenant}
	q.Until = time.Now().UTC().Truncate(q.Step).Add(q.Step)
	q.Since = q.Until.Add(-period).Truncate(q.Step)
	q.SourceIDs, err = s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	q.DestinationIDs, err = s.Catalog.DestinationIDs(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	series, err := s.Store.Series(ctx, q)
	if err != nil {
		return nil, err
	}
	out := client.Series{Step: stepNames[q.Step], Since: client.Time{Time: q.Since}, Until: client.Time{Time: q.Until},
		Data: make([]client.Span, len(series.Spans)), Sources: nounCountsJSON(series.Sources),
		Destinations: nounCountsJSON(series.Destinations)}
	for i, span := range series.Spans {
		out.Data[i] = client.Span{At: client.Time{Time: span.At}, Counts: client.Counts(span.Counts)}
	}
	return &bodyOf[client.Series]{out}, nil
}

// stepNames are the lengths of spans as answers have them.
var stepNames = map[time.Duration]string{time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h"}

func nounCountsJSON(list []bellhop.NounCounts) []client.NounCounts {
	out := make([]client.NounCounts, len(list))
	for i, n := range list {
		out[i] = client.NounCounts{ID: n.ID, Name: n.Name, Counts: client.Counts(n.Counts)}
	}
	return out
}
