package client

import (
	"context"
	"net/url"
	"time"
)

// A Request is one HTTP request at a source that the gateway kept: it was refused, answered a handshake, or
// carried several events.
type Request struct {
	ID       string `json:"id" example:"req_01h455vb4pex5vsknk08"`
	Source   string `json:"source"`    // the name of the source, also of a deleted one; "" if there was none
	SourceID string `json:"source_id"` // "" if there was no source with the name in the path
	// RequestName is that name, of a request without a source: at most 128 bytes of it.
	RequestName string `json:"request_name,omitempty"`
	Outcome     string `json:"outcome" enum:"accepted,handshake,refused,partial"`
	Status      int    `json:"status"`                              // of the answer
	Reason      string `json:"reason" example:"signature_mismatch"` // of a refusal: a short code
	Detail      string `json:"detail"`                              // of a refusal: in words
	Method      string `json:"method" example:"POST"`
	Target      string `json:"target" example:"/in/media"`
	RemoteAddr  string `json:"remote_addr"`
	BodyBytes   int64  `json:"body_bytes"`
	Events      int    `json:"events"` // accepted
	ReceivedAt  Time   `json:"received_at"`
}

// A RequestDetail is a request with its headers and its body.
type RequestDetail struct {
	Request
	Headers    map[string][]string `json:"headers"`
	Body       string              `json:"body"`
	BodyBase64 string              `json:"body_base64,omitempty"` // the body, if it is not UTF-8
}

// A NewVerification says by what a request on record is verified again.
type NewVerification struct {
	// Secret takes the place of the source's own for this call. It is not kept.
	Secret  string `json:"secret,omitempty" maxLength:"65536"`
	Setting string `json:"setting,omitempty" maxLength:"64" example:"signing_key"` // that Secret is for
}

// A Verdict is what a source makes of a request on record when it is verified again.
type Verdict struct {
	// Outcome is unknown if the record does not have enough of the request to tell.
	Outcome string    `json:"outcome" enum:"accepted,handshake,partial,refused,unknown"`
	Status  int       `json:"status"`                              // that the source would answer; 0 if it is unknown
	Reason  string    `json:"reason" example:"signature_mismatch"` // of a refusal: a short code
	Detail  string    `json:"detail"`                              // of a refusal: in words
	Events  int       `json:"events"`                              // that the request carries
	Missing []Missing `json:"missing"`                             // what the record lacks
	Cause   string    `json:"cause"`                               // the likely one of the refusal
	Advice  string    `json:"advice"`                              // what to do
}

// A Missing is a part of a request that is not on record.
type Missing struct {
	Part   string `json:"part" enum:"body,header,query"`
	Detail string `json:"detail"`
}

// A RequestFilter narrows a list of requests. Zero fields do not narrow.
type RequestFilter struct {
	Source   string // name or id, also of a deleted source
	NoSource bool   // only requests at names that are no source's
	Outcome  string
	Reason   string // of a refusal
	Tenant   string // of the source
	Contains string // these bytes occur in the body, as far as it is kept; slow
	Since    time.Time
	Until    time.Time
}

// Requests lists requests.
func (c *Client) Requests(ctx context.Context, f RequestFilter, page Page) (List[Request], error) {
	query := url.Values{
		"source": {f.Source}, "outcome": {f.Outcome}, "reason": {f.Reason}, "tenant": {f.Tenant},
		"contains": {f.Contains}, "since": {moment(f.Since)}, "until": {moment(f.Until)},
	}
	if f.NoSource {
		query.Set("no_source", "true")
	}
	return list[Request](ctx, c, path("requests"), page, query)
}

// Request returns one request with its headers and its body.
func (c *Client) Request(ctx context.Context, id string) (RequestDetail, error) {
	return get[RequestDetail](ctx, c, path("requests", id))
}

// VerifyRequest has the source of a request verify it again, as if it came in when it did: with the present settings,
// or with the secret of n. Nothing is published or stored.
func (c *Client) VerifyRequest(ctx context.Context, id string, n NewVerification) (Verdict, error) {
	return post[Verdict](ctx, c, path("requests", id, "verify"), n)
}
