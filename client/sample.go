package client

import "context"

// A SampleType is an event of a provider's system by which a source can be tried, or the handshake of the system.
type SampleType struct {
	Type  string `json:"type" example:"ams.JobStateChange"` // of the event, or "handshake"
	Title string `json:"title"`                             // in words
}

// A NewSample says what to send to a source.
type NewSample struct {
	Type string `json:"type,omitempty" maxLength:"255" example:"ams.JobStateChange"` // "" is the provider's first one
}

// A Sample is a request that the gateway sent to a source as its provider would, and what the source made of it.
type Sample struct {
	Request    PreviewedRequest `json:"request"`
	Status     int              `json:"status" example:"202"` // of the answer
	Body       string           `json:"body"`                 // of the answer
	BodyBase64 string           `json:"body_base64,omitempty"`
	DurationMS float64          `json:"duration_ms"`
	EventIDs   []string         `json:"event_ids"`
	// RequestID is set if the request is on record: it was refused, or is a handshake.
	RequestID string `json:"request_id"`
	Reason    string `json:"reason"` // the code of a refusal; "" if it was accepted
	Detail    string `json:"detail"`
	Cause     string `json:"cause"`
	Advice    string `json:"advice"`
	// Handshake says of a handshake whether the provider would be content; "" is an event.
	Handshake string `json:"handshake" enum:",agreed,not_agreed"`
}

// SampleSource sends a source what its provider would send, signed with the first secret of the source. All of it is
// as for a request from outside: the event is stored and delivered.
func (c *Client) SampleSource(ctx context.Context, idOrName string, s NewSample) (Sample, error) {
	return post[Sample](ctx, c, path("sources", idOrName, "sample"), s)
}

// A SourceRotation gives a source a new secret.
type SourceRotation struct {
	Secret  string `json:"secret,omitempty"` // "" has the gateway make one
	Setting string `json:"setting,omitempty" maxLength:"64" example:"signing_key"`
}

// A DroppedSecret says of which setting the old secret is removed.
type DroppedSecret struct {
	Setting string `json:"setting,omitempty" maxLength:"64" example:"signing_key"`
}

// A RotatedSource is a source, and the secret that the gateway made for it.
type RotatedSource struct {
	Source
	Setting string `json:"setting"`          // that holds the secret
	Secret  string `json:"secret,omitempty"` // that was made; it is not shown again
}

// RotateSourceSecret gives a source a new secret. It accepts the one before too, until DropOldSecret.
func (c *Client) RotateSourceSecret(ctx context.Context, idOrName string, r SourceRotation) (RotatedSource, error) {
	return post[RotatedSource](ctx, c, path("sources", idOrName, "rotate-secret"), r)
}

// DropOldSecret leaves a source the newest secret of a setting. The error is of [bellhop.CodeConflict] if it has no
// other.
func (c *Client) DropOldSecret(ctx context.Context, idOrName string, d DroppedSecret) (RotatedSource, error) {
	return post[RotatedSource](ctx, c, path("sources", idOrName, "drop-secret"), d)
}
