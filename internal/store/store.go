// Package store is the contract of the store: the one place that keeps sources, events, destinations,
// deliveries, attempts, requests, repairs, connections, subscriptions, the records of files and the keys of the API.
// Package sqlite keeps that contract with SQLite, and package storetest shows that a database keeps it.
//
// The store promises that a write reported done survives a crash and a power cut, and that the state of a
// delivery changes only along the table in DESIGN.md. It decides nothing: callers tell it which destinations an
// event is owed to, when to retry and what an attempt means.
package store

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Options are the options of every database behind the store. Keys, Now, Rand and Logger are required.
type Options struct {
	Keys   KeyRing // seals secrets at rest
	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger

	// Elapsed returns the time since any fixed moment, by a clock that nobody sets. The store compares it with Now to
	// see when the clock was set. Nil is the monotonic clock of the system.
	Elapsed func() time.Duration

	// Retain is how long events, their deliveries and requests are kept; 0 keeps them for ever. For an event it counts
	// from the end of its last delivery. Dead deliveries are kept for [RetainDead] at least.
	Retain time.Duration
	// RetainBytes is how large the database may become, but for space that is free in it: beyond that, the oldest
	// events go whose deliveries are finished. 0 is no bound.
	RetainBytes int64

	// Due is called with a destination that has a delivery to claim although no caller made it due: the result of
	// the delivery could not be written, or the delivery waited for a time that a wrong clock had given. The goroutine
	// that writes calls Due, so it must not call the store. It may be nil.
	Due func(destinationID string)

	// Observer is told of accepted events, recorded results and requests on record. It may be nil, and then costs
	// nothing.
	Observer Observer
}

// RetainDead is how long a dead delivery is kept at least, with its event, from its death on: long enough for a person
// to look at it and to retry it.
const RetainDead = 24 * time.Hour

// An Observer is told of every commit of this process, once it is on disk and never before, in the order of the
// commits and, within a commit, in the order in which the operations were handed over. Accepted events are told
// before Accept returns.
//
// All methods are called by the goroutine that writes, one at a time. They must not block and must not call
// the store: every other write waits for them. Their arguments may be changed once they return, so they copy
// the values that they keep; the bytes of bodies, headers and replies never change.
type Observer interface {
	// Observing reports whether the observer wants to be told now. The store asks before each call, so that an
	// observer whom nobody asks costs next to nothing.
	Observing() bool
	// Accepted is told of a new event and its deliveries, with their ids. Repeats, which are not stored, are not told.
	// A delivery whose destination was deleted has no id.
	Accepted(ev *bellhop.Event, deliveries []bellhop.NewDelivery)
	// Recorded is told of a result that was stored. Results of outdated leases are not told.
	Recorded(r *bellhop.Result)
	// Noted is told of a request on record, with its id, after the events that it carried. The ids of events and of
	// requests grow together: [bellhop.MarkOf] gives texts that sort in the order of the calls.
	Noted(r *bellhop.Request)
}

// A Store keeps everything. Its methods may be called by any number of goroutines.
//
// Reads (the methods that list or return nouns, and Attempts, NextDue, Choose and Stats) end early, with the
// error of ctx, when ctx ends. They see every write that had returned before they began.
//
// Writes return once their transaction is on disk. They do not end early: once a write has been handed to the
// database it is done, and its method waits for that even if ctx ends meanwhile, because a caller that stopped
// waiting could not tell whether it was done. So a deadline of ctx bounds no write. While too much waits to be
// written, a write also waits for room, whatever ctx says. Release differs as its comment says; Record and Note
// do not wait for the disk at all.
//
// A page of a list is full, unless it is the last one. The lists of events, deliveries and requests make an exception:
// with a filter that no index serves they search for [bellhop.ScanTime] at most. A page that ends because of that has
// a next cursor with which the search goes on, and CursorAt says how far it is.
//
// A write that fails with ErrFull, ErrBusy or ErrClosed has changed nothing. After ErrUnknown it may have been
// done or not. Errors with another code of package bellhop are of the caller's input, and have changed nothing.
type Store interface {
	Corridor
	Sources
	Destinations
	Handshakes
	Events
	Deliveries
	Repairs
	Requests
	History
	Connections
	Subscriptions
	Cursors
	Files
	Submissions
	Keys
	Sessions
	PortalLinks
	Tenants
	Configurations
	Audit
	Certificates
	Service
}

