package cloudevents

import (
	"errors"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A renderer writes what a destination is sent.
type renderer struct {
	binary bool   // the mode for what has none yet; else structured
	token  string // "" is none
	origin string // "" is none
	source string // "" is one for each of our sources
	rate   int    // to ask for; 0 is any
}

// Render sends a CloudEvent in the mode it came in, its bytes as they are, and anything else in the destination's.
// What has no data is sent structured, for a body must not be empty.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	c, err := r.content(ev)
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	if c.canBeBinary() && (c.binary || r.binary) {
		m := r.request(at, c.contentType, c.data)
		c.setHeaders(m.Header)
		return m, nil
	}
	return r.request(at, jsonType, c.appendJSON(nil)), nil
}

// content returns what is to be said of ev.
func (r *renderer) content(ev *bellhop.Event) (content, error) {
	if c, ok := receivedBinary(ev); ok {
		return c, nil
	}
	if c, ok := receivedJSON(ev); ok {
		return c, nil
	}
	if ev.ID == "" {
		return content{}, errors.New("cloudevents: the event has no id")
	}
	source := r.source
	if source == "" {
		source = "/in/" + ev.Source
	}
	return described(ev, source), nil
}

// The Content-Types of what is sent as JSON.
const (
	jsonType  = MediaType + "; charset=utf-8"
	batchType = BatchMediaType + "; charset=utf-8"
)

func (r *renderer) request(at provider.AttemptInfo, contentType string, body []byte) provider.OutboundRequest {
	h := http.Header{"Content-Type": {contentType}}
	if r.token != "" {
		h["Authorization"] = []string{bearer + r.token}
	}
	if r.origin != "" { // under the name of version 1.0, and that of those after it
		h["Origin"] = []string{r.origin}
		h[RequestOriginHeader] = []string{r.origin}
	}
	if len(provider.Query(at.URL, queryToken)) > 0 {
		h["Cache-Control"] = []string{"no-store"}
	}
	return provider.OutboundRequest{Header: h, Body: body}
}

// batcher is a renderer whose receiver takes batches.
type batcher struct{ *renderer }

var _ provider.Batcher = (*batcher)(nil)

// Render sends a batch of one.
func (b *batcher) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return b.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends a JSON array, in which what came as JSON keeps its bytes and all else is written anew.
func (b *batcher) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	body := []byte{'['}
	for i, ev := range events {
		c, err := b.content(ev)
		if err != nil {
			return provider.OutboundRequest{}, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = c.appendJSON(body)
	}
	return b.request(at, batchType, append(body, ']')), nil
}
