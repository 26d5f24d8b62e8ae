package api

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/danielgtaylor/huma/v2"
)

// maxDataBytes is the largest body that is shown as data.
const maxDataBytes = 256 << 10

func (s *server) events() {
	handle(s, op{http.MethodGet, "/events", "list-events", "List events", 0}, s.listEvents)
	handle(s, op{http.MethodPost, "/events", "publish-event", "Publish an event", http.StatusAccepted}, s.publish)
	handle(s, op{http.MethodGet, "/events/{id}", "show-event", "Show an event", 0}, s.showEvent)

	handle(s, op{http.MethodGet, "/events/{id}/chain", "show-event-chain",
		"Show an event with its causes and what it has caused", 0}, s.showChain)

	body := op{http.MethodGet, "/events/{id}/body", "get-event-body",
		"Get the body of an event as it was received", 0}.huma()
	bytes := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	body.Responses = map[string]*huma.Response{"200": {
		Description: "The body, with the content type and the content encoding in which it was received",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: bytes}},
	}}
	register(s, body, s.eventBody)
}

// listEventsInput narrows a list of events.
type listEventsInput struct {
	Source string `query:"source" doc:"Name or id of the source. Without such a source: of the deleted ones"`
	Type   string `query:"type" maxLength:"256" example:"ams.*" doc:"The whole type, or a prefix and *"`

	Subject    string `query:"subject" maxLength:"1025" doc:"The whole subject, or a prefix and *"`
	ProviderID string `query:"provider_id" maxLength:"512" doc:"The provider's id of the event, or the Idempotency-Key"`
	Cause      string `query:"caused_by" doc:"Id of the event for which actions published them"`
	Contains   string `query:"contains" maxLength:"1024" doc:"These bytes occur in the body as it was received. A slow filter"`
	Count      bool   `query:"count_deliveries" doc:"Count each event's deliveries by state, up to 100"`
	Owned
	Period
	Paging
}

func (s *server) listEvents(ctx context.Context, in *listEventsInput) (*listOutput[client.Event], error) {
	sources, err := s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	filter := bellhop.EventFilter{SourceIDs: sources, Type: in.Type, Subject: in.Subject, ProviderID: in.ProviderID,
		Tenant: in.Tenant, CausedBy: in.Cause, Contains: in.Contains, Since: in.Since, Until: in.Until}
	list, next, err := s.Store.Events(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	page := searched(s, "events", in.Limit, listOf(list, next, eventJSON))
	if in.Count {
		err = s.countDeliveries(ctx, page.Body.Data)
	}
	return page, err
}

// countDeliveries counts the deliveries of each of events.
func (s *server) countDeliveries(ctx context.Context, events []client.Event) error {
	ids := make([]string, len(events))
	for i, ev := range events {
		ids[i] = ev.ID
	}
	counts, err := s.Store.CountDeliveries(ctx, ids)
	if err != nil {
		return err
	}
	for i, ev := range events {
		events[i].DeliveryCounts = map[string]int{}
		for state, n := range counts[ev.ID] {
			events[i].DeliveryCounts[string(state)] = n
		}
	}
	return nil
}

func (s *server) showEvent(ctx context.Context, in *one) (*tagged[client.EventDetail], error) {
	ev, err := s.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := client.EventDetail{Event: eventJSON(ev), Headers: ev.Header.HTTP(),
		CaughtUp: ev.Header.Get(bellhop.CaughtUpHeader)}
	content, err := contentcoding.Event(&ev, maxDataBytes)
	if err == nil && len(content) <= maxDataBytes {
		out.Data = strictjson.Document(content)
	}
	return taggedBy(ev.ReceivedAt, out), nil
}

type eventBodyInput struct {
	ID     string `path:"id" doc:"Its id" example:"evt_01h455vb4pex5vsknk08"`
	Accept string `header:"Accept-Encoding" example:"gzip" doc:"A content encoding that is not in it is undone"`
}

type eventBodyOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentEncoding    string `header:"Content-Encoding"`
	Vary               string `header:"Vary" hidden:"true"`
	ContentDisposition string `header:"Content-Disposition"`
	CSP                string `header:"Content-Security-Policy" hidden:"true"`
	Body               []byte
}

// eventBody answers with bytes that a stranger wrote. The headers make a browser save them and run nothing in
// them.
func (s *server) eventBody(ctx context.Context, in *eventBodyInput) (*eventBodyOutput, error) {
	ev, err := s.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &eventBodyOutput{
		ContentType: ev.ContentType, ContentDisposition: `attachment; filename="` + ev.ID + `"`,
		CSP: "default-src 'none'; frame-ancestors 'none'; sandbox", Body: ev.Body,
		Vary: "Accept-Encoding",
	}
	switch coding, err := contentcoding.OfEvent(&ev); {
	case err != nil || coding == contentcoding.None:
	case contentcoding.Accepts(in.Accept, coding):
		out.ContentEncoding = string(coding)
	default:
		if out.Body, err = contentcoding.Decode(coding, ev.Body, bellhop.MaxMaxBodyBytes, nil); err != nil {
			return nil, err
		}
	}
	if out.ContentType == "" {
		out.ContentType = "application/octet-stream"
	}
	return out, nil
}

type publishInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"A used key gets the first event, or 409 if that differs"`
	Body client.NewEvent
}

type publishOutput struct {
	Repeated string `header:"Idempotent-Replayed" doc:"true if the key was used before"`
	Body     client.Event
}

func (s *server) publish(ctx context.Context, in *publishInput) (*publishOutput, error) {
	ev, duplicate, err := s.Catalog.Publish(ctx, bellhop.Event{
		Type: in.Body.Type, Subject: in.Body.Subject, ProviderID: in.Key, Tenant: in.Body.Tenant,
		Time: in.Body.Time, ContentType: "application/json", Body: in.Body.Data,
	})
	if err != nil {
		return nil, err
	}
	out := &publishOutput{Body: eventJSON(ev)}
	if duplicate {
		out.Repeated = "true"
	}
	return out, nil
}

// isSample reports whether the gateway made the event with that header itself, to try a source.
func isSample(h bellhop.Header) bool { return h.Get(bellhop.SampleHeader) != "" }

// eventJSON returns ev in its JSON form, without its headers and its body.
func eventJSON(ev bellhop.Event) client.Event {
	return client.Event{
		ID: ev.ID, Type: ev.Type, Subject: ev.Subject, Source: ev.Source, SourceID: ev.SourceID,
		ProviderID: ev.ProviderID,
		Tenant:     ev.Tenant, Time: client.Time{Time: ev.Time}, ReceivedAt: client.Time{Time: ev.ReceivedAt},
		ContentType: ev.ContentType, BodyBytes: len(ev.Body), BodySHA256: hex.EncodeToString(ev.SHA256[:]),
		ConflictsWith: ev.ConflictsWith,
		CausedBy:      ev.Header.Get(bellhop.CauseHeader),
		Sample:        isSample(ev.Header),
	}
}
