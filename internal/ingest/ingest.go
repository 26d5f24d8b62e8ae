// Package ingest is the door: it receives requests at sources, has their provider check and read them, and answers
// once their events are on disk.
//
// It promises that nothing is answered 2xx that is not stored, that what was refused is on record with its
// reason and stores no event, and that no answer shows what was sent or why exactly it was not believed.
package ingest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is what the door needs of the store.
type Store interface {
	// Accept stores events and their deliveries, and returns once that is on disk.
	Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event, deliveries []bellhop.NewDelivery) (bellhop.Accepted, error)
	// Note keeps a request that brought no event; it does not wait.
	Note(req bellhop.Request)
}

// Lanes is what the door needs of the delivery engine.
type Lanes interface {
	// Match returns the deliveries of the events to the destinations that want them, and reserves places for them.
	Match(events []bellhop.Event) []bellhop.NewDelivery
	// Reserve is Match for one destination, whatever it wants.
	Reserve(events []bellhop.Event, destinationID string) []bellhop.NewDelivery
	// Deliver takes deliveries that have been accepted.
	Deliver(events []bellhop.Event, deliveries []bellhop.NewDelivery)
	// Unreserve gives back the places of deliveries that were not accepted.
	Unreserve(events []bellhop.Event, deliveries []bellhop.NewDelivery)
}

// Options say what a door may use.
type Options struct {
	Store     Store
	Lanes     Lanes
	Providers []provider.Provider
	Env       provider.Env
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil keeps none

	// MaxBytesInFlight bounds the bodies being read or written at a time; beyond it the answer is 503. 0 is 128 MiB.
	MaxBytesInFlight int64
}

// A Door is an http.Handler for /in/{source}.
type Door struct {
	opts     Options
	metrics  *metrics
	sources  atomic.Pointer[map[string]*source] // by name, and by id
	inFlight atomic.Int64
	later    *later
}

// A source is a source made ready: its settings read by its provider.
type source struct {
	bellhop.Source
	receiver provider.Receiver
	secret   map[string]bool // headers that nobody keeps
	limit    int64
	metrics  sourceMetrics
}

// New returns a door without sources.
func New(opts Options) *Door {
	if opts.MaxBytesInFlight == 0 {
		opts.MaxBytesInFlight = 128 << 20
	}
	d := &Door{opts: opts, metrics: newMetrics(opts.Metrics), later: newLater()}
	d.sources.Store(&map[string]*source{})
	return d
}

// SetSources replaces the sources. One that cannot be opened is reported and answers 503 until it is mended, so
// that its provider repeats what it sends. One whose settings stay keeps its receiver, with what that has learnt: the
// keys of others, or the numbers it has seen.
func (d *Door) SetSources(list []bellhop.Source) error {
	old := *d.sources.Load()
	all := make(map[string]*source, 2*len(list))
	var errs []error
	for _, src := range list {
		if src.Disabled {
			continue
		}
		opened, err := d.open(src, old[src.ID])
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s (%s): %w", src.ID, src.Name, err))
		}
		all[src.Name], all[src.ID] = opened, opened
	}
	d.sources.Store(&all)
	return errors.Join(errs...)
}

// open makes src ready. before is the source of its id until now; nil if there was none.
func (d *Door) open(src bellhop.Source, before *source) (*source, error) {
	s := &source{Source: src, metrics: d.metrics.of(src.Name), secret: map[string]bool{
		"Authorization": true, "Proxy-Authorization": true, "Cookie": true,
	}}
	i := slices.IndexFunc(d.opts.Providers, func(p provider.Provider) bool { return p.Info().Name == src.Provider })
	if i < 0 {
		s.limit = cmp.Or(src.MaxBodyBytes, bellhop.DefaultMaxBodyBytes)
		return s, fmt.Errorf("there is no provider %q", src.Provider)
	}
	p := d.opts.Providers[i]
	s.limit = cmp.Or(src.MaxBodyBytes, p.Info().MaxBodyBytes, bellhop.DefaultMaxBodyBytes)
	if before != nil && before.receiver != nil && before.Provider == src.Provider && bytes.Equal(before.Settings, src.Settings) {
		s.receiver, s.secret = before.receiver, before.secret
		return s, nil
	}
	receiver, err := p.Open(d.opts.Env, src.Settings)
	if err != nil {
		return s, err
	}
	if keeper, ok := receiver.(provider.SecretHeaders); ok {
		for _, name := range keeper.SecretHeaders() {
			s.secret[http.CanonicalHeaderKey(name)] = true
		}
	}
	s.receiver = receiver
	return s, nil
}

// Prefix is where the door is.
const Prefix = "/in/"

// maxParameters bounds a query. No provider sends more than a few.
const maxParameters = 1000