// A Corridor has the methods of the walk of one event (docs/ARCHITECTURE.md).
type Corridor interface {
	// Accept stores the events of one request and one delivery for each entry of owed, in one transaction, and
	// returns once it is on disk. It sets the ID of each event and the DeliveryID of each entry. The entries are
	// in the order of their events. Times are kept to the microsecond: callers pass times that
	// [bellhop.StoredTime] returned, so that an event in memory equals the stored one.
	//
	// An event is a repeat if the source already has an event with its ProviderID and its fingerprint, which is
	// Fingerprint, or SHA256 if that is zero. A repeat is left alone and counted in Duplicates: it gets the ID of the
	// event that was stored first, and its deliveries get none. An event whose ProviderID the source has only with
	// other fingerprints is stored, gets ConflictsWith, and is counted in Conflicts.
	//
	// A delivery whose destination was deleted meanwhile gets no ID.
	//
	// If req is not nil, it is stored too. All events belong to one source: that of req, or that of the events if req
	// is nil. It must exist.
	//
	// On ErrUnknown the caller answers 5xx, and the sender repeats.
	Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event,
		owed []bellhop.NewDelivery) (bellhop.Accepted, error)

	// Claim leases due deliveries of a destination, those due longest first, and returns them with their events:
	// at most limit, and at most maxBytes of bodies and progress, but always the first. Of the last attempt it
	// returns status and error. The leases are on disk when it returns: after a crash the deliveries are due
	// again.
	//
	// Deliveries with the same key come side by side, in the order of their events, and only after every earlier
	// delivery with that key is finished. Keys take turns with one another, and with deliveries that have no key.
	//
	// One claim inspects a bounded number of deliveries, so it may return none although one is due. NextDue then
	// says now.
	Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error)

	// NextDue returns when the next delivery of a destination is due; ok is false if none is pending. The delivery
	// may still wait for an earlier one with its key; a claim finds that out once.
	NextDue(ctx context.Context, destinationID string) (at time.Time, ok bool, err error)

	// Record stores the result of an attempt: the attempt, and the new state of its delivery. It returns before
	// the result is on disk. A crash before that means that the attempt is made again, as receivers must expect
	// anyway. It blocks while too much waits to be written. On a full disk the result waits for room. A result
	// that cannot be written is logged, and its delivery is due again in a minute.
	//
	// The Progress of a result is stored in the same transaction, and every later Claim of the delivery returns
	// it. A result with more than [bellhop.MaxProgressBytes] of it is refused.
	//
	// A result is dropped if its delivery is no longer leased or already has that attempt: the holder of an
	// outdated lease changes nothing. Results and notes take effect in the order in which they were handed over.
	Record(r bellhop.Result) error

	// Settle is Record for the result of an attempt whose receiver is told that it counts: it returns once the result
	// is on disk, and reports whether it was stored, and not dropped. If ctx ends before that, it returns the error of
	// ctx, and the result is still written as Record would.
	Settle(ctx context.Context, r bellhop.Result) (stored bool, err error)

	// Release gives leased deliveries back, due now. It waits for room on a full disk. If ctx ends while it waits
	// it returns the error of ctx, and the deliveries are still released as soon as that can be written.
	Release(ctx context.Context, deliveryIDs []string) error

	// Note stores a request that was refused or that answered a handshake, and returns at once: it never waits for
	// the disk or for room. It keeps a bounded number of requests of one source, and of the requests at no source,
	// and counts all refusals.
	Note(req bellhop.Request)
}

// Versions. The UpdatedAt of a source, a destination or a connection is its version: a method that takes a version
// changes the noun only if it still has that one, and returns bellhop.CodeChanged otherwise. The comparison is part of
// the statement that writes. At most one version is given; none is any.

// Sources are the sources with a URL, newest first in lists. Names are unique; idOrName is an id if it begins
// like one.
type Sources interface {
	Sources(ctx context.Context, f bellhop.SourceFilter,
		page bellhop.Page) (list []bellhop.Source, next string, err error)
	Source(ctx context.Context, idOrName string) (bellhop.Source, error)
	// SourceIDs returns the id of the source with that id or name, with or without a URL, and also of a deleted one.
	// If no source has the name, it returns those of the deleted sources that had it last, oldest first.
	SourceIDs(ctx context.Context, idOrName string) ([]string, error)
	// CreateSource stores a new source. It is a conflict if another has its name.
	CreateSource(ctx context.Context, s bellhop.Source) error
	// UpdateSource replaces the source with the id of s. It is a conflict if another has its name. If the name
	// changes, each destination whose match names the source by its old name names it by the new one from then on, in
	// the same transaction: followed has the names of these destinations, in order.
	UpdateSource(ctx context.Context, s bellhop.Source, version ...time.Time) (followed []string, err error)
	// DeleteSource deletes a source. Its events stay, and its name is free again.
	DeleteSource(ctx context.Context, id string, version ...time.Time) error
}

