// Package ingest is the door: it receives requests at sources, has each source's provider verify and read them, and
// answers once the events are on disk.
//
// It promises that no event is answered 2xx before it is stored; that a refused request stores no event and is on
// record with its reason, also if no source has the name in its path; and that no answer shows the sender's input or
// the exact reason of a refusal. Strangers fill neither the database nor the log with refusals: records and log lines
// are bounded, and metrics count all.
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
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is the part of the store that the door uses.
type Store interface {
	// Accept stores events and their deliveries, and req unless it is nil. It returns once they are on disk.
	Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event,
		deliveries []bellhop.NewDelivery) (bellhop.Accepted, error)
	// Note stores a request that carried no event. It does not wait for the disk.
	Note(req bellhop.Request)
}

// Lanes is the part of the delivery engine that the door uses.
type Lanes interface {
	// Match returns one delivery for each event and each destination that wants it, and reserves places in the lanes.
	// With an error, such as that too many large bodies are being decoded, it reserves none.
	Match(ctx context.Context, events []bellhop.Event) ([]bellhop.NewDelivery, error)
	// Reserve is Match for one destination, which gets the events whatever its match says.
	Reserve(events []bellhop.Event, destinationID string) []bellhop.NewDelivery
	// Deliver starts the deliveries once they are stored.
	Deliver(events []bellhop.Event, deliveries []bellhop.NewDelivery)
	// Unreserve gives back the reserved places if they could not be stored.
	Unreserve(events []bellhop.Event, deliveries []bellhop.NewDelivery)
}

// Subscriptions are told what comes to sources that providers were asked to call, and say which client states a source
// may take. None of the methods waits.
type Subscriptions interface {
	// Of returns what a Receiver of the source may ask. It is the same for as long as the program runs.
	Of(sourceID string) provider.Subscribed
	// Clock returns where the time of the latest accepted request of a source is noted, in microseconds since 1970;
	// nil if nobody wants to know.
	Clock(sourceID string) *atomic.Int64
	// Handshake is told of a handshake, before it is answered, and the status of its answer. refused is the code of a
	// refusal, or "".
	Handshake(sourceID string, at time.Time, status int, refused string)
	// Heard is told what events said about subscriptions, once they are on disk.
	Heard(sourceID string, heard []provider.Heard, at time.Time)
}

// Options are the parts that a door works with.
type Options struct {
	Store Store
	// Subscriptions may be nil.
	Subscriptions Subscriptions
	Lanes         Lanes
	Providers     []provider.Provider
	Gate          *match.Gate // of large bodies, for templates of replies; nil bounds nothing
	Env           provider.Env
	Logger        *slog.Logger
	Metrics       prometheus.Registerer // nil registers no metrics
	Tracer        *trace.Tracer         // nil traces nothing

	// MaxBytesInFlight bounds the sum of all bodies that are being read or stored, beyond the first 16 KiB of each. If
	// it is reached, a slow upload gives way, or one of a source or sender that holds more than its share; if there is
	// none, the request is answered 503. 0 is 128 MiB.
	MaxBytesInFlight int64
}

// A Door is the http.Handler of /in/{source}. It is safe for concurrent use.
type Door struct {
	opts       Options
	metrics    *metrics
	log        *boundedLog
	handshakes *handshakeLimits
	// by name and by id; SetSources replaces the map, nobody changes it. A disabled source has no receiver
	sources    atomic.Pointer[map[string]*source]
	budget     *budget // of bodies in flight
	afterReply *afterReply
	conflicts  conflicts
	decoders   chan struct{} // a place for each body that is being decoded
	tenants    tenantLimits  // locks itself
	events     atomic.Int64  // accepted from senders since the start
}

// Accepted returns how many events senders have brought since the start.
func (d *Door) Accepted() int64 { return d.events.Load() }

// A source is a bellhop.Source together with its opened receiver. It never changes.
type source struct {
	bellhop.Source
	receiver      provider.Receiver // nil if the source could not be opened
	reply         *match.Reply      // nil is the answer of the provider
	secretHeaders map[string]bool   // canonical names of headers that are never stored
	limit         int64             // bytes of a body
	metrics       sourceMetrics
	clock         *atomic.Int64       // see Subscriptions; mostly nil
	subscribed    provider.Subscribed // nil without Subscriptions
	tenant        *tenantLimit        // of its tenant; nil if that has none
	// isHandshake reports whether a request is a handshake of a system that can be asked to call the source, right or
	// wrong; nil if the system makes none, or without Subscriptions.
	isHandshake func(req *provider.Request) bool
	// sample is set in a copy of the source that takes one sample: what becomes of it is noted there.
	sample *bellhop.Sampled
}

