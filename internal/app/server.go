package app

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds on clients. maxHeaderBytes bounds the request line and the headers; net/http adds 4 KiB.
const (
	maxHeaderBytes    = 60 << 10
	readHeaderTimeout = 5 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 60 * time.Second
)

func (a *App) newServer() *http.Server {
	return &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: min(readHeaderTimeout, a.opts.Config.ReadTimeout),
		ReadTimeout:       a.opts.Config.ReadTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.opts.Logger.Handler(), slog.LevelDebug),
	}
}

// handler routes requests to the rooms. Requests for the door, and those with an unclean path, do not pass the
// mux, which would clean the path and redirect: the door answers 404 to them.
func (a *App) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		api.WriteStatus(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	agree := api.Agree(a.catalog, a.opts.Logger)
	mux.Handle("GET "+api.AgreePath+"{token}", agree)
	mux.Handle("POST "+api.AgreePath+"{token}", agree)
	mux.Handle("/", api.New(api.Options{
		Store: a.store, Catalog: a.catalog, Providers: a.opts.Providers, MatchError: a.engine.MatchError,
		Auth: auth.NewAdminKey(a.opts.AdminKey), PublicURL: a.opts.Config.PublicURL,
		Version: a.opts.Version, Logger: a.opts.Logger,
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, ingest.Prefix) || unclean(r.URL.EscapedPath()) {
			a.door.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unclean reports whether the path p has empty segments, "." or "..".
func unclean(p string) bool {
	return path.Clean("/"+p) != "/"+strings.Trim(p, "/") || strings.HasPrefix(p, "//") || strings.HasSuffix(p, "//")
}

// ready answers 200 if requests should be sent here, and 503 while the server stops or the storage accepts
// nothing.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-a.draining:
		api.WriteStatus(w, http.StatusServiceUnavailable, "stopping")
		return
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := a.store.Ready(ctx); err != nil {
		a.log.Warn("readiness.failed", "error", err)
		api.WriteStatus(w, http.StatusServiceUnavailable, "storage cannot be written to")
		return
	}
	api.WriteStatus(w, http.StatusOK, "ready")
}
