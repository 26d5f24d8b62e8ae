// Package app wires the rooms together and takes them apart again. New makes everything, Run serves until it is
// told to stop, and the stop undoes New step by step, in reverse order.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/certificate"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/connection"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/delivery"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/forwarded"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/otlp"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/repair"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/internal/subscription"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Options are the parts and settings of an App.
type Options struct {
	Config    config.Config
	Providers []provider.Provider

	Connectors []provider.Connector

	AdminKey string // of the API; "" is the key in the data folder, which is made on first use
	Version  string
	Logger   *slog.Logger
	LogLevel *slog.LevelVar // of Logger; nil is none, and changing it has no effect
}

// An App is a whole server. New sets every field but those of the last two groups; they never change afterwards.
type App struct {
	opts     Options // with the admin key and the public URL that are in use
	log      *slog.Logger
	registry *prometheus.Registry
	latency  *latencies
	folder   *datadir.Folder
	store    store.Store
	tracer   *trace.Tracer  // nil without --otlp-endpoint
	exporter *otlp.Exporter // of the spans of tracer
	watcher  *watcher       // tells the live stream what the store writes
	desk     *action.Desk
	orderKey [16]byte // for the engine
	keyFrom  string   // datadir.AdminKeyFile or datadir.AdminKeyVariable

	startedAt    time.Time
	hasPublicURL bool // the settings have one
	probes       doctor.Probes
	told         toldTime
	doctor       *doctor.Doctor

	actions  []provider.Action
	gate     *match.Gate // of large bodies, for all who evaluate expressions
	opener   *outbound.Opener
	engine   *delivery.Engine
	repairer *repair.Repairer
	door     *ingest.Door
	files    *action.Files
	links    *connection.Manager
	keeper   *subscription.Manager
	keys     *auth.Keys
	guard    *auth.Guard // of keys that are sent or typed
	sessions *auth.Sessions
	usage    usage // of tenants
	catalog  *catalog.Catalog

	certificate certificate.Keeper // of our own TLS; nil without
	acme        *certificate.ACME  // if it comes by ACME
	streams     *streams
	trust       *forwarded.Trust // in proxies in front; nil without
	front       *port            // at --listen
	apiPort     *port            // nil if the front serves the API
	uiPort      *port            // nil if the port of the API serves the pages
	localPort   *port            // for commands; nil if they can use that of the API
	plainPort   *port            // sends browsers on to https; nil without
	metricsPort *port            // nil if the port of the API serves the metrics
	unreadyLog  repeatedLog

	// cleanups undo the steps of New; undo runs the last one first. Only New and the stop use them.
	cleanups []cleanup
	grace    time.Duration // how long a stop waits after the shutdown timeout for a step that should have ended

	active    chan struct{}             // closed once the server is not in standby
	resuming  sync.Mutex                // held by what closes active
	backingUp atomic.Pointer[time.Time] // since when a backup is under way; nil if none is
	backedUp  atomic.Int64              // when the latest backup was taken, in seconds since 1970; 0 if none is known

	reloading    sync.Mutex                     // held during a reload; guards the three below
	destinations map[string]bellhop.Destination // as the last reload read them, by id
	names        map[string]string              // of the sources, by id, as the last reload read them
	unopened     map[string]bool                // the errors of the nouns that the last reload could not open

	file      *fileMetrics // of the configuration file; nil without one
	fileOnce  sync.Once
	fileState atomic.Int32 // fileNone, fileApplied or fileRefused

	late       sync.Mutex         // held to start something in the background, and to close draining
	draining   chan struct{}      // closed when the stop begins: nothing starts in the background any more
	background sync.WaitGroup     // everything that runs in the background
	running    context.Context    // of everything that runs in the background
	cancel     context.CancelFunc // of running
}

// A cleanup undoes one step of New. The name is for errors.
type cleanup struct {
	name string
	run  func(ctx context.Context) error
}

// stopGrace is App.grace outside of tests.
const stopGrace = 2 * time.Second

