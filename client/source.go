package client

import (
	"context"
	"net/http"
	"net/url"
)

// A NewSource holds the values of a new source.
type NewSource struct {
	Name         string   `json:"name" example:"media"`
	Provider     string   `json:"provider" example:"ams"`
	Settings     Settings `json:"settings,omitempty"` // secrets included
	MaxBodyBytes int64    `json:"max_body_bytes,omitempty" minimum:"0" maximum:"33554432"`
	Disabled     bool     `json:"disabled,omitempty"`
	ExpectEvery  string   `json:"expect_every,omitempty" example:"24h"` // how long it may be silent
	Tenant       string   `json:"tenant,omitempty" maxLength:"64"`
	Reply        *Reply   `json:"reply,omitempty"` // nil is the provider's answer

	Retention *Retention `json:"retention,omitempty"` // nil is what the server says
}

// A Retention bounds the events of a source that are kept: the oldest ones go first, and none whose delivery is
// pending.
type Retention struct {
	Age      string `json:"age,omitempty" example:"168h"` // "" is what the server says
	MaxBytes int64  `json:"max_bytes,omitempty"`          // of bodies and headers; 0 is no bound
}

// A Reply is the answer of a source's own to a request whose events are stored: a body, or a template that makes one
// of the first event.
type Reply struct {
	Status      int    `json:"status,omitempty"` // 200 to 299; 0 is 200
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"body,omitempty"`     // at most 64 KiB
	Template    string `json:"template,omitempty"` // at most 16 KiB
}

// A Source is one inbound URL of one provider.
type Source struct {
	ID       string `json:"id" example:"src_01h455vb4pex5vsknk08"`
	Name     string `json:"name" example:"media"`
	Provider string `json:"provider" example:"ams"`
	URL      string `json:"url" example:"https://hooks.example.com/in/media"`
	URLQuery string `json:"url_query" example:"code={query_secret}"` // {query_secret} stands for that setting
	// a secret is masked: {"set": true, "set_at": …}
	Settings     Settings `json:"settings"`
	MaxBodyBytes int64    `json:"max_body_bytes"`
	Disabled     bool     `json:"disabled"`
	ExpectEvery  string   `json:"expect_every"`          // "" is for ever
	SilentSince  Time     `json:"silent_since,omitzero"` // zero while it is not silent for longer than ExpectEvery
	Tenant       string   `json:"tenant"`
	Reply        *Reply   `json:"reply"` // nil is the provider's answer
	CreatedAt    Time     `json:"created_at"`
	UpdatedAt    Time     `json:"updated_at"`

	Retention *Retention `json:"retention"` // nil is what the server says

	Warnings []string `json:"warnings,omitempty"` // of an answer to a change: what is accepted but weak
	// of an answer to a new name: the destinations whose match has it now
	Followed []string `json:"followed,omitempty"`

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (s *Source) setETag(tag string) { s.ETag = tag }

// A SourceFilter narrows a list of sources. Zero fields do not narrow.
type SourceFilter struct {
	Provider string
	Tenant   string
}

// Sources lists the sources.
func (c *Client) Sources(ctx context.Context, f SourceFilter, page Page) (List[Source], error) {
	return list[Source](ctx, c, path("sources"), page, url.Values{"provider": {f.Provider}, "tenant": {f.Tenant}})
}

// Source returns the source of that id or name.
func (c *Client) Source(ctx context.Context, idOrName string) (Source, error) {
	return get[Source](ctx, c, path("sources", idOrName))
}

// CreateSource creates a source.
func (c *Client) CreateSource(ctx context.Context, s NewSource) (Source, error) {
	return post[Source](ctx, c, path("sources"), s)
}

// UpdateSource changes the members named in changes, a JSON merge patch of a NewSource. A nil value removes a
// member. Destinations whose match names the source follow it to another name.
func (c *Client) UpdateSource(ctx context.Context, idOrName string, changes map[string]any) (Source, error) {
	return patch[Source](ctx, c, path("sources", idOrName), changes)
}

// DeleteSource deletes a source. Its events stay stored. As long as deliveries of its events are pending, the error
// has [bellhop.CodeConflict] and says how many there are.
func (c *Client) DeleteSource(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("sources", idOrName), nil, nil)
}

// ForceDeleteSource deletes a source even if deliveries of its events are pending. They are still made.
func (c *Client) ForceDeleteSource(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("sources", idOrName)+"?force=true", nil, nil)
}
