// Package connection keeps the connections: who we are at the APIs of outside systems. It signs in, keeps the tokens
// fresh, and makes calls in the name of a connection.
//
// It promises that there is one request for tokens at a time for each connection, whoever needs one; that a new
// refresh token is on disk before the access token that came with it is used; and that the refresh token before it
// is kept until the new one has worked. An authority that refuses for good is not asked again: the connection is
// signed out, and an event says so. Tokens and secrets are in no log line, error and page. DESIGN.md tells the
// states and what a crash does.
package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Store keeps the connections. Its errors are *bellhop.Error where a person can act on them.
type Store interface {
	Connections(ctx context.Context, f bellhop.ConnectionFilter,
		page bellhop.Page) (list []bellhop.Connection, next string, err error)
	Connection(ctx context.Context, idOrName string) (bellhop.Connection, error)
	ConnectionTokens(ctx context.Context, id string) ([]byte, error)
	// SettleConnection stores tokens in any case, and the rest of an outcome if its version is current.
	SettleConnection(ctx context.Context, o bellhop.ConnectionOutcome) (current bool, err error)
	UseConnections(ctx context.Context, usedAt map[string]time.Time) error
}

// Options are the parts that a Manager works with.
type Options struct {
	Store      Store
	Connectors []provider.Connector
	Env        provider.Env // Now, Rand, Client and Logger are required
	PublicURL  string       // where a browser reaches this server: "https://hooks.example.com"
	// Announce publishes an event of the gateway's own. Nil announces nothing.
	Announce func(ctx context.Context, ev bellhop.Event) error
	Metrics  prometheus.Registerer // nil keeps none
	// Back is called when a connection that was signed out or failing can be used again: its next call has a token. It
	// must not wait. Nil is not called.
	Back func(id string)
}

// A Manager keeps the connections. It is safe for concurrent use.
type Manager struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	logins  logins
	wake    chan struct{} // holds one: Run looks at its schedule again

	mu      sync.Mutex           // guards the maps and the number below
	links   map[string]*link     // by id of the connection
	used    map[string]time.Time // uses that are not stored yet
	working int                  // how much work runs in the background

	ctx  context.Context // of everything that runs in the background
	stop context.CancelFunc
	work sync.WaitGroup // the work that working counts
}

// A link is a connection in memory.
type link struct {
	id string
	// busy holds one while tokens are asked for and stored, so that this happens once at a time.
	busy chan struct{}

	mu       sync.Mutex
	epoch    int                        // counts changes of the connection; mu guards it and all that follows
	session  *session                   // nil before the first use and after a change
	unsaved  *bellhop.ConnectionOutcome // with tokens that could not be stored yet
	failure  *provider.APIError         // of the latest request for tokens; nil if it succeeded
	failures int                        // in a row
	retryAt  time.Time                  // no request before, unless a person asks
	nextAt   time.Time                  // when Run refreshes or tries again; zero is never
	renewals []time.Time                // of tokens because the API refused them, in the last minute
	signer   signing                    // of the call that the API accepted last
	found    *endpoints                 // discovered
	usedAt   time.Time                  // of the latest call, to the minute
	state    bellhop.ConnectionState
	back     bool // it became ready, and Options.Back was not called yet
}

// A session is what is needed to call an API: the connection as it was read, and a token.
type session struct {
	noun   bellhop.Connection
	opened provider.Connected
	tokens tokens // zero if keys sign the calls
}

