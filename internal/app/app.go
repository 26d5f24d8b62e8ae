// Package app wires the rooms together and takes them apart again.
package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/delivery"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/repair"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"
)

// Options say what an App is made of.
type Options struct {
	Config    config.Config
	Providers []provider.Provider
	AdminKey  string // of the API; "" is the one in the data folder, made on first use
	Version   string
	Logger    *slog.Logger
}

// An App is a whole server. It has what New made until Run returns.
type App struct {
	opts     Options
	listener net.Listener
	server   *http.Server
	store    store.Store
	actions  []provider.Action
	opener   *outbound.Opener
	engine   *delivery.Engine
	repairer *repair.Repairer
	door     *ingest.Door
	catalog  *catalog.Catalog
	registry *prometheus.Registry
	url      string
	firstRun bool

	reloading    sync.Mutex
	destinations map[string]bellhop.Destination // as they were loaded last, by id; reloading guards it
	late         sync.Mutex                     // held to begin something in the background, and to end that
	stopping     context.CancelFunc             // of what runs until the stop
	background   sync.WaitGroup
	draining     chan struct{} // closed as the stop begins
	cleanups     []cleanup
}

// A cleanup undoes one step of New; undo runs them last first. The name is for errors.
type cleanup struct {
	name string
	run  func(ctx context.Context) error
}

