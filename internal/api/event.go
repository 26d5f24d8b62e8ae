package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// An Event is what a source's provider told, or what was published.
type Event struct {
	ID          string `json:"id" example:"evt_01h455vb4pex5vsknk08"`
	Type        string `json:"type" example:"ams.JobStateChange"`
	Subject     string `json:"subject"`
	Source      string `json:"source" doc:"The source's name; api for a published event"`
	SourceID    string `json:"source_id"`
	ProviderID  string `json:"provider_id" doc:"The provider's id of it, or the Idempotency-Key; repeats of it are folded"`
	Tenant      string `json:"tenant"`
	Time        Time   `json:"time" doc:"When it happened, as the provider says"`
	ReceivedAt  Time   `json:"received_at"`
	ContentType string `json:"content_type"`
	BodyBytes   int    `json:"body_bytes"`
	BodySHA256  string `json:"body_sha256" doc:"In hex"`
}

// An EventDetail is an event with what it carried.
type EventDetail struct {
	Event
	Headers map[string][]string `json:"headers" doc:"Of the request it came in, without what carries secrets"`
	Data    json.RawMessage     `json:"data,omitempty" doc:"The body, if it is JSON of at most 256 KiB; GET …/body has it in any case"`
}

// maxDataBytes is how large a body is shown as data.
const maxDataBytes = 256 << 10

func (s *server) events() {
	handle(s, op{http.MethodGet, "/events", "list-events", "List events", 0}, s.listEvents)
	handle(s, op{http.MethodPost, "/events", "publish-event", "Publish an event", http.StatusAccepted}, s.publish)
	handle(s, op{http.MethodGet, "/events/{id}", "show-event", "Show an event", 0}, s.showEvent)

	body := op{http.MethodGet, "/events/{id}/body", "get-event-body", "Get an event's bytes as they were received", 0}.huma()
	bytes := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	body.Responses = map[string]*huma.Response{"200": {
		Description: "The bytes, in the content type they came in", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: bytes}},
	}}
	register(s, body, s.eventBody)
}

// listEventsInput narrows a list of events.
type listEventsInput struct {
	Source string `query:"source" doc:"Name or id of the source"`
	Type   string `query:"type" example:"ams.*" doc:"The whole type, or a prefix and *"`
	Period
	Paging
}

func (s *server) listEvents(ctx context.Context, in *listEventsInput) (*listOutput[Event], error) {
	source, err := s.sourceID(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	filter := bellhop.EventFilter{SourceID: source, Type: in.Type, Since: in.Since, Until: in.Until}
	list, next, err := s.Store.Events(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, eventJSON), nil
}

func (s *server) showEvent(ctx context.Context, in *one) (*bodyOf[EventDetail], error) {
	ev, err := s.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := EventDetail{Event: eventJSON(ev), Headers: ev.Header.HTTP()}
	if len(ev.Body) <= maxDataBytes && utf8.Valid(ev.Body) && json.Valid(ev.Body) {
		out.Data = ev.Body
	}
	return &bodyOf[EventDetail]{out}, nil
}

type eventBodyOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CSP                string `header:"Content-Security-Policy" hidden:"true"`
	Body               []byte
}

// eventBody hands out bytes of strangers: a browser saves them, and would run nothing of them if it did not.
func (s *server) eventBody(ctx context.Context, in *one) (*eventBodyOutput, error) {
	ev, err := s.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &eventBodyOutput{
		ContentType: ev.ContentType, ContentDisposition: `attachment; filename="` + ev.ID + `"`,
		CSP: "default-src 'none'; frame-ancestors 'none'; sandbox", Body: ev.Body,
	}
	if out.ContentType == "" {
		out.ContentType = "application/octet-stream"
	}
	return out, nil
}

// eventJSON is ev without what it carried.
func eventJSON(ev bellhop.Event) Event {
	return Event{
		ID: ev.ID, Type: ev.Type, Subject: ev.Subject, Source: ev.Source, SourceID: ev.SourceID, ProviderID: ev.ProviderID,
		Tenant: ev.Tenant, Time: Time(ev.Time), ReceivedAt: Time(ev.ReceivedAt), ContentType: ev.ContentType,
		BodyBytes: len(ev.Body), BodySHA256: hex.EncodeToString(ev.SHA256[:]),
	}
}

// sourceID is the id that a filter by source means. What a deleted source left is found by its id.
func (s *server) sourceID(ctx context.Context, idOrName string) (string, error) {
	if idOrName == "" {
		return "", nil
	}
	src, err := s.Store.Source(ctx, idOrName)
	switch {
	case err == nil:
		return src.ID, nil
	case !isNotFound(err):
		return "", err
	case idOrName == bellhop.SourceAPI:
		return bellhop.SourceAPIID, nil
	case idOrName == bellhop.SourceSelf:
		return bellhop.SourceSelfID, nil
	case strings.HasPrefix(idOrName, bellhop.PrefixSource):
		return idOrName, nil
	}
	return "", bellhop.Invalid("source", "there is no such source")
}
