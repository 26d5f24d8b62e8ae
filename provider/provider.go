// Package provider is what a provider implements to live in Bellhop, and what it is handed to do so.
//
// A provider is the package that understands one outside system: how its requests prove who sent them, which
// handshakes it asks for, and how one request becomes events. It may also send as that system does ([Sender]).
// The packages below this one are the providers; [github.com/bellhop-gateway/bellhop/provider/all] lists them.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Provider turns the calls of one outside system into events.
type Provider interface {
	// Info is constant: name (in URLs and in the database), title, settings with their docs, links.
	Info() Info
	// Open checks a source's settings once, when the source is saved or loaded. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("signing_key").
	// Where a source can do without any proof, the setting that says so is the flag "unauthenticated", and settings of
	// it alone are good: 'bellhop send' opens the provider so to see whether a body is one of its own, which then goes out as it is.
	Open(env Env, settings json.RawMessage) (Receiver, error)
}

// A Receiver reads the requests of one source. It is safe for concurrent use, and lives until the source's settings
// change: what it has learnt meanwhile, such as the keys of others, it may keep, within bounds.
type Receiver interface {
	// Receive returns a Reply to send at once (a handshake) or the events of req in their order.
	// An error that wraps signature.ErrMissing, ErrMismatch, ErrExpired or ErrMalformed is answered 401; one
	// that wraps ErrBody, ErrForbidden, ErrMethod, ErrEncoding, ErrMediaType or ErrUnavailable as those say; any other is our own fault: 503.
	// What it returns may refer to req.Body, which nobody changes afterwards.
	Receive(ctx context.Context, req *Request) (Receipt, error)
}

// A SecretHeaders receiver names the request headers in which a shared secret travels as it is, so that nobody keeps
// them. Authorization, Cookie and the values of a query are never kept and need no mention.
type SecretHeaders interface {
	SecretHeaders() []string // canonical names
}

// A Sender is a provider that can also send as its system does.
type Sender interface {
	Provider
	// OpenSender checks a destination's settings once. Errors as those of Open.
	OpenSender(env Env, settings json.RawMessage) (Renderer, error)
}

// A Renderer writes deliveries in one destination's dialect. It is safe for concurrent use.
type Renderer interface {
	// Render returns the request that delivers ev: what the same provider's Receiver accepts.
	// An event that came from this provider keeps its bytes; any other is put into the provider's form.
	// An error that wraps ErrSkip cancels the delivery with the error as its reason; any other is its end.
	Render(ev *bellhop.Event, at AttemptInfo) (OutboundRequest, error)
}

// ErrSkip: by its settings, the destination does not want the event. Wrap it to say why.
var ErrSkip = errors.New("not for this destination")

// A Batcher is a Renderer that can put several events into one request.
type Batcher interface {
	Renderer
	// RenderBatch returns the request that delivers events, in their order; there is at least one. The same provider's
	// Receiver makes as many events of it.
	RenderBatch(events []*bellhop.Event, at AttemptInfo) (OutboundRequest, error)
}

// A Tester is a provider whose system has a message to try a receiver with, behind a button mostly.
type Tester interface {
	Provider
	// TestBody returns the body of that message, sent at that time.
	TestBody(at time.Time) []byte
}

// A ReplyJudge is a Renderer whose receivers answer in a way of their own.
type ReplyJudge interface {
	// Judge returns what a reply makes of its delivery. body is the beginning of the reply, at most bellhop.MaxReplyBytes of it.
	// "" leaves the decision to the status: 2xx is delivered, 410 disables the destination, any other is tried again.
	Judge(status int, body []byte) bellhop.Outcome
}

// A Handshaker is a Renderer whose receivers have to agree before anything is delivered to them: the handshake, seen
// from the side that asks.
type Handshaker interface {
	// Handshake returns the handshake to make. at.URL is the destination's; at.Callback is where a receiver may agree later.
	Handshake(at AttemptInfo) (HandshakeRequest, error)
	// HandshakeByDefault reports whether the handshake is made where a destination does not say.
	HandshakeByDefault() bool
}

// A HandshakeRequest is one handshake to make.
type HandshakeRequest struct {
	URL     string // to ask at; "" is the destination's
	Request OutboundRequest
	Rate    float64 // deliveries a second that it asks for; 0 is any
	// Read reads the answer. Its error says why that is no agreement.
	Read func(status int, h http.Header, body []byte) (HandshakeResult, error)
}

// A HandshakeResult is the receiver's answer to a handshake.
type HandshakeResult struct {
	Pending bool    // the receiver has not agreed yet; it may later, by calling AttemptInfo.Callback
	Reason  string  // why it has not agreed yet, in words; may be ""
	Rate    float64 // deliveries a second that the receiver allows; 0 is any
}

// A Caller is a provider whose own calls are not what its Sender sends: Slack signs the events that it posts to
// others, and takes messages that are not signed. What a Caller renders, Receive accepts.
type Caller interface {
	Provider
	// OpenCaller takes the settings of the source that is to be called.
	OpenCaller(env Env, settings json.RawMessage) (Renderer, error)
}

// AttemptInfo describes the attempt that a Renderer renders for.
type AttemptInfo struct {
	DeliveryID string
	Attempt    int       // from 1
	Time       time.Time // of this attempt
	URL        string    // it goes to; some schemes sign its path
	ExpiresAt  time.Time // from when on nothing more is owed to the destination; zero is never
	Callback   string    // for a handshake: a URL of ours, for this handshake alone; "" if there is none
}

// Expiry is when a subscription ends that a dialect shows: with the destination, or at another moment where that has no end.
func (s AttemptInfo) Expiry(other time.Time) time.Time {
	if s.ExpiresAt.IsZero() {
		return other
	}
	return s.ExpiresAt
}

// An OutboundRequest is the HTTP request that carries a delivery.
type OutboundRequest struct {
	Method string // "" is POST
	Header http.Header
	Body   []byte
}

// Env is what a provider may use of the world.
type Env struct {
	Now    func() time.Time
	Rand   io.Reader
	Client *http.Client // guarded; for key sets and the like
	Logger *slog.Logger
}

// A Request is one HTTP call at a source, its body read whole.
type Request struct {
	Method     string
	Target     string // path and query exactly as in the request line
	Header     http.Header
	Body       []byte
	RemoteAddr string
	ReceivedAt time.Time
}

// A Receipt is what a Receiver made of a request.
type Receipt struct {
	Reply   *Reply          // set: a handshake, answered at once; nothing is stored
	Events  []bellhop.Event // Type, Subject, ProviderID, Time, ContentType and Body are the provider's to fill
	Refused []ItemError     // items of a batch that were refused while their neighbours passed
	Status  int             // to answer once the events are on disk; 0 is 202
}

// An ItemError is the error of one item of a batch that was refused.
type ItemError struct {
	Index int // its index in the batch
	Err   error
}

// A Reply is an answer that a protocol prescribes.
type Reply struct {
	Status      int
	ContentType string // "" is "text/plain; charset=utf-8"
	Header      http.Header
	Body        []byte
	// Then, if it is set, is done once the reply is on its way: agreeing by a call to the provider, say. It is given
	// some seconds, and its error or nil is put on record with the handshake.
	Then func(ctx context.Context) error
}