// Destinations are the destinations, newest first in lists. Names are unique; idOrName is an id if it begins
// like one.
type Destinations interface {
	Destinations(ctx context.Context, f bellhop.DestinationFilter,
		page bellhop.Page) (list []bellhop.Destination, next string, err error)
	Destination(ctx context.Context, idOrName string) (bellhop.Destination, error)
	// DestinationIDs returns the id of the destination with that id or name, and also of a deleted one. If no
	// destination has the name, it returns those of the deleted destinations that had it last, oldest first.
	DestinationIDs(ctx context.Context, idOrName string) ([]string, error)
	// DestinationNames returns the names of destinations, also of deleted ones, by id. An unknown id has none.
	DestinationNames(ctx context.Context, ids []string) (map[string]string, error)
	// DestinationVersions returns all destinations, newest first, each with only its ID, State and UpdatedAt:
	// enough to see which ones to read again.
	DestinationVersions(ctx context.Context) ([]bellhop.Destination, error)
	// CreateDestination stores a new destination. It is a conflict if another has its name.
	CreateDestination(ctx context.Context, d bellhop.Destination) error
	// UpdateDestination replaces the settings of the destination with the id of d. Its state and the granted rate
	// stay: other methods change them. It is a conflict if another destination has its name.
	UpdateDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error
	// RestartDestination is UpdateDestination for a destination that begins anew: it also sets the state of d, and
	// withdraws the question to its receiver and the granted rate.
	RestartDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error
	// SetDestinationState sets the state and its reason. A destination that becomes unverified or active begins
	// anew: its question, its granted rate and its time of failing are deleted.
	SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error
	// EndDestination is SetDestinationState for a destination that has not changed since updatedAt, and reports
	// whether it did so. A destination that was changed meanwhile is not ended because of its earlier settings.
	EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState,
		reason string) (ended bool, err error)
	// SetFailing stores since when a destination has been failing, while its breaker holds it back; the zero time
	// means that it is well. It does not change UpdatedAt.
	SetFailing(ctx context.Context, id string, since time.Time) error
	// DeleteDestination deletes a destination. Its pending deliveries are cancelled, in the background if they are
	// many; its finished deliveries stay. Its name is free again.
	DeleteDestination(ctx context.Context, id string, version ...time.Time) error
}

// Handshakes are the questions that receivers may still answer: at most one of each destination.
type Handshakes interface {
	// AskHandshake stores that the receiver of a destination was asked to agree to the rate asked. Until then,
	// whoever knows the token whose SHA-256 is given may answer. An earlier question is withdrawn.
	AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time, asked bellhop.Rate) error
	// ExplainUnverified sets why an unverified destination still waits for its receiver. If refused, the question
	// is withdrawn.
	ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error
	// AgreeHandshake takes the answer to the question with that token, once. The destination is granted the given
	// rate, or the rate that was asked for if granted is nil, and becomes active if it was unverified. The error
	// has [bellhop.CodeNotFound] if there is no such question or its time is over.
	AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (destinationID string, err error)
}

// Events are the stored events, newest first in lists.
type Events interface {
	// Events lists events without headers. Their bodies have the right length and hold zeros. An
	// unknown id among the SourceIDs of f is an error.
	Events(ctx context.Context, f bellhop.EventFilter,
		page bellhop.Page) (list []bellhop.Event, next string, err error)
	// Event returns one event, whole. It fails if the stored body does not match its checksum.
	Event(ctx context.Context, id string) (bellhop.Event, error)
	// EventsAfter returns whole events of a source, oldest first: those received since a time or, with after, those
	// after the event of that id. There are at most limit, and fewer if their bodies are large; none are left if it
	// returns none.
	EventsAfter(ctx context.Context, sourceID string, since time.Time, after string,
		limit int) ([]bellhop.Event, error)
	// ReplayEvent stores new deliveries of an event, due now, and sets their ids. A destination that was deleted
	// meanwhile gets none.
	ReplayEvent(ctx context.Context, eventID string, owed []bellhop.NewDelivery) error
}

// Deliveries are the deliveries and their attempts. Lists have the deliveries of the newest event first.
type Deliveries interface {
	Deliveries(ctx context.Context, f bellhop.DeliveryFilter,
		page bellhop.Page) (list []bellhop.Delivery, next string, err error)
	// CountDeliveries returns how many deliveries events have, by state: of each at most [bellhop.MaxCounted], the
	// oldest. Events without a delivery that the caller with ctx may see are left out.
	CountDeliveries(ctx context.Context, eventIDs []string) (map[string]map[bellhop.DeliveryState]int, error)
	// Delivery returns one delivery with its last attempt.
	Delivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// Attempts returns the attempts of a delivery, oldest first.
	Attempts(ctx context.Context, deliveryID string) ([]bellhop.Attempt, error)
	// RetryDelivery makes a pending, dead or cancelled delivery due now. Its attempts stay, and its schedule
	// begins anew. It is a conflict in another state, or if its destination was deleted.
	RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// CancelDelivery ends a pending delivery. It is a conflict in another state.
	CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
}

