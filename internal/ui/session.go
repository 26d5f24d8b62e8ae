package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop/client"
)

// Sessions say who is signed in. Errors that a person can act on are *client.Error; one of the status 401 says that
// there is no session, or that the key or the link is not accepted.
type Sessions interface {
	// SignIn begins a session for the holder of a key of the API, and returns its token.
	SignIn(ctx context.Context, key, remoteAddr string) (token string, err error)
	// Spend begins a session by the token of a link, which can be used once.
	Spend(ctx context.Context, link, remoteAddr string) (token string, err error)
	// Find returns the person of a session, and a context for calls of the API on their behalf.
	Find(ctx context.Context, token string) (context.Context, Person, error)
	// Check returns the error of Find, and is no use of the session.
	Check(ctx context.Context, token string) error
	// SignOut ends a session. It is no error if there is none.
	SignOut(ctx context.Context, token string) error
}

// A Person is somebody who is signed in.
type Person struct {
	Name   string // of the key
	Role   role
	Tenant string    // whose nouns they see; "" is every tenant
	Ends   time.Time // when the session ends at the latest
}

// A role says what a person may do. It is derived from the scope of their key.
type role string

// The roles. An operator may do what needs no secret; a viewer changes nothing.
const (
	viewer   role = "viewer"
	operator role = "operator"
	admin    role = "admin"
)

// RoleOf returns the role of the holder of a key of that scope: "" if they may see nothing.
func RoleOf(scope string) role {
	return map[string]role{"read": viewer, "operate": operator, "admin": admin}[scope]
}

// includes reports whether a person of the role r may do what needs a role.
func (r role) includes(needed role) bool {
	rank := map[role]int{viewer: 1, operator: 2, admin: 3}
	return rank[r] >= rank[needed]
}

// Operates reports whether the person may act, for templates.
func (p Person) Operates() bool { return p.Role.includes(operator) }

// Administers reports whether the person may create and delete, for templates.
func (p Person) Administers() bool { return p.Role.includes(admin) }

// Names of the cookie of a session. Browsers take the first one only from https, for this host and every path, and so
// never from a neighbour of the host.
const (
	secureCookie = "__Host-bellhop"
	plainCookie  = "bellhop" // over loopback, by http
)

// cookie returns the cookie of a session with that token: "" removes it.
func (s *server) cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{Name: plainCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.hosts.of(r) == byHTTPS {
		c.Name, c.Secure = secureCookie, true
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// token returns the token of the cookie of r; "" if there is none, or several of the name: a neighbour of the host may
// have planted one.
func (s *server) token(r *http.Request) string {
	found := r.CookiesNamed(s.cookie(r, "").Name)
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// find finds the person of v. If there is none it answers, and returns false.
func (v *visit) find() bool {
	token := v.token(v.r)
	if token == "" {
		v.toSignIn()
		return false
	}
	ctx, person, err := v.Sessions.Find(v.r.Context(), token)
	if refused, ok := asRefusal(err); ok && refused.Status == http.StatusUnauthorized {
		http.SetCookie(v.w, v.cookie(v.r, ""))
		v.toSignIn()
		return false
	}
	if err != nil {
		v.answer(v, err)
		return false
	}
	v.ctx, v.person = ctx, person
	return true
}

// toSignIn sends the browser to the sign-in, which leads back to the page that was asked for. A visitor of a portal
// has none.
func (v *visit) toSignIn() {
	if v.portal != nil {
		v.showEnded()
		return
	}
	to := Root + "sign-in"
	if v.r.Method == http.MethodGet && v.r.URL.Path != Root {
		to += "?back=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	redirect(v.w, v.r, to)
}

// returnPath returns text if it is a path below /ui with or without a query, as browsers read it, and otherwise the
// first page. A browser takes "//host", "/\host" and such with a tab in them for another server.
func returnPath(text string) string {
	if !strings.HasPrefix(text, Root) || strings.Contains(text, `\`) || strings.Contains(text, "//") ||
		strings.ContainsFunc(text, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsPrint(r) || r == ' '
		}) {
		return Root
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.Contains(u.Path, "..") ||
		strings.Contains(u.Path, `\`) || !strings.HasPrefix(u.Path, Root) {
		return Root
	}
	return u.RequestURI()
}

// asRefusal returns the error of the API that err is, if it is one that a person can act on.
func asRefusal(err error) (refused *client.Error, ok bool) {
	ok = errors.As(err, &refused)
	return refused, ok
}