// New returns a door without sources.
func New(opts Options) *Door {
	if opts.MaxBytesInFlight == 0 {
		opts.MaxBytesInFlight = 128 << 20
	}
	d := &Door{
		opts: opts, metrics: newMetrics(opts.Metrics), log: newBoundedLog(opts.Logger, opts.Env.Now),
		handshakes: newHandshakeLimits(), budget: newBudget(opts.MaxBytesInFlight, opts.Env.Now),
		afterReply: newAfterReply(),
		decoders:   make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	d.sources.Store(&map[string]*source{})
	return d
}

// SetSources replaces the sources. The returned error names each source that could not be opened; such a source
// answers 503 until its settings are mended, so that its provider repeats its requests. A source whose settings
// did not change keeps its receiver and the receiver's memory: fetched keys, or the numbers that it has seen.
func (d *Door) SetSources(list []bellhop.Source) error {
	d.metrics.retain(list)
	old := *d.sources.Load()
	all := make(map[string]*source, 2*len(list))
	var errs []error
	for _, src := range list {
		if src.Disabled {
			disabled := &source{Source: src, isHandshake: d.handshakesOf(src.Provider)}
			all[src.Name], all[src.ID] = disabled, disabled
			continue
		}
		opened, err := d.open(src, old[src.ID], d.opts.Env)
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s (%s): %w", src.ID, src.Name, err))
		}
		all[src.Name], all[src.ID] = opened, opened
	}
	d.sources.Store(&all)
	return errors.Join(errs...)
}

// open opens src in env. before is the source that had the same id until now, or nil. On an error the returned source
// is complete but for its receiver.
func (d *Door) open(src bellhop.Source, before *source, env provider.Env) (*source, error) {
	s := &source{
		Source: src,
		// The last two are no secrets, but only this server sets them.
		secretHeaders: map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true,
			bellhop.CauseHeader: true, bellhop.CaughtUpHeader: true, bellhop.TraceHeader: true},
		limit:   cmp.Or(src.MaxBodyBytes, bellhop.DefaultMaxBodyBytes),
		metrics: d.metrics.of(src.Name),
		tenant:  d.tenants.of(src.Tenant),
	}
	if d.opts.Subscriptions != nil {
		s.clock, s.subscribed = d.opts.Subscriptions.Clock(src.ID), d.opts.Subscriptions.Of(src.ID)
	}
	s.isHandshake = d.handshakesOf(src.Provider)
	i := slices.IndexFunc(d.opts.Providers, func(p provider.Provider) bool { return p.Info().Name == src.Provider })
	if i < 0 {
		return s, fmt.Errorf("there is no provider %q", src.Provider)
	}
	if src.Reply != nil {
		var err error
		if s.reply, err = match.OpenReply(*src.Reply); err != nil {
			return s, bellhop.Join("reply", err)
		}
	}
	p := d.opts.Providers[i]
	s.limit = cmp.Or(src.MaxBodyBytes, p.Info().MaxBodyBytes, bellhop.DefaultMaxBodyBytes)
	if before != nil && before.receiver != nil && before.Provider == src.Provider &&
		bytes.Equal(before.Settings, src.Settings) {
		s.receiver, s.secretHeaders = before.receiver, before.secretHeaders
		return s, nil
	}
	env.Subscribed = s.subscribed
	receiver, err := provider.Open(p, env, src.Settings)
	if err != nil {
		return s, err
	}
	if keeper, ok := receiver.(provider.SecretHeaders); ok {
		for _, name := range keeper.SecretHeaders() {
			s.secretHeaders[http.CanonicalHeaderKey(name)] = true
		}
	}
	s.receiver = receiver
	return s, nil
}

// handshakesOf returns source.isHandshake of a source of the named provider.
func (d *Door) handshakesOf(name string) func(req *provider.Request) bool {
	subscriber, _ := provider.SubscriberOf(d.opts.Providers, name)
	teller, ok := subscriber.(provider.HandshakeTeller)
	if !ok || d.opts.Subscriptions == nil {
		return nil
	}
	return teller.IsHandshake
}

// Prefix is the part of the door's paths before the source.
const Prefix = "/in/"

// maxParameters bounds the parameters of a query. Providers send a few.
const maxParameters = 1000

