package client

import (
	"context"
	"net/http"
	"time"
)

// A NewSource is what a source is made of.
type NewSource struct {
	Name         string         `json:"name"`
	Provider     string         `json:"provider"`
	Settings     map[string]any `json:"settings,omitempty"` // the provider's own, secrets included
	MaxBodyBytes int64          `json:"max_body_bytes,omitempty"`
	Disabled     bool           `json:"disabled,omitempty"`
}

// A Source is one inbound URL of one provider.
type Source struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Provider     string         `json:"provider"`
	URL          string         `json:"url"`
	Settings     map[string]any `json:"settings"` // of a secret: {"set": true, "set_at": …}
	MaxBodyBytes int64          `json:"max_body_bytes"`
	Disabled     bool           `json:"disabled"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
}

// Sources lists the sources.
func (c *Client) Sources(ctx context.Context, page Page) (List[Source], error) {
	return list[Source](ctx, c, path("sources"), page, nil)
}

// Source returns the source of that id or name.
func (c *Client) Source(ctx context.Context, idOrName string) (Source, error) {
	return get[Source](ctx, c, path("sources", idOrName))
}

// CreateSource makes a source.
func (c *Client) CreateSource(ctx context.Context, s NewSource) (Source, error) {
	return post[Source](ctx, c, path("sources"), s)
}

// UpdateSource changes what is named in changes, a JSON merge patch of a NewSource: nil removes.
func (c *Client) UpdateSource(ctx context.Context, idOrName string, changes map[string]any) (Source, error) {
	return patch[Source](ctx, c, path("sources", idOrName), changes)
}

// DeleteSource takes a source away. Its events stay.
func (c *Client) DeleteSource(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("sources", idOrName), nil, nil)
}
