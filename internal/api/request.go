package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

func (s *server) requests() {
	handle(s, op{http.MethodGet, "/requests", "list-requests", "List requests", 0}, s.listRequests)
	handle(s, op{http.MethodGet, "/requests/{id}", "show-request", "Show a request", 0}, s.showRequest)
	handle(s, op{http.MethodPost, "/requests/{id}/verify", "verify-request",
		"Verify a request on record again", 0}, s.verifyRequest)
}

// listRequestsInput narrows a list of requests.
type listRequestsInput struct {
	Source   string `query:"source" doc:"Name or id of the source. Without such a source: of the deleted ones"`
	NoSource bool   `query:"no_source" doc:"Only requests at names that are no source's"`
	Outcome  string `query:"outcome" enum:"accepted,handshake,refused,partial" doc:"Only those that ended like this"`
	Reason   string `query:"reason" maxLength:"64" example:"signature_mismatch" doc:"The code of a refusal"`
	Contains string `query:"contains" maxLength:"1024" doc:"These bytes occur in the body, as far as it is kept. A slow filter"`
	Owned
	Period
	Paging
}

func (s *server) listRequests(ctx context.Context, in *listRequestsInput) (*listOutput[client.Request], error) {
	sources, err := s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	filter := bellhop.RequestFilter{
		SourceIDs: sources, NoSource: in.NoSource, Outcome: bellhop.RequestOutcome(in.Outcome), Reason: in.Reason,
		Contains: in.Contains, Tenant: in.Tenant, Since: in.Since, Until: in.Until,
	}
	list, next, err := s.Store.Requests(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return searched(s, "requests", in.Limit, listOf(list, next, requestJSON)), nil
}

func (s *server) showRequest(ctx context.Context, in *one) (*tagged[client.RequestDetail], error) {
	r, err := s.Store.Request(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := client.RequestDetail{Request: requestJSON(r), Headers: r.Header.HTTP()}
	out.Body, out.BodyBase64 = textOrBase64(r.Body)
	return taggedBy(r.ReceivedAt, out), nil
}

type verifyInput struct {
	ID   string `path:"id" doc:"Id of the request"`
	Body *client.NewVerification
}

func (s *server) verifyRequest(ctx context.Context, in *verifyInput) (*bodyOf[client.Verdict], error) {
	var order catalog.VerifyOrder
	if in.Body != nil {
		order = catalog.VerifyOrder{Secret: in.Body.Secret, Setting: in.Body.Setting}
	}
	v, err := s.Catalog.VerifyRequest(ctx, in.ID, order)
	if err != nil {
		return nil, err
	}
	out := client.Verdict{Outcome: cmp.Or(string(v.Outcome), "unknown"), Status: v.Status, Reason: v.Reason,
		Detail: v.Detail, Events: v.Events, Missing: []client.Missing{}, Cause: v.Cause, Advice: v.Advice}
	for _, m := range v.Missing {
		out.Missing = append(out.Missing, client.Missing(m))
	}
	return &bodyOf[client.Verdict]{out}, nil
}

// requestJSON returns r in its JSON form, without its headers and its body.
func requestJSON(r bellhop.Request) client.Request {
	return client.Request{
		ID: r.ID, Source: r.Source, SourceID: r.SourceID, RequestName: r.RequestName, Outcome: string(r.Outcome),
		Status: r.Status, Reason: r.Reason, Detail: r.Detail, Method: r.Method, Target: r.Target,
		RemoteAddr: r.RemoteAddr, BodyBytes: r.BodyBytes, Events: r.Events,
		ReceivedAt: client.Time{Time: r.ReceivedAt},
	}
}
