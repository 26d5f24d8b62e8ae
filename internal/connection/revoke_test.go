package connection

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A revoker is an OAuth 2 server with a discovery document.
type revoker struct {
	*httptest.Server
	without bool // its document names no revocation endpoint
	status  int  // of its answers to revocations; 0 breaks the connection
	calls   atomic.Int64
	revoked []string
}

func newRevoker(t *testing.T, without bool, status int) *revoker {
	a := &revoker{without: without, status: status}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch q.URL.Path {
		case "/.well-known/openid-configuration":
			more := `,"revocation_endpoint":"` + a.URL + `/revoke"`
			if a.without {
				more = ""
			}
			fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q%s}`, a.URL,
				a.URL+"/authorize", a.URL+"/token", a.URL+"/keys", more)
		case "/token":
			n := a.calls.Add(1)
			fmt.Fprintf(w, `{"access_token":"access-%d","refresh_token":"refresh-%d","token_type":"Bearer",
				"expires_in":600}`, n, n)
		case "/revoke":
			if a.status == 0 {
				panic(http.ErrAbortHandler)
			}
			user, secret, basic := q.BasicAuth()
			a.revoked = append(a.revoked, fmt.Sprint(q.PostFormValue("token"), " ",
				q.PostFormValue("token_type_hint"), " ", basic, user, secret, q.PostFormValue("client_id"),
				q.PostFormValue("client_secret")))
			w.WriteHeader(a.status)
			fmt.Fprint(w, canary)
		default:
			t.Errorf("a call of %s", q.URL.Path)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// TestLogoutRevokes shows which tokens a sign-out has revoked, how the client proves itself, and that nothing that the
// authority answers hinders it.
func TestLogoutRevokes(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	for name, c := range map[string]struct {
		without bool
		status  int
		auth    string
		reason  string
		revoked []string
	}{
		"revoked": {false, 200, "params", "has revoked the tokens: bellhop connections login", []string{
			"refresh-2 refresh_token falseme!a+secret", "refresh-1 refresh_token falseme!a+secret",
			"access-2 access_token falseme!a+secret"}},
		"basic": {false, 200, "basic", "has revoked the tokens", []string{
			"refresh-2 refresh_token trueme%21a%2Bsecret", "refresh-1 refresh_token trueme%21a%2Bsecret",
			"access-2 access_token trueme%21a%2Bsecret"}},
		"without": {true, 200, "params", "has no endpoint that revokes tokens, so end the sign-in there, too", nil},
		"trouble": {false, 503, "params", "did not revoke the tokens: it answered 503 Service Unavailable", []string{
			"refresh-2 refresh_token falseme!a+secret"}},
		"redirect": {false, 302, "params", "did not revoke the tokens: it answered 302", []string{
			"refresh-2 refresh_token falseme!a+secret"}},
		"hang-up": {false, 0, "params", "did not revoke the tokens: it did not answer as HTTP servers do, or hung up",
			nil},
	} {
		a := newRevoker(t, c.without, c.status)
		r.create(name, "oauth2", map[string]any{"issuer": a.URL, "client_id": "me!", "client_secret": "a+secret",
			"grant": "user", "auth": c.auth, "api_url": r.base})
		// As a sign-in leaves them.
		connected, err := r.open(r.read(name))
		if err != nil {
			t.Fatal(err)
		}
		now := r.clock.now()
		r.replace(name, func(s *tokens) {
			*s = tokens{Identity: identity(connected), ByUser: true, Access: "access-2", Refresh: "refresh-2",
				Previous: "refresh-1", IssuedAt: now, EndsAt: now.Add(time.Hour), FreshTo: now.Add(time.Hour)}
		})
		if err := r.Logout(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.want(r.read(name), bellhop.ConnectionSignedOut, c.reason)
		if fmt.Sprint(a.revoked) != fmt.Sprint(c.revoked) {
			t.Errorf("%s: revoked were %q, want %q", name, a.revoked, c.revoked)
		}
		if s := r.stored(name); s.Access+s.Refresh+s.Previous != "" {
			t.Errorf("%s: tokens are still stored", name)
		}
		r.refused(name, provider.APISignedOut, "signed out on request")
		if err := r.Logout(t.Context(), name); err != nil || len(a.revoked) != len(c.revoked) {
			t.Errorf("%s: a second sign-out: %v, %q", name, err, a.revoked)
		}
	}
	for _, secret := range []string{canary, "refresh-2", "access-2", "a+secret"} {
		if strings.Contains(r.logged.String(), secret) {
			t.Errorf("%s is logged", secret)
		}
	}
}

// TestLogoutAtEntra shows that a sign-out says that Microsoft Entra revokes no tokens.
func TestLogoutAtEntra(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", nil)
	if err := r.Logout(t.Context(), "work"); err != nil {
		t.Fatal(err)
	}
	r.want(r.read("work"), bellhop.ConnectionSignedOut, "has no endpoint that revokes tokens")
}
