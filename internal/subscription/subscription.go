// Package subscription keeps the gateway's registrations at providers: it makes, renews, checks and deletes them, and
// makes a new one when one was lost. DESIGN.md has the states, and what a crash does in each.
//
// It promises that the intent of each call is on disk before the call, and its outcome after it; that it changes
// nothing at a provider but what it made, or what has both a URL and a client state of this gateway; and that each
// span of time in which notifications may be lost is a gap on record, and is announced.
//
// A [Manager] keeps all subscriptions in memory and in the store. Nobody else changes them. The door asks it which
// client states it may take (registry.go) and tells it what it heard; the catalog passes on what users want (user.go).
package subscription

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is the part of the store that a Manager uses.
type Store interface {
	Subscriptions(ctx context.Context, f bellhop.SubscriptionFilter,
		page bellhop.Page) (list []bellhop.Subscription, next string, err error)
	CreateSubscription(ctx context.Context, s bellhop.Subscription) error
	// SaveSubscription stores a version, except LastEventAt, with what note has, in one transaction. It sets the id of
	// a new call.
	SaveSubscription(ctx context.Context, s bellhop.Subscription, note bellhop.SubscriptionNote) error
	DeleteSubscription(ctx context.Context, id string) error
	// SettleCalls gives all calls without an outcome this one.
	SettleCalls(ctx context.Context, outcome string) error
	SubscriptionCalls(ctx context.Context, id string) ([]bellhop.SubscriptionCall, error)
	GapsToAnnounce(ctx context.Context) ([]bellhop.Gap, error)
	// GapAnnounced stores that a gap is announced, unless its span or state has changed since.
	GapAnnounced(ctx context.Context, gap bellhop.Gap) error
	SubscriptionGaps(ctx context.Context, id string) ([]bellhop.Gap, error)
	// GapsToFill returns the gaps that are open or being filled, oldest first.
	GapsToFill(ctx context.Context) ([]bellhop.Gap, error)
	// SaveGap stores a gap, whose span it does not make narrower, and, under its id, its cursor. It is to be announced
	// again unless it says that it was.
	SaveGap(ctx context.Context, gap bellhop.Gap, cursor bellhop.Cursor) error
	Cursor(ctx context.Context, owner, key string) (bellhop.Cursor, error)
	SaveCursor(ctx context.Context, owner, key string, c bellhop.Cursor) error
	// EventsAfter returns events of a source, oldest first: since a time, or after the event of that id.
	EventsAfter(ctx context.Context, sourceID string, since time.Time, after string,
		limit int) ([]bellhop.Event, error)
	// Spoken stores when the latest event came, by the ids of subscriptions and sources.
	Spoken(ctx context.Context, at map[string]time.Time) error
	SourceNotes(ctx context.Context) (map[string]bellhop.SourceNotes, error)
	SourceSilent(ctx context.Context, id string, since time.Time) error
	// Alive stores that the gateway is running, and returns the time that was stored before.
	Alive(ctx context.Context, at time.Time) (before time.Time, err error)
}

// Connections call the APIs of providers.
type Connections interface {
	// API returns the API of a connection. The error is of CodeNotFound if there is no such connection.
	API(ctx context.Context, connectionID string) (provider.API, error)
}

// Options are the parts and settings of a Manager.
type Options struct {
	Store       Store
	Connections Connections
	Providers   []provider.Provider
	PublicURL   string // of the door: "https://hooks.example.com"
	// Announce publishes an event of the gateway itself. One with the ProviderID of an earlier one does nothing.
	Announce func(ctx context.Context, ev bellhop.Event) error
	// PublishCaughtUp stores and delivers events that a gap had missed, in one commit. stored are those that the
	// source did not have. The error is of CodeNotFound if there is no such source. Nil: gaps are not filled.
	PublishCaughtUp func(ctx context.Context, sourceID, gapID string, events []bellhop.Event) (stored int, err error)

	Now     func() time.Time
	Rand    io.Reader // for ids and client states
	Jitter  *rand.Rand
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil registers none

	// LookEvery is the longest time between two looks at the clock, so that a clock that was set is noticed; 0 is a
	// minute. What is due is done in time anyway.
	LookEvery time.Duration
}

