package provider

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Sender is a provider that can also send as its system does.
type Sender interface {
	Provider
	// OpenSender checks the settings of a destination once, when it is saved or loaded. Errors are as those of Open.
	OpenSender(env Env, settings json.RawMessage) (Renderer, error)
}

// A Renderer writes deliveries in the dialect of one destination. It is safe for concurrent use.
type Renderer interface {
	// Render returns the request that delivers ev, which it must not change: a request that the same provider's
	// Receiver accepts. An event that came from this provider keeps its bytes; any other event is put into the
	// provider's form. An error that wraps ErrSkip cancels the delivery with the error as its reason; any other error
	// makes it dead.
	Render(ev *bellhop.Event, at AttemptInfo) (OutboundRequest, error)
}

// ErrSkip: by its settings, the destination does not want the event. Wrap it to say why.
var ErrSkip = errors.New("not for this destination")

// A Batcher is a Renderer that can put several events into one request.
type Batcher interface {
	Renderer
	// RenderBatch returns the request that delivers events, at least one, in their order. The same provider's Receiver
	// makes as many events of it.
	RenderBatch(events []*bellhop.Event, at AttemptInfo) (OutboundRequest, error)
}

// A ReplyJudge is a Renderer whose receivers say by more than the status whether they accept a delivery.
type ReplyJudge interface {
	// Judge returns the outcome of a delivery after a reply. body is the beginning of the reply, at most
	// bellhop.MaxReplyBytes. "" leaves the decision to the status: 2xx is delivered, 410 disables the destination, any
	// other is tried again.
	Judge(status int, body []byte) bellhop.Outcome
}

// A Handshaker is a Renderer whose receivers have to agree, in a handshake, before anything is delivered to them.
type Handshaker interface {
	// Handshake returns the handshake to make. at.URL is the destination's; at.Callback is where a receiver may agree
	// later.
	Handshake(at AttemptInfo) (HandshakeRequest, error)
	// HandshakeByDefault reports whether the handshake is made if a destination does not say.
	HandshakeByDefault() bool
}

// A HandshakeRequest is a handshake to make.
type HandshakeRequest struct {
	URL     string // of the request; "" is the destination's
	Request OutboundRequest
	Rate    float64 // deliveries a second that it asks for; 0 is any
	// Read reads the reply. Its error says why the receiver did not agree.
	Read func(status int, h http.Header, body []byte) (HandshakeResult, error)
}

// A HandshakeResult is the receiver's answer to a handshake.
type HandshakeResult struct {
	Pending bool    // the receiver has not agreed yet; it may later, by calling AttemptInfo.Callback
	Reason  string  // why it has not agreed yet, in words; may be ""
	Rate    float64 // deliveries a second that the receiver allows; 0 is any
}

// AttemptInfo describes the attempt that a Renderer renders for, or that a Performer makes.
type AttemptInfo struct {
	DeliveryID string
	Attempt    int       // from 1
	Time       time.Time // of this attempt
	URL        string    // of the request; some schemes sign its path
	ExpiresAt  time.Time // when the destination expires; zero is never
	Callback   string    // for a handshake: a URL of ours, for this handshake alone; "" if there is none
	Progress   []byte    // for an action: what an earlier attempt has saved by ActionResult.Progress; nil if none has
}

// Expiry returns the end of the subscription that a dialect shows: the destination's, or otherwise if it has none.
func (s AttemptInfo) Expiry(otherwise time.Time) time.Time {
	if s.ExpiresAt.IsZero() {
		return otherwise
	}
	return s.ExpiresAt
}

// An OutboundRequest is the HTTP request that carries a delivery.
type OutboundRequest struct {
	Method string // "" is POST
	Header http.Header
	Body   []byte
}
