package client

import "context"

// A Provider is an outside system that the gateway understands.
type Provider struct {
	Name         string    `json:"name" example:"ams"`
	Title        string    `json:"title"`
	Summary      string    `json:"summary"`
	Links        []string  `json:"links"`
	Settings     []Setting `json:"settings"`      // of a source
	Sends        bool      `json:"sends"`         // whether Name can be the type of a destination
	SendSettings []Setting `json:"send_settings"` // of such a destination
}

// A Setting describes one member of a settings object.
type Setting struct {
	Name     string `json:"name" example:"signing_key"`
	Title    string `json:"title"`
	Doc      string `json:"doc"`
	Example  string `json:"example"`
	Kind     string `json:"kind"` // of the value: text, list, number, …
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"`
}

// Stats counts the stored nouns.
type Stats struct {
	Sources      int64 `json:"sources"`
	Destinations int64 `json:"destinations"`
	Events       int64 `json:"events"`
	// by state; final states count from the start of the server
	Deliveries      map[string]int64 `json:"deliveries"`
	OldestPendingAt Time             `json:"oldest_pending_at"` // created_at of the oldest pending delivery
	NextDueAt       Time             `json:"next_due_at"`       // the earliest next_at of a pending delivery
	DatabaseBytes   int64            `json:"database_bytes"`
	RequestsRefused int64            `json:"requests_refused"` // since the start of the server
}

// Providers lists the providers.
func (c *Client) Providers(ctx context.Context) ([]Provider, error) {
	l, err := list[Provider](ctx, c, path("providers"), Page{}, nil)
	return l.Data, err
}

// Stats counts the stored nouns.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return get[Stats](ctx, c, path("stats"))
}
