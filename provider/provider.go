// Package provider is the contract between Bellhop and its providers, and between Bellhop and its actions.
//
// A provider is the package that understands one outside system: how its requests prove who sent them, which
// handshakes it makes, and how one request becomes events. A provider may do more, and says so by further interfaces:
// it may send as its system does ([Sender]), be asked to call a source ([Subscriber]), have a reference page
// ([Guider]), and say how to play its system ([Emulator]). An [Action] is work that a destination can do here.
//
// The packages below this one are the providers; [github.com/bellhop-gateway/bellhop/provider/all] lists them.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Provider turns the requests of one outside system into events.
type Provider interface {
	// Info is constant: name (in URLs and in the database), title, settings with their docs, links.
	Info() Info
	// Open checks a source's settings once, when the source is saved or loaded. Its errors are bellhop.CodeInvalid
	// with paths within the settings ("signing_key").
	//
	// If a source can do without any proof, the setting for that is the flag "unauthenticated", and
	// {"unauthenticated":true} are good settings: by them [EmulationOf] reads the system's own bodies.
	Open(env Env, settings json.RawMessage) (Receiver, error)
}

// A Receiver reads the requests of one source. It is safe for concurrent use, and lives until the source's settings
// change: it may keep what it has learnt meanwhile, such as the keys of others, within bounds.
type Receiver interface {
	// Receive returns a Reply to send at once (a handshake), or the events of req in their order.
	//
	// An error that wraps signature.ErrMissing, ErrMismatch, ErrExpired or ErrMalformed is answered 401; an error that
	// wraps ErrBody, ErrForbidden, ErrMethod, ErrEncoding, ErrMediaType or ErrUnavailable is answered as those say.
	// Any other error is a fault of the server: 503.
	//
	// The receipt may refer to req.Body and req.Decoded, which nobody changes afterwards.
	Receive(ctx context.Context, req *Request) (Receipt, error)
}

// A HeaderChecker receiver can refuse requests before their body is read: a large body of a request that cannot be
// authentic is not worth its memory. A receiver whose requests have their proof, or a part of it, in the header or the
// URL is one.
type HeaderChecker interface {
	// CheckHeader returns an error only if Receive returns an error with the same code for req with any body. It may
	// return nil for such a request: whatever needs a key set or the network is left to Receive. It looks at all of
	// req but the body, which is nil, and has no effect.
	CheckHeader(req *Request) error
}

// A SecretHeaders receiver names the request headers that carry a shared secret in the clear, so that they are never
// stored. Authorization, Cookie and the values of a query are never stored and need no mention.
type SecretHeaders interface {
	SecretHeaders() []string // canonical names
}

// A Warner is a Receiver or a Renderer whose settings are accepted but weak. Whoever sets them is warned once, by the
// API and by the command line.
type Warner interface {
	// Warnings returns one sentence for each weakness, which names the setting and the remedy. None repeats a secret.
	Warnings() []string
}

// A QueryProver is a provider whose sources may be authenticated by a secret in the query of their URL.
type QueryProver interface {
	// QueryProof returns the name of the parameter that carries the secret, and the name of the setting that holds the
	// secret: "code", "query_secret". Both are "" if requests at a source with these settings carry none. The settings
	// are valid.
	QueryProof(settings json.RawMessage) (parameter, setting string)
}

// Env is what a provider may use of the world.
type Env struct {
	Now    func() time.Time
	Rand   io.Reader
	Client *http.Client // guarded: it reaches only addresses that the server may reach; for key sets and the like
	Logger *slog.Logger

	// Subscribed knows the subscriptions of the source that is opened. It is nil where there are none, as when
	// settings are only checked.
	Subscribed Subscribed
}

// A Request is an HTTP request at a source, its body read whole.
type Request struct {
	Method     string
	Target     string // path and query exactly as in the request line
	Header     http.Header
	Body       []byte // as it was sent: a signature is over these bytes
	RemoteAddr string
	ReceivedAt time.Time

	// Decoded is Body with its Content-Encoding undone; nil if Body has none.
	Decoded []byte
}

// Content returns what the body says: Body with its Content-Encoding undone. A Receiver verifies Body and reads
// Content. If an event's Body is all of Content, the server stores the request's Body in its place, and the header
// Content-Encoding with it.
func (r *Request) Content() []byte {
	if r.Decoded != nil {
		return r.Decoded
	}
	return r.Body
}

// A Receipt is what a Receiver made of a request.
type Receipt struct {
	Reply *Reply // not nil: a handshake, answered at once; no event is stored
	// Events have Type, Subject, ProviderID, Time, ContentType and Body from the provider, and Fingerprint if the body
	// differs between two tries of one event.
	Events  []bellhop.Event
	Refused []ItemError // items of a batch that were refused while their neighbours passed
	Status  int         // of the answer, once the events are on disk; 0 is 202
	// Heard has what the events say about the server's own subscriptions: nil if the source has none. The server is
	// told once the events are on disk.
	Heard []Heard
}

// An ItemError is the error of one item of a batch that was refused.
type ItemError struct {
	Index int // of the item in the batch
	Err   error
}

// A Reply is an answer that a protocol prescribes.
type Reply struct {
	Status      int
	ContentType string // "" is "text/plain; charset=utf-8"
	Header      http.Header
	Body        []byte
	// Then, if it is not nil, is called once the reply is on its way: to agree by a request to the provider, for
	// example. It has some seconds. Its error, or nil, is recorded with the handshake.
	Then func(ctx context.Context) error
}

// NoRedirects returns a copy of client that follows no redirect, since redirects may lead anywhere. It returns nil
// for a nil client.
func NoRedirects(client *http.Client) *http.Client {
	if client == nil {
		return nil
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// WithoutURL returns the error of a client without the method and the URL of the request: the URL may have a
// secret in it.
func WithoutURL(err error) error {
	var failure *url.Error
	for errors.As(err, &failure) {
		err = failure.Err
	}
	return err
}
