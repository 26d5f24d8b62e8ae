package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/bellhop-gateway/bellhop/internal/subscription"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// This file has what the server does with configuration files, and what can be said of one without a server.

// fileMetrics say how the configuration file of serve is.
type fileMetrics struct {
	good    prometheus.Gauge
	applied prometheus.Gauge
}

func newFileMetrics(r prometheus.Registerer) *fileMetrics {
	m := &fileMetrics{
		good: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_config_good",
			Help: "1 if the configuration file was applied when it was read last; 0 if it was refused."}),
		applied: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_config_applied_timestamp_seconds",
			Help: "When the configuration file was applied last."}),
	}
	r.MustRegister(m.good, m.applied)
	return m
}

// fileBy is the principal of a configuration file of serve, for the log.
const fileBy = "configuration file"

// ApplyConfig makes the nouns of the server those of its configuration file. The errors of the file are those of
// [catalog.Catalog.ApplyConfig].
func (a *App) ApplyConfig(ctx context.Context, c client.Config, prune bool) (catalog.Plan, error) {
	cfg := api.ReadConfig(c)
	cfg.Prune, cfg.GivenKeys, cfg.By = prune, true, fileBy
	plan, err := a.catalog.ApplyConfig(ctx, cfg)
	if err != nil {
		a.RefuseConfig()
		return plan, err
	}
	a.fileState.Store(fileApplied)
	a.fileMetrics().good.Set(1)
	a.fileMetrics().applied.Set(float64(time.Now().Unix()))
	return plan, nil
}

// RefuseConfig notes that the configuration file was not applied: the nouns are as they were.
func (a *App) RefuseConfig() {
	a.fileState.Store(fileRefused)
	a.fileMetrics().good.Set(0)
}

// What came of the configuration file when it was read last: the values of App.fileState.
const (
	fileNone int32 = iota // there is none
	fileApplied
	fileRefused
)

// fileMetrics returns the metrics of the configuration file. A server without one has none.
func (a *App) fileMetrics() *fileMetrics {
	a.fileOnce.Do(func() { a.file = newFileMetrics(a.registry) })
	return a.file
}

// IsEmpty reports whether the server has no source, destination, connection or key.
func (a *App) IsEmpty(ctx context.Context) (bool, error) {
	stats, err := a.store.Stats(ctx)
	if err != nil || stats.Sources+stats.Destinations > 0 {
		return false, err
	}
	connections, _, err := a.store.Connections(ctx, bellhop.ConnectionFilter{}, bellhop.Page{Limit: 1})
	if err != nil || len(connections) > 0 {
		return false, err
	}
	keys, _, err := a.store.Keys(ctx, bellhop.KeyFilter{}, bellhop.Page{Limit: 1})
	return err == nil && len(keys) == 0, err
}

// bare returns an App without a folder and a store, for what needs neither.
func bare(opts Options) *App {
	opts.Logger = slog.New(slog.DiscardHandler)
	a := &App{opts: opts, log: opts.Logger, registry: prometheus.NewRegistry(), gate: match.NewGate(0),
		store: noRows{}}
	a.openActions()
	return a
}

// noRows is the store of an App without one, for actions that only work where there is a store. Nothing calls it.
type noRows struct{ store.Store }

// ConfigSchema returns the JSON Schema of configuration files. Of opts it uses Providers and Connectors.
func ConfigSchema(opts Options) ([]byte, error) {
	a := bare(opts)
	return api.ConfigSchema(api.Options{Providers: opts.Providers, Connectors: opts.Connectors, Actions: a.actions,
		HTTPSettings: outbound.HTTPSettings, Settings: config.Schema(), Logger: a.log})
}