// Repairs are the replays, retries and cancels of many, newest first in lists. The latest thousand are kept.
type Repairs interface {
	Repairs(ctx context.Context, q bellhop.RepairQuery,
		page bellhop.Page) (list []bellhop.Repair, next string, err error)
	// RunningRepairs returns the repairs that have not ended, oldest first; those that wait are among them.
	RunningRepairs(ctx context.Context) ([]bellhop.Repair, error)
	Repair(ctx context.Context, id string) (bellhop.Repair, error)
	// CreateRepair stores a repair of everything that exists now, and returns it with its bounds. It waits if its
	// StartsAt is after its CreatedAt, and runs otherwise. It is a conflict if [bellhop.MaxRunningRepairs] run or
	// wait, or if its destination was deleted.
	CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	// ScopeRepair returns r with the Cursor and Bound that CreateRepair would give it, and stores nothing.
	ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	// StartRepair makes a waiting repair run, and returns it as it is then. It leaves one in another state as it is.
	StartRepair(ctx context.Context, id string) (bellhop.Repair, error)
	// EndRepair ends a running or waiting repair; its changes so far stay. It is a conflict if it has ended.
	EndRepair(ctx context.Context, id string, state bellhop.RepairState, reason string) (bellhop.Repair, error)
	// Choose returns events or deliveries that the filter of r selects after its cursor: at most limit, and a
	// bounded number of bytes of bodies, but always the first. Events come with header and body if whole. at is
	// the cursor after all of them; when it is the bound of r, the repair has come to its end. One call looks
	// through a bounded number of rows, so it may return none although there are more.
	Choose(ctx context.Context, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error)
	// RepairPosition returns the time of the events that the Cursor of r has reached, from old to new.
	RepairPosition(r bellhop.Repair) time.Time
	// StepRepair does one step of r and moves its cursor, in one transaction, and returns r as it is then. It does
	// nothing unless r runs, or if its cursor has moved meanwhile. A repair whose destination was deleted fails.
	StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error)
}

// Requests are the requests on record, newest first in lists.
type Requests interface {
	// Requests lists requests without headers and bodies.
	Requests(ctx context.Context, f bellhop.RequestFilter,
		page bellhop.Page) (list []bellhop.Request, next string, err error)
	// Request returns one request, whole.
	Request(ctx context.Context, id string) (bellhop.Request, error)
}

// A History has what happened since, for those who come back to a stream. The mark of an event or a request is that of
// [bellhop.MarkOf].
type History interface {
	// NewestMark returns the mark of the newest event or request that is on disk.
	NewestMark(ctx context.Context) (string, error)
	// Arrivals returns events and requests on record with marks after one and up to another, oldest first: at most
	// limit, and none if none are left. aged reports that some after the first mark may have been deleted because of
	// their age. The error is CodeInvalid if after is no mark of this store.
	Arrivals(ctx context.Context, after, through string, limit int) (list []bellhop.Arrival, aged bool, err error)
	// Attempted returns attempts that ended after a time, by their deliveries, those of the oldest event first, and of
	// a delivery the first attempt first. Their results have no reply, no progress, and the present state of the
	// delivery as that after its last attempt. Attempts have no order in time of their own, so at least the deliveries
	// of events since that time are searched, and the newest [MaxSearched] of all: complete reports whether those are
	// all there are. after is "", or next of the call before; next is "" at the end.
	Attempted(ctx context.Context, since time.Time, after string, limit int) (list []bellhop.Attempted, next string,
		complete bool, err error)
}

// MaxSearched is how many deliveries Attempted searches, besides those of events since its time.
const MaxSearched = 20_000

// Connections are the connections, newest first in lists. Names are unique; idOrName is an id if it begins like one.
// The tokens of a connection are bytes that only their owner reads.
type Connections interface {
	Connections(ctx context.Context, f bellhop.ConnectionFilter,
		page bellhop.Page) (list []bellhop.Connection, next string, err error)
	Connection(ctx context.Context, idOrName string) (bellhop.Connection, error)
	// CreateConnection stores a new connection, without tokens. It is a conflict if another has its name.
	CreateConnection(ctx context.Context, c bellhop.Connection) error
	// UpdateConnection replaces name, settings and their times of the connection with the id of c, and nothing else.
	// It is a conflict if another has its name. If the name changes, each action whose settings name the connection by
	// its old name names it by the new one from then on, in the same transaction: followed has the names of these
	// destinations, in order.
	UpdateConnection(ctx context.Context, c bellhop.Connection, version ...time.Time) (followed []string, err error)
	// DeleteConnection deletes a connection with its tokens. Its name is free again.
	DeleteConnection(ctx context.Context, id string, version ...time.Time) error
	// ConnectionTokens returns the tokens of a connection; nil if it has none.
	ConnectionTokens(ctx context.Context, id string) ([]byte, error)
	// SettleConnection stores an outcome in one transaction. Tokens are stored in any case. State, reason, account and
	// expiry are stored only if the connection has not changed since the version of the outcome; current reports that.
	SettleConnection(ctx context.Context, o bellhop.ConnectionOutcome) (current bool, err error)
	// UseConnections stores when connections were used last, by their ids. Unknown ids are ignored.
	UseConnections(ctx context.Context, usedAt map[string]time.Time) error
}

