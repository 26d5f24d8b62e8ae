package eventgrid

import (
	"encoding/json"
	"errors"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// cloudRenderer delivers CloudEvents: as any sender of theirs does, with Event Grid's headers beside.
type cloudRenderer struct {
	sender
	one  provider.Renderer // an object
	many provider.Batcher  // an array
}

var (
	_ provider.Batcher    = (*cloudRenderer)(nil)
	_ provider.Handshaker = (*cloudRenderer)(nil)
)

func newCloudRenderer(env provider.Env, s sendSettings) (*cloudRenderer, error) {
	open := func(mode string) (provider.Renderer, error) {
		raw, err := encode(map[string]string{"mode": mode, "origin": clouds["public"].domain, "source": s.Topic})
		if err != nil {
			return nil, err
		}
		return cloudevents.Provider{}.OpenSender(env, raw)
	}
	one, err := open("structured")
	many, batchErr := open("batch")
	if err := errors.Join(err, batchErr); err != nil {
		return nil, err
	}
	return &cloudRenderer{sender{s}, one, many.(provider.Batcher)}, nil
}

// Render delivers one object. A CloudEvent keeps its bytes; what came in Event Grid's own schema is written as Event
// Grid would, had it been asked for CloudEvents.
func (r *cloudRenderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	ev, err := r.cloudEvent(ev)
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	m, err := r.one.Render(ev, at)
	return r.complete(m, at), err
}

// RenderBatch delivers an array.
func (r *cloudRenderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	list := make([]*bellhop.Event, len(events))
	for i, ev := range events {
		var err error
		if list[i], err = r.cloudEvent(ev); err != nil {
			return provider.OutboundRequest{}, err
		}
	}
	m, err := r.many.RenderBatch(list, at)
	return r.complete(m, at), err
}

// Handshake asks as the Web Hooks specification has it, under the name of Event Grid.
func (r *cloudRenderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	return r.one.(provider.Handshaker).Handshake(at)
}

// HandshakeByDefault implements [provider.Handshaker].
func (*cloudRenderer) HandshakeByDefault() bool { return true }

func (r *cloudRenderer) complete(m provider.OutboundRequest, at provider.AttemptInfo) provider.OutboundRequest {
	if m.Header != nil {
		r.addHeaders(m.Header, headerNotification, "", at)
	}
	return m
}

// cloudEvent returns ev as what is to be sent in JSON: without the headers that say that it came as a binary one.
func (r *cloudRenderer) cloudEvent(ev *bellhop.Event) (*bellhop.Event, error) {
	copied := *ev
	copied.Header = nil
	f, own := readOwn(ev)
	if !own || f.cloudEvent {
		return &copied, nil
	}
	if f.topic == "" {
		f.topic = r.topic(ev.Source)
	}
	body, err := encode(cloudDocument{
		ID: f.id, Source: f.topic, SpecVersion: "1.0", Type: f.kind, Subject: f.subject, Time: timeText(f, ev), Data: f.data,
	})
	copied.Body, copied.ContentType = body, cloudevents.MediaType
	return &copied, err
}

// A cloudDocument is an event as Event Grid writes it in CloudEvents' schema.
type cloudDocument struct {
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	SpecVersion string          `json:"specversion"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"`
	Time        string          `json:"time,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}
