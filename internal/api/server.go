package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// Prefix is the path below which everything needs a key.
const Prefix = "/api/v1"

// MaxBodyBytes bounds the body of a request to the API.
const MaxBodyBytes = 2 << 20

// server answers the API's requests. Its routes are added by one method per noun before it is used.
type server struct {
	Options
	log     *slog.Logger
	mux     *http.ServeMux
	huma    huma.API
	keyHash [sha256.Size]byte

	// changing is held from reading a source or destination until its successor is stored and loaded, so that no
	// PATCH merges into something that is no longer there.
	changing sync.Mutex
}

func newServer(o Options) *server {
	s := &server{
		Options: o,
		log:     o.Logger.With("component", "api"),
		mux:     http.NewServeMux(),
		keyHash: sha256.Sum256([]byte(o.Key)),
	}
	s.huma = newHuma(s.mux, o.Version)
	return s
}

// ServeHTTP is what every request passes: headers, key, content type, then its route.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard := &guarded{ResponseWriter: w}
	defer s.recover(guard, r)
	h := guard.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")

	handler, pattern := s.mux.Handler(r)
	open := pattern == documentPattern || pattern == "" && r.URL.Path != Prefix && !strings.HasPrefix(r.URL.Path, Prefix+"/")
	switch {
	case !open && !s.authorized(r):
		h.Set("WWW-Authenticate", `Bearer realm="bellhop"`)
		writeProblem(guard, newProblem(http.StatusUnauthorized, "needs an API key: Authorization: Bearer KEY"))
	case pattern == "":
		writeProblem(guard, unrouted(handler, h, r))
	case r.Body != nil && r.Body != http.NoBody && !isJSON(r.Header.Get("Content-Type")):
		writeProblem(guard, newProblem(http.StatusUnsupportedMediaType, "send the body as Content-Type: application/json"))
	default:
		s.mux.ServeHTTP(guard, r)
	}
}

// authorized reports whether r carries the key, once. It compares digests, so that time says nothing of the key.
func (s *server) authorized(r *http.Request) bool {
	values := r.Header["Authorization"]
	if s.Key == "" || len(values) != 1 {
		return false
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	given := sha256.Sum256([]byte(key))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], s.keyHash[:]) == 1
}

// unrouted asks the mux's own handler what is wrong with a request that has no route, and says it in our form.
func unrouted(handler http.Handler, h http.Header, r *http.Request) *Problem {
	asked := &statusOnly{header: make(http.Header)}
	handler.ServeHTTP(asked, r)
	if asked.status == http.StatusMethodNotAllowed {
		allow := asked.header.Get("Allow")
		h.Set("Allow", allow)
		return newProblem(http.StatusMethodNotAllowed, "method not allowed here; use "+allow)
	}
	return newProblem(http.StatusNotFound, "no such path; "+documentPath+" lists those there are")
}

// isJSON reports whether a body of this content type is read: JSON, a merge patch, or none given.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == mergePatchType)
}

// recover ends a request whose handler panicked: with an answer, if none was begun.
func (s *server) recover(w *guarded, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler || r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	s.log.Error("api.panicked", "method", r.Method, "route", r.Pattern, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	writeProblem(w, newProblem(http.StatusInternalServerError, ""))
}

// changed lets the rest of the program load what was just stored. It happens even if the client is gone by now.
func (s *server) changed(ctx context.Context) error {
	if err := s.Changed(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("load after a change: %w", err)
	}
	return nil
}

func (s *server) newID(prefix string) string { return bellhop.NewID(prefix, s.Env.Rand) }

// guarded is a ResponseWriter that knows whether an answer was begun.
type guarded struct {
	http.ResponseWriter
	begun bool
}

func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (g *guarded) WriteHeader(status int) {
	g.begun = true
	g.ResponseWriter.WriteHeader(status)
}

func (g *guarded) Write(b []byte) (int, error) {
	g.begun = true
	return g.ResponseWriter.Write(b)
}

// statusOnly takes an answer apart for its status and headers.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