// Subscriptions are our registrations at providers, newest first in lists. Names are unique; idOrName is an id if it
// begins like one.
type Subscriptions interface {
	Subscriptions(ctx context.Context, f bellhop.SubscriptionFilter,
		page bellhop.Page) (list []bellhop.Subscription, next string, err error)
	Subscription(ctx context.Context, idOrName string) (bellhop.Subscription, error)
	// CreateSubscription stores a new subscription. It is a conflict if another has its name.
	CreateSubscription(ctx context.Context, s bellhop.Subscription) error
	// SaveSubscription replaces the subscription with the id of s, except its LastEventAt, and stores what note has,
	// in one transaction. It is a conflict if another subscription has its name. A call without an ID is new and gets
	// one; else it replaces that call. Of a gap that is stored already it replaces From, To, Reason and Announced
	// alone. The latest [bellhop.MaxSubscriptionCalls] calls and [bellhop.MaxGaps] gaps are kept.
	SaveSubscription(ctx context.Context, s bellhop.Subscription, note bellhop.SubscriptionNote) error
	// DeleteSubscription deletes a subscription with its calls, gaps and cursors. Its name is free again.
	DeleteSubscription(ctx context.Context, id string) error
	// SettleCalls gives all calls without an outcome this one.
	SettleCalls(ctx context.Context, outcome string) error
	// SubscriptionCalls returns the calls of a subscription, newest first.
	SubscriptionCalls(ctx context.Context, id string) ([]bellhop.SubscriptionCall, error)
	// SubscriptionGaps returns the gaps of a subscription, newest first.
	SubscriptionGaps(ctx context.Context, id string) ([]bellhop.Gap, error)
	// GapsToAnnounce returns gaps that are not announced yet, oldest first: at most 1000.
	GapsToAnnounce(ctx context.Context) ([]bellhop.Gap, error)
	// GapsToFill returns the gaps that are open or being filled, oldest first.
	GapsToFill(ctx context.Context) ([]bellhop.Gap, error)
	// SaveGap replaces State, Outcome, Since, Until, Found and Folded of a gap, widens its span to From and To, and
	// replaces the cursor whose owner is its subscription and whose key is its id, in one transaction. A cursor
	// without a value is deleted. If Announced is not set, the gap is to be announced again.
	SaveGap(ctx context.Context, gap bellhop.Gap, cursor bellhop.Cursor) error
	// GapAnnounced stores that a gap is announced, unless its span or state has changed since. That is no error, nor
	// is an unknown gap.
	GapAnnounced(ctx context.Context, gap bellhop.Gap) error
	// Spoken stores when the latest event came, by the ids of subscriptions and sources. Unknown ids are ignored.
	Spoken(ctx context.Context, at map[string]time.Time) error
	// SourceNotes returns the notes of the sources that have ExpectEvery, by their ids.
	SourceNotes(ctx context.Context) (map[string]bellhop.SourceNotes, error)
	// SourceSilent stores since when a source is silent; the zero time means that it has spoken.
	SourceSilent(ctx context.Context, id string, since time.Time) error
	// Alive stores that the gateway is running at a time, and returns the time that was stored before; zero if none
	// was.
	Alive(ctx context.Context, at time.Time) (before time.Time, err error)
}

// Cursors are positions in the change logs of outside systems, kept encrypted. The owner is the id of a subscription
// or of a destination, whose deletion deletes its cursors.
type Cursors interface {
	// Cursor returns the cursor of that owner and key; the zero Cursor if there is none.
	Cursor(ctx context.Context, owner, key string) (bellhop.Cursor, error)
	// SaveCursor stores a cursor in place of the one before. One without a value is deleted. The error is
	// bellhop.CodeNotFound if there is no such owner, and bellhop.CodeInvalid if key or value are too long.
	SaveCursor(ctx context.Context, owner, key string, c bellhop.Cursor) error
}

