package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A NewDestination holds the values of a new destination. A zero field has its default.
type NewDestination struct {
	Name        string    `json:"name" example:"billing"`
	Type        string    `json:"type,omitempty" example:"http"` // a provider, an action or "http", the default
	URL         string    `json:"url,omitempty" example:"https://billing.example.com/hooks"`
	Settings    Settings  `json:"settings,omitempty"` // secrets included
	Access      Access    `json:"access,omitempty"`   // secrets included
	Match       *Match    `json:"match,omitempty"`
	Timeout     string    `json:"timeout,omitempty" example:"5s"`
	Concurrency int       `json:"concurrency,omitempty" minimum:"1" maximum:"1024"`
	Rate        *Rate     `json:"rate,omitempty"`
	Batch       *Batch    `json:"batch,omitempty"`
	Order       string    `json:"order,omitempty" enum:"none,source,subject"`
	Retry       *Retry    `json:"retry,omitempty"`
	Breaker     *Breaker  `json:"breaker,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Handshake   string    `json:"handshake,omitempty" example:"none"`
	Tenant      string    `json:"tenant,omitempty" maxLength:"64"`
	Tenants     []string  `json:"tenants,omitempty"` // further tenants whose events it gets, or "*" alone
	Paused      bool      `json:"paused,omitempty"`  // nothing is sent until it is resumed
}

// A DestinationPatch describes the changes that [Client.UpdateDestination] takes.
type DestinationPatch struct {
	NewDestination
	// KeepSecrets allows a change of URL, or of token_url or proxy in Access, to send stored secrets to another
	// scheme, host or port. Without it such a change is refused, unless it gives or removes these secrets.
	KeepSecrets bool `json:"keep_secrets,omitempty"`
}

// A Destination is where events go.
type Destination struct {
	ID           string      `json:"id" example:"dst_01h455vb4pex5vsknk08"`
	Name         string      `json:"name" example:"billing"`
	Type         string      `json:"type" example:"http"`
	URL          string      `json:"url"`
	Settings     Settings    `json:"settings"` // a secret is masked: {"set": true, "set_at": …}
	Access       Access      `json:"access"`   // its secrets are masked too
	Match        Match       `json:"match"`
	Timeout      string      `json:"timeout" example:"5s"`
	Concurrency  int         `json:"concurrency" example:"16"`
	Rate         *Rate       `json:"rate"`  // nil is no limit
	Batch        *Batch      `json:"batch"` // nil is one event in each request
	Order        string      `json:"order" enum:"none,source,subject"`
	Retry        Retry       `json:"retry"`
	Breaker      Breaker     `json:"breaker"`
	ExpiresAt    Time        `json:"expires_at"` // zero is never
	Handshake    string      `json:"handshake" example:"none"`
	Tenant       string      `json:"tenant"`
	Tenants      []string    `json:"tenants"`
	GrantedRate  *Rate       `json:"granted_rate"` // nil is no limit
	State        string      `json:"state" enum:"active,paused,disabled,unverified,expired"`
	StateReason  string      `json:"state_reason"`
	Closed       string      `json:"closed,omitempty"` // why it cannot be opened and so gets nothing; "" if it can
	HeldBack     *HeldBack   `json:"held_back"`        // nil if attempts begin as usual
	MatchError   *MatchError `json:"match_error"`      // nil if the where of the match has not failed since the start
	FailingSince Time        `json:"failing_since"`    // zero while the breaker is closed
	CreatedAt    Time        `json:"created_at"`
	UpdatedAt    Time        `json:"updated_at"`
	Warnings     []string    `json:"warnings,omitempty"` // of an answer to a change: what is accepted but weak

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (d *Destination) setETag(tag string) { d.ETag = tag }

// A Match says which events a destination wants. All parts that are set must hold.
type Match struct {
	Sources []string `json:"sources" required:"false"`
	Types   []string `json:"types" required:"false"`
	Where   string   `json:"where" required:"false" example:"data.Properties.NewState == 'Finished'"`
}

// MarshalJSON writes nil lists as empty ones.
func (m Match) MarshalJSON() ([]byte, error) {
	type plain Match
	m.Sources, m.Types = append([]string{}, m.Sources...), append([]string{}, m.Types...)
	return encode(plain(m))
}

// A Rate limits how often attempts begin.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst,omitempty"` // attempts at once after a pause; 0 is PerSecond, at least 1
}

