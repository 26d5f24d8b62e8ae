// Package catalog holds the rules of nouns: how a source, a destination or a connection is checked, created, changed,
// masked, verified and tested, how an event is published, and what a repair may choose. The HTTP API, a configuration
// file and a page all change nouns through a [Catalog], so that the same rules hold for each of them.
//
// The package takes and returns the nouns of package bellhop. It knows neither HTTP nor the JSON forms of the
// API; only a merge patch is JSON, because it names members that stay. It keeps nothing: the store keeps the
// nouns.
package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Store keeps the nouns. Its errors are *bellhop.Error where a person can act on them: CodeNotFound for an
// unknown id or name, CodeConflict for a name that is taken or a state that does not allow the change. A method that
// is given a version changes a noun only while that is its UpdatedAt, and returns CodeChanged otherwise.
type Store interface {
	SourceStore
	DestinationStore
	ConnectionStore
	SubscriptionStore
	KeyStore
	TenantStore
	ConfigStore
	// Deliveries lists deliveries, those of the newest event first. A page that is not full has a next cursor if the
	// search for it took too long.
	Deliveries(ctx context.Context, f bellhop.DeliveryFilter, page bellhop.Page) ([]bellhop.Delivery, string, error)
	// Events lists events without headers and bodies, newest first.
	Events(ctx context.Context, f bellhop.EventFilter, page bellhop.Page) ([]bellhop.Event, string, error)
	// Event returns one event with its headers and its body.
	Event(ctx context.Context, id string) (bellhop.Event, error)
	// Request returns one request on record with its headers and its body.
	Request(ctx context.Context, id string) (bellhop.Request, error)
	// NoteChange notes in the audit what the holder of a key changed outside of the store.
	NoteChange(ctx context.Context, noun, id, name, action string) error
	// RetryDelivery makes a pending, dead or cancelled delivery due now; CodeConflict in any other state.
	RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// CancelDelivery cancels a pending delivery; CodeConflict in any other state.
	CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
}

// SourceStore keeps the sources. The catalog sets ids and times.
type SourceStore interface {
	Source(ctx context.Context, idOrName string) (bellhop.Source, error)
	// SourceIDs returns the id of the source with that name or, if there is none, those of the deleted ones.
	SourceIDs(ctx context.Context, idOrName string) ([]string, error)
	CreateSource(ctx context.Context, s bellhop.Source) error
	// UpdateSource changes the name of the source in the matches of destinations too, and returns the names of those.
	UpdateSource(ctx context.Context, s bellhop.Source, version ...time.Time) (followed []string, err error)
	DeleteSource(ctx context.Context, id string, version ...time.Time) error
}

// DestinationStore keeps the destinations. The catalog sets ids and times.
type DestinationStore interface {
	Destinations(ctx context.Context, f bellhop.DestinationFilter,
		page bellhop.Page) (list []bellhop.Destination, next string, err error)
	Destination(ctx context.Context, idOrName string) (bellhop.Destination, error)
	// DestinationIDs returns the id of the destination with that name or, if there is none, those of the deleted ones.
	DestinationIDs(ctx context.Context, idOrName string) ([]string, error)
	CreateDestination(ctx context.Context, d bellhop.Destination) error
	// UpdateDestination leaves State, StateReason and Granted unchanged.
	UpdateDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error
	// RestartDestination is UpdateDestination with d's state. It withdraws a handshake that is under way.
	RestartDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error
	SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error
	DeleteDestination(ctx context.Context, id string, version ...time.Time) error
	// AskHandshake notes that the receiver was asked for the rate asked. token is the SHA-256 of the token in the
	// callback URL.
	AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time, asked bellhop.Rate) error
	// ExplainUnverified sets the reason of a destination that is unverified. refused withdraws the handshake.
	ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error
	// AgreeHandshake makes the destination of a handshake active. A nil granted is the rate that was asked for.
	// The error is CodeNotFound if the token is unknown, used or too old.
	AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (destinationID string, err error)
}