// Files are the records of the files that actions keep, newest first in lists. Names are unique; idOrName is an id if
// it begins like one. The bytes are elsewhere: see internal/blob.
//
// A file is doomed before its bytes are removed, and its record is deleted afterwards. No method but BeginFile,
// DoomedFiles and KnownFiles knows a doomed file; its name is taken until DeleteFile. The store dooms the files
// without an ExpiresAt whose event it deletes, in the same transaction.
type Files interface {
	Files(ctx context.Context, f bellhop.FileFilter, page bellhop.Page) (list []bellhop.File, next string, err error)
	File(ctx context.Context, idOrName string) (bellhop.File, error)
	// FileRecord returns a file with its progress.
	FileRecord(ctx context.Context, id string) (bellhop.FileRecord, error)
	// BeginFile returns the file with the name of f, whoever made it, and stores f as a partial and empty file if
	// there is none. If the file is partial, of the same event and destination, and not doomed, it gets Total,
	// ContentType and DueAt of f, as far as f has them. The error is CodeNotFound if the event or the destination is
	// not there.
	BeginFile(ctx context.Context, f bellhop.File) (bellhop.FileRecord, error)
	// SaveFile stores how far a file is. The error is CodeNotFound unless it is partial.
	SaveFile(ctx context.Context, id string, p bellhop.FileProgress) error
	// FinishFile makes a partial file whole. It expires at expiresAt, unless it has a time already or that is zero.
	// For a whole file it changes nothing.
	FinishFile(ctx context.Context, id, sha256 string, expiresAt time.Time) (bellhop.File, error)
	// DoomFile dooms a file, and returns its record.
	DoomFile(ctx context.Context, id string, why bellhop.FileDoom) (bellhop.FileRecord, error)
	// DoomFiles dooms files that have expired, and partial ones that nobody has written for
	// [bellhop.FileAbandonedAfter] and whose destination has no pending or leased delivery of their event: at most
	// limit of each kind. It returns how many. As long as the clock is not trusted (see Run), it dooms none.
	DoomFiles(ctx context.Context, limit int) (doomed int, err error)
	// DoomedFiles returns doomed files in the order in which they were begun: those after a position, which is 0 for
	// the first call and last of the call before for a further one.
	DoomedFiles(ctx context.Context, after int64, limit int) (list []bellhop.FileRecord, last int64, err error)
	// FilesAfter is DoomedFiles for the files that are not doomed.
	FilesAfter(ctx context.Context, after int64, limit int) (list []bellhop.FileRecord, last int64, err error)
	// KnownFiles returns which of these ids and names are those of files, also of doomed ones.
	KnownFiles(ctx context.Context, idsOrNames []string) (map[string]bool, error)
	// DeleteFile deletes the record of a doomed file. An unknown id is no error.
	DeleteFile(ctx context.Context, id string) error
	// FileTotals counts the files that are not doomed.
	FileTotals(ctx context.Context) (bellhop.FileTotals, error)
}

// Submissions are the requests of the API with an Idempotency-Key, each kept for [bellhop.KeepSubmissions].
type Submissions interface {
	// BeginSubmission stores sub without an answer, as one that begins now, and reports that it has begun. If there is
	// a submission with its key that is not too old, it returns that one.
	BeginSubmission(ctx context.Context, sub bellhop.Submission) (first bellhop.Submission, begun bool, err error)
	// EndSubmission stores the answer to a submission. It is encrypted.
	EndSubmission(ctx context.Context, key [32]byte, status int, answer []byte) error
	// DropSubmission forgets a submission. An unknown key is no error.
	DropSubmission(ctx context.Context, key [32]byte) error
}

// Keys are the keys of the API, newest first in lists. Names are unique; idOrName is an id if it begins like one.
type Keys interface {
	Keys(ctx context.Context, f bellhop.KeyFilter, page bellhop.Page) (list []bellhop.Key, next string, err error)
	Key(ctx context.Context, idOrName string) (bellhop.Key, error)
	// CreateKey stores a new key. It is a conflict if another has its name, or if there are [bellhop.MaxKeys].
	CreateKey(ctx context.Context, k bellhop.Key) error
	// DeleteKey deletes a key. Its name is free again.
	DeleteKey(ctx context.Context, id string) error
	// UseKeys stores when and from where keys were used last, by their ids. Unknown ids are ignored.
	UseKeys(ctx context.Context, used map[string]bellhop.KeyUse) error
}

// Bounds of a certificate file.
const (
	MaxCertificateKey   = 512     // bytes
	MaxCertificateBytes = 1 << 20 // of its value
)

// Certificates are what the server keeps of its own certificate when it gets one by ACME, in the manner of files: a
// key is a path with slashes. The values hold private keys.
type Certificates interface {
	// CertificateFile returns a value, and when it was saved. The error is bellhop.CodeNotFound if there is none. One
	// that cannot be decrypted any more counts as none, because it can be had again.
	CertificateFile(ctx context.Context, key string) (value []byte, savedAt time.Time, err error)
	// SaveCertificateFile stores a value in place of the one before. The error is bellhop.CodeInvalid if key or value
	// are too long.
	SaveCertificateFile(ctx context.Context, key string, value []byte, at time.Time) error
	// DeleteCertificateFiles deletes the value of a key and those below it: "a" and "a/b", but not "ab".
	DeleteCertificateFiles(ctx context.Context, key string) error
	// CertificateFiles returns the keys below a key, in their order; all if key is "".
	CertificateFiles(ctx context.Context, key string) ([]string, error)
}

