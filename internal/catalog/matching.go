package catalog

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// Bounds of a match over stored events.
const (
	MaxMatched     = 1000 // events looked at
	DefaultMatched = 100
	matchedTime    = bellhop.ScanTime // after which it ends with the events so far
)

// A Matched is a stored event, and whether a destination would want it.
type Matched struct {
	Event  bellhop.Event  // without header and body
	Reason match.Excluded // "" if it is wanted; excludedTenant
	Detail string         // of a where that fails: its error
}

// excludedTenant is the reason of an event that belongs to another tenant than the destination.
const excludedTenant match.Excluded = "tenant"

// A MatchedList is what MatchEvents found.
type MatchedList struct {
	Events     []Matched // newest first
	Wanted     int
	Complete   bool      // false if there was no time to look at as many as were asked for
	SearchedTo time.Time // when the last event looked at came in; zero without one
}

// MatchEvents says which of the newest stored events a destination would want: limit of them at most, as many as some
// seconds allow. d has a match, a tenant and tenants, and nothing else. One such search runs at a time; the others
// wait in turn. Its errors have paths within the destination: "match.where".
func (c *Catalog) MatchEvents(ctx context.Context, d bellhop.Destination, limit int) (found MatchedList, err error) {
	matcher, err := match.Compile(d.Match)
	if err != nil {
		return found, bellhop.Join("match", err)
	}
	if limit < 1 || limit > MaxMatched {
		return found, bellhop.Invalid("limit", "use a number from 1 to 1000")
	}
	if d.Tenant, err = c.owner(ctx, d.Tenant); err != nil {
		return found, err
	}
	select {
	case c.matching <- struct{}{}:
		defer func() { <-c.matching }()
	case <-ctx.Done():
		return found, ctx.Err()
	}
	end := c.now().Add(matchedTime)
	found.Complete = true
	for page := (bellhop.Page{}); ; {
		page.Limit = min(limit-len(found.Events), bellhop.MaxPage)
		list, next, err := c.opts.Store.Events(ctx, bellhop.EventFilter{}, page)
		if err != nil {
			return found, err
		}
		for i := range list {
			one, err := c.matched(ctx, d, matcher, list[i])
			if err != nil {
				return found, err
			}
			found.Events = append(found.Events, one)
			found.SearchedTo = one.Event.ReceivedAt
			if one.Reason == "" {
				found.Wanted++
			}
			if c.now().After(end) && len(found.Events) < limit {
				found.Complete = false
				return found, nil
			}
		}
		if next == "" || len(found.Events) >= limit {
			return found, nil
		}
		page.Cursor = next
	}
}

// matched says whether d, whose match is compiled, would want a listed event. It reads the whole event only if the
// where decides. An event that was deleted meanwhile is one that the where fails for.
func (c *Catalog) matched(ctx context.Context, d bellhop.Destination, m *match.Matcher,
	listed bellhop.Event) (Matched, error) {
	got := Matched{Event: listed}
	if !d.Takes(c.opts.Engine.OwnerOf(&listed)) {
		got.Reason = excludedTenant
		return got, nil
	}
	reason, open := m.ExcludesLabel(&listed)
	if !open {
		got.Reason = reason
		return got, nil
	}
	ev, err := c.opts.Store.Event(ctx, listed.ID)
	if isNotFound(err) {
		got.Reason, got.Detail = match.ExcludedFault, "the event was deleted meanwhile"
		return got, nil
	}
	if err != nil {
		return got, err
	}
	if c.opts.Gate != nil && match.Size(&ev) >= match.LargeBody {
		if err := c.opts.Gate.Enter(ctx); err != nil {
			return got, err
		}
		defer c.opts.Gate.Leave()
	}
	got.Reason, err = m.Excludes(&ev)
	if err != nil {
		got.Detail = err.Error()
	}
	return got, nil
}
