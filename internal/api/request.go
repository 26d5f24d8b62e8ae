package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) requests() {
	handle(s, op{http.MethodGet, "/requests", "list-requests", "List requests", 0}, s.listRequests)
	handle(s, op{http.MethodGet, "/requests/{id}", "show-request", "Show a request", 0}, s.showRequest)
}

// listRequestsInput narrows a list of requests.
type listRequestsInput struct {
	Source   string `query:"source" doc:"Name or id of the source"`
	NoSource bool   `query:"no_source" doc:"Only requests at names that are no source's"`
	Outcome  string `query:"outcome" enum:"accepted,handshake,refused,partial"`
	Period
	Paging
}

func (s *server) listRequests(ctx context.Context, in *listRequestsInput) (*listOutput[client.Request], error) {
	source, err := s.Catalog.SourceID(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	filter := bellhop.RequestFilter{
		SourceID: source, NoSource: in.NoSource, Outcome: bellhop.RequestOutcome(in.Outcome), Since: in.Since, Until: in.Until,
	}
	list, next, err := s.Store.Requests(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	names := s.sourceNames(ctx)
	return listOf(list, next, func(r bellhop.Request) client.Request { return requestJSON(r, names(r.SourceID)) }), nil
}

func (s *server) showRequest(ctx context.Context, in *one) (*bodyOf[client.RequestDetail], error) {
	r, err := s.Store.Request(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := client.RequestDetail{Request: requestJSON(r, s.sourceNames(ctx)(r.SourceID)), Headers: r.Header.HTTP()}
	out.Body, out.BodyBase64 = textOrBase64(r.Body)
	return &bodyOf[client.RequestDetail]{out}, nil
}

// requestJSON returns r in its JSON form, without its headers and its body. source is the name of its source.
func requestJSON(r bellhop.Request, source string) client.Request {
	return client.Request{
		ID: r.ID, Source: source, SourceID: r.SourceID, RequestName: r.RequestName, Outcome: string(r.Outcome), Status: r.Status, Reason: r.Reason,
		Detail: r.Detail, Method: r.Method, Target: r.Target, RemoteAddr: r.RemoteAddr, BodyBytes: r.BodyBytes,
		Events: r.Events, ReceivedAt: client.Time{Time: r.ReceivedAt},
	}
}

// sourceNames returns a function from the id of a source to its name, which looks each source up once. The name
// of a deleted source is "".
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
