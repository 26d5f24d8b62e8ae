// Package ui is the pages of the gateway: HTML below /ui that shows what it holds and acts on it, for a browser with
// or without JavaScript.
//
// The pages read and write through package client, whose calls reach the API in this process: the same checks, masks
// and errors as for every other caller. One file holds one noun: its routes, and what its pages show. Around them,
// guard.go decides which requests are looked at, session.go and signin.go who makes them, and page.go how a page is
// written. What strangers sent is text: shown.go makes every value that a template prints harmless and visible.
//
// To add a noun: a file with a method of server that calls page and act for each of its URLs, a template with that
// file's name for each page, and a line in navigation (page.go).
package ui

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// Root is the path of the first page. All others are below it.
const Root = "/ui/"

// Options are the parts that the pages work with. All but OpenID are required.
type Options struct {
	API      *client.Client // answers by the principal of the context of a call
	Sessions Sessions
	Portals  Portals
	OpenID   OpenID // nil if nobody signs in by an OpenID issuer
	URL      string // where people reach the pages: scheme and host, "https://hooks.example.com"
	APIURL   string // where programs reach the API, for the commands that pages show
	// ConfigFile returns what a server exports in the form of a file, with references in place of secrets.
	ConfigFile func(cfg client.Config) map[string]any
	Now        func() time.Time
	Rand       io.Reader // of secrets that are made for a person
	Logger     *slog.Logger
}

// A server answers the requests of the pages. Nothing in it changes after New but the count of its streams, and
// nothing runs between requests.
type server struct {
	Options
	log     *slog.Logger
	hosts   hosts
	sealer  sealer
	mux     *http.ServeMux
	streams streams // of people who are signed in
	visits  streams // of visitors of portals
}

// New returns the handler of everything at and below /ui, and of /, which it redirects to the first page.
func New(o Options) http.Handler {
	s := newServer(o)
	return s.guard(http.HandlerFunc(s.route))
}

// newServer returns a server with all routes.
func newServer(o Options) *server {
	s := &server{Options: o, log: o.Logger.With("component", "ui"), hosts: newHosts(o.URL),
		sealer: newSealer(o.Rand, o.Now), mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /{$}", s.toRoot)
	s.mux.HandleFunc("GET /ui", s.toRoot)
	s.mux.HandleFunc("GET /ui/static/{version}/{file}", serveStatic)
	s.signIn()
	s.openID()
	s.overview()
	s.events()
	s.deliveries()
	s.requests()
	s.series()
	s.sources()
	s.live()
	s.audit()
	s.serve()
	s.destinations()
	s.repairs()
	s.connections()
	s.subscriptions()
	s.files()
	s.keys()
	s.portalLinks()
	s.profiles()
	s.portals()
	return s
}

// toRoot redirects to the first page.
func (s *server) toRoot(w http.ResponseWriter, r *http.Request) { redirect(w, r, Root) }

// route runs the route of r, and answers a request without one.
func (s *server) route(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	_, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.visited(viewer, func(v *visit) error {
			return &client.Error{Status: http.StatusNotFound, Detail: "There is no such page."}
		})(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recover ends a request whose handler panicked.
func (s *server) recover(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.log.Error("ui.panicked", "method", r.Method, "route", r.Pattern, "cause", fmt.Sprint(cause),
		"stack", string(debug.Stack()))
	s.fail(&visit{server: s, w: w, r: r, ctx: r.Context()}, http.StatusInternalServerError,
		"Something went wrong here. The log of the server has the cause.")
}

// page adds a page: a path below /ui for GET, for people of at least that role.
func (s *server) page(path string, needs role, h func(v *visit) error) {
	s.mux.HandleFunc("GET /ui"+path, s.visited(needs, h))
}

// act adds an action: a path below /ui for POST, for people of at least that role. It ends in a redirect, or shows a
// page that says why it was not done.
func (s *server) act(path string, needs role, h func(v *visit) error) {
	s.mux.HandleFunc("POST /ui"+path, s.visited(needs, h))
}

// A visit is one request of a person who is signed in.
type visit struct {
	*server
	w       http.ResponseWriter
	r       *http.Request
	ctx     context.Context // of calls of the API on behalf of the person
	person  Person          // the zero Person is nobody
	display display
	problem string // why an action was not done; the page shows it
	made    []shownSecret
	portal  *Portal           // nil outside of portals
	madeOf  map[string]string // the secrets that were made, by the names of their settings
}

// visited returns a handler that runs h for a person who is signed in and has at least that role. Other people sign in
// first.
func (s *server) visited(needs role, h func(v *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{server: s, w: w, r: r, ctx: r.Context(), display: readDisplay(r)}
		if !v.find() {
			return
		}
		if !v.person.Role.includes(needs) {
			s.fail(v, http.StatusForbidden, "This needs the role "+string(needs)+". You are signed in as "+
				string(v.person.Role)+".")
			return
		}
		err := h(v)
		if err != nil {
			s.answer(v, err)
		}
	}
}

// answer answers with the page of an error.
func (s *server) answer(v *visit, err error) {
	refused, ok := asRefusal(err)
	switch {
	case v.r.Context().Err() != nil: // the browser has gone
	case !ok || refused.Status >= 500 && refused.Status != http.StatusServiceUnavailable:
		s.log.Error("ui.failed", "method", v.r.Method, "route", v.r.Pattern, "error", err)
		s.fail(v, http.StatusInternalServerError, "Something went wrong here. The log of the server has the cause.")
	case refused.Status == http.StatusUnauthorized: // the key ended a moment ago
		v.toSignIn()
	default:
		s.fail(v, refused.Status, sentence(refused.Detail))
	}
}

// fail answers with a page that says what is wrong.
func (s *server) fail(v *visit, status int, text string) {
	page := "error"
	if v.portal != nil {
		page = "portal_error"
	}
	v.show(status, page, http.StatusText(status), text)
}

// back redirects to a page below /ui after an action, with a notice: a name in notices.
func (v *visit) back(path, notice string) error {
	switch {
	case notice == "":
	case strings.Contains(path, "?"):
		path += "&did=" + notice
	default:
		path += "?did=" + notice
	}
	redirect(v.w, v.r, path)
	return nil
}

// redirect answers a request with another page, which the browser gets.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	h := w.Header()
	h.Set("Location", to)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusSeeOther)
	if r.Method != http.MethodHead {
		fmt.Fprintln(w, "see", to)
	}
}

// sentence returns text with a capital letter and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if text[0] >= 'a' && text[0] <= 'z' {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