// New makes a server in the data folder and begins to listen. Before Run, nothing is answered and nothing is sent.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	a := &App{
		opts: opts, log: opts.Logger.With("component", "app"), registry: newRegistry(opts.Version),
		latency: newLatencies(time.Now), grace: stopGrace, draining: make(chan struct{}), gate: match.NewGate(0),
		active: make(chan struct{}),
		usage:  usage{now: make(chan struct{}, 1)}, startedAt: time.Now(), streams: &streams{},
	}
	if opts.LogLevel == nil {
		a.opts.LogLevel = new(slog.LevelVar)
	}
	a.running, a.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, a.undo(context.Background()))
		}
	}()
	a.undoLater("background work", func(context.Context) error {
		a.cancel()
		return nil
	})

	if err := a.openFolder(); err != nil {
		return nil, err
	}
	if err := a.openStore(); err != nil {
		return nil, err
	}
	client, err := a.openEgress()
	if err != nil {
		return nil, err
	}
	if err := a.openFiles(ctx); err != nil {
		return nil, err
	}
	if err := a.openCertificate(ctx); err != nil {
		return nil, err
	}
	if err := a.listen(); err != nil {
		return nil, err
	}
	if err := a.loadStandby(ctx); err != nil {
		return nil, err
	}
	if err := a.openTraces(); err != nil {
		return nil, err
	}
	if err := a.openACME(ctx); err != nil {
		return nil, err
	}
	a.openActions()
	a.openRooms(client)
	if err := a.reload(ctx); err != nil {
		return nil, err
	}
	if err := a.keeper.Load(ctx); err != nil {
		return nil, err
	}
	if err := a.keys.Load(ctx); err != nil {
		return nil, err
	}
	a.serveRooms()
	if err := a.listenMetrics(); err != nil {
		return nil, err
	}
	if err := a.writeServerFile(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) undoLater(name string, run func(ctx context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

// openFolder opens the data folder and reads the admin key.
func (a *App) openFolder() (err error) {
	if a.folder, err = datadir.Open(a.opts.Config.Data); err != nil {
		return err
	}
	a.undoLater("folder", func(context.Context) error { return a.folder.Close() })
	if err := checkInterrupted(a.opts.Config.Data); err != nil {
		return err
	}
	a.keyFrom = datadir.AdminKeyFile
	if a.opts.AdminKey != "" {
		a.keyFrom = datadir.AdminKeyVariable
	}
	a.opts.AdminKey, err = a.folder.AdminKey(a.opts.AdminKey, rand.Reader)
	return err
}

func (a *App) openStore() error {
	keys, err := store.LoadKeyRing(a.opts.Config.Data, rand.Reader)
	if err != nil {
		return err
	}
	a.orderKey = keys.OrderKey()
	a.watcher = a.newWatcher()
	opened, err := sqlite.Open(sqlite.Options{Dir: a.opts.Config.Data, Metrics: a.registry, Options: store.Options{
		Keys: keys, Now: time.Now, Rand: rand.Reader, Logger: a.opts.Logger, Retain: a.opts.Config.Retain,
		RetainBytes: int64(a.opts.Config.RetainBytes),
		Observer:    a.watcher,
		// Due is called for results, so the engine exists then.
		Due: func(destinationID string) { a.engine.Wake(destinationID) },
	}})
	if err != nil {
		return err
	}
	a.store = watched{opened, a.watcher.hub}
	if err := removeCopies(a.opts.Config.Data); err != nil {
		a.log.Warn("backup.left", "error", err, "meaning", "a copy of the database that a crash left is still there")
	}
	a.registry.MustRegister(&backlogCollector{read: a.store.Backlog, now: time.Now}, a.newVitals())
	a.undoLater("store", func(context.Context) error { return a.store.Close() })
	return nil
}

func (a *App) openEgress() (*egress.Client, error) {
	c := a.opts.Config
	for i, proxy := range c.Proxies {
		if err := egress.CheckProxyURL(proxy); err != nil {
			return nil, fmt.Errorf("proxies: number %d: %w", i+1, err)
		}
	}
	if c.AllowPrivate {
		a.log.Warn("egress.opened", "setting", "allow-private",
			"meaning", "deliveries may reach private and loopback addresses")
	}
	client := egress.New(egress.Config{
		AllowPrivate: c.AllowPrivate, Allow: c.Allow, Proxies: c.Proxies, UserAgent: "Bellhop/" + a.opts.Version,
		MaxIdle: bound(maxIdle, descriptors(), 8),
	})
	a.undoLater("connections", func(context.Context) error {
		client.Close()
		return nil
	})
	return client, nil
}

// openActions makes the actions that destinations can have.
func (a *App) openActions() {
	allowed := a.opts.Config.AllowExec
	if allowed {
		a.log.Warn("exec.opened", "setting", "allow-exec",
			"meaning", "everyone with an API key of scope admin can run commands here, as the user of this server")
	}
	if allowed && os.Geteuid() == 0 {
		a.log.Warn("exec.root", "setting", "allow-exec",
			"meaning", "that user is root; run the server as a user with fewer rights")
	}
	a.desk = action.NewDesk(func(destinationID string) { a.engine.Return(destinationID) }, a.registry)
	calls := action.NewCalls(action.CallsOptions{Now: time.Now, Metrics: a.registry,
		Accepted: func() int64 { return a.door.Accepted() }})
	a.actions = append([]provider.Action{
		action.Exec{Allowed: allowed, Lookup: os.LookupEnv}, action.Listen{Desk: a.desk},
		action.HTTPFetch{Calls: calls, Compile: a.gate.Compile, Plain: connection.Plain},
	}, slices.Concat(action.Fetches(a.opts.Providers, calls), action.Readings(a.opts.Providers, calls),
		action.Downloads(a.opts.Providers, calls))...)
	a.actions = append(a.actions, action.Works(a.opts.Providers, calls, a.gate.Compile)...)
}

// actionSource returns a source as actions see it.
func (a *App) actionSource(ctx context.Context, idOrName string) (provider.ActionSource, error) {
	src, err := a.store.Source(ctx, idOrName)
	return provider.ActionSource{ID: src.ID, Name: src.Name, Provider: src.Provider, Settings: src.Settings,
		URL: strings.TrimSuffix(a.opts.Config.PublicURL, "/") + "/in/" + src.Name}, err
}

// openRooms makes the rooms of the corridor and the catalog.
func (a *App) openRooms(client *egress.Client) {
	o := a.opts
	env := provider.Env{Now: time.Now, Rand: rand.Reader, Client: a.told.through(client.HTTP()), Logger: o.Logger}
	a.openOpener(client, env)
	a.engine = delivery.New(delivery.Options{
		Gate: a.gate, Tracer: a.tracer,
		Store: a.store, Opener: a.opener, CutOff: client.Close, Now: time.Now, Logger: o.Logger,
		Metrics: a.latency.registerer(a.registry),
		Changed: a.reloadLater, MaxAttempts: a.maxAttempts(), OrderKey: a.orderKey,
		Announce: func(ctx context.Context, ev bellhop.Event) error { return a.door.Announce(ctx, ev) },
	})
	a.undoLater("delivery", a.engine.Stop)
	a.repairer = repair.New(repair.Options{
		Store: a.store, Lanes: a.engine, Now: time.Now, Logger: o.Logger, Metrics: a.registry,
	})
	a.links = connection.New(connection.Options{
		Store: a.store, Connectors: o.Connectors, Env: env, PublicURL: o.Config.PublicURL, Metrics: a.registry,
		Announce: func(ctx context.Context, ev bellhop.Event) error { return a.door.Announce(ctx, ev) },
		Back:     a.engine.Return,
	})
	a.undoLater("sign-ins", a.links.Stop)
	a.openSubscriptions()
	a.door = ingest.New(ingest.Options{
		Store: a.store, Lanes: a.engine, Subscriptions: a.keeper, Providers: o.Providers, Env: env, Logger: o.Logger,
		Metrics: a.latency.registerer(a.registry), Gate: a.gate, Tracer: a.tracer,
	})
	a.undoLater("door", a.door.Stop)
	a.openKeys()
	a.catalog = catalog.New(catalog.Options{
		Store: a.store, Opener: a.opener, Engine: a.engine, Gate: a.gate, Publisher: a.door, Verifier: a.door,
		Sampler: a.door, Repairer: a.repairer, PublicURL: strings.TrimSuffix(o.Config.PublicURL, "/"),
		Providers: o.Providers, Actions: a.actions, Env: env, Changed: a.reload, Connectors: o.Connectors,
		Connections: a.links, Subscriptions: a.keeper, Keys: a.keys, Later: a.later,
		CallbackURL: strings.TrimSuffix(o.Config.PublicURL, "/") + api.AgreePath, Logger: o.Logger,
	})
	a.doctor = a.newDoctor()
}

// openOpener makes the room that opens destinations.
func (a *App) openOpener(client *egress.Client, env provider.Env) {
	o := a.opts
	a.opener = outbound.New(outbound.Options{
		Gate:   a.gate,
		Client: client, Providers: o.Providers, Actions: a.actions, Env: env, Logger: o.Logger,
		PublicURL: o.Config.PublicURL,
		Current:   func(destinationID string) *outbound.Target { return a.engine.Target(destinationID) },
		Publish: func(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
			return a.door.PublishCaused(ctx, cause, ev)
		},
		Connection: func(ctx context.Context, idOrName string) (provider.Connection, error) {
			if a.links == nil { // a configuration is checked without a server
				return provider.Connection{}, provider.ErrNotHere
			}
			return a.links.Connection(ctx, idOrName)
		},
		Source: a.actionSource, Cursors: a.store, Files: a.files,
	})
}

// openKeys makes the room of the keys of the API. Only the admin key of the data folder can be replaced.
func (a *App) openKeys() {
	o := auth.KeysOptions{Store: a.store, Admin: a.opts.AdminKey, Now: time.Now, Logger: a.opts.Logger,
		Metrics: a.registry}
	if a.keyFrom == datadir.AdminKeyFile {
		o.ReplaceAdmin = func(accept func(key string)) error { return a.folder.ReplaceAdminKey(rand.Reader, accept) }
	}
	a.keys = auth.NewKeys(o)
	a.openSessions()
}

// maxIdle bounds the idle connections to destinations. They are at most an eighth of the open files that the system
// grants.
const maxIdle = 4096

// maxAttempts returns how many attempts may run at the same time: as many as the settings say, but at most half
// of the open files that the system grants, because requests and idle connections need some too.
func (a *App) maxAttempts() int {
	granted := descriptors()
	most := bound(a.opts.Config.MaxAttempts, granted, 2)
	if most < a.opts.Config.MaxAttempts {
		a.log.Warn("attempts.bounded", "setting", "max-attempts", "attempts", most, "descriptors", granted,
			"meaning", "fewer at a time than the setting says, because the system grants few open "+
				"files; ulimit -n raises that")
	}
	return most
}

// maxConnections returns how many connections are served at the same time: as many as the settings say, but at most a
// third of the open files that the system grants. So attempts, idle connections to destinations and the database have
// the others, however many connections strangers open.
func (a *App) maxConnections() int {
	granted := descriptors()
	most := bound(a.opts.Config.MaxConnections, granted, 3)
	if most < a.opts.Config.MaxConnections {
		a.log.Warn("connections.bounded", "setting", "max-connections", "connections", most, "descriptors", granted,
			"meaning", "fewer at a time than the setting says, because the system grants few open "+
				"files; ulimit -n raises that")
	}
	return most
}

// bound returns want, but at most a part of the open files that the system grants, and not fewer than 16 because of
// them. granted is 0 if there is no limit.
func bound(want int, granted, part uint64) int {
	if granted == 0 || uint64(want) <= granted/part {
		return want
	}
	return min(want, max(16, int(granted/part)))
}

// writeServerFile tells clients in the same folder where the server is.
func (a *App) writeServerFile() error {
	a.undoLater("server file", func(context.Context) error { return a.folder.RemoveServer() })
	return a.folder.WriteServer(datadir.Server{URL: a.commandURL(), PID: os.Getpid(), AdminKey: a.keyFrom})
}

// FirstRun reports whether New created the data folder.
func (a *App) FirstRun() bool { return a.folder.Created() }

// AdminKeyFrom returns where the admin key comes from: [datadir.AdminKeyFile] or [datadir.AdminKeyVariable].
func (a *App) AdminKeyFrom() string { return a.keyFrom }

// HasSources reports whether there is a source.
func (a *App) HasSources(ctx context.Context) (bool, error) {
	list, _, err := a.store.Sources(ctx, bellhop.SourceFilter{}, bellhop.Page{Limit: 1})
	return len(list) > 0, err
}

// Run serves until ctx ends or the storage fails, and then stops. The stop takes at most the shutdown timeout
// and a few seconds. If a step has not ended by then, because a disk hangs for example, Run returns an error,
// and the process should end.
func (a *App) Run(ctx context.Context) error {
	a.background.Go(func() { a.store.Run(a.running) })
	a.background.Go(func() { a.watcher.hub.Run(a.running) })
	a.background.Go(func() { a.engine.Run(a.running) })
	a.background.Go(func() { a.repairer.Run(a.running) })
	a.background.Go(func() { a.onceActive(a.running, func(ctx context.Context) { a.links.Run(ctx) }) })
	a.background.Go(func() { a.onceActive(a.running, func(ctx context.Context) { a.files.Run(ctx) }) })
	a.background.Go(func() { a.keys.Run(a.running) })
	a.background.Go(func() { a.countTenants(a.running) })
	a.background.Go(func() { a.latency.run(a.running) })
	a.background.Go(func() { a.onceActive(a.running, a.runSubscriptions) })
	if a.certificate != nil {
		a.background.Go(func() { a.certificate.Run(a.running) })
	}
	ports := a.ports()
	if a.metricsPort != nil {
		ports = append(ports, a.metricsPort)
	}
	served := make(chan error, len(ports))
	for _, p := range ports {
		go func() { served <- p.serve() }()
	}
	var err error
	select {
	case <-ctx.Done():
		a.log.Info("server.stopping", "timeout", a.opts.Config.ShutdownTimeout.String())
	case <-a.store.Failed():
		err = a.store.Err()
		a.log.Error("storage.failed", "error", err, "meaning", "stopping, because the storage can no longer be "+
			"trusted")
	case err = <-served:
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, a.stop())
}

// stop closes the door, lets work that has begun end, and undoes New.
func (a *App) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.opts.Config.ShutdownTimeout)
	defer cancel()
	a.late.Lock()
	close(a.draining)
	a.late.Unlock()
	a.engine.Halt()
	a.watcher.hub.Stop() // its clients would keep the server from ending
	a.endListeners(ctx)
	// Requests that have not arrived whole get half of the time; attempts under way get the rest.
	closing, done := context.WithTimeout(ctx, a.opts.Config.ShutdownTimeout/2)
	defer done()
	a.closePorts(closing)
	a.cancel()
	err := a.inTime(ctx, func() error {
		a.background.Wait()
		return nil
	})
	if err != nil {
		err = fmt.Errorf("stop background work: %w", err)
	}
	return errors.Join(err, a.undo(ctx))
}

// endListeners lets the programs that listen or have pulled answer what is in their hands, for a quarter of the time,
// while the server still takes answers.
func (a *App) endListeners(ctx context.Context) {
	answering, done := context.WithTimeout(ctx, a.opts.Config.ShutdownTimeout/4)
	defer done()
	a.desk.Stop(answering)
	a.engine.EndLeases(answering)
}

// errLate is the error of a step of a stop that did not end in time.
var errLate = errors.New("has not ended in time")

// inTime runs one step of a stop. If the step has not ended when ctx has ended and the grace is over, inTime
// returns errLate and leaves the step running.
func (a *App) inTime(ctx context.Context, step func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- step() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(a.grace):
		return errLate
	}
}

// undo runs the cleanups, the last one first. After a step that has not ended in time it runs no other: the
// steps before it are still in use, and end with the process.
func (a *App) undo(ctx context.Context) error {
	var errs []error
	for len(a.cleanups) > 0 {
		last := a.cleanups[len(a.cleanups)-1]
		a.cleanups = a.cleanups[:len(a.cleanups)-1]
		err := a.inTime(ctx, func() error { return last.run(ctx) })
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.name, err))
		}
		if err == errLate {
			break
		}
	}
	return errors.Join(errs...)
}