// Opener opens destinations and makes single requests to them.
type Opener interface {
	// CheckAmong checks the URL, the settings of the type, the access, the match and the bounds. Its errors are
	// CodeInvalid with paths within the destination: "url", "settings.format", "match.where". The connection of an
	// action is one that connection finds; nil finds the stored ones.
	CheckAmong(d bellhop.Destination, connection provider.ConnectionFinder) error
	// DefaultHandshake returns the handshake of a destination whose Handshake is "".
	DefaultHandshake(d bellhop.Destination) string
	// Handshake asks the receiver. The error says why it did not agree. Before the receiver can call the URL
	// callback, Handshake calls asked with the rate that it asks for.
	Handshake(
		ctx context.Context, d bellhop.Destination, callback string, asked func(bellhop.Rate) error,
	) (provider.HandshakeResult, error)
	// Warnings returns one sentence for each weakness of d's settings, which begins with the path of a setting within
	// them. It returns none if d has faults.
	Warnings(d bellhop.Destination) []string
	// Preview says whether the destination wants ev, and renders its request. Its errors are those of CheckAmong.
	Preview(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error)
}

// Engine delivers to the destinations.
type Engine interface {
	// Closed says why a stored destination cannot be opened and therefore gets nothing; "" if it can be opened.
	Closed(destinationID string) string
	// OwnerOf returns the tenant that ev belongs to; "" is none.
	OwnerOf(ev *bellhop.Event) string
	// Try makes one attempt for ev with a destination that need not be stored. The result has the state that a first
	// attempt of a delivery would bring about. Nothing is stored or counted.
	Try(ctx context.Context, d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error)
	// Wake tells the engine that a delivery to the destination is due now.
	Wake(destinationID string)
}

// Publisher accepts events that do not come from a source.
type Publisher interface {
	// Publish stores ev and its deliveries. If the ProviderID was published before, ev is a duplicate: the result
	// has the id of the first event, and nothing is stored.
	Publish(ctx context.Context, ev bellhop.Event) (stored bellhop.Event, duplicate bool, err error)
	// PublishTo is Publish to one destination, whatever its match says; CodeNotFound if there is no such destination.
	PublishTo(
		ctx context.Context, ev bellhop.Event, destinationID string,
	) (stored bellhop.Event, deliveryID string, err error)
}

// Repairer runs replays and repairs.
type Repairer interface {
	// Replay makes new deliveries of an event: to the destination of that id, or with "" to each that wants it now.
	Replay(ctx context.Context, eventID, destinationID string) ([]bellhop.NewDelivery, error)
	// Count counts what a repair would do, within some seconds.
	Count(ctx context.Context, r bellhop.Repair) (bellhop.RepairCount, error)
	// Begin starts a repair; CodeConflict if too many run, or if its destination was deleted.
	Begin(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	// Cancel ends a running repair; CodeConflict if it has ended.
	Cancel(ctx context.Context, id string) (bellhop.Repair, error)
}

// Options are the parts that a Catalog works with.
type Options struct {
	Store     Store
	Opener    Opener
	Engine    Engine
	Publisher Publisher
	Verifier  Verifier
	Sampler   Sampler
	Repairer  Repairer
	// Subscriptions keeps the registrations at providers.
	Subscriptions Subscriptions
	Providers     []provider.Provider
	Actions       []provider.Action

	Connectors  []provider.Connector
	Connections Connections // nil: nobody asks for tokens

	Keys Keys

	// Later runs f in the background, with a context that ends when the server stops. Nil runs it at once.
	Later func(f func(ctx context.Context))

	Env provider.Env // opens the settings of sources to check them; Now is time.Now and Rand rand.Reader if nil

	// Changed is called after sources or destinations have changed, so that the door and the engine load them again.
	Changed func(ctx context.Context) error

	// Gate bounds the large bodies over which expressions are evaluated; nil bounds none.
	Gate *match.Gate

	// PublicURL is where providers reach the door, without a slash at its end.
	PublicURL string
	// CallbackURL, followed by a token, is where a receiver may agree to a handshake later.
	CallbackURL string
	Logger      *slog.Logger
}

// A Catalog applies the rules of nouns to a store. It is safe for concurrent use.
type Catalog struct {
	opts Options
	log  *slog.Logger

	// changing is held from the read of a source or destination until its successor is stored and loaded, so that two
	// changes never start from the same noun. No receiver is asked while it is held.
	changing sync.Mutex

	matching chan struct{} // holds one while MatchEvents runs
}

// New returns a Catalog.
func New(o Options) *Catalog {
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
	return &Catalog{opts: o, log: o.Logger.With("component", "catalog"), matching: make(chan struct{}, 1)}
}

// change runs f with changing held, and then has the rest of the program load the change. It returns the error
// of either.
func (c *Catalog) change(ctx context.Context, f func() error) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := f(); err != nil {
		return err
	}
	return c.load(ctx)
}

// changeTries is how often a change begins with the noun anew because it was changed meanwhile.
const changeTries = 4