// Sessions are those of browsers, and the links that begin one. Both are found by the hash of their token.
type Sessions interface {
	// CreateSession stores a new session. If there are [bellhop.MaxSessions] of the pages, it deletes the one of these
	// that was used least recently; those of portals are not counted.
	CreateSession(ctx context.Context, s bellhop.Session) error
	// Session returns a session, whether it has ended or not.
	Session(ctx context.Context, hash [32]byte) (bellhop.Session, error)
	// UseSession stores when a session was used. An unknown hash is no error.
	UseSession(ctx context.Context, hash [32]byte, at time.Time) error
	// DeleteSession deletes a session. An unknown hash is no error.
	DeleteSession(ctx context.Context, hash [32]byte) error
	// CreateSignInLink stores a new link. If there are [bellhop.MaxSessions], it deletes the one that expires first.
	CreateSignInLink(ctx context.Context, l bellhop.SignInLink) error
	// SpendSignInLink deletes a link and returns it, whether it has expired or not: of several callers one gets it.
	SpendSignInLink(ctx context.Context, hash [32]byte) (bellhop.SignInLink, error)
}

// PortalLinks are the links to the portals of tenants, newest first in lists. A session whose Portal is the id of a
// link ends with it.
type PortalLinks interface {
	PortalLinks(ctx context.Context, f bellhop.PortalLinkFilter, page bellhop.Page) (list []bellhop.PortalLink,
		next string, err error)
	PortalLink(ctx context.Context, id string) (bellhop.PortalLink, error)
	// PortalLinkOf returns the link whose token has that hash, and changes nothing.
	PortalLinkOf(ctx context.Context, hash [32]byte) (bellhop.PortalLink, error)
	// CreatePortalLink stores a new link. If there are [bellhop.MaxPortalLinks], it deletes the one that ends first.
	// The error is CodeInvalid, with the path "tenant", if there is no such tenant.
	CreatePortalLink(ctx context.Context, l bellhop.PortalLink) error
	// OpenPortalLink stores when a link was opened. It is CodeNotFound if it was opened before: of several callers one
	// opens it.
	OpenPortalLink(ctx context.Context, id string, at time.Time) error
	// DeletePortalLink deletes a link, and the session that it began.
	DeletePortalLink(ctx context.Context, id string) error
}

// Tenants are the customers, newest first in lists. Names are unique and never change; idOrName is an id if it begins
// like one.
//
// A context of [bellhop.WithTenant] narrows every method that reads: it finds the nouns of that tenant alone, as if
// there were no others. History is the exception: its entries say whose they are. What belongs to a tenant is a
// source, a destination, a connection, a subscription, a key and a repair with its name; an event of its sources or,
// if the source is of none, an event that names it; a request at its sources; a delivery to, and a file of, one of its
// destinations. A method that changes a noun by its id, and whose caller has not read that noun with the same context,
// looks first whose it is: RetryDelivery, CancelDelivery, EndRepair, Attempts. A noun that would belong to another
// tenant is not created. A source or a connection that gets another name is followed by the destinations that may get
// its events or find it, and a narrowed caller is told of those of its tenant.
type Tenants interface {
	Tenants(ctx context.Context, page bellhop.Page) (list []bellhop.Tenant, next string, err error)
	Tenant(ctx context.Context, idOrName string) (bellhop.Tenant, error)
	// CreateTenant stores a new tenant. It is a conflict if another has its name, or if there are
	// [bellhop.MaxTenants].
	CreateTenant(ctx context.Context, t bellhop.Tenant) error
	// UpdateTenant replaces the limits of the tenant with the id of t.
	UpdateTenant(ctx context.Context, t bellhop.Tenant) error
	// DeleteTenant deletes a tenant. It is a conflict while a source, destination, connection, subscription or key
	// belongs to it; the message counts them. Its events stay until they are too old. The links to its portal are
	// deleted with it.
	DeleteTenant(ctx context.Context, id string) error
	// TenantDestinations counts the destinations of a tenant.
	TenantDestinations(ctx context.Context, name string) (int, error)
	// TenantBytes returns how many bytes the bodies of the stored events of each tenant have, and its files, by its
	// name. It looks at every stored event, a part at a time.
	TenantBytes(ctx context.Context) (map[string]int64, error)
}

