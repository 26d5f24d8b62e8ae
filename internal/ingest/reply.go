package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file answers requests to a source with a reply of its own. The events are stored by then, so that nothing here
// can lose one: if the reply cannot be made, the answer has its status and no body.

// replies reports whether the answer to a request whose receipt this is comes from the source's reply. A request
// without events, or one that the protocol has refused, is answered as the provider says.
func (s *source) replies(receipt *provider.Receipt) bool {
	return s.reply != nil && len(receipt.Events) > 0 && receipt.Status/100 == 2
}

// writeReply answers a request by the reply of src; ev is the first event of the request.
func (d *Door) writeReply(ctx context.Context, w http.ResponseWriter, src *source, ev *bellhop.Event) {
	body, contentType, err := d.makeReply(ctx, src.reply, ev)
	if err != nil {
		d.metrics.unmadeReplies.WithLabelValues(src.metrics.label).Inc()
		d.log.write(slog.LevelWarn, "reply.failed", src.ID, src.Name, "event_id", ev.ID, "error", err, "meaning",
			"the event is stored; the answer had no body")
	}
	h := w.Header()
	setInert(h)
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
		h["Content-Disposition"] = []string{"attachment"} // a browser that a stranger sends here must not show it
	}
	if status := src.reply.Status(); status != http.StatusNoContent && status != http.StatusResetContent {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(src.reply.Status())
	w.Write(body)
}

// makeReply makes the body of an answer, of a large event within a slot of the gate.
func (d *Door) makeReply(ctx context.Context, r *match.Reply, ev *bellhop.Event) (body []byte, contentType string,
	err error) {
	if r.Reads() && d.opts.Gate != nil && match.Size(ev) >= match.LargeBody {
		if err := d.opts.Gate.EnterSoon(ctx); err != nil {
			return nil, "", err
		}
		defer d.opts.Gate.Leave()
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the template panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return r.Answer(ev)
}