// A Batch says how many events go into one request.
type Batch struct {
	MaxEvents int    `json:"max_events"`
	MaxWait   string `json:"max_wait,omitempty"` // how long the first event waits for others: "1s"
}

// A Retry says when a failed delivery is tried again.
type Retry struct {
	Schedule Schedule                   `json:"schedule,omitempty"`
	MaxAge   string                     `json:"max_age,omitempty" example:"24h"`
	Outcomes map[string]bellhop.Outcome `json:"outcomes,omitempty"` // by status, class ("4xx") or error ("timeout")
}

// A Breaker says when a failing destination gets one attempt at a time, and when it is disabled.
type Breaker struct {
	Failures     *int   `json:"failures,omitempty"`      // failed attempts in a row; 0 is never, nil is the default
	For          string `json:"for,omitempty"`           // how long it has to fail as well, if it answers: "10s"
	DisableAfter string `json:"disable_after,omitempty"` // "120h"; "0s" is never
}

// A HeldBack says why no attempt of a destination begins, or only single ones: it keeps failing, it asked for a rest,
// its connection is signed out, or the server's machine was short of a resource.
type HeldBack struct {
	// of the last such attempt; "" if none was made since the start
	Reason string `json:"reason" example:"answered 503"`
	// NextAt is before which no attempt begins; it may have passed. It is zero while the destination waits for its
	// connection, until somebody signs in.
	NextAt Time `json:"next_at"`
}

// A MatchError is the last failure of the where of a destination's match. An event for which it fails does not
// match.
type MatchError struct {
	At      Time   `json:"at"`
	Message string `json:"message"`
	Count   int64  `json:"count"` // failures since the start, or since the where was changed
}

// A PreviewRequest asks what a destination would do with an event.
type PreviewRequest struct {
	Destination NameOr[NewDestination] `json:"destination"`
	Event       NameOr[SampleEvent]    `json:"event"`
}

// A SampleEvent is an event of a preview. It is not stored.
type SampleEvent struct {
	Type    string            `json:"type" minLength:"1" maxLength:"255" example:"invoice.paid"`
	Source  string            `json:"source,omitempty" maxLength:"255"`
	Subject string            `json:"subject,omitempty" maxLength:"1024"`
	Time    time.Time         `json:"time,omitzero"`
	Tenant  string            `json:"tenant,omitempty" maxLength:"255"`
	Headers map[string]string `json:"headers,omitempty"`
	Data    json.RawMessage   `json:"data,omitempty"`
	Body    string            `json:"body,omitempty"` // text, instead of Data
}

// A Preview says what a destination would do with an event.
type Preview struct {
	Matches    bool                `json:"matches"`
	Why        string              `json:"why"`               // the part of the match that does not want the event
	MatchError string              `json:"match_error"`       // why the where could not be evaluated
	Request    *PreviewedRequest   `json:"request,omitempty"` // nil if nothing would be sent
	Signature  map[string][]string `json:"signature"`         // the headers of the request that sign it
	Error      string              `json:"error"`             // why the request could not be rendered
	// why the destination's own filter does not want the event
	Skipped string `json:"skipped"`
}

// A PreviewedRequest is a request as the gateway would send it, with an ellipsis in place of each secret.
type PreviewedRequest struct {
	Method     string              `json:"method" example:"POST"`
	URL        string              `json:"url"`
	Way        string              `json:"way"` // how the request gets there; "" is directly, without signing in
	Headers    map[string][]string `json:"headers"`
	Body       string              `json:"body"`
	BodyBase64 string              `json:"body_base64,omitempty"` // the body, if it is not UTF-8
	BodyBytes  int                 `json:"body_bytes"`            // of the whole body
}

// A TryRequest asks for one attempt with a destination that need not be stored.
type TryRequest struct {
	Destination NameOr[NewDestination] `json:"destination"`
	// Changes are made to a stored destination for this attempt alone: a JSON merge patch with the members of a
	// DestinationPatch. Its stored secrets go to a changed address only if KeepSecrets says so.
	Changes map[string]any      `json:"changes,omitempty"`
	Event   NameOr[SampleEvent] `json:"event,omitempty"` // empty is a test event
}