// ServeHTTP answers one request at a source. It is the first half of the walk in docs/ARCHITECTURE.md: receive,
// verify, match, store.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := d.opts.Env.Now()
	src := d.find(r)
	if src == nil || src.Disabled {
		d.noSource(w, r, src, start)
		return
	}
	if d.opts.Tracer != nil {
		d.serveTraced(w, r, src, start)
		return
	}
	d.serve(w, r, src, start)
}

// serve answers a request at src, which can take requests.
func (d *Door) serve(w http.ResponseWriter, r *http.Request, src *source, start time.Time) {
	req := provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, RemoteAddr: r.RemoteAddr,
		ReceivedAt: start}
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		d.refuse(w, src, &req, errQuery)
		discard(w, r)
		return
	}
	body, upload, err := d.readBody(w, r, src, &req)
	req.Body = body
	if err == nil {
		upload, err = d.decode(w, r, src, &req, upload)
	}
	defer d.budget.release(upload)
	if err != nil {
		d.refuse(w, src, &req, err)
		if !slices.Contains(brokenOff, err) {
			discard(w, r)
		}
		return
	}
	receipt, err := d.receive(r.Context(), src, &req)
	switch {
	case err != nil:
		d.refuse(w, src, &req, err)
	case receipt.Reply != nil && !d.handshakes.admit(src.ID, req.RemoteAddr, start):
		d.refuse(w, src, &req, errHandshakes)
	case receipt.Reply != nil:
		d.handshake(w, src, &req, receipt.Reply)
	default:
		if receipt.Status == 0 {
			receipt.Status = http.StatusAccepted
		}
		replies := src.replies(&receipt)
		if replies {
			receipt.Status = src.reply.Status()
		}
		if err := d.accept(r.Context(), src, &req, receipt); err != nil {
			d.refuse(w, src, &req, err)
			return
		}
		if replies {
			d.writeReply(r.Context(), w, src, &receipt.Events[0])
		} else {
			w.WriteHeader(receipt.Status)
		}
		describeAccepted(w, &receipt)
		d.accepted(src, &receipt, start)
	}
}

// find returns the source that the request's path names, or nil. It compares the path as it was sent, but for one
// slash at its end, which some systems add: the door neither cleans paths nor redirects.
func (d *Door) find(r *http.Request) *source {
	if r.URL.RawPath != "" || !strings.HasPrefix(r.URL.Path, Prefix) {
		return nil
	}
	return (*d.sources.Load())[strings.TrimSuffix(r.URL.Path[len(Prefix):], "/")]
}

// receive has the provider verify and read the request.
func (d *Door) receive(ctx context.Context, src *source, req *provider.Request) (receipt provider.Receipt, err error) {
	if src.receiver == nil {
		return receipt, provider.ErrUnavailable
	}
	if loops(req) {
		return receipt, errLoop
	}
	defer d.recoverProvider(src, &err)
	return src.receiver.Receive(ctx, req)
}

// checkHeader returns an error if the header shows that the request is refused whatever its body.
func (d *Door) checkHeader(src *source, req *provider.Request) (err error) {
	if loops(req) {
		return errLoop
	}
	checker, ok := src.receiver.(provider.HeaderChecker)
	if !ok {
		return nil
	}
	defer d.recoverProvider(src, &err)
	return checker.CheckHeader(req)
}

// loops reports whether the request has gone through too many gateways.
func loops(req *provider.Request) bool {
	return bellhop.ParseHops(req.Header.Get(bellhop.HopsHeader)) >= bellhop.MaxHops
}

