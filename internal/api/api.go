// Package api is the HTTP API of the gateway: JSON below /api/v1, and the OpenAPI document that describes it.
//
// One file holds one noun: its routes, and the translation between the noun and its JSON form. Package client
// owns the JSON forms; the router library makes the OpenAPI document and the validation from them, and
// describe.go adds the descriptions. The rules of nouns are in package catalog: a handler reads a request,
// makes one call and writes the answer.
//
// The scope that each operation needs, and the check of it, are in scope.go. Errors have one form (problem.go), lists
// have one form (list.go), and a PATCH is a JSON merge patch (patch.go). A secret is masked in every answer.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Store reads the nouns; the catalog changes them. Its errors are *bellhop.Error where a person can act on
// them: CodeNotFound for an unknown id or name. By a context of [bellhop.WithTenant] it finds the nouns of that tenant
// alone. A list returns one page, newest first, and the cursor of the
// next page or "". A page that is not full has a cursor if the search for its entries took too long.
type Store interface {
	Sources(ctx context.Context, f bellhop.SourceFilter, page bellhop.Page) ([]bellhop.Source, string, error)
	Source(ctx context.Context, idOrName string) (bellhop.Source, error)
	// SourceNotes returns what is known of the sources that expect events, by id.
	SourceNotes(ctx context.Context) (map[string]bellhop.SourceNotes, error)
	Destinations(
		ctx context.Context, f bellhop.DestinationFilter, page bellhop.Page,
	) ([]bellhop.Destination, string, error)
	Destination(ctx context.Context, idOrName string) (bellhop.Destination, error)
	// DestinationNames returns the names of destinations, also of deleted ones, by id.
	DestinationNames(ctx context.Context, ids []string) (map[string]string, error)
	// Events lists events without headers. Their bodies have the right length and no content.
	Events(ctx context.Context, f bellhop.EventFilter, page bellhop.Page) ([]bellhop.Event, string, error)
	Event(ctx context.Context, id string) (bellhop.Event, error)
	Deliveries(ctx context.Context, f bellhop.DeliveryFilter, page bellhop.Page) ([]bellhop.Delivery, string, error)
	// CountDeliveries returns how many deliveries events have, by state, up to a bound for each.
	CountDeliveries(ctx context.Context, eventIDs []string) (map[string]map[bellhop.DeliveryState]int, error)
	Delivery(ctx context.Context, id string) (bellhop.Delivery, error)
	// Attempts returns the attempts of one delivery, oldest first.
	Attempts(ctx context.Context, deliveryID string) ([]bellhop.Attempt, error)
	// Requests lists requests without bodies.
	Requests(ctx context.Context, f bellhop.RequestFilter, page bellhop.Page) ([]bellhop.Request, string, error)
	Request(ctx context.Context, id string) (bellhop.Request, error)
	Repairs(ctx context.Context, q bellhop.RepairQuery, page bellhop.Page) ([]bellhop.Repair, string, error)
	Repair(ctx context.Context, id string) (bellhop.Repair, error)
	Connections(
		ctx context.Context, f bellhop.ConnectionFilter, page bellhop.Page,
	) ([]bellhop.Connection, string, error)
	Connection(ctx context.Context, idOrName string) (bellhop.Connection, error)
	Subscriptions(ctx context.Context, f bellhop.SubscriptionFilter,
		page bellhop.Page) ([]bellhop.Subscription, string, error)
	Subscription(ctx context.Context, idOrName string) (bellhop.Subscription, error)
	// SubscriptionCalls and SubscriptionGaps return the latest of a subscription, newest first.
	SubscriptionCalls(ctx context.Context, id string) ([]bellhop.SubscriptionCall, error)
	SubscriptionGaps(ctx context.Context, id string) ([]bellhop.Gap, error)
	Keys(ctx context.Context, f bellhop.KeyFilter, page bellhop.Page) ([]bellhop.Key, string, error)
	Key(ctx context.Context, idOrName string) (bellhop.Key, error)
	PortalLinks(ctx context.Context, f bellhop.PortalLinkFilter,
		page bellhop.Page) ([]bellhop.PortalLink, string, error)
	PortalLink(ctx context.Context, id string) (bellhop.PortalLink, error)
	Tenants(ctx context.Context, page bellhop.Page) ([]bellhop.Tenant, string, error)
	Tenant(ctx context.Context, idOrName string) (bellhop.Tenant, error)
	Files(ctx context.Context, f bellhop.FileFilter, page bellhop.Page) ([]bellhop.File, string, error)
	File(ctx context.Context, idOrName string) (bellhop.File, error)
	Audit(ctx context.Context, f bellhop.AuditFilter, page bellhop.Page) ([]bellhop.AuditEntry, string, error)
	Stats(ctx context.Context) (bellhop.Stats, error)
	// Series counts what happened in each span of a period, of those sources and destinations that the caller sees.
	Series(ctx context.Context, q bellhop.SeriesQuery) (bellhop.Series, error)
	Submissions
	// CursorAt returns the time of the entry after which a list of that name continues with a cursor.
	CursorAt(list, cursor string) time.Time
	// Arrivals returns events and requests on record with marks after one and up to another, oldest first. aged
	// reports that some may have been deleted because of their age. The error is CodeInvalid if after is no mark of
	// the store.
	Arrivals(ctx context.Context, after, through string, limit int) (list []bellhop.Arrival, aged bool, err error)
	// Attempted returns attempts that ended after a time, by their deliveries; complete is false if there are
	// deliveries that were not searched. after is next of the call before.
	Attempted(ctx context.Context, since time.Time, after string, limit int) (list []bellhop.Attempted, next string,
		complete bool, err error)
}

