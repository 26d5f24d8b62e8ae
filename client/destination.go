package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// A NewDestination is what a destination is made of. What is left out has its default.
type NewDestination struct {
	Name        string         `json:"name"`
	Type        string         `json:"type,omitempty"` // "http" (the default), a provider that sends, or an action such as "exec"
	URL         string         `json:"url,omitempty"`
	Settings    map[string]any `json:"settings,omitempty"` // the type's own, secrets included
	Access      map[string]any `json:"access,omitempty"`   // how it is reached, and who we are there, secrets included
	Match       *Match         `json:"match,omitempty"`
	Timeout     string         `json:"timeout,omitempty"` // "5s"
	Concurrency int            `json:"concurrency,omitempty"`
	Rate        *Rate          `json:"rate,omitempty"`
	Batch       *Batch         `json:"batch,omitempty"`
	Order       string         `json:"order,omitempty"` // "none", "source" or "subject"
	Retry       *Retry         `json:"retry,omitempty"`
	Breaker     *Breaker       `json:"breaker,omitempty"`
	ExpiresAt   time.Time      `json:"expires_at,omitzero"`
	Handshake   string         `json:"handshake,omitempty"` // "none", or how the type asks: "validation-token", "eventgrid", "cloudevents"
}

// A Destination is where events go.
type Destination struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Type         string         `json:"type"`
	URL          string         `json:"url"`
	Settings     map[string]any `json:"settings"` // of a secret: {"set": true, "set_at": …}
	Access       map[string]any `json:"access"`   // the same of its secrets; nil is as anybody
	Match        Match          `json:"match"`
	Timeout      string         `json:"timeout"`
	Concurrency  int            `json:"concurrency"`
	Rate         *Rate          `json:"rate"`  // nil is any
	Batch        *Batch         `json:"batch"` // nil is one event at a time
	Order        string         `json:"order"`
	Retry        Retry          `json:"retry"`
	Breaker      Breaker        `json:"breaker"`
	ExpiresAt    time.Time      `json:"expires_at,omitzero"` // zero is never
	Handshake    string         `json:"handshake"`
	GrantedRate  *Rate          `json:"granted_rate"` // what the receiver allowed when it agreed; nil is any
	State        string         `json:"state"`        // "active", "paused", "disabled", "unverified" or "expired"
	StateReason  string         `json:"state_reason"`
	MatchError   *MatchError    `json:"match_error"`            // how its where failed last since the start; nil is that it did not
	FailingSince time.Time      `json:"failing_since,omitzero"` // zero while it is well
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
}

// A Match says which events a destination wants. All that is set must hold.
type Match struct {
	Sources []string `json:"sources,omitempty"` // names or ids
	Types   []string `json:"types,omitempty"`   // whole types, or a prefix and "*"
	Where   string   `json:"where,omitempty"`
}

// A Rate bounds how often attempts begin.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst,omitempty"` // how many at once after a rest; 0 is that of a second, at least 1
}

// A Batch says how many events go into one request.
type Batch struct {
	MaxEvents int    `json:"max_events"`
	MaxWait   string `json:"max_wait,omitempty"` // how long the first event waits for others: "1s"
}

// A Retry says when a failed delivery is tried again.
type Retry struct {
	Schedule Schedule          `json:"schedule,omitempty"`
	MaxAge   string            `json:"max_age,omitempty"`  // "24h"
	Outcomes map[string]string `json:"outcomes,omitempty"` // by status, "4xx" or error: "delivered", "retry", "dead" or "disable"
}

// A Breaker says when a destination that keeps failing is held back, and when it is given up.
type Breaker struct {
	Failures     *int   `json:"failures,omitempty"`      // attempts in a row that failed; 0 never holds back, nil is the default
	For          string `json:"for,omitempty"`           // for which it has to fail as well, if it answers: "10s"
	DisableAfter string `json:"disable_after,omitempty"` // "120h"; "0s" never disables
}

// A Schedule is the name of a preset, alone ("default", "none"), or a list of durations ("5s", "5m").
type Schedule []string

// MarshalJSON writes one name as text, and anything else as a list.
func (s Schedule) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		if _, err := time.ParseDuration(s[0]); err != nil {
			return json.Marshal(s[0])
		}
	}
	return json.Marshal(append([]string{}, s...))
}

// UnmarshalJSON reads text or a list of it.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	var preset string
	if json.Unmarshal(b, &preset) == nil {
		*s = Schedule{preset}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// Destinations lists the destinations.
func (c *Client) Destinations(ctx context.Context, page Page) (List[Destination], error) {
	return list[Destination](ctx, c, path("destinations"), page, nil)
}

// Destination returns the destination of that id or name.
func (c *Client) Destination(ctx context.Context, idOrName string) (Destination, error) {
	return get[Destination](ctx, c, path("destinations", idOrName))
}

// CreateDestination makes a destination.
func (c *Client) CreateDestination(ctx context.Context, d NewDestination) (Destination, error) {
	return post[Destination](ctx, c, path("destinations"), d)
}

// UpdateDestination changes what is named in changes, a JSON merge patch of a NewDestination: nil removes.
func (c *Client) UpdateDestination(ctx context.Context, idOrName string, changes map[string]any) (Destination, error) {
	return patch[Destination](ctx, c, path("destinations", idOrName), changes)
}

// PauseDestination keeps a destination's events for it until it is resumed.
func (c *Client) PauseDestination(ctx context.Context, idOrName string) (Destination, error) {
	return post[Destination](ctx, c, path("destinations", idOrName, "pause"), nil)
}

// ResumeDestination delivers to a destination again that was paused or disabled. One whose receiver has to agree is
// asked again first.
func (c *Client) ResumeDestination(ctx context.Context, idOrName string) (Destination, error) {
	return post[Destination](ctx, c, path("destinations", idOrName, "resume"), nil)
}

// DeleteDestination takes a destination away. What is still owed to it is cancelled.
func (c *Client) DeleteDestination(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("destinations", idOrName), nil, nil)
}
