package eventgrid

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// renderer delivers in Event Grid's own schema.
type renderer struct {
	sender
	env provider.Env
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Render delivers a batch of one, since Event Grid's schema knows nothing else.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch delivers an array, in which an event in this schema keeps its bytes and any other is put into it. What
// publishers leave out, and Event Grid adds, is added.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	eventType, dataVersion := headerNotification, ""
	body, err := strictjson.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) {
		item, version, err := r.item(ev)
		if ev == events[0] {
			dataVersion = version
		}
		return item, err
	})
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	if len(events) == 1 && events[0].Type == DeletedType {
		eventType = headerDeletion
	}
	h := http.Header{"Content-Type": {contentType}}
	r.addHeaders(h, eventType, dataVersion, at)
	return provider.OutboundRequest{Header: h, Body: body}, nil
}

// item returns ev in Event Grid's schema, and its data version.
func (r *renderer) item(ev *bellhop.Event) (item []byte, dataVersion string, err error) {
	f, own := readOwn(ev)
	switch {
	case own && !f.cloudEvent:
		return completed(ev.Body, f, r.topic(ev.Source)), f.dataVersion, nil
	case own:
		item, err = encode(fromCloudEvent(f, ev))
	default:
		item, err = encode(newDocument(ev, r.topic(ev.Source)))
	}
	return item, documentVersion, err
}

// readOwn reads an event that came from Event Grid, in either schema. own is false for any other.
func readOwn(ev *bellhop.Event) (f fields, own bool) {
	f, err := readFields(ev.Body)
	return f, err == nil && f.id != "" && f.kind != "" && f.kind == ev.Type
}