// CheckConfig checks a configuration by the rules of nouns, as a server with the settings of opts would that has no
// nouns. It does not check the nouns at the paths of skip. The error is [bellhop.CodeInvalid] with each fault by its
// path.
func CheckConfig(ctx context.Context, opts Options, c client.Config, skip []string) ([]bellhop.FieldError, error) {
	a := bare(opts)
	outward := egress.New(egress.Config{AllowPrivate: opts.Config.AllowPrivate, Allow: opts.Config.Allow,
		Proxies: opts.Config.Proxies, UserAgent: "Bellhop/" + opts.Version})
	defer outward.Close()
	env := provider.Env{Now: time.Now, Rand: rand.Reader, Client: outward.HTTP(), Logger: a.log}
	a.openOpener(outward, env)
	rules := catalog.New(catalog.Options{Store: noStore{}, Opener: a.opener, Engine: noEngine{},
		Providers: opts.Providers, Actions: a.actions, Connectors: opts.Connectors, Env: env, Logger: a.log,
		Subscriptions: subscription.New(subscription.Options{Providers: opts.Providers, Now: time.Now,
			Rand:   rand.Reader,
			Logger: a.log})})
	cfg := api.ReadConfig(c)
	cfg.Alone = true
	cfg.Tenants = without(cfg.Tenants, skip)
	cfg.Connections = without(cfg.Connections, skip)
	cfg.Sources = without(cfg.Sources, skip)
	cfg.Destinations = without(cfg.Destinations, skip)
	cfg.Subscriptions = without(cfg.Subscriptions, skip)
	cfg.Keys = without(cfg.Keys, skip)
	plan, err := rules.PlanConfig(ctx, cfg)
	return plan.Warnings, err
}

// without returns list without the nouns at some paths.
func without[T any](list []catalog.Declared[T], paths []string) []catalog.Declared[T] {
	return slices.DeleteFunc(list, func(n catalog.Declared[T]) bool { return slices.Contains(paths, n.Path) })
}

// noStore is a store that has nothing. A configuration is compared with it, and nothing more.
type noStore struct{ catalog.Store }

func (noStore) Declared(context.Context) (map[string]bool, error) { return nil, nil }

func (noStore) Tenants(context.Context, bellhop.Page) ([]bellhop.Tenant, string, error) {
	return nil, "", nil
}

func (noStore) Sources(context.Context, bellhop.SourceFilter, bellhop.Page) ([]bellhop.Source, string, error) {
	return nil, "", nil
}

func (noStore) Connections(context.Context, bellhop.ConnectionFilter, bellhop.Page) ([]bellhop.Connection, string,
	error) {
	return nil, "", nil
}

func (noStore) Destinations(context.Context, bellhop.DestinationFilter, bellhop.Page) ([]bellhop.Destination, string,
	error) {
	return nil, "", nil
}

func (noStore) Subscriptions(context.Context, bellhop.SubscriptionFilter,
	bellhop.Page) ([]bellhop.Subscription, string,
	error) {
	return nil, "", nil
}

func (noStore) Keys(context.Context, bellhop.KeyFilter, bellhop.Page) ([]bellhop.Key, string, error) {
	return nil, "", nil
}

// noEngine is an engine without destinations.
type noEngine struct{}

func (noEngine) Closed(string) string          { return "" }
func (noEngine) Wake(string)                   {}
func (noEngine) OwnerOf(*bellhop.Event) string { return "" }

func (noEngine) Try(context.Context, bellhop.Destination, bellhop.Event) (bellhop.Result, error) {
	return bellhop.Result{}, bellhop.Conflict("no server runs")
}

// ChangeNouns tells the stream of each change that a configuration makes, once all of them are stored.
func (s watched) ChangeNouns(ctx context.Context, changes bellhop.NounChanges) error {
	write := func() error { return s.Store.ChangeNouns(ctx, changes) }
	tell := func(kind stream.Kind, action string, read reading) {
		inner := write
		write = func() error { return s.tell(ctx, kind, action, read, inner) }
	}
	tellAll(changes.Subscriptions, func(n bellhop.Subscription) string { return n.ID }, func(action, id string) {
		tell(stream.SubscriptionChanged, action, s.subscriptionOf(id))
	})
	tellAll(changes.Destinations, func(n bellhop.Destination) string { return n.ID }, func(action, id string) {
		tell(stream.DestinationChanged, action, s.destinationOf(id))
	})
	tellAll(changes.Sources, func(n bellhop.Source) string { return n.ID }, func(action, id string) {
		tell(stream.SourceChanged, action, s.sourceOf(id))
	})
	tellAll(changes.Connections, func(n bellhop.Connection) string { return n.ID }, func(action, id string) {
		tell(stream.ConnectionChanged, action, s.connectionOf(id))
	})
	return write()
}

// tellAll calls tell for each of the changes of one kind of noun.
func tellAll[T any](changes bellhop.Changes[T], id func(T) string, tell func(action, id string)) {
	for _, n := range changes.Created {
		tell("created", id(n))
	}
	for _, to := range changes.Updated {
		tell("updated", id(to.Noun))
	}
	for _, gone := range changes.Deleted {
		tell("deleted", gone.ID)
	}
}