// New returns a Manager. Run keeps its tokens fresh, and Stop ends it.
func New(o Options) *Manager {
	m := &Manager{opts: o, log: o.Env.Logger.With("component", "connection"), wake: make(chan struct{}, 1),
		links: map[string]*link{}, used: map[string]time.Time{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.logins.now, m.logins.random = o.Env.Now, o.Env.Rand
	m.metrics = newMetrics(o.Metrics, m.count)
	return m
}

func (m *Manager) now() time.Time { return m.opts.Env.Now() }

// link returns the connection in memory.
func (m *Manager) link(id string) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.links[id]
	if l == nil {
		l = &link{id: id, busy: make(chan struct{}, 1)}
		m.links[id] = l
	}
	return l
}

// count returns how many connections are in a state.
func (m *Manager) count(state bellhop.ConnectionState) (n float64) {
	m.mu.Lock()
	links := make([]*link, 0, len(m.links))
	for _, l := range m.links {
		links = append(links, l)
	}
	m.mu.Unlock()
	for _, l := range links {
		l.mu.Lock()
		if l.state == state {
			n++
		}
		l.mu.Unlock()
	}
	return n
}

// connector returns the connector of that name.
func (m *Manager) connector(name string) (provider.Connector, bool) {
	i := slices.IndexFunc(m.opts.Connectors, func(c provider.Connector) bool { return c.ConnectorInfo().Name == name })
	if i < 0 {
		return nil, false
	}
	return m.opts.Connectors[i], true
}

// open reads the settings of a stored connection.
func (m *Manager) open(c bellhop.Connection) (provider.Connected, error) {
	k, ok := m.connector(c.Provider)
	if !ok {
		return provider.Connected{}, bellhop.Invalid("provider", "there is no connector "+c.Provider)
	}
	opened, err := k.OpenConnection(m.opts.Env, c.Settings)
	if err != nil {
		return opened, bellhop.Join("settings", err)
	}
	return opened, nil
}

// sayBack calls Options.Back if the connection has become ready. It is called once the new token is in memory, or can
// be read from the store, so that a call which follows at once succeeds.
func (m *Manager) sayBack(l *link) {
	l.mu.Lock()
	back := l.back
	l.back = false
	l.mu.Unlock()
	if back && m.opts.Back != nil {
		m.opts.Back(l.id)
	}
}

// changeTime bounds how long a change waits for the request for tokens that follows it. Clients wait for 30 s.
const changeTime = 15 * time.Second

// Changed is called when a connection was created or changed. It asks for tokens where that needs nobody to sign
// in, so that the state is that of the new settings, and waits for the end of this until ctx ends.
func (m *Manager) Changed(ctx context.Context, id string) {
	l := m.link(id)
	l.mu.Lock()
	l.epoch++
	l.session, l.found, l.failure, l.failures, l.retryAt = nil, nil, nil, 0, time.Time{}
	l.renewals, l.signer = nil, signing{}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	m.session(ctx, id, need{force: true, renew: true}) // its outcome is stored
}

// Deleted is called when a connection was deleted.
func (m *Manager) Deleted(id string) {
	m.logins.forget(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.links, id)
	delete(m.used, id)
}

// checkEvery is the longest time between two looks at the schedule: a clock that was set is noticed that soon.
const checkEvery = 30 * time.Second

// maxRefreshing bounds the refreshes that Run makes at a time.
const maxRefreshing = 8

// Run refreshes tokens before they end, tries failed refreshes again and stores when connections were used, until
// ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		m.storeUses(last)
	}()
	for err := m.load(ctx); err != nil; err = m.load(ctx) {
		m.log.Error("connections.unread", "error", err, "meaning", "read again within a minute")
		if !m.pause(ctx, checkEvery) {
			return nil
		}
	}
	places := make(chan struct{}, maxRefreshing)
	for {
		next := m.refreshDue(places)
		m.storeUses(ctx)
		if !m.pause(ctx, next) {
			return nil
		}
	}
}

// pause waits for d, or until it is woken. It reports false once ctx has ended.
func (m *Manager) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.wake:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}