// New makes a server in the data folder and begins to listen. Nothing is served before Run.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	a := &App{opts: opts, registry: prometheus.NewRegistry(), draining: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.undo(context.Background()))
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := a.openFolder(); err != nil {
		return nil, err
	}
	if err := a.openStore(); err != nil {
		return nil, err
	}
	env := provider.Env{Now: time.Now, Rand: rand.Reader, Logger: opts.Logger}
	client, err := a.openEgress()
	if err != nil {
		return nil, err
	}
	if err := a.listen(); err != nil {
		return nil, err
	}
	a.openActions()
	env.Client = client.HTTP()
	a.opener = outbound.New(outbound.Options{Client: client, Providers: opts.Providers, Actions: a.actions, Env: env, Logger: opts.Logger,
		PublicURL: a.opts.Config.PublicURL, Current: func(destinationID string) *outbound.Target { return a.engine.Target(destinationID) },
		Publish: func(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
			return a.door.PublishCaused(ctx, cause, ev)
		}})
	a.engine = delivery.New(delivery.Options{Store: a.store, Opener: a.opener, CutOff: client.Close, Now: time.Now, Logger: opts.Logger,
		Metrics: a.registry, Changed: a.reloadLater, MaxAttempts: a.maxAttempts(),
		Announce: func(ctx context.Context, ev bellhop.Event) error { return a.door.Announce(ctx, ev) }})
	a.undoLater("delivery", a.engine.Stop)
	a.repairer = repair.New(repair.Options{Store: a.store, Lanes: a.engine, Now: time.Now, Logger: opts.Logger, Metrics: a.registry})
	a.door = ingest.New(ingest.Options{Store: a.store, Lanes: a.engine, Providers: opts.Providers, Env: env, Logger: opts.Logger, Metrics: a.registry})
	a.undoLater("door", a.door.Stop)
	a.catalog = catalog.New(catalog.Options{Store: a.store, Opener: a.opener, Engine: a.engine, Publisher: a.door, Repairer: a.repairer,
		Providers: opts.Providers, Actions: a.actions, Env: env, Changed: a.reload,
		CallbackURL: strings.TrimSuffix(a.opts.Config.PublicURL, "/") + api.AgreePath, Logger: opts.Logger})
	if err := a.reload(ctx); err != nil {
		return nil, err
	}
	a.server = a.newServer()
	if err := a.announce(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *App) undoLater(name string, run func(ctx context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

// openFolder makes the data folder and takes it for this process alone.
func (a *App) openFolder() error {
	dir := a.opts.Config.Data
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		a.firstRun = true
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	a.undoLater("folder", func(context.Context) error { return unlock() })
	a.opts.AdminKey, err = adminKey(dir, a.opts.AdminKey, rand.Reader)
	return err
}

func (a *App) openStore() error {
	keys, err := store.LoadKeyRing(a.opts.Config.Data, rand.Reader)
	if err != nil {
		return err
	}
	a.store, err = sqlite.Open(sqlite.Options{Dir: a.opts.Config.Data, Metrics: a.registry, Options: store.Options{
		Keys: keys, Now: time.Now, Rand: rand.Reader, Logger: a.opts.Logger, Retain: a.opts.Config.Retain,
		Due: func(destinationID string) { a.engine.Wake(destinationID) }, // no result comes before the engine exists
	}})
	if err != nil {
		return err
	}
	a.undoLater("store", func(context.Context) error { return a.store.Close() })
	return nil
}

func (a *App) openEgress() (*egress.Client, error) {
	for i, proxy := range a.opts.Config.Proxies {
		if err := egress.CheckProxyURL(proxy); err != nil {
			return nil, fmt.Errorf("proxies: the one at %d: %w", i+1, err)
		}
	}
	if a.opts.Config.AllowPrivate {
		a.opts.Logger.Warn("egress.opened", "component", "app", "setting", "allow-private",
			"meaning", "deliveries may reach private and loopback addresses")
	}
	client := egress.New(egress.Config{AllowPrivate: a.opts.Config.AllowPrivate, Allow: a.opts.Config.Allow, Proxies: a.opts.Config.Proxies, UserAgent: "Bellhop/" + a.opts.Version})
	a.undoLater("connections", func(context.Context) error {
		client.Close()
		return nil
	})
	return client, nil
}

// maxAttempts is how many attempts may be under way: as many as the settings say, but no more than half of what descriptors the
// system grants, since requests and idle connections need some too.
func (a *App) maxAttempts() int {
	want := a.opts.Config.MaxAttempts
	granted := descriptors()
	if granted == 0 || uint64(want) <= granted/2 {
		return want
	}
	most := max(16, int(granted/2))
	a.opts.Logger.Warn("attempts.bounded", "component", "app", "setting", "max-attempts", "attempts", most, "descriptors", granted,
		"meaning", "fewer at a time than the setting says, since the system grants so few open files; raise that with ulimit -n")
	return most
}

// openActions makes what destinations can do here.
func (a *App) openActions() {
	allowed := a.opts.Config.AllowExec
	if allowed {
		a.opts.Logger.Warn("exec.opened", "component", "app", "setting", "allow-exec",
			"meaning", "whoever has an API key can run commands here, as the user that this server runs as")
	}
	if allowed && os.Geteuid() == 0 {
		a.opts.Logger.Warn("exec.root", "component", "app", "setting", "allow-exec",
			"meaning", "that user is root; start the server as one that may do less")
	}
	a.actions = []provider.Action{action.Exec{Allowed: allowed, Lookup: os.LookupEnv}}
}

// reload reads sources and destinations and hands them to the door and the engine. One that cannot be opened is
// for the log: it must not keep the others from changing.
func (a *App) reload(ctx context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	sources, err := all(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Source, string, error) {
		return a.store.Sources(ctx, bellhop.SourceFilter{}, page)
	})
	if err != nil {
		return err
	}
	destinations, err := a.readDestinations(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(a.door.SetSources(sources), a.engine.SetDestinations(ctx, destinations)); err != nil {
		a.opts.Logger.Error("open.failed", "component", "app", "error", err, "meaning", "these could not be opened; the rest goes on")
	}
	return nil
}

// readDestinations reads those that have changed since it did so last: there may be ten thousand. The caller holds reloading.
func (a *App) readDestinations(ctx context.Context) ([]bellhop.Destination, error) {
	list, err := a.store.DestinationVersions(ctx)
	if err != nil {
		return nil, err
	}
	read := make(map[string]bellhop.Destination, len(list))
	whole := list[:0]
	for _, version := range list {
		d, ok := a.destinations[version.ID]
		var err error
		if !ok || d.State != version.State || !d.UpdatedAt.Equal(version.UpdatedAt) {
			d, err = a.store.Destination(ctx, version.ID)
		}
		var known *bellhop.Error
		switch {
		case errors.As(err, &known) && known.Code == bellhop.CodeNotFound: // it was deleted meanwhile
			continue
		case err != nil:
			return nil, err
		}
		whole, read[version.ID] = append(whole, d), d
	}
	a.destinations = read
	return whole, nil
}

// reloadLater is reload for whoever cannot wait for it.
func (a *App) reloadLater() {
	a.late.Lock()
	defer a.late.Unlock()
	select {
	case <-a.draining:
		return
	default:
	}
	a.background.Go(func() {
		if err := a.reload(context.Background()); err != nil {
			a.opts.Logger.Error("reload.failed", "component", "app", "error", err)
		}
	})
}

// all reads a whole list.
func all[T any](ctx context.Context, list func(context.Context, bellhop.Page) ([]T, string, error)) (whole []T, err error) {
	page := bellhop.Page{Limit: bellhop.MaxPage}
	for {
		part, next, err := list(ctx, page)
		if err != nil {
			return nil, err
		}
		if whole = append(whole, part...); next == "" {
			return whole, nil
		}
		page.Cursor = next
	}
}

// listen takes the address: nothing is delivered by a server that could not be reached.
func (a *App) listen() error {
	listener, err := net.Listen("tcp", a.opts.Config.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w: choose another address with --listen", err)
	}
	a.undoLater("listener", func(context.Context) error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	a.url = "http://" + reachable(listener.Addr())
	if a.opts.Config.PublicURL == "" {
		a.opts.Config.PublicURL = a.url
	}
	a.listener = netutil.LimitListener(listener, a.opts.Config.MaxConnections)
	return nil
}

// announce tells clients in the same folder where the server is.
func (a *App) announce() error {
	info, err := json.Marshal(map[string]any{"url": a.url, "pid": os.Getpid()})
	if err != nil {
		return err
	}
	path := filepath.Join(a.opts.Config.Data, serverFile)
	a.undoLater("server file", func(context.Context) error { return os.Remove(path) })
	return os.WriteFile(path, append(info, '\n'), 0o600)
}

// reachable is where a client on this machine finds a server that listens on addr: one that listens on all
// addresses is at loopback.
func reachable(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsUnspecified() {
		return addr.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}

// serverFile tells client commands where the server of a data folder is.
const serverFile = "server.json"

// URL is where the server listens: "http://127.0.0.1:8080".
func (a *App) URL() string { return a.url }

// FirstRun reports whether New made the data folder.
func (a *App) FirstRun() bool { return a.firstRun }

// Run serves until ctx ends or storage fails, and then stops, within the shutdown timeout.
func (a *App) Run(ctx context.Context) error {
	background, cancel := context.WithCancel(context.Background())
	a.stopping = cancel
	a.background.Go(func() { a.store.Run(background) })
	a.background.Go(func() { a.engine.Run(background) })
	a.background.Go(func() { a.repairer.Run(background) })
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	var err error
	select {
	case <-ctx.Done():
		a.opts.Logger.Info("server.stopping", "component", "app", "timeout", a.opts.Config.ShutdownTimeout.String())
	case <-a.store.Failed():
		err = a.store.Err()
		a.opts.Logger.Error("storage.failed", "component", "app", "error", err,
			"meaning", "stopping, because what it holds can no longer be trusted")
	case err = <-served:
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, a.stop())
}

// stop closes the door, lets what is under way end, and undoes New.
func (a *App) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.opts.Config.ShutdownTimeout)
	defer cancel()
	a.late.Lock()
	close(a.draining)
	a.late.Unlock()
	a.engine.Halt()
	// Whoever sends half a request and waits gets half of the time; attempts under way have the rest.
	closing, done := context.WithTimeout(ctx, a.opts.Config.ShutdownTimeout/2)
	defer done()
	if err := a.server.Shutdown(closing); err != nil {
		a.opts.Logger.Warn("request.interrupted", "component", "app", "error", err, "meaning", "those that had not arrived whole were cut off")
		a.server.Close()
	}
	a.stopping()
	a.background.Wait()
	return a.undo(ctx)
}

func (a *App) undo(ctx context.Context) error {
	var errs []error
	for len(a.cleanups) > 0 {
		last := a.cleanups[len(a.cleanups)-1]
		a.cleanups = a.cleanups[:len(a.cleanups)-1]
		if err := last.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
