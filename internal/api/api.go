// Package api is the HTTP API of the gateway: JSON below /api/v1, and the OpenAPI document that describes it.
//
// One file holds one noun: its JSON form, its routes, and how it is checked. The Go types are the specification;
// the router library turns them into the OpenAPI document, the validation and the error bodies.
//
// Secrets go in and never come out (secret.go), errors have one form (problem.go), lists have one form (list.go),
// and a PATCH is a JSON merge patch (patch.go). The package keeps nothing: what it shows and changes is behind
// [Store], and whoever needs to know of a change hears of it through [Options].
package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Store is what the API reads and writes. Its errors are *bellhop.Error where a person can do something about them:
// CodeNotFound for an id or name that there is not, CodeConflict for a name that is taken or a state that does not
// allow what was asked. Ids and times of a new noun are set by the caller.
type Store interface {
	SourceStore
	DestinationStore
	EventStore
	DeliveryStore
	RequestStore
	RepairStore
	Stats(ctx context.Context) (bellhop.Stats, error)
}

// SourceStore keeps the sources.
type SourceStore interface {
	Sources(ctx context.Context, f bellhop.SourceFilter, page bellhop.Page) (list []bellhop.Source, next string, err error)
	Source(ctx context.Context, idOrName string) (bellhop.Source, error)
	CreateSource(ctx context.Context, s bellhop.Source) error
	UpdateSource(ctx context.Context, s bellhop.Source) error
	DeleteSource(ctx context.Context, id string) error
}

// DestinationStore keeps the destinations.
type DestinationStore interface {
	Destinations(ctx context.Context, f bellhop.DestinationFilter, page bellhop.Page) (list []bellhop.Destination, next string, err error)
	Destination(ctx context.Context, idOrName string) (bellhop.Destination, error)
	CreateDestination(ctx context.Context, d bellhop.Destination) error
	// UpdateDestination leaves the state and what was granted as they are; RestartDestination sets d's state.
	UpdateDestination(ctx context.Context, d bellhop.Destination) error
	RestartDestination(ctx context.Context, d bellhop.Destination) error
	SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error
	DeleteDestination(ctx context.Context, id string) error
	// AskHandshake remembers that a destination's receiver was asked, with a token whose SHA-256 is given.
	AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time, asked bellhop.Rate) error
	// ExplainUnverified says why a destination still waits for its receiver, if it does; refused withdraws the question.
	ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error
	// AgreeHandshake takes the answer to that, nil being what was asked for; CodeNotFound if there is no such question, or
	// not any more.
	AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (destinationID string, err error)
}

// EventStore reads the events. In a list they have no headers, and bodies that are as long as they are but empty.
type EventStore interface {
	Events(ctx context.Context, filter bellhop.EventFilter, page bellhop.Page) (list []bellhop.Event, next string, err error)
	Event(ctx context.Context, id string) (bellhop.Event, error)
}

// DeliveryStore reads the deliveries and changes the state of one.
type DeliveryStore interface {
	Deliveries(ctx context.Context, filter bellhop.DeliveryFilter, page bellhop.Page) (list []bellhop.Delivery, next string, err error)
	Delivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// Attempts returns those of one delivery, oldest first.
	Attempts(ctx context.Context, deliveryID string) ([]bellhop.Attempt, error)
	// RetryDelivery makes a pending, dead or cancelled delivery due now; CodeConflict for any other.
	RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// CancelDelivery gives up a pending delivery; CodeConflict for any other.
	CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
}

// RequestStore reads the requests that were kept. A list leaves out bodies.
type RequestStore interface {
	Requests(ctx context.Context, filter bellhop.RequestFilter, page bellhop.Page) (list []bellhop.Request, next string, err error)
	Request(ctx context.Context, id string) (bellhop.Request, error)
}

// RepairStore reads the repairs.
type RepairStore interface {
	Repairs(ctx context.Context, page bellhop.Page) (list []bellhop.Repair, next string, err error)
	Repair(ctx context.Context, id string) (bellhop.Repair, error)
}

// Repairer does replays and repairs.
type Repairer interface {
	// Replay makes new deliveries of an event: to the destination of that id, or with "" to all that want it now.
	Replay(ctx context.Context, eventID, destinationID string) ([]bellhop.NewDelivery, error)
	// Count says what a repair would do, as far as it can count in some seconds.
	Count(ctx context.Context, r bellhop.Repair) (bellhop.RepairCount, error)
	// Begin starts a repair; CodeConflict if too many run, or if its destination is deleted.
	Begin(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	// Cancel ends a repair; CodeConflict if it has ended.
	Cancel(ctx context.Context, id string) (bellhop.Repair, error)
}

// Engine is what delivers.
type Engine interface {
	// Closed returns why a stored destination cannot be opened, so that it gets nothing; "" if it can.
	Closed(destinationID string) string
	// MatchError returns how the destination's where expression failed last; zero if it did not.
	MatchError(destinationID string) bellhop.MatchError
	// Wake tells that a delivery to the destination is due now.
	Wake(destinationID string)
}

// Opener is what opens destinations and makes requests to them.
type Opener interface {
	// Check checks the URL, the settings of the type and the match. Its errors are bellhop.CodeInvalid with paths within the
	// destination: "url", "settings.format", "match.where".
	Check(d bellhop.Destination) error
	// DefaultHandshake returns the handshake of a destination that does not name one.
	DefaultHandshake(d bellhop.Destination) string
	// Handshake asks the receiver; the error says why it did not agree. At callback, a URL of ours, it may agree later. Before the
	// request is sent, asked is called with the rate that it asks for.
	Handshake(ctx context.Context, d bellhop.Destination, callback string, asked func(bellhop.Rate) error) (provider.HandshakeResult, error)
	// Preview returns whether the destination wants ev, and the request that would be sent; nothing is sent. Its errors are those of
	// Check.
	Preview(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error)
}

// Publisher takes events that come through the API instead of the door.
type Publisher interface {
	// Publish stores ev and what is owed of it. A ProviderID that was published before is a duplicate: the
	// event returned has the id of the first, and nothing new is stored.
	Publish(ctx context.Context, ev bellhop.Event) (stored bellhop.Event, duplicate bool, err error)
	// PublishTo is Publish for one destination alone, whatever it wants; CodeNotFound if there is no such.
	PublishTo(ctx context.Context, ev bellhop.Event, destinationID string) (stored bellhop.Event, deliveryID string, err error)
}

// Options is what the API works with.
type Options struct {
	Store     Store
	Engine    Engine
	Opener    Opener
	Repairer  Repairer
	Publisher Publisher
	Providers []provider.Provider
	Actions   []provider.Action
	Env       provider.Env // a source's settings are checked with it

	// Changed is called after sources or destinations have changed, so that the door and the engine load them anew.
	Changed func(ctx context.Context) error

	Key       string // the admin API key; with none, every request is refused
	PublicURL string // where the door can be reached from outside: "http://127.0.0.1:8080"
	Version   string // of the program, for the OpenAPI document
	Logger    *slog.Logger
}

// New returns the handler of /api/v1/… and /openapi.json. Only the latter needs no key.
func New(o Options) http.Handler {
	if o.Env.Now == nil {
		o.Env.Now = time.Now
	}
	if o.Env.Rand == nil {
		o.Env.Rand = rand.Reader
	}
	if o.Changed == nil {
		o.Changed = func(context.Context) error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := newServer(o)
	s.sources()
	s.destinations()
	s.trials()
	s.rotations()
	s.events()
	s.deliveries()
	s.repairs()
	s.requests()
	s.stats()
	s.providers()
	s.document()
	return s
}
