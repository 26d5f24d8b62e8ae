// Package provider is what a provider implements to live in Bellhop, and what it is handed to do so.
//
// A provider is the package that understands one outside system: how its requests prove who sent them, which
// handshakes it asks for, and how one request becomes events. It may also send as that system does ([Sender]).
// The packages below this one are the providers; [github.com/bellhop-gateway/bellhop/provider/all] lists them.
package provider

import (
	"context"
	"encoding/json"
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
	Open(env Env, settings json.RawMessage) (Receiver, error)
}

// A Receiver reads the requests of one source. It is safe for concurrent use.
type Receiver interface {
	// Receive returns a Reply to send at once (a handshake) or the events of req in their order.
	// An error that wraps signature.ErrMissing, ErrMismatch, ErrExpired or ErrMalformed is answered 401; one
	// that wraps ErrBody, ErrForbidden, ErrMethod, ErrEncoding or ErrUnavailable as those say; any other is our own fault: 503.
	// What it returns may refer to req.Body, which nobody changes afterwards.
	Receive(ctx context.Context, req *Request) (Receipt, error)
}

// A Secretive receiver names the request headers in which a shared secret travels as it is, so that nobody keeps
// them. Authorization, Cookie and the values of a query are never kept and need no mention.
type Secretive interface {
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
	Render(ev *bellhop.Event, at Sending) (Rendered, error)
}

// Sending is what a Renderer may need to know of the attempt it renders for.
type Sending struct {
	DeliveryID string
	Attempt    int       // from 1
	Time       time.Time // of this attempt
	URL        string    // it goes to; some schemes sign its path
}

// Rendered is the HTTP request that carries a delivery.
type Rendered struct {
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
	Refused []Refusal       // items of a batch that were refused while their neighbours passed
	Status  int             // to answer once the events are on disk; 0 is 202
}

// A Refusal is one item of a batch that was not accepted.
type Refusal struct {
	Item int // its index in the batch
	Err  error
}

// A Reply is an answer that a protocol prescribes.
type Reply struct {
	Status      int
	ContentType string // "" is "text/plain; charset=utf-8"
	Header      http.Header
	Body        []byte
}
