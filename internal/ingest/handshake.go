package ingest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// handshake answers what the provider's protocol asks for. The answer is on its way before anything else is done, so
// that neither disk nor load delays it.
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
	h["Content-Disposition"] = []string{"attachment"} // a link that echoes shows nobody anything
	if reply.Status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(reply.Body))}
	}
	inert(h)
	w.WriteHeader(reply.Status)
	w.Write(reply.Body)
	http.NewResponseController(w).Flush()
	src.metrics.handshakes.Inc()
	kept := d.request(src, req)
	kept.Outcome, kept.Status, kept.Reason = bellhop.RequestHandshake, reply.Status, "handshake"
	if reply.Then == nil {
		d.opts.Store.Note(*kept)
		return
	}
	then := func(ctx context.Context) (err error) {
		defer d.recoverProvider(src, &err)
		return reply.Then(ctx)
	}
	d.later.run(then, func(err error) {
		kept.Detail = "and confirmed by a call to the provider"
		if err != nil {
			err = provider.WithoutURL(err) // it is a stranger's, and may hold a secret
			kept.Reason, kept.Detail = "unconfirmed", "the call that confirms it failed: "+err.Error()
			d.opts.Logger.Warn("handshake.unconfirmed", "component", "ingest", "source_id", src.ID, "error", err)
		}
		d.opts.Store.Note(*kept)
	})
}

// Stop lets calls to providers that are under way end, until ctx does. Nothing may be served any more.
func (d *Door) Stop(ctx context.Context) error { return d.later.stop(ctx) }

// Bounds of what is done after a reply.
const (
	maxLater     = 16
	laterTimeout = 10 * time.Second
)

var errLater = errors.New("too many such calls are under way; the provider has to ask again")

// later runs what replies are to be followed by.
type later struct {
	places chan struct{} // one taken by each that runs
	group  sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

func newLater() *later {
	l := &later{places: make(chan struct{}, maxLater)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// run calls f, and then done with what came of it, in a goroutine of its own; done alone where too many run.
func (l *later) run(f func(context.Context) error, done func(error)) {
	select {
	case l.places <- struct{}{}:
	default:
		done(errLater)
		return
	}
	l.group.Go(func() {
		defer func() { <-l.places }()
		ctx, cancel := context.WithTimeout(l.ctx, laterTimeout)
		defer cancel()
		done(f(ctx))
	})
}

// stopPatience is how long a stop waits for such calls, which the provider asks for again: others need the time more.
const stopPatience = 2 * time.Second

func (l *later) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		l.group.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	l.cancel()
	<-idle
	return nil
}