// An Audit has who changed what, newest first: the latest [bellhop.MaxAuditEntries]. A change by a context of
// [bellhop.WithActor] is noted in its transaction; what the gateway changes by itself is not noted. A caller of one
// tenant sees what was of that tenant, without the ids of keys that are not of it.
type Audit interface {
	// NoteChange notes a change that was made outside of the store, by a context of [bellhop.WithActor]; by any other
	// it does nothing. A noun that is stored has its own name and tenant in place of the given ones.
	NoteChange(ctx context.Context, noun, id, name, action string) error
	Audit(ctx context.Context, f bellhop.AuditFilter, page bellhop.Page) (list []bellhop.AuditEntry, next string,
		err error)
}

// Configurations declare nouns.
type Configurations interface {
	// ChangeNouns makes all changes of a configuration in one transaction, as the methods that make one of them do:
	// the first error is that of the whole, which has changed nothing. A configuration made the nouns that are
	// created. Names of nouns do not change by it.
	ChangeNouns(ctx context.Context, changes bellhop.NounChanges) error
	// Declared returns the ids of the nouns that configurations made. Some may have been deleted since.
	Declared(ctx context.Context) (map[string]bool, error)
}

// A Service has the methods for the program that owns the store.
type Service interface {
	// Stats counts the contents of the store. It takes about a second for ten million rows.
	Stats(ctx context.Context) (bellhop.Stats, error)
	// Series returns how much happened in each span of a period. Counts of the latest minute are lost in a crash.
	Series(ctx context.Context, q bellhop.SeriesQuery) (bellhop.Series, error)
	// Backlog returns what there is to deliver, with every destination. It counts pending and dead deliveries: about
	// a tenth of a second for a million.
	Backlog(ctx context.Context) (bellhop.Backlog, error)
	// CursorAt returns the time of the entry after which a list of that name ("events", "deliveries" or "requests")
	// continues with this cursor of it; the zero time if it is none.
	CursorAt(list, cursor string) time.Time
	// Ready reports whether the store can be written to. After a full disk it finds out by writing.
	Ready(ctx context.Context) error
	// Run deletes events and requests for which nothing has happened for Retain, and cancels deliveries owed to
	// deleted destinations, at once and then each minute, until ctx ends. It deletes nothing because of its age for an
	// hour after the clock was set by more than a minute, or after a start at which the newest event or request is not
	// of the last hour. At the start and after such a jump it makes pending deliveries due that wait for a time that a
	// clock which was ahead has given: their last change is in the future, or they wait for longer than
	// [bellhop.MaxWait].
	Run(ctx context.Context) error
	// CopyTo writes a copy of everything but files into a new file at path, while the store is in use, and tells
	// progress, which may be nil, how many bytes of all are copied. Everything that was on disk when CopyTo began
	// is in the copy. The file is for its owner alone and not synced. After an error there is none. The error is
	// ErrCopying while another copy is made.
	CopyTo(ctx context.Context, path string, progress func(done, all int64)) error
	// CheckSecrets returns an error if a secret of a source, destination, connection or subscription cannot be opened
	// with the master keys.
	CheckSecrets(ctx context.Context) error
	// LatestBackup returns the backup that was noted last; the zero Backup if none was.
	LatestBackup(ctx context.Context) (bellhop.Backup, error)
	// NoteBackup notes a backup, unless a later one is noted.
	NoteBackup(ctx context.Context, b bellhop.Backup) error
	// NoteFilesPlace notes where files are kept, for those who read the store of a server that does not run. The zero
	// FilesPlace is the data folder.
	NoteFilesPlace(ctx context.Context, place bellhop.FilesPlace) error
	// Standby returns whether the server is in standby.
	Standby(ctx context.Context) (bellhop.Standby, error)
	// SetStandby begins a standby, or ends it if standby is the zero Standby.
	SetStandby(ctx context.Context, standby bellhop.Standby) error
	// Failed is closed when storage has failed for good. Nothing more is accepted then, and the program should
	// end. Err says why.
	Failed() <-chan struct{}
	// Err returns why storage failed, or nil.
	Err() error
	// Close writes everything that waits, answers its callers, and closes the database.
	Close() error
}

// ErrFull says that storage cannot take more now. Nothing of the write is kept; it may be repeated.
var ErrFull error = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "storage is full: nothing of this is kept; make room where the data folder is and send it again"}

// ErrBusy says that another program holds the database. Nothing of the write is kept; it may be repeated.
var ErrBusy error = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "storage is held by another program: nothing of this is kept; end the program that has the database " +
		"open and send it again"}

// ErrCopying says that the database is being copied by somebody else.
var ErrCopying error = &bellhop.Error{Code: bellhop.CodeConflict,
	Message: "another backup is under way: wait until it has ended"}

// ErrClosed says that the store is closing. Nothing of the write is kept.
var ErrClosed error = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "storage is closing: nothing of this is kept; send it again"}

// ErrUnknown says that storage failed, and that the write may be kept or not. The store takes nothing more; see
// Failed.
var ErrUnknown error = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "storage failed: whether this is kept is unknown; see the server's log, then send it again"}