// A Manager keeps the subscriptions. It is safe for concurrent use.
//
// mu guards entries, sources, registries, connections, lines, marks and queue state of each entry, and jitter. An
// entry's own mu is held during a step of it, so it is taken first; mu is never held during a call or a write.
type Manager struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	started time.Time

	mu          sync.Mutex
	entries     map[string]*entry
	sources     map[string]*source
	registries  map[string]*Registry
	connections map[string]*connection
	queue       queue
	running     int                      // steps under way
	ready       map[*connection]struct{} // connections with waiting entries
	lines       map[string]*line         // fills, by the ids of connections
	baselining  int                      // baselines that are being taken

	expects atomic.Bool // some subscription has, or had, ExpectEvery
	heard   atomic.Bool // a notification came since the latest flush

	wake  chan struct{}  // holds one: the queue has changed
	steps sync.WaitGroup // steps under way
	ctx   context.Context
	stop  context.CancelFunc // of ctx, which every step has

	fillers   sync.WaitGroup     // fills and baselines under way
	fillCtx   context.Context    // of them: a stop cuts them off, and the next start goes on
	stopFills context.CancelFunc // of fillCtx
}

// A source is what a Manager knows of a source.
type source struct {
	bellhop.Source
	url    string
	notes  bellhop.SourceNotes // guarded by Manager.mu; for one with ExpectEvery
	spoken *atomic.Int64       // time of the latest event, in microseconds; nil until Clock is asked for it
}

// An entry is one subscription.
type entry struct {
	id     string
	shared atomic.Pointer[bellhop.Subscription] // the latest version; never changed in place
	spoken atomic.Int64                         // time of the latest notification, in microseconds; 0 is none

	mu      sync.Mutex // held during a step; guards sub and unsaved
	sub     bellhop.Subscription
	unsaved []bellhop.SubscriptionNote // outcomes that could not be stored yet, oldest first
	// since when the provider makes the registration, if that is known; mu guards it
	pending time.Time

	// Guarded by Manager.mu.
	marks   marks
	checkAt time.Time // when to ask the provider for the registration; zero is not at all
	due     time.Time // in the queue; zero is never
	index   int       // in the queue; -1 if it is not there
	busy    bool      // a step is under way or waits for its connection
	flushed int64     // the value of spoken that is stored

	gaps       int       // fills of its gaps that wait or are under way
	filledAt   time.Time // when its latest fill ended; zero if none has since the start
	heldIn     int       // the latest round of its line in which a fill under way holds back the next one
	baselineAt time.Time // when to take the next baseline
}

// marks are what an entry is to do beside what its state and RenewAt say.
type marks struct {
	now         bool // do what is next at once, whatever RenewAt says
	check       bool // ask the provider whether the registration is there
	reauthorize bool // the provider wants it
	removed     bool // the provider says that it ended the registration
	missed      time.Time
	orphans     []string // ids of registrations that have our client state, but are not ours any more
}

func (k marks) any() bool {
	return k.now || k.check || k.reauthorize || k.removed || !k.missed.IsZero() || len(k.orphans) > 0
}