// again runs f, which reads a noun and stores its successor in its place, until no other change came between: the
// engine also changes destinations.
func again(f func() error) error {
	for range changeTries - 1 {
		err := f()
		var e *bellhop.Error
		if !errors.As(err, &e) || e.Code != bellhop.CodeChanged {
			return err
		}
	}
	return f()
}

// changedAt returns the time of a change to a noun that was changed last at before: now, but later than before
// whatever the clock says, because it is the version of the noun.
func (c *Catalog) changedAt(before time.Time) time.Time {
	now := c.now()
	if next := bellhop.StoredTime(before).Add(time.Microsecond); now.Before(next) {
		return next
	}
	return now
}

// load has the rest of the program load what was stored, even if the caller is gone by now, and of all tenants,
// whoever the caller is.
func (c *Catalog) load(ctx context.Context) error {
	if err := c.opts.Changed(bellhop.WithTenant(context.WithoutCancel(ctx), "")); err != nil {
		return fmt.Errorf("load after a change: %w", err)
	}
	return nil
}

// later has the rest of the program run f in the background.
func (c *Catalog) later(f func(ctx context.Context)) {
	if c.opts.Later == nil {
		f(context.Background())
		return
	}
	c.opts.Later(f)
}

func isNotFound(err error) bool {
	var e *bellhop.Error
	return errors.As(err, &e) && e.Code == bellhop.CodeNotFound
}

func (c *Catalog) now() time.Time { return c.opts.Env.Now() }

func (c *Catalog) newID(prefix string) string { return bellhop.NewID(prefix, c.opts.Env.Rand) }

// SourceIDs returns the ids of the sources that a filter names; "" names none, and nil does not narrow. A name means
// the source that has it, which may be one without a URL, such as [bellhop.SourceAPI]. If there is none, it means the
// deleted sources that had it last. An id means also a deleted source, whoever has its name now.
func (c *Catalog) SourceIDs(ctx context.Context, idOrName string) ([]string, error) {
	return filterIDs(ctx, "source", bellhop.PrefixSource, idOrName, c.opts.Store.SourceIDs)
}

// DestinationIDs returns the ids of the destinations that a filter names, and none for "". A name is that of the
// destination which has it or, if none has it, of all deleted ones that had it last: their deliveries stay. An id
// means also a deleted destination.
func (c *Catalog) DestinationIDs(ctx context.Context, idOrName string) ([]string, error) {
	return filterIDs(ctx, "destination", bellhop.PrefixDestination, idOrName, c.opts.Store.DestinationIDs)
}

// filterIDs returns the ids of the nouns that a filter names. An id that begins with prefix is looked up for a caller
// who sees one tenant alone: for that one an id of another is as unknown as any. For others the store knows.
func filterIDs(ctx context.Context, noun, prefix, idOrName string,
	find func(ctx context.Context, idOrName string) ([]string, error)) ([]string, error) {
	isID := strings.HasPrefix(idOrName, prefix)
	switch {
	case idOrName == "":
		return nil, nil
	case isID && bellhop.TenantOf(ctx) == "":
		return []string{idOrName}, nil
	}
	ids, err := find(ctx, idOrName)
	switch {
	case err != nil || len(ids) > 0:
		return ids, err
	case isID:
		return nil, bellhop.NotFound(noun, idOrName)
	}
	return nil, bellhop.Invalid(noun, "there is no such "+noun+", and there was none")
}

// DestinationID is DestinationIDs for a filter that takes one destination, and returns "" for "".
func (c *Catalog) DestinationID(ctx context.Context, idOrName string) (string, error) {
	ids, err := c.DestinationIDs(ctx, idOrName)
	switch {
	case err != nil || len(ids) == 0:
		return "", err
	case len(ids) > 1:
		return "", bellhop.Invalid("destination", "several deleted destinations had this name: give "+
			"the id of one of them: "+
			strings.Join(ids[:min(len(ids), maxNamedIDs)], ", "))
	}
	return ids[0], nil
}

// maxNamedIDs bounds how many ids a message names.
const maxNamedIDs = 5

// NoteChange notes in the audit what the holder of a key changed outside of the store, such as the sign-in of a
// connection. The change stays if it cannot be noted, which is logged.
func (c *Catalog) NoteChange(ctx context.Context, noun, id, name, action string) {
	err := c.opts.Store.NoteChange(context.WithoutCancel(ctx), noun, id, name, action)
	if err != nil {
		c.log.Error("audit.failed", "noun", noun, "id", id, "action", action, "error", err,
			"meaning", "the change was made, and the audit does not have it")
	}
}
