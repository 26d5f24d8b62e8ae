package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/bellhop-gateway/bellhop/internal/ui"
)

// This file holds the pages: where they are served, and the sessions as they ask for them.

// openSessions makes the guard of keys and the sessions, which share it.
func (a *App) openSessions() {
	a.guard = auth.NewGuard(auth.GuardOptions{
		Next: a.keys, Now: time.Now, Logger: a.opts.Logger, Metrics: a.registry,
	})
	a.sessions = auth.NewSessions(auth.SessionsOptions{
		Store: a.store, Keys: a.keys, Guard: a.guard, Rules: a.opts.Config.SignInRules(), Now: time.Now,
		Rand: rand.Reader, Logger: a.opts.Logger,
	})
}

// openID returns the sign-in by the OpenID issuer of the settings; nil without one. The operator names the issuer, so
// it may be anywhere.
func (a *App) openID() ui.OpenID {
	c := a.opts.Config
	if c.UIOpenIDIssuer == "" {
		return nil
	}
	return openID{auth.NewOpenID(auth.OpenIDOptions{
		Issuer: c.UIOpenIDIssuer, ClientID: c.UIOpenIDClient, ClientSecret: c.UIOpenIDSecret,
		ReturnURL: a.uiURL() + ui.OpenIDReturn, Scopes: c.UIOpenIDScopes, Rules: c.SignInRules(), Sessions: a.sessions,
		Client: egress.NewLocal(),
		Now:    time.Now, Logger: a.opts.Logger,
	})}
}

// openID is the sign-in by an OpenID issuer as the pages ask for it: with the errors of package client.
type openID struct{ of *auth.OpenID }

var _ ui.OpenID = openID{}

// Host implements [ui.OpenID].
func (o openID) Host() string { return o.of.Host() }

// Start implements [ui.OpenID].
func (o openID) Start(ctx context.Context) (to string, flow []byte, err error) {
	to, begun, err := o.of.Start(ctx)
	if err != nil {
		return "", nil, clientError(err)
	}
	flow, err = json.Marshal(begun)
	return to, flow, err
}

// Finish implements [ui.OpenID].
func (o openID) Finish(ctx context.Context, flow []byte, query url.Values, remoteAddr string) (string, error) {
	var begun auth.Flow
	if len(flow) > 0 {
		err := json.Unmarshal(flow, &begun)
		if err != nil {
			return "", fmt.Errorf("read a sign-in that has begun: %w", err)
		}
	}
	token, err := o.of.Finish(ctx, begun, query, remoteAddr)
	return token, clientError(err)
}

// uiLocalURL returns where the pages are for a browser on this machine, without a path; "" if there are none.
func (a *App) uiLocalURL() string {
	switch {
	case !a.opts.Config.UI:
		return ""
	case a.localPort != nil:
		return a.localPort.url()
	case a.uiPort != nil:
		return a.uiPort.url()
	}
	return a.APIURL()
}

// UIURL returns where people reach the pages, "https://hooks.example.com/ui/"; "" if there are none.
func (a *App) UIURL() string {
	if !a.opts.Config.UI {
		return ""
	}
	return a.uiURL() + ui.Root
}

// uiURL returns where people reach the pages, without a path.
func (a *App) uiURL() string {
	switch {
	case a.opts.Config.UIURL != "":
		return strings.TrimSuffix(a.opts.Config.UIURL, "/")
	case a.uiPort != nil:
		return a.uiPort.url()
	case a.apiPort != nil:
		return a.apiPort.url()
	}
	public := a.opts.Config.PublicURL
	scheme, rest, _ := strings.Cut(public, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// linkMaker returns signInLink; nil if there are no pages.
func (a *App) linkMaker() func(context.Context, auth.Principal) (client.SignInLink, error) {
	if !a.opts.Config.UI {
		return nil
	}
	return a.signInLink
}

// signInLink makes a link that signs in the holder of a principal's key.
func (a *App) signInLink(ctx context.Context, p auth.Principal) (client.SignInLink, error) {
	token, expires, err := a.sessions.Link(ctx, p)
	return client.SignInLink{URL: a.UIURL() + "open/" + token, LocalURL: a.uiLocalURL() + ui.Root + "open/" + token,
		ExpiresAt: client.Time{Time: expires}}, err
}

// pages returns the handler of the pages; nil if there are none. handler is that of the API.
func (a *App) pages(handler api.Handler) http.Handler {
	if !a.opts.Config.UI {
		return nil
	}
	apiURL := a.opts.Config.PublicURL
	if a.apiPort != nil {
		apiURL = a.uiURL() // they share a port, unless the pages have one of their own
	}
	if a.apiPort != nil && a.uiPort != nil {
		apiURL = a.APIURL()
	}
	return ui.New(ui.Options{API: client.Over(handler.Inside()), Sessions: sessions{a.sessions},
		Portals: portals{a.sessions},
		OpenID:  a.openID(), URL: a.uiURL(), APIURL: apiURL, Now: time.Now, Rand: rand.Reader,
		ConfigFile: configFile, Logger: a.opts.Logger})
}

// addUI adds the pages to the mux of the API. pages may be nil.
func addUI(mux *http.ServeMux, handler, pages http.Handler) {
	if pages == nil {
		return
	}
	mux.Handle("/ui", pages)
	mux.Handle(ui.Root, pages)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") { // a browser
			pages.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// configFile returns what the server exports in the form of a file, with references to variables in place of secrets.
func configFile(cfg client.Config) map[string]any {
	manifest.Refer(&cfg, manifest.FromEnv)
	return manifest.FileOf(cfg)
}

// sessions are the sessions as the pages ask for them: with the errors of package client.
type sessions struct{ of *auth.Sessions }

var _ ui.Sessions = sessions{}

// SignIn implements [ui.Sessions].
func (s sessions) SignIn(ctx context.Context, key, remoteAddr string) (string, error) {
	token, err := s.of.SignIn(ctx, key, remoteAddr)
	return token, clientError(err)
}

// Spend implements [ui.Sessions].
func (s sessions) Spend(ctx context.Context, link, remoteAddr string) (string, error) {
	token, err := s.of.Spend(ctx, link, remoteAddr)
	return token, clientError(err)
}

// Find implements [ui.Sessions].
func (s sessions) Find(ctx context.Context, token string) (context.Context, ui.Person, error) {
	p, ends, err := s.of.Principal(ctx, token)
	if err != nil {
		return ctx, ui.Person{}, clientError(err)
	}
	return auth.NewContext(ctx, p), ui.Person{Name: p.Name, Role: ui.RoleOf(string(p.Scope)), Tenant: p.Tenant,
			Ends: ends},
		nil
}

// Check implements [ui.Sessions].
func (s sessions) Check(ctx context.Context, token string) error {
	return clientError(s.of.Check(ctx, token))
}

// SignOut implements [ui.Sessions].
func (s sessions) SignOut(ctx context.Context, token string) error {
	return clientError(s.of.SignOut(ctx, token))
}

// clientError returns an error that a person can act on as the API would answer it.
func clientError(err error) error {
	var e *bellhop.Error
	if !errors.As(err, &e) {
		return err
	}
	return &client.Error{Status: api.StatusOf(e.Code), Code: e.Code, Detail: e.Error()}
}