// ServeHTTP answers one request at a source. It is the first half of the corridor: receive, verify, match, store.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := d.opts.Env.Now()
	if len(r.TransferEncoding) > 0 {
		// There may have been a Content-Length too, which net/http passes over in silence: a proxy that goes by that
		// sees the next request begin elsewhere. So none follows (RFC 9112, section 6.1).
		w.Header()["Connection"] = []string{"close"}
	}
	src := d.find(r)
	if src == nil {
		d.metrics.unknown.Inc()
		answer(w, notFound, nil)
		return
	}
	req := provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, RemoteAddr: r.RemoteAddr, ReceivedAt: start}
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		d.refuse(w, src, &req, errQuery)
		return
	}
	body, reserved, err := d.readBody(w, r, src.limit)
	defer d.inFlight.Add(-reserved)
	req.Body = body
	if err != nil {
		d.refuse(w, src, &req, err)
		return
	}
	receipt, err := d.receive(r.Context(), src, &req)
	switch {
	case err != nil:
		d.refuse(w, src, &req, err)
	case receipt.Reply != nil:
		d.handshake(w, src, &req, receipt.Reply)
	default:
		if receipt.Status == 0 {
			receipt.Status = http.StatusAccepted
		}
		if err := d.accept(r.Context(), src, &req, receipt); err != nil {
			d.refuse(w, src, &req, err)
			return
		}
		d.accepted(w, src, &receipt, start)
	}
}

// find returns the source that the request's path names; nil if there is none. The path is taken as it was sent:
// nothing is cleaned, so nothing is redirected.
func (d *Door) find(r *http.Request) *source {
	if r.URL.RawPath != "" || !strings.HasPrefix(r.URL.Path, Prefix) {
		return nil
	}
	return (*d.sources.Load())[r.URL.Path[len(Prefix):]]
}

// receive has the provider read the request.
func (d *Door) receive(ctx context.Context, src *source, req *provider.Request) (receipt provider.Receipt, err error) {
	if src.receiver == nil {
		return receipt, provider.ErrUnavailable
	}
	if bellhop.ParseHops(req.Header.Get(bellhop.HopsHeader)) >= bellhop.MaxHops {
		return receipt, errLoop
	}
	defer d.recoverProvider(src, &err)
	return src.receiver.Receive(ctx, req)
}

// recoverProvider is deferred around a call of src's provider. It turns a panic into errPanic, and logs it once, with
// the stack.
func (d *Door) recoverProvider(src *source, err *error) {
	if p := recover(); p != nil {
		d.opts.Logger.Error("provider.panicked", "component", "ingest", "source_id", src.ID, "provider", src.Provider,
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = errPanic
	}
}

// accept stores the receipt's events, with the request itself where it is not one accepted event, and delivers them.
func (d *Door) accept(ctx context.Context, src *source, req *provider.Request, receipt provider.Receipt) error {
	events := receipt.Events
	if len(events) == 0 && len(receipt.Refused) == 0 {
		return nil // an empty batch: nothing to keep
	}
	var header bellhop.Header
	for i := range events {
		ev := &events[i]
		if header == nil {
			header = bellhop.NewHeader(req.Header, src.dropsHeader)
		}
		if len(events) > 1 {
			ev.Body = bytes.Clone(ev.Body) // or each would hold the whole batch in memory for as long as it waits
		}
		ev.SourceID, ev.Source, ev.ReceivedAt, ev.Header = src.ID, src.Name, req.ReceivedAt, header
		ev.SHA256 = sha256.Sum256(ev.Body)
	}
	var kept *bellhop.Request
	if len(events) != 1 || len(receipt.Refused) > 0 {
		kept = d.request(src, req)
		kept.Outcome, kept.Status, kept.Events = bellhop.RequestAccepted, receipt.Status, len(events)
		if len(receipt.Refused) > 0 {
			if kept.Outcome = bellhop.RequestPartial; len(events) == 0 {
				kept.Outcome = bellhop.RequestRefused // whatever the protocol has us answer
			}
			kept.Reason, kept.Detail = describeRefused(receipt.Refused)
		}
	}
	_, err := d.keep(ctx, kept, events, d.opts.Lanes.Match(events))
	return err
}

// keep is the corridor's middle, after the match: store, deliver.
func (d *Door) keep(ctx context.Context, kept *bellhop.Request, events []bellhop.Event, deliveries []bellhop.NewDelivery) (bellhop.Accepted, error) {
	got, err := d.opts.Store.Accept(ctx, kept, events, deliveries)
	if err != nil {
		d.opts.Lanes.Unreserve(events, deliveries)
		return got, err
	}
	d.metrics.duplicates.Add(float64(got.Duplicates))
	d.opts.Lanes.Deliver(events, deliveries)
	return got, nil
}

func (d *Door) accepted(w http.ResponseWriter, src *source, receipt *provider.Receipt, start time.Time) {
	w.WriteHeader(receipt.Status)
	took := d.opts.Env.Now().Sub(start)
	src.metrics.accepted.Inc()
	for _, item := range receipt.Refused {
		d.metrics.refused.WithLabelValues(src.Name, codeOf(item.Err)).Inc()
	}
	src.metrics.events.Add(float64(len(receipt.Events)))
	d.metrics.durations.Observe(took.Seconds())
	if d.opts.Logger.Enabled(context.Background(), slog.LevelDebug) {
		for i := range receipt.Events {
			d.opts.Logger.Debug("event.accepted", "component", "ingest", "event_id", receipt.Events[i].ID, "source_id", src.ID,
				"type", receipt.Events[i].Type, "bytes", len(receipt.Events[i].Body), "duration_ms", took.Milliseconds())
		}
	}
}