// A Try is one attempt with a destination that need not be stored.
type Try struct {
	Preview
	Attempt *Attempt `json:"attempt,omitempty"` // nil if nothing was sent
	// State is that of a delivery after this attempt; "" if nothing was sent.
	State  string `json:"state,omitempty" enum:"pending,delivered,dead,cancelled"`
	NextAt Time   `json:"next_at,omitzero"` // of a pending delivery
	// Handshake is the one that creating the destination makes, and a try does not.
	Handshake string `json:"handshake,omitempty"`
}

// A MatchRequest asks which of the newest stored events a destination would want.
type MatchRequest struct {
	// Destination is the name or id of a stored destination: its match and its tenants are meant where others are not
	// given.
	Destination string   `json:"destination,omitempty"`
	Match       *Match   `json:"match,omitempty"`
	Tenant      string   `json:"tenant,omitempty" maxLength:"255"`
	Tenants     []string `json:"tenants,omitempty"`
	Limit       int      `json:"limit,omitempty" minimum:"1" maximum:"1000"` // events to look at; 0 is 100
}

// A MatchedEvents says which of the newest stored events a destination would want.
type MatchedEvents struct {
	LookedAt   int            `json:"looked_at"`
	Wanted     int            `json:"wanted"`
	Excluded   map[string]int `json:"excluded"` // events that are not wanted, by the reason
	Complete   bool           `json:"complete"` // false if there was no time to look at as many as were asked for
	SearchedTo Time           `json:"searched_to"`
	Events     []MatchedEvent `json:"events"` // newest first
}

// A MatchedEvent is a stored event, and whether a destination would want it.
type MatchedEvent struct {
	ID         string `json:"id" example:"evt_01h455vb4pex5vsknk10"`
	Type       string `json:"type"`
	Subject    string `json:"subject"`
	Source     string `json:"source"`
	ReceivedAt Time   `json:"received_at"`
	Wanted     bool   `json:"wanted"`
	// Reason is why it is not wanted: the part of the match, or tenant.
	Reason string `json:"reason" enum:",source,type,where,where_fails,tenant"`
	Detail string `json:"detail"` // of a where that fails: its error
}

// A Trial is a test event that was sent to one destination.
type Trial struct {
	EventID    string `json:"event_id"`
	DeliveryID string `json:"delivery_id"`
}

// A Rotation gives a destination a new secret.
type Rotation struct {
	Secret string `json:"secret,omitempty"`              // "" has the gateway make one
	Grace  string `json:"grace,omitempty" example:"24h"` // how long the old secret signs too
}

// A RotatedDestination is a destination, and the secret that the gateway made for it.
type RotatedDestination struct {
	Destination
	Secret string `json:"secret,omitempty"`
}

// A DestinationFilter narrows a list of destinations. Zero fields do not narrow.
type DestinationFilter struct {
	Type   string // a whole type, or a prefix and "*"
	State  string
	Tenant string
	// Troubled selects those that get nothing, or get it late or in part.
	Troubled bool
}

// Destinations lists the destinations.
func (c *Client) Destinations(ctx context.Context, f DestinationFilter, page Page) (List[Destination], error) {
	query := url.Values{"type": {f.Type}, "state": {f.State}, "tenant": {f.Tenant}}
	if f.Troubled {
		query.Set("troubled", "true")
	}
	return list[Destination](ctx, c, path("destinations"), page, query)
}

// Destination returns the destination of that id or name.
func (c *Client) Destination(ctx context.Context, idOrName string) (Destination, error) {
	return get[Destination](ctx, c, path("destinations", idOrName))
}

// CreateDestination creates a destination.
func (c *Client) CreateDestination(ctx context.Context, d NewDestination) (Destination, error) {
	return post[Destination](ctx, c, path("destinations"), d)
}

// UpdateDestination changes the members named in changes, a JSON merge patch with the members of a DestinationPatch. A
// nil value removes a member.
func (c *Client) UpdateDestination(ctx context.Context, idOrName string, changes map[string]any) (Destination, error) {
	return patch[Destination](ctx, c, path("destinations", idOrName), changes)
}

