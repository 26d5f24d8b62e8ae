package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/danielgtaylor/huma/v2"
)

// Prefix is the path below which every request needs a credential.
const Prefix = "/api/v1"

// MetricsPath is the path of the metrics.
const MetricsPath = "/metrics"

// MaxBodyBytes is the largest body of a request to the API.
const MaxBodyBytes = 2 << 20

// A server answers the requests of the API. One method for each noun adds its routes, before the first request.
type server struct {
	Options
	log   *slog.Logger
	mux   *http.ServeMux
	huma  huma.API
	needs map[string]need // what the route of each pattern asks of a key

	submitter submitter
}

func newServer(o Options) *server {
	s := &server{Options: o, log: o.Logger.With("component", "api"), mux: http.NewServeMux(),
		needs: map[string]need{}}
	s.submitter.patterns = map[string]bool{}
	s.huma = newHuma(s.mux, o.Version)
	return s
}

// ServeHTTP answers a request of the network by the principal of its credential, whatever its context carries.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.serve(w, r, s.Auth.Authenticate)
}

// Inside answers requests of this process by the principal of their contexts. No request of the network reaches it.
func (s *server) Inside() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, principalOf) })
}

// principalOf returns the principal of the context of r.
func principalOf(r *http.Request) (auth.Principal, error) {
	p, ok := auth.FromContext(r.Context())
	if !ok {
		return p, &bellhop.Error{Code: bellhop.CodeUnauthorized, Message: "the call has no principal"}
	}
	return p, nil
}

type authenticatorKey struct{}

// An authenticator says who makes a request.
type authenticator = func(*http.Request) (auth.Principal, error)

// authenticatorOf returns what has authenticated r, for an answer that outlasts a key.
func authenticatorOf(r *http.Request) authenticator {
	authenticate, _ := r.Context().Value(authenticatorKey{}).(authenticator)
	return authenticate
}

// serve sets the headers of every answer, authenticates the request, compares the scope of its key with that of
// its route, checks its content type and runs the route. The context of the route carries the principal, and its
// tenant, by which the store narrows what the route sees.
func (s *server) serve(w http.ResponseWriter, r *http.Request,
	authenticate authenticator) {
	guard := &guarded{ResponseWriter: w, request: r}
	defer s.recover(guard, r)
	h := guard.Header()
	h.Set(client.Header, client.APIVersion)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")

	handler, pattern := s.mux.Handler(r)
	inAPI := r.URL.Path == Prefix || strings.HasPrefix(r.URL.Path, Prefix+"/")
	if pattern != documentPattern && pattern != schemaPattern && (pattern != "" || inAPI) {
		principal, err := authenticate(r)
		if err == nil {
			err = s.authorize(pattern, principal)
		}
		if err != nil {
			p := s.problem(r.Context(), "authenticate", err)
			switch p.Status {
			case http.StatusUnauthorized:
				h.Set("WWW-Authenticate", `Bearer realm="bellhop"`)
			case http.StatusTooManyRequests:
				h.Set("Connection", "close") // each further try costs its sender a connection
			}
			writeProblem(guard, p)
			return
		}
		if principal.Tenant == "" && s.Operations != nil && s.Operations.InStandby() && !standbyPatterns[pattern] {
			h.Set(client.StandbyHeader, "on")
		}
		ctx := context.WithValue(r.Context(), authenticatorKey{}, authenticate)
		ctx = bellhop.WithActor(ctx, bellhop.Actor{Key: principal.Name, KeyID: principal.KeyID})
		r = r.WithContext(bellhop.WithTenant(auth.NewContext(ctx, principal), principal.Tenant))
	}
	badQuery := checkQuery(r.URL.RawQuery)
	switch {
	case pattern == "":
		writeProblem(guard, unrouted(handler, h, r))
	case badQuery != nil:
		writeProblem(guard, s.problem(r.Context(), "query", badQuery))
	case r.Body != nil && r.Body != http.NoBody && !isJSON(r.Header.Get("Content-Type")):
		writeProblem(guard, newProblem(http.StatusUnsupportedMediaType, "send the body as Content-Type: "+
			"application/json"))
	case s.submitter.patterns[pattern] && r.Header.Values(keyHeader) != nil:
		s.submit(guard, r)
	default:
		r.Body = arriving(guard, r.Body)
		s.mux.ServeHTTP(guard, r)
	}
}

// unrouted returns the problem of a request without a route. The mux's own handler knows whether the path or
// the method is wrong.
func unrouted(handler http.Handler, h http.Header, r *http.Request) *problem {
	asked := &statusOnly{header: make(http.Header)}
	handler.ServeHTTP(asked, r)
	if asked.status == http.StatusMethodNotAllowed {
		allow := asked.header.Get("Allow")
		h.Set("Allow", allow)
		return newProblem(http.StatusMethodNotAllowed, "method not allowed here; use "+allow)
	}
	return newProblem(http.StatusNotFound, "no such path; "+documentPath+" lists the paths")
}

// isJSON reports whether the API reads a body of this content type: JSON, a merge patch, or no content type.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == mergePatchType)
}

// recover ends a request whose handler panicked. It answers 500 unless an answer was begun.
func (s *server) recover(w *guarded, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler || r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	s.log.Error("api.panicked", "method", r.Method, "route", r.Pattern, "cause", fmt.Sprint(cause),
		"stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	writeProblem(w, newProblem(http.StatusInternalServerError, ""))
}

// arriving returns body so that the time limit for a request to arrive ends once it has arrived. Otherwise package
// net/http would end the contexts of the request and of all later ones of its connection when that time is over,
// however long the handler takes.
func arriving(w http.ResponseWriter, body io.ReadCloser) io.ReadCloser {
	control := http.NewResponseController(w) // in a test, w may be of no connection
	if body == nil || body == http.NoBody {
		body = http.NoBody
		control.SetReadDeadline(time.Time{})
	}
	return &arrivingBody{body, control}
}

// An arrivingBody is the body of a request that arrives.
type arrivingBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *arrivingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// A guarded is a ResponseWriter that remembers whether an answer was begun. It answers 304 without a body in place of
// an answer that the client has already.
type guarded struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
	known   bool // the body is left out
}

func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *guarded) WriteHeader(status int) {
	if !g.begun && status == http.StatusOK && isKnown(g.request, g.Header().Get("ETag")) {
		g.known, status = true, http.StatusNotModified
		g.Header().Del("Content-Type")
		g.Header().Del("Content-Length")
	}
	g.begun = true
	g.ResponseWriter.WriteHeader(status)
}

func (g *guarded) Write(b []byte) (int, error) {
	if !g.begun {
		g.WriteHeader(http.StatusOK)
	}
	if g.known {
		return len(b), nil
	}
	return g.ResponseWriter.Write(b)
}

// A statusOnly is a ResponseWriter that keeps the status and the headers, and drops the body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// writeJSON writes v as JSON and leaves <, > and & as they are.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