// New returns a Manager without subscriptions: Load reads them.
func New(o Options) *Manager {
	if o.Jitter == nil {
		o.Jitter = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	m := &Manager{opts: o, log: o.Logger.With("component", "subscription"), entries: map[string]*entry{},
		sources: map[string]*source{}, registries: map[string]*Registry{}, connections: map[string]*connection{},
		ready: map[*connection]struct{}{}, lines: map[string]*line{}, wake: make(chan struct{}, 1), started: o.Now()}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.fillCtx, m.stopFills = context.WithCancel(context.Background())
	m.metrics = newMetrics(o.Metrics, m.count, m.waitingGaps)
	return m
}

// Load reads the subscriptions from the store, and notes the time in which the gateway was not running. It is called
// once, before Run, after the first SetSources.
func (m *Manager) Load(ctx context.Context) error {
	before, err := m.opts.Store.Alive(ctx, m.now())
	if err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	if err := m.opts.Store.SettleCalls(ctx, "not known: the gateway ended during the call"); err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	notes, err := m.opts.Store.SourceNotes(ctx)
	if err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	m.mu.Lock()
	for id, n := range notes {
		if src := m.sources[id]; src != nil {
			src.notes = n
		}
	}
	m.mu.Unlock()
	for page := (bellhop.Page{Limit: bellhop.MaxPage}); ; {
		list, next, err := m.opts.Store.Subscriptions(ctx, bellhop.SubscriptionFilter{}, page)
		if err != nil {
			return fmt.Errorf("load subscriptions: %w", err)
		}
		for _, sub := range list {
			m.adoptStored(sub)
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	if err := m.loadFills(ctx); err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	if err := m.noteDowntime(ctx, before); err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	m.publishAll()
	return nil
}

// adoptStored takes a subscription from the store.
func (m *Manager) adoptStored(sub bellhop.Subscription) {
	e := m.add(sub)
	now := m.now()
	src, there := m.sourceOf(sub.SourceID)
	soon := m.random(time.Minute, baselineSoon)
	m.mu.Lock()
	defer m.mu.Unlock()
	e.baselineAt = now.Add(soon)
	// A call may have been under way. The checks of all others come with the first sweep.
	e.marks.now = sub.State == bellhop.SubscriptionRenewing || sub.Deleting || !sub.Secrets.Wish.IsZero() ||
		len(sub.Secrets.Retired) > 0 || there && (m.dependsElse(&sub, &src) || sub.URL != "" && src.url != sub.URL)
	m.schedule(e)
}

// noteDowntime stores a gap of each subscription whose provider repeats notifications for a shorter time than the
// gateway, which was running last at before, was not running. Run announces them.
func (m *Manager) noteDowntime(ctx context.Context, before time.Time) error {
	m.mu.Lock()
	entries := m.all()
	m.mu.Unlock()
	now := m.now()
	for _, e := range entries {
		sub := e.shared.Load()
		info, ok := m.info(sub.Provider)
		if !sub.State.Live() || !ok || before.IsZero() || now.Sub(before) <= info.Repeats+aliveEvery+aliveEvery {
			continue
		}
		gap, joined := m.join(e, m.newGap(sub, before, now, reasonDown))
		err := m.opts.Store.SaveSubscription(ctx, *sub, bellhop.SubscriptionNote{Gap: gap})
		if err != nil {
			return err
		}
		if joined {
			continue
		}
		m.metrics.gaps.Inc()
		if gap.State.Waits() {
			m.enqueue(e, *gap)
		}
	}
	return nil
}

// add puts a new entry into the maps.
func (m *Manager) add(sub bellhop.Subscription) *entry {
	e := &entry{id: sub.ID, sub: sub, index: -1}
	e.share()
	if !sub.LastEventAt.IsZero() {
		e.spoken.Store(sub.LastEventAt.UnixMicro())
		e.flushed = sub.LastEventAt.UnixMicro()
	}
	e.baselineAt = m.now().Add(m.random(time.Minute, 2*time.Minute))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[e.id] = e
	if sub.ExpectEvery > 0 {
		m.expects.Store(true)
	}
	return e
}

// share makes the present version of e visible to readers. The caller holds e.mu, or alone knows e.
func (e *entry) share() {
	sub := e.sub
	e.shared.Store(&sub)
}

// find returns the entry of a subscription by its id.
func (m *Manager) find(id string) (*entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[id]; e != nil {
		return e, nil
	}
	return nil, bellhop.NotFound("subscription", id)
}

// SetSources tells the Manager which sources there are. A subscription whose source has another URL now, or is gone,
// is put right soon.
func (m *Manager) SetSources(list []bellhop.Source) {
	m.mu.Lock()
	old := m.sources
	m.sources = make(map[string]*source, len(list))
	for _, src := range list {
		s := &source{Source: src, url: m.urlOf(src)}
		if before := old[src.ID]; before != nil {
			s.notes, s.spoken = before.notes, before.spoken
		}
		m.sources[src.ID] = s
	}
	for _, e := range m.entries {
		sub := e.shared.Load()
		src, before := m.sources[sub.SourceID], old[sub.SourceID]
		changed := src != nil && before != nil && !before.UpdatedAt.Equal(src.UpdatedAt)
		switch {
		case src == nil && sub.RemoteID != "" || src != nil && sub.URL != "" && src.url != sub.URL ||
			changed && m.dependsElse(sub, src):
			e.marks.now = true
			m.schedule(e)
		case src != nil && before != nil && sub.RemoteID != "" && !bytes.Equal(src.Settings, before.Settings) &&
			m.fromSource(sub.Provider):
			e.marks.check = true // it may have an old secret of the source
			m.schedule(e)
		}
	}
	m.mu.Unlock()
	m.poke()
}

// sourceOf returns the source of that id; ok is false if it was deleted.
func (m *Manager) sourceOf(id string) (source, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	src := m.sources[id]
	if src == nil {
		return source{}, false
	}
	return *src, true
}

func (m *Manager) now() time.Time { return bellhop.StoredTime(m.opts.Now()) }

// info returns what a provider says about its registrations.
func (m *Manager) info(name string) (provider.SubscribeInfo, bool) {
	p, ok := provider.SubscriberOf(m.opts.Providers, name)
	if !ok {
		return provider.SubscribeInfo{}, false
	}
	return p.SubscribeInfo(), true
}

// fromSource reports whether registrations of a provider have secrets of their source.
func (m *Manager) fromSource(name string) bool {
	info, _ := m.info(name)
	return info.FromSource
}

// random returns a number from a to b.
func (m *Manager) random(a, b time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return a + time.Duration(m.opts.Jitter.Float64()*float64(b-a))
}

// noNote is nothing to store beside a subscription.
var noNote bellhop.SubscriptionNote

// maxUnsaved bounds the notes of an entry that wait for storage. A step adds none before it has stored them, so only a
// user who asks for fills again and again while storage fails makes as many.
const maxUnsaved = 100

// save stores the present version of e with note, after the notes that could not be stored before. If storage cannot
// take it now, the step is over, and the version and note are stored later. The caller holds e.mu.
func (m *Manager) save(ctx context.Context, e *entry, note bellhop.SubscriptionNote) error {
	for len(e.unsaved) > 0 {
		if err := m.saveNote(ctx, e, e.unsaved[0]); err != nil {
			m.keepUnsaved(e, note)
			return err
		}
		e.unsaved = e.unsaved[1:]
	}
	err := m.saveNote(ctx, e, note)
	var refused *bellhop.Error
	if err != nil && !(errors.As(err, &refused) && refused.Code == bellhop.CodeConflict) {
		m.keepUnsaved(e, note)
	}
	return err
}

// keepUnsaved keeps a note for a later save. An empty one has the version stored, which any other note does too.
func (m *Manager) keepUnsaved(e *entry, note bellhop.SubscriptionNote) {
	if len(e.unsaved) == 0 || note != noNote && len(e.unsaved) < maxUnsaved {
		e.unsaved = append(e.unsaved, note)
	}
}

// saveNote stores the present version of e with note. A gap of note may be joined with one that waits; if storage
// fails, that is decided anew, because the other one may have begun by then. The caller holds e.mu.
func (m *Manager) saveNote(ctx context.Context, e *entry, note bellhop.SubscriptionNote) error {
	before := e.shared.Load()
	stored, joined := note, false
	if note.Gap != nil {
		stored.Gap, joined = m.join(e, note.Gap)
	}
	err := m.opts.Store.SaveSubscription(context.WithoutCancel(ctx), e.sub, stored)
	var refused *bellhop.Error
	if errors.As(err, &refused) && refused.Code == bellhop.CodeConflict {
		return err // of a name, which only a user sets
	}
	e.share()
	if e.sub.ExpectEvery > 0 {
		m.expects.Store(true)
	}
	m.publishIfChanged(before, &e.sub)
	if err != nil {
		m.log.Error("subscription.unsaved", "subscription_id", e.id, "subscription", e.sub.Name, "error", err,
			"meaning", "it is stored again soon")
		return err
	}
	switch gap := stored.Gap; {
	case gap == nil:
	case joined: // it is announced when its fill begins, or by the next look at what is to be announced
		m.log.Info("subscription.gap.widened", "subscription_id", e.id, "subscription", e.sub.Name, "gap_id", gap.ID,
			"from", gap.From, "to", gap.To, "reason", gap.Reason)
	default:
		m.metrics.gaps.Inc()
		m.announceGap(*gap, &e.sub)
		if gap.State.Waits() {
			waiting := *gap
			waiting.Announced = true // if that failed, the row says so
			m.enqueue(e, waiting)
			m.poke()
		}
	}
	return nil
}