// PauseDestination holds a destination's deliveries back until it is resumed.
func (c *Client) PauseDestination(ctx context.Context, idOrName string) (Destination, error) {
	return post[Destination](ctx, c, path("destinations", idOrName, "pause"), nil)
}

// ResumeDestination delivers again to a destination that was paused or disabled. If the destination has a
// handshake, its receiver has to agree first.
func (c *Client) ResumeDestination(ctx context.Context, idOrName string) (Destination, error) {
	return post[Destination](ctx, c, path("destinations", idOrName, "resume"), nil)
}

// DeleteDestination deletes a destination and cancels its pending deliveries.
func (c *Client) DeleteDestination(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("destinations", idOrName), nil, nil)
}

// PreviewDestination says whether a destination wants an event, and what it would be sent. Nothing is sent or
// stored. The destination is a name, an id or a NewDestination; the event is an id or a SampleEvent.
func (c *Client) PreviewDestination(ctx context.Context, destination, event any) (Preview, error) {
	return sendTo[Preview](ctx, c, "preview", destination, nil, event)
}

// TryDestination sends an event once to a destination, whatever its match says, and returns what came back. Nothing is
// stored. The destination is a NewDestination, or the name or id of a stored one; the event is an id, a SampleEvent,
// or nil for a test event.
func (c *Client) TryDestination(ctx context.Context, destination, event any) (Try, error) {
	return sendTo[Try](ctx, c, "try", destination, nil, event)
}

// TryChanges is TryDestination for a stored destination as it would be after [Client.UpdateDestination] with these
// changes.
func (c *Client) TryChanges(ctx context.Context, idOrName string, changes map[string]any, event any) (Try, error) {
	return sendTo[Try](ctx, c, "try", idOrName, changes, event)
}

// MatchEvents says which of the newest stored events a destination would want, and why not the others.
func (c *Client) MatchEvents(ctx context.Context, m MatchRequest) (MatchedEvents, error) {
	return post[MatchedEvents](ctx, c, path("destinations", "match"), m)
}

// sendTo calls the operation of that name with a destination, changes of it and an event.
func sendTo[T any](ctx context.Context, c *Client, operation string, destination any, changes map[string]any,
	event any) (v T, err error) {
	d, err := json.Marshal(destination)
	if err != nil {
		return v, fmt.Errorf("write the destination: %w", err)
	}
	body := slices.Concat([]byte(`{"destination":`), d, []byte("}"))
	if len(changes) > 0 {
		changed, err := encode(changes)
		if err != nil {
			return v, fmt.Errorf("write the changes: %w", err)
		}
		body = slices.Concat(body[:len(body)-1], []byte(`,"changes":`), changed, []byte("}"))
	}
	if event != nil {
		ev, err := eventBytes(event)
		if err != nil {
			return v, fmt.Errorf("write the event: %w", err)
		}
		body = slices.Concat(body[:len(body)-1], []byte(`,"event":`), ev, []byte("}"))
	}
	header := http.Header{"Content-Type": {"application/json"}}
	reply, err := c.send(ctx, http.MethodPost, path("destinations", operation), header, body)
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(reply.body, &v)
}

// eventBytes returns the event of a preview as JSON. The data of a SampleEvent stays byte for byte.
func eventBytes(event any) ([]byte, error) {
	sample, ok := event.(SampleEvent)
	if !ok || len(sample.Data) == 0 {
		return json.Marshal(event)
	}
	return withData(struct {
		SampleEvent
		Data *struct{} `json:"data,omitempty"` // hides that of SampleEvent
	}{SampleEvent: sample}, sample.Data)
}

// TestDestination sends a test event to a destination, whether its match wants the event or not.
func (c *Client) TestDestination(ctx context.Context, idOrName string) (Trial, error) {
	return post[Trial](ctx, c, path("destinations", idOrName, "test"), nil)
}

// RotateSecret has a destination of type http sign with a new secret, and for a while with the old one too.
func (c *Client) RotateSecret(ctx context.Context, idOrName string, r Rotation) (RotatedDestination, error) {
	return post[RotatedDestination](ctx, c, path("destinations", idOrName, "rotate-secret"), r)
}