// recoverProvider is deferred around a call of src's provider. It turns a panic into errPanic, and logs it once, with
// the stack.
func (d *Door) recoverProvider(src *source, err *error) {
	if p := recover(); p != nil {
		d.log.write(slog.LevelError, "provider.panicked", src.ID, src.Name, "provider", src.Provider,
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = errPanic
	}
}

// accept stores the receipt's events and starts their deliveries. It stores the request as well, unless the request is
// one accepted event.
func (d *Door) accept(ctx context.Context, src *source, req *provider.Request, receipt provider.Receipt) error {
	events := receipt.Events
	if len(events) == 0 && len(receipt.Refused) == 0 {
		return nil // an empty batch leaves nothing to store
	}
	if src.tenant != nil {
		if err := src.tenant.admitEvents(req.ReceivedAt, events); err != nil {
			return err
		}
	}
	header := storedHeader{src: src, req: req, trace: d.kept(ctx)}
	for i := range events {
		ev := &events[i]
		keepCoded(ev, req)
		ev.SourceID, ev.Source, ev.Tenant, ev.Header = src.ID, src.Name, src.Tenant, header.of(ev)
		if len(events) > 1 {
			ev.Body = bytes.Clone(ev.Body) // an event that waits must not keep the whole batch in memory
		}
		stamp(ev, req.ReceivedAt)
	}
	var record *bellhop.Request
	if len(events) != 1 || len(receipt.Refused) > 0 {
		record = d.record(src, req)
		record.Outcome, record.Status, record.Events = bellhop.RequestAccepted, receipt.Status, len(events)
		if len(receipt.Refused) > 0 {
			record.Outcome = bellhop.RequestPartial
			record.Reason, record.Detail = describeRefused(receipt.Refused)
			if src.sample != nil {
				src.sample.Reason, src.sample.Detail = record.Reason, record.Detail
			}
		}
		if len(receipt.Refused) > 0 && len(events) == 0 {
			record.Outcome = bellhop.RequestRefused // although the provider's protocol may ask for a 2xx
		}
	}
	deliveries, err := d.opts.Lanes.Match(ctx, events)
	if err != nil {
		return err
	}
	got, err := d.store(ctx, record, events, deliveries)
	if src.sample != nil && err == nil {
		noteSample(src.sample, got, events)
	}
	return err
}

// store stores events with their deliveries, and starts the deliveries. It stores record too, unless
// it is nil.
func (d *Door) store(ctx context.Context, record *bellhop.Request, events []bellhop.Event,
	deliveries []bellhop.NewDelivery) (bellhop.Accepted, error) {
	span := d.storing(ctx)
	got, err := d.opts.Store.Accept(ctx, record, events, deliveries)
	endStoring(span, events, deliveries, err)
	if err != nil {
		d.opts.Lanes.Unreserve(events, deliveries)
		return got, err
	}
	d.metrics.duplicates.Add(float64(got.Duplicates))
	if got.Conflicts > 0 {
		d.noteConflicts(events, got.Conflicts)
	}
	d.opts.Lanes.Deliver(events, deliveries)
	return got, nil
}

// accepted counts a request whose events are stored, and that is answered.
func (d *Door) accepted(src *source, receipt *provider.Receipt, start time.Time) {
	took := d.opts.Env.Now().Sub(start)
	src.metrics.accepted.Inc()
	for _, item := range receipt.Refused {
		d.metrics.refused.WithLabelValues(src.metrics.label, codeOf(item.Err)).Inc()
	}
	src.metrics.events.Add(float64(len(receipt.Events)))
	d.events.Add(int64(len(receipt.Events)))
	if src.clock != nil && src.sample == nil && len(receipt.Events) > 0 {
		src.clock.Store(start.UnixMicro())
	}
	if len(receipt.Heard) > 0 && src.sample == nil {
		d.opts.Subscriptions.Heard(src.ID, receipt.Heard, start)
	}
	d.metrics.durations.Observe(took.Seconds())
	if d.opts.Logger.Enabled(context.Background(), slog.LevelDebug) {
		for i := range receipt.Events {
			d.opts.Logger.Debug("event.accepted", "component", "ingest", "event_id", receipt.Events[i].ID,
				"source_id", src.ID, "source", src.Name, "type", receipt.Events[i].Type, "bytes",
				len(receipt.Events[i].Body), "duration_ms",
				took.Milliseconds())
		}
	}
}

// Publish accepts an event of the API's POST /events. It reports whether an event with the same ProviderID was already
// stored, whatever its body; then it returns that event's ID, and the caller compares the events.
func (d *Door) Publish(ctx context.Context, ev bellhop.Event) (bellhop.Event, bool, error) {
	if err := d.admitPublished(&ev); err != nil {
		return ev, false, err
	}
	ev.Fingerprint = bellhop.FingerprintByID
	ev.SourceID, ev.Source = bellhop.SourceAPIID, bellhop.SourceAPI
	return d.publish(ctx, ev)
}

// Announce accepts an event of the gateway itself. It does nothing if an event with the same ProviderID is already
// stored, whose body may have another time.
func (d *Door) Announce(ctx context.Context, ev bellhop.Event) error {
	ev.Fingerprint = bellhop.FingerprintByID
	ev.SourceID, ev.Source = bellhop.SourceSelfID, bellhop.SourceSelf
	_, _, err := d.publish(ctx, ev)
	return err
}

// PublishCaused accepts an event that an action published while it worked for cause. The event belongs to the
// source of cause, and its header links it to cause. It counts one hop more than cause, so that a chain of actions
// that cause each other ends. PublishCaused returns the id of the stored event. An action that runs again may
// write another body, so an event that an action published under the same ProviderID is a repeat whatever its body:
// then PublishCaused returns the id of the first.
func (d *Door) PublishCaused(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (id string, err error) {
	hops := bellhop.Hops(cause.Header) + 1
	if hops >= bellhop.MaxHops {
		return "", errLoop
	}
	ev.SourceID, ev.Source, ev.Fingerprint = cause.SourceID, cause.Source, bellhop.FingerprintByID
	ev.Tenant = cause.Tenant
	ev.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {cause.ID},
		bellhop.HopsHeader: {strconv.Itoa(hops)}},
		nil)
	if came, ok := bellhop.TraceContextOf(cause.Header); ok {
		ev.Header = withCaller(ev.Header, came)
	}
	stored, _, err := d.publish(ctx, ev)
	return stored.ID, err
}