// Options are the parts that the API works with.
type Options struct {
	Store     Store
	Catalog   *catalog.Catalog
	Providers []provider.Provider

	// Closed returns why a destination cannot be opened; "" if it can. Nil is "" for all.
	Closed func(destinationID string) string
	// Troubled returns the ids of destinations that the engine knows to be closed, held back, or to have a where that
	// fails.
	Troubled func() []string
	// Hold returns why a destination is held back; zero if it is not. Nil is zero for all.
	Hold func(destinationID string) bellhop.Hold
	// Latencies returns how long accepting and delivering took. Nil is zero.
	Latencies func() bellhop.Latencies

	Connections Connections

	Subscriptions Subscriptions // nil if there are none
	Files         Files
	Stream        *stream.Hub // what happens, for GET /stream
	Desk          Desk        // of those who listen to destinations
	Puller        Puller
	Connectors    []provider.Connector
	Actions       []provider.Action
	HTTPSettings  []provider.Setting // of destinations of type http and pull

	// Serve has the settings of serve with which the server was started; nil does not say them.
	Serve Serve

	// Checkup has the server look at itself; nil cannot.
	Checkup func(ctx context.Context) (client.Checkup, error)

	// Operations is the running server, for its operator; nil is none.
	Operations Operations

	// Settings are the schemas of the settings of serve, by name: the other members of a configuration file.
	Settings map[string]any

	// MatchError returns the last failure of the where of a destination's match; the zero value if it has not failed.
	MatchError func(destinationID string) bellhop.MatchError

	// Metrics is served at /metrics, with a credential; nil serves nothing there.
	Metrics http.Handler

	Auth auth.Authenticator // nil refuses every request
	Keys Keys
	// SignInLink makes a link by which the holder of a principal's key signs in to the pages. It is nil if there are
	// no pages.
	SignInLink func(ctx context.Context, p auth.Principal) (client.SignInLink, error)
	// PortalLinks makes links to the portals of tenants; nil if there are no pages.
	PortalLinks PortalLinks
	// Forbidden is called with the scope that a request needs and its key does not have. It may be nil.
	Forbidden func(needed bellhop.Scope)

	PublicURL string // where the door can be reached from outside: "http://127.0.0.1:8080"
	Version   string // of the program, for the OpenAPI document
	Logger    *slog.Logger
}

// Serve has the settings with which a server was started, by the names of its flags.
type Serve interface {
	// Info describes the program, and all settings with where each has its value from. It has no secret.
	Info() client.ServerInfo
	// Given returns those that are not the default, in the form in which a file has them. A secret is the reference to
	// it, or the mask.
	Given() client.Settings
	// Compare returns what the next start of the server changes if it has the settings of a file, and warnings about
	// those of the file that a flag or the environment of the server replaces. Its error is bellhop.CodeInvalid with
	// the names of settings as paths.
	Compare(file client.Settings) (changes []client.SettingChange, warnings []bellhop.FieldError, err error)
}

// A Handler answers the requests of the API that come from the network. Each needs a credential.
type Handler interface {
	http.Handler
	// Inside returns a handler for the calls of this process alone, such as those of the pages: the context of a
	// request carries its principal (auth.NewContext), and credentials are not looked at. Everything else is checked
	// as usual.
	Inside() http.Handler
}

// New returns the handler of /api/v1/…, /openapi.json and, if o.Metrics is set, /metrics. Only the document needs no
// credential.
func New(o Options) Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Auth == nil {
		o.Auth = auth.AdminKey{}
	}
	s := build(o)
	s.serveSchema()
	if o.Metrics != nil {
		s.mux.Handle(metricsPattern, o.Metrics)
		s.needs[metricsPattern] = need{scope: bellhop.ScopeRead, allTenants: true}
	}
	return s
}

// build returns a server with all operations and their document.
func build(o Options) *server {
	s := newServer(o)
	s.sources()
	s.samples()
	s.destinations()
	s.trials()
	s.events()
	s.deliveries()
	s.repairs()
	s.requests()
	s.connections()
	s.subscriptions()
	s.files()
	s.keys()
	s.portalLinks()
	s.tenants()
	s.stream()
	s.configs()
	s.listen()
	s.pulls()
	s.providers()
	s.serveInfo()
	s.running()
	s.document()
	return s
}
