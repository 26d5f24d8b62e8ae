package app

import (
	"io"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/connection"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// Bounds on clients. maxHeaderBytes bounds the request line and the headers; net/http adds 4 KiB.
const (
	maxHeaderBytes    = 60 << 10
	readHeaderTimeout = 5 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 60 * time.Second
)

// newServer returns a server of handler with the bounds on clients.
func (a *App) newServer(handler http.Handler) *http.Server {
	handler = framed(handler)
	if a.trust != nil {
		handler = a.trust.Handler(handler)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: min(readHeaderTimeout, a.opts.Config.ReadTimeout),
		ReadTimeout:       a.opts.Config.ReadTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Otherwise net/http answers OPTIONS * without our handler.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(a.opts.Logger.Handler(), slog.LevelDebug),
	}
}

// serveRooms makes the server of each port but that of the metrics.
func (a *App) serveRooms() {
	handler := a.api()
	pages := a.pages(handler)
	front := a.newMux()
	agree := api.Agree(a.catalog, a.opts.Logger)
	front.Handle("GET "+api.AgreePath+"{token}", agree)
	front.Handle("POST "+api.AgreePath+"{token}", agree)
	front.Handle(connection.StartPath, a.links.Handler())
	withAPI := front
	if a.apiPort != nil {
		withAPI = a.newMux()
		front.Handle("/", a.door) // it answers 404
		a.handle(a.apiPort, clean(withAPI))
	}
	withAPI.Handle("/", withCaller(handler))
	if a.uiPort != nil {
		a.handle(a.uiPort, pages)
	} else {
		addUI(withAPI, handler, pages)
	}
	if a.localPort != nil {
		local := a.newMux()
		local.Handle("/", withCaller(handler))
		addUI(local, handler, pages)
		a.handle(a.localPort, clean(local))
	}
	a.handle(a.front, a.facing(front))
	if a.plainPort != nil {
		a.handle(a.plainPort, a.toHTTPS())
	}
}

// newMux returns a mux that answers how the server is.
func (a *App) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if a.unready(r.Context()) != "" {
			api.WriteStatus(w, http.StatusServiceUnavailable, "not ready") // the reason is not for strangers
			return
		}
		api.WriteStatus(w, http.StatusOK, "ready")
	})
	return mux
}

// api returns the handler of the API.
func (a *App) api() api.Handler {
	return api.New(api.Options{
		Store: a.store, Catalog: a.catalog, Providers: a.opts.Providers, MatchError: a.engine.MatchError,
		Closed: a.engine.Closed, Hold: a.engine.Hold, Troubled: a.engine.Troubled, Latencies: a.latency.latest,
		Auth: a.guard, Keys: a.keys, SignInLink: a.linkMaker(), Forbidden: a.keys.Forbidden,
		PortalLinks: a.portalLinks(),
		Connections: connections{a.links}, Subscriptions: subscriptions{a.keeper}, Connectors: a.opts.Connectors,
		Files: a.files, Stream: a.watcher.hub, Desk: a.desk, Puller: a.engine, Actions: a.actions,
		HTTPSettings: outbound.HTTPSettings, Settings: config.Schema(), Serve: served{a.opts.Config, a},
		Checkup: a.checkup, Operations: operations{a},
		Metrics: a.metricsAtDoor(), PublicURL: a.opts.Config.PublicURL,
		Version: a.opts.Version, Logger: a.opts.Logger,
	})
}

// facing returns the handler of the front. Requests for the door, and those with an unclean path, do not pass the mux,
// which would clean the path and redirect: the door answers 404 to them.
func (a *App) facing(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, ingest.Prefix) || unclean(r.URL.EscapedPath()) {
			if answer, ok := a.probes.Answer(strings.TrimPrefix(r.URL.Path, ingest.Prefix)); ok {
				io.WriteString(w, answer)
				return
			}
			a.door.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// clean returns a handler that answers 404 to an unclean path, to which a mux would answer with a redirect.
func clean(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unclean(r.URL.EscapedPath()) {
			api.WriteStatus(w, http.StatusNotFound, "not found")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// framed returns a handler that ends the connection after each request whose end a proxy may have found elsewhere: no
// request may follow on it, because the proxy may have taken the bytes for a part of this one (RFC 9112, section 6.1).
// Such a request has a Transfer-Encoding. It may have had a Content-Length as well, which net/http ignores without an
// error. Of a request in HTTP/1.0, net/http ignores the Transfer-Encoding without a trace.
func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			w.Header()["Connection"] = []string{"close"}
		}
		next.ServeHTTP(w, r)
	})
}

// unclean reports whether the path p has empty segments, "." or "..".
func unclean(p string) bool {
	return path.Clean("/"+p) != "/"+strings.Trim(p, "/") || strings.HasPrefix(p, "//") || strings.HasSuffix(p, "//")
}