// PublishCaughtUp accepts events of a source that its provider told afterwards, because their notifications were
// missed in a gap, in one commit. Their header names the gap. One whose ProviderID the source has is a repeat,
// whatever its body: stored counts the others. The error is of CodeNotFound if there is no such source.
func (d *Door) PublishCaughtUp(ctx context.Context, sourceID, gapID string, events []bellhop.Event) (stored int,
	err error) {
	src := (*d.sources.Load())[sourceID]
	if src == nil {
		return 0, bellhop.NotFound("source", sourceID)
	}
	header := bellhop.NewHeader(http.Header{bellhop.CaughtUpHeader: {gapID}}, nil)
	now := d.opts.Env.Now()
	for i := range events {
		ev := &events[i]
		ev.SourceID, ev.Source, ev.Header, ev.Fingerprint = src.ID, src.Name, header, bellhop.FingerprintByID
		ev.Tenant = src.Tenant
		stamp(ev, now)
	}
	deliveries, err := d.opts.Lanes.Match(ctx, events)
	if err != nil {
		return 0, err
	}
	got, err := d.store(ctx, nil, events, deliveries)
	stored = len(events) - got.Duplicates
	if err == nil {
		src.metrics.events.Add(float64(stored))
	}
	return stored, err
}

func (d *Door) publish(ctx context.Context, ev bellhop.Event) (bellhop.Event, bool, error) {
	ctx, span := d.publishing(ctx, &ev)
	defer span.End()
	stamp(&ev, d.opts.Env.Now())
	events := []bellhop.Event{ev}
	deliveries, err := d.opts.Lanes.Match(ctx, events)
	if err != nil {
		return events[0], false, err
	}
	got, err := d.store(ctx, nil, events, deliveries)
	return events[0], got.Duplicates > 0, err
}

// PublishTo is Publish for one destination, which gets the event whatever its match says. It returns the id of the
// delivery. The error has CodeNotFound if there is no such destination; then the event is not stored, unless the
// destination was deleted during the call.
func (d *Door) PublishTo(ctx context.Context, ev bellhop.Event, destinationID string) (stored bellhop.Event,
	deliveryID string, err error) {
	if err := d.admitPublished(&ev); err != nil {
		return stored, "", err
	}
	ev.SourceID, ev.Source = bellhop.SourceAPIID, bellhop.SourceAPI
	ctx, span := d.publishing(ctx, &ev)
	defer span.End()
	stamp(&ev, d.opts.Env.Now())
	events := []bellhop.Event{ev}
	deliveries := d.opts.Lanes.Reserve(events, destinationID)
	if len(deliveries) == 0 {
		return stored, "", bellhop.NotFound("destination", destinationID)
	}
	if _, err := d.store(ctx, nil, events, deliveries); err != nil {
		return stored, "", err
	}
	if deliveries[0].DeliveryID == "" { // the destination was deleted meanwhile
		return stored, "", bellhop.NotFound("destination", destinationID)
	}
	return events[0], deliveries[0].DeliveryID, nil
}

// stamp sets what every accepted event has: the time of receipt, times as the store keeps them, and the checksum.
func stamp(ev *bellhop.Event, receivedAt time.Time) {
	ev.Time, ev.ReceivedAt = bellhop.StoredTime(ev.Time), bellhop.StoredTime(receivedAt)
	ev.SHA256 = sha256.Sum256(ev.Body)
}