// load makes a link of every stored connection, and schedules those that need no person.
func (m *Manager) load(ctx context.Context) error {
	for page := (bellhop.Page{Limit: bellhop.MaxPage}); ; {
		list, next, err := m.opts.Store.Connections(ctx, bellhop.ConnectionFilter{}, page)
		if err != nil {
			return fmt.Errorf("read the connections: %w", err)
		}
		for _, c := range list {
			l := m.link(c.ID)
			l.mu.Lock()
			if l.state == "" {
				l.state = c.State
			}
			if l.session == nil && l.nextAt.IsZero() && c.State != bellhop.ConnectionSignedOut {
				l.nextAt = m.now()
			}
			l.mu.Unlock()
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}

// refreshDue starts a refresh of every connection for which it is time, and returns how long until the next one.
func (m *Manager) refreshDue(places chan struct{}) time.Duration {
	m.mu.Lock()
	links := make([]*link, 0, len(m.links))
	for _, l := range m.links {
		links = append(links, l)
	}
	m.mu.Unlock()
	now, wait := m.now(), checkEvery
	for _, l := range links {
		l.mu.Lock()
		due := !l.nextAt.IsZero() && (!now.Before(l.nextAt) || l.outlived(now))
		if !l.nextAt.IsZero() && !due {
			wait = min(wait, l.nextAt.Sub(now))
		}
		l.mu.Unlock()
		if !due {
			continue
		}
		select {
		case places <- struct{}{}:
		default: // those that run wake this loop as they end
			continue
		}
		if !m.begin() {
			<-places
			continue
		}
		l.mu.Lock()
		l.nextAt = time.Time{} // obtain sets it
		l.mu.Unlock()
		go func() {
			defer m.end()
			m.session(m.ctx, l.id, need{ahead: true})
			<-places
			m.poke()
		}()
	}
	return max(wait, time.Millisecond)
}

// outlived reports whether the token in memory cannot be used any more, as after a clock was set. The caller holds
// l.mu.
func (l *link) outlived(now time.Time) bool {
	return l.session != nil && l.session.opened.OAuth != nil && l.failure == nil && !l.session.tokens.usable(now)
}

// begin counts work in the background, which calls end. It reports false once the Manager has been stopped.
func (m *Manager) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return false
	}
	m.work.Add(1)
	m.working++
	return true
}

// end ends the work that begin counted.
func (m *Manager) end() {
	m.mu.Lock()
	m.working--
	m.mu.Unlock()
	m.work.Done()
}

// poke makes Run look at its schedule.
func (m *Manager) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// usedEvery is how exactly the time of the last use is known.
const usedEvery = time.Minute

// use takes note of a call.
func (m *Manager) use(id string) {
	at := bellhop.StoredTime(m.now().Truncate(usedEvery))
	l := m.link(id)
	l.mu.Lock()
	again := l.usedAt.Equal(at)
	l.usedAt = at
	l.mu.Unlock()
	if again {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used[id] = at
}

// storeUses stores the uses since the last call. What cannot be stored is stored by a later call.
func (m *Manager) storeUses(ctx context.Context) {
	m.mu.Lock()
	used := m.used
	m.used = map[string]time.Time{}
	m.mu.Unlock()
	if len(used) == 0 {
		return
	}
	err := m.opts.Store.UseConnections(ctx, used)
	if err == nil {
		return
	}
	m.log.Warn("uses.unstored", "error", err, "meaning", "stored later")
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, at := range used {
		if m.used[id].IsZero() {
			m.used[id] = at
		}
	}
}

// Stop ends the sign-ins that wait for a user, and waits for the requests for tokens that are under way: their
// answers are stored. The store must still be open.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.stop()
	links := m.links
	m.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		m.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	m.mu.Lock()
	working := m.working
	m.mu.Unlock()
	if working > 0 { // else all work had ended, and the context before
		return errors.New("a request for tokens has not ended in time")
	}
	for _, l := range links {
		err := m.saveUnsaved(ctx, l)
		if err != nil {
			m.log.Error("tokens.lost", "connection_id", l.id, "error", err,
				"meaning", "new tokens could not be stored; the earlier ones may be refused after the next start")
		}
	}
	return nil
}
