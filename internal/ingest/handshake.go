package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// handshake sends the reply that the provider's protocol asks for. It sends the reply before it does anything else, so
// that neither disk nor load delays it; then it records the handshake and runs reply.Then.
func (d *Door) handshake(w http.ResponseWriter, src *source, req *provider.Request, reply *provider.Reply) {
	h := w.Header()
	for name, values := range reply.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	contentType := reply.ContentType
	if contentType == "" {
		contentType = "text/plain; charset=utf-8"
	}
	h["Content-Type"] = []string{contentType}
	// a browser that follows a stranger's link must not show the echo
	h["Content-Disposition"] = []string{"attachment"}
	if reply.Status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(reply.Body))}
	}
	setInert(h)
	describeHandshake(w)
	// before the answer: the call that caused the handshake may end with it
	if src.subscribed != nil && src.sample == nil {
		d.opts.Subscriptions.Handshake(src.ID, req.ReceivedAt, reply.Status, "")
	}
	w.WriteHeader(reply.Status)
	w.Write(reply.Body)
	http.NewResponseController(w).Flush()
	src.metrics.handshakes.Inc()
	record := d.record(src, req)
	record.Outcome, record.Status, record.Reason = bellhop.RequestHandshake, reply.Status, "handshake"
	if reply.Then == nil {
		d.note(src, record)
		return
	}
	confirm := func(ctx context.Context) (err error) {
		defer d.recoverProvider(src, &err)
		return reply.Then(ctx)
	}
	d.afterReply.run(confirm, func(err error) {
		record.Detail = "and confirmed by a call to the provider"
		if err != nil {
			err = provider.WithoutURL(err) // the sender chose the URL, and it may hold a secret
			record.Reason, record.Detail = "unconfirmed", "the call that confirms it failed: "+err.Error()
			d.log.write(slog.LevelWarn, "handshake.unconfirmed", src.ID, src.Name, "error", err)
		}
		d.opts.Store.Note(*record)
	})
}

// Stop waits for calls to providers that are under way, for at most stopTimeout or until ctx ends, and cancels the
// rest. The caller serves no request any more.
func (d *Door) Stop(ctx context.Context) error {
	err := d.afterReply.stop(ctx)
	d.log.stop()
	return err
}

// Bounds of answered handshakes. Anyone can ask for most handshakes, because they come without a signature. Providers
// make one when a subscription is made or renewed: for five a second from one address at one source there would have
// to be thousands of subscriptions.
const (
	handshakesPerMinute  = 300  // of one source and one sender, after a burst of as many
	maxHandshakeCounters = 4096 // then all are forgotten
)

// handshakeLimits counts the answered handshakes of each source and sender. There is no common limit of a source,
// because one sender could use it up and keep the provider's own handshake out.
type handshakeLimits struct {
	mu      sync.Mutex // guards buckets
	buckets map[handshakeSender]*bucket
}

type handshakeSender struct {
	sourceID string
	sender   netip.Prefix
}

func newHandshakeLimits() *handshakeLimits {
	return &handshakeLimits{buckets: map[handshakeSender]*bucket{}}
}

// admit reports whether one more handshake is answered.
func (l *handshakeLimits) admit(sourceID, remoteAddr string, now time.Time) bool {
	from := handshakeSender{sourceID, bellhop.Sender(remoteAddr)}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[from]
	if b == nil {
		if len(l.buckets) >= maxHandshakeCounters {
			clear(l.buckets)
		}
		b = &bucket{}
		l.buckets[from] = b
	}
	return b.take(now, handshakesPerMinute/60.0, handshakesPerMinute)
}

// Bounds of the calls that follow replies.
const (
	maxAfterReply     = 16               // at a time
	afterReplyTimeout = 10 * time.Second // of one call
	// stopTimeout is short: the provider repeats its handshake, and deliveries in flight need the time more.
	stopTimeout = 2 * time.Second
)

var errTooManyCalls = errors.New("too many such calls are under way; the provider has to ask again")

// An afterReply runs the calls that follow replies, each in a goroutine of its own.
type afterReply struct {
	places chan struct{} // has an element for each call under way
	calls  sync.WaitGroup
	ctx    context.Context // of all calls; cancel ends it
	cancel context.CancelFunc
}

func newAfterReply() *afterReply {
	a := &afterReply{places: make(chan struct{}, maxAfterReply)}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// run returns at once. It calls f, and then done with f's error, in a new goroutine. If maxAfterReply calls are under
// way, it only calls done, with errTooManyCalls.
func (a *afterReply) run(f func(context.Context) error, done func(error)) {
	select {
	case a.places <- struct{}{}:
	default:
		done(errTooManyCalls)
		return
	}
	a.calls.Go(func() {
		defer func() { <-a.places }()
		ctx, cancel := context.WithTimeout(a.ctx, afterReplyTimeout)
		defer cancel()
		done(f(ctx))
	})
}

func (a *afterReply) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		a.calls.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	a.cancel()
	<-idle
	return nil
}
