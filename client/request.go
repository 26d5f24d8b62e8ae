package client

import (
	"context"
	"net/url"
	"time"
)

// A Request is one HTTP call at a source that was kept. Headers and Body are only there where one request was asked for.
type Request struct {
	ID         string              `json:"id"`
	Source     string              `json:"source"` // its name, while there is one
	SourceID   string              `json:"source_id"`
	Outcome    string              `json:"outcome"` // "accepted", "handshake", "refused" or "partial"
	Status     int                 `json:"status"`  // answered
	Reason     string              `json:"reason"`
	Detail     string              `json:"detail"`
	Method     string              `json:"method"`
	Target     string              `json:"target"`
	RemoteAddr string              `json:"remote_addr"`
	BodyBytes  int64               `json:"body_bytes"`
	Events     int                 `json:"events"` // accepted
	ReceivedAt time.Time           `json:"received_at"`
	Headers    map[string][]string `json:"headers,omitempty"`
	Body       string              `json:"body,omitempty"`
	BodyBase64 string              `json:"body_base64,omitempty"` // the body, if it is not UTF-8
}

// A RequestFilter narrows a list of requests. Zero fields do not narrow.
type RequestFilter struct {
	Source  string // name or id
	Outcome string
	Since   time.Time
	Until   time.Time
}

// Requests lists requests.
func (c *Client) Requests(ctx context.Context, f RequestFilter, page Page) (List[Request], error) {
	return list[Request](ctx, c, path("requests"), page, url.Values{
		"source": {f.Source}, "outcome": {f.Outcome}, "since": {moment(f.Since)}, "until": {moment(f.Until)},
	})
}

// Request returns one request, with headers and body.
func (c *Client) Request(ctx context.Context, id string) (Request, error) {
	return get[Request](ctx, c, path("requests", id))
}
