package connection

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes one request to an API, with credentials or without, and says in the words of [provider.APIError] why
// it brought nothing.

// Plain returns an API that calls whole URLs without credentials.
func Plain(env provider.Env) provider.API { return plainAPI{env} }

type plainAPI struct{ env provider.Env }

// Do implements [provider.API].
func (p plainAPI) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	r, err := newRequest(ctx, call, call.Path, nil)
	if err != nil {
		return provider.Answer{}, err
	}
	x, err := sendRequest(ctx, p.env.Now, p.env.Client, r)
	if err != nil {
		return provider.Answer{}, err
	}
	defer x.response.Body.Close()
	return readAnswer(ctx, p.env.Now, x, call)
}

// newRequest returns the request of a call. The headers of the call replace those of more.
func newRequest(ctx context.Context, call provider.Call, target string, more http.Header) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, call.Method, target, bytes.NewReader(call.Body))
	if err != nil {
		return nil, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the call cannot be made: its method or URL is invalid"}
	}
	for _, header := range []http.Header{more, call.Header} {
		for name, values := range header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return r, nil
}

// sendRequest sends a request, and returns the answer, whose body is still to be read. A redirect is an answer: it may
// lead anywhere, so the credentials do not follow it.
func sendRequest(ctx context.Context, now func() time.Time, client *http.Client, r *http.Request) (*answered, error) {
	x := &answered{host: r.URL.Host, begun: now()}
	response, err := provider.NoRedirects(client).Do(r)
	if err != nil {
		return nil, unanswered(ctx, err, r.Method, x.host)
	}
	x.response = response
	return x, nil
}

// readAnswer reads the body of a call that was answered, within the bound of the call.
func readAnswer(ctx context.Context, now func() time.Time, x *answered, call provider.Call) (provider.Answer, error) {
	most := call.MaxBytes
	if most <= 0 {
		most = provider.DefaultAnswerBytes
	}
	body, err := io.ReadAll(io.LimitReader(x.response.Body, most+1))
	foreign := &provider.APIError{Kind: provider.APIForeign, Status: x.status(), MaybeDone: changes(call.Method)}
	switch {
	case err != nil && ctx.Err() != nil:
		return provider.Answer{}, unanswered(ctx, err, call.Method, x.host)
	case err != nil:
		foreign.Message = x.host + " sent an answer that was cut off"
		return provider.Answer{}, foreign
	case int64(len(body)) > most:
		foreign.Message = x.host + " sent an answer that is too long"
		return provider.Answer{}, foreign
	}
	return provider.Answer{Status: x.status(), Header: x.response.Header, Body: body, Took: now().Sub(x.begun)}, nil
}

// changes reports whether a call of that method may change something at the system.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// unanswered returns the error of a call without an answer.
func unanswered(ctx context.Context, err error, method, host string) *provider.APIError {
	what, sent := egress.Unanswered(err)
	e := &provider.APIError{
		Kind:      provider.APITemporary,
		Message:   host + " " + what,
		MaybeDone: sent && changes(method),
	}
	var refused *egress.Error
	switch {
	case ctx.Err() != nil:
		e.Message = "given up while waiting for " + host
	case errors.As(err, &refused) && (refused.Class == egress.ClassBlocked || refused.Class == egress.ClassBadURL):
		e.Kind = provider.APIInvalid // until the settings of the server or of the connection change
	}
	return e
}
