package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// A Request is one HTTP call at a source, kept where it was refused, answered a handshake or carried several events.
type Request struct {
	ID         string `json:"id" example:"req_01h455vb4pex5vsknk08"`
	Source     string `json:"source" doc:"The source's name, while there is one"`
	SourceID   string `json:"source_id"`
	Outcome    string `json:"outcome" enum:"accepted,handshake,refused,partial"`
	Status     int    `json:"status" doc:"Answered"`
	Reason     string `json:"reason" example:"signature_mismatch" doc:"Of a refusal: a short code"`
	Detail     string `json:"detail" doc:"Of a refusal: in words"`
	Method     string `json:"method" example:"POST"`
	Target     string `json:"target" example:"/in/media" doc:"Path and query, values of the query left out"`
	RemoteAddr string `json:"remote_addr"`
	BodyBytes  int64  `json:"body_bytes" doc:"Length of the whole body as far as it was read"`
	Events     int    `json:"events" doc:"How many were accepted"`
	ReceivedAt Time   `json:"received_at"`
}

// A RequestDetail is a request with what it carried.
type RequestDetail struct {
	Request
	Headers    map[string][]string `json:"headers" doc:"As received, without what carries secrets"`
	Body       string              `json:"body" doc:"As received, if that is UTF-8; of a refused request the beginning"`
	BodyBase64 string              `json:"body_base64,omitempty" doc:"The same if it is not"`
}

func (s *server) requests() {
	handle(s, op{http.MethodGet, "/requests", "list-requests", "List requests", 0}, s.listRequests)
	handle(s, op{http.MethodGet, "/requests/{id}", "show-request", "Show a request", 0}, s.showRequest)
}

// listRequestsInput narrows a list of requests.
type listRequestsInput struct {
	Source  string `query:"source" doc:"Name or id of the source"`
	Outcome string `query:"outcome" enum:"accepted,handshake,refused,partial"`
	Period
	Paging
}

func (s *server) listRequests(ctx context.Context, in *listRequestsInput) (*listOutput[Request], error) {
	source, err := s.sourceID(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	filter := bellhop.RequestFilter{SourceID: source, Outcome: bellhop.RequestOutcome(in.Outcome), Since: in.Since, Until: in.Until}
	list, next, err := s.Store.Requests(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	names := s.sourceNames(ctx)
	return listOf(list, next, func(r bellhop.Request) Request { return requestJSON(r, names(r.SourceID)) }), nil
}

func (s *server) showRequest(ctx context.Context, in *one) (*bodyOf[RequestDetail], error) {
	r, err := s.Store.Request(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := RequestDetail{Request: requestJSON(r, s.sourceNames(ctx)(r.SourceID)), Headers: r.Header.HTTP()}
	out.Body, out.BodyBase64 = textOrBase64(r.Body)
	return &bodyOf[RequestDetail]{out}, nil
}

// requestJSON is r, of the source of this name, as it is shown in a list.
func requestJSON(r bellhop.Request, source string) Request {
	return Request{
		ID: r.ID, Source: source, SourceID: r.SourceID, Outcome: string(r.Outcome), Status: r.Status, Reason: r.Reason,
		Detail: r.Detail, Method: r.Method, Target: r.Target, RemoteAddr: r.RemoteAddr, BodyBytes: r.BodyBytes,
		Events: r.Events, ReceivedAt: Time(r.ReceivedAt),
	}
}

// sourceNames returns the names of sources by id, each looked up once. A source that is gone has none.
func (s *server) sourceNames(ctx context.Context) func(id string) string {
	known := make(map[string]string)
	return func(id string) string {
		name, ok := known[id]
		if !ok {
			if src, err := s.Store.Source(ctx, id); err == nil {
				name = src.Name
			}
			known[id] = name
		}
		return name
	}
}
