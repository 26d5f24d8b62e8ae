package client

import (
	"context"
	"time"
)

// Stats counts what there is.
type Stats struct {
	Sources         int64            `json:"sources"`
	Destinations    int64            `json:"destinations"`
	Events          int64            `json:"events"`
	Deliveries      map[string]int64 `json:"deliveries"` // by state; final ones since the server started
	OldestPendingAt time.Time        `json:"oldest_pending_at,omitzero"`
	DatabaseBytes   int64            `json:"database_bytes"`
	RequestsRefused int64            `json:"requests_refused"` // since the server started
}

// Stats counts what there is.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return get[Stats](ctx, c, path("stats"))
}
