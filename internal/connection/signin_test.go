package connection

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// TestBrowser shows the way of a user through the pages, and what is refused on it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	c := r.create("work", "graph", map[string]any{"client_secret": nil})
	r.want(c, bellhop.ConnectionSignedOut, "bellhop connections login work")
	begin := func() Login {
		t.Helper()
		l, err := r.Begin(t.Context(), "work", false)
		if err != nil || l.Kind != LoginBrowser || l.State != LoginWaiting || l.RedirectURI != r.RedirectURI() {
			t.Fatalf("%+v, %v", l, err)
		}
		return l
	}
	b := r.browser()
	l := begin()
	if shown, ok := r.Login(c.ID); !ok || shown.State != LoginWaiting || shown.URL != "" {
		t.Errorf("the sign-in is shown as %+v", shown)
	}
	page := b.toAuthority(l.URL)
	for _, parameter := range []string{"code_challenge_method=S256", "state=", "nonce=", "response_type=code"} {
		if !strings.Contains(page, parameter) {
			t.Errorf("the authority's page has no %s", parameter)
		}
	}
	_, _, back := b.open(page)

	// Of another browser, of none, with a wrong state, and with a look.
	failed := func(what string, who *browser, to string) {
		t.Helper()
		status, text, _ := who.open(to)
		if status != http.StatusBadRequest || !strings.Contains(text, "cannot be completed") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	failed("another browser", r.browser(), back)
	stranger := r.browser()
	stranger.toAuthority(begin().URL)
	failed("a browser with a sign-in of its own", stranger, back)
	failed("a wrong state", b, strings.Replace(back, "&state=", "&state=x", 1))
	failed("no state", b, r.RedirectURI()+"?code=1")
	head, err := b.client.Head(back)
	if err != nil || head.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: %v, %v", head, err)
	}
	if n := r.tokenRequests(); n != 0 {
		t.Errorf("%d codes were redeemed", n)
	}

	status, text, _ := b.open(back)
	if status != http.StatusOK || !strings.Contains(text, entra.UserName) {
		t.Errorf("%d %s", status, text)
	}
	if shown, ok := r.Login(c.ID); !ok || shown.State != LoginDone {
		t.Errorf("the sign-in is shown as %+v", shown)
	}
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	r.works("work")
	failed("the same callback again", b, back)

	// Links.
	used := func(what, to string) {
		t.Helper()
		status, text, _ := b.open(to)
		if status != http.StatusForbidden || !strings.Contains(text, "This link cannot be used") {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	used("a link that was used", l.URL)
	used("without a ticket", r.pages.URL+"/connect/work")
	used("a ticket of another connection", strings.Replace(begin().URL, "/work?", "/other?", 1))
	used("a connection that is not there", r.pages.URL+"/connect/nobody?ticket=x")
	old := begin()
	late := b.toAuthority(begin().URL)
	_, _, lateBack := b.open(late)
	r.clock.pass(loginTime)
	used("an old link", old.URL)
	failed("an old state", b, lateBack)
	if shown, ok := r.Login(c.ID); !ok || shown.State != LoginFailed {
		t.Errorf("a sign-in that took too long is shown as %+v", shown)
	}
}

// TestBrowserEscapes shows that pages show texts of strangers as texts.
func TestBrowserEscapes(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", map[string]any{"scopes": []string{"<script>alert(1)</script>"}})
	l, err := r.Begin(t.Context(), "work", false)
	if err != nil {
		t.Fatal(err)
	}
	status, text, _ := r.browser().open(l.URL)
	if status != http.StatusOK || strings.Contains(text, "<script>") || !strings.Contains(text, "&lt;script&gt;") {
		t.Errorf("%d %s", status, text)
	}
}

// TestDeclined shows what a user sees who declines, and that the connection stays as it is.
func TestDeclined(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{Page: true})
	c := r.create("work", "graph", nil)
	l, err := r.Begin(t.Context(), "work", false)
	if err != nil {
		t.Fatal(err)
	}
	b := r.browser()
	page := b.toAuthority(l.URL)
	_, _, back := b.open(page + "&answer=no")
	status, text, _ := b.open(back)
	if status != http.StatusBadGateway || !strings.Contains(text, "AADSTS65004: the user did not agree") {
		t.Errorf("%d %s", status, text)
	}
	if shown, ok := r.Login(c.ID); !ok || shown.State != LoginFailed ||
		!strings.Contains(shown.Reason, "AADSTS65004") {
		t.Errorf("the sign-in is shown as %+v", shown)
	}
	r.want(r.read("work"), bellhop.ConnectionReady, "")
	r.works("work")
}

// TestVersion1 shows that a user can sign in at the endpoint of version 1.
func TestVersion1(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("work", "graph", map[string]any{"version": "v1", "grant": "user"})
	r.browser().signIn("work")
	r.works("work")
	r.clock.pass(2 * time.Hour)
	r.works("work")
	r.want(r.read("work"), bellhop.ConnectionReady, "")
}

// TestIssuer shows that the URLs of an OpenID issuer come from its document, and that its ID token is verified.
func TestIssuer(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	issuer := r.base + "/" + entra.DefaultTenant + "/v2.0"
	settings := map[string]any{
		"issuer":        issuer,
		"client_id":     entra.DefaultClient,
		"client_secret": entra.DefaultSecret,
		"api_url":       r.base,
		"scopes":        []string{"https://graph.microsoft.com/Mail.Read"},
		"grant":         "user",
		"test_path":     "/v1.0/me",
	}
	r.create("work", "oauth2", settings)
	r.browser().signIn("work")
	if c := r.read("work"); c.Account != entra.UserName {
		t.Errorf("account %q", c.Account)
	}
	r.works("work")
	check, err := r.Test(t.Context(), "work")
	if err != nil || !check.OK {
		t.Errorf("%+v, %v", check, err)
	}
	for iss, want := range map[string]string{issuer: "Signed in", "https://evil.example": "The sign-in failed"} {
		l, err := r.Begin(t.Context(), "work", false)
		if err != nil {
			t.Fatal(err)
		}
		b := r.browser()
		_, _, back := b.open(b.toAuthority(l.URL))
		if _, text, _ := b.open(back + "&iss=" + url.QueryEscape(iss)); !strings.Contains(text, want) {
			t.Errorf("an answer of %s: %s", iss, text)
		}
	}
	settings["issuer"] = r.base + "/common/v2.0" // its document names another issuer
	settings["grant"] = "client_credentials"
	r.want(r.create("other", "oauth2", settings), bellhop.ConnectionSignedOut, "is of another issuer")
	settings["issuer"] = r.base + "/v1.0/nothing"
	r.want(r.create("none", "oauth2", settings), bellhop.ConnectionFailing, "has no discovery document")
}

// TestDevice shows how an authority is asked whether a user has entered the code.
func TestDevice(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{Page: true})
	c := r.create("work", "graph", map[string]any{"grant": "user"})
	l, err := r.Begin(t.Context(), "work", true)
	if err != nil || l.Kind != LoginDevice || l.UserCode == "" || l.ExpiresAt.Sub(r.clock.now()) < 10*time.Minute {
		t.Fatalf("%+v, %v", l, err)
	}
	// The polling of the stand-in takes seconds; the answers of another authority, in their order, show the rest.
	for _, test := range []struct {
		answers string
		state   LoginState
		reason  string
	}{
		{"authorization_pending authorization_pending granted", LoginDone, ""},
		{"temporarily_unavailable granted", LoginDone, ""},
		{"page granted", LoginDone, ""},
		{"authorization_declined", LoginFailed, "the user declined"},
		{"access_denied", LoginFailed, "the user declined"},
		{"authorization_pending expired_token", LoginFailed, "the code has expired"},
	} {
		answers := strings.Fields(test.answers)
		authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.FormValue("grant_type") != deviceGrant || q.FormValue("device_code") != "the-code" {
				t.Errorf("asked for %v", q.Form)
			}
			next := answers[0]
			answers = answers[1:]
			w.Header().Set("Content-Type", "application/json")
			switch next {
			case "granted":
				fmt.Fprint(w, `{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r"}`)
			case "page":
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<html>")
			default:
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"error":%q}`, next)
			}
		}))
		r.create("device", "oauth2", map[string]any{"token_url": authority.URL, "device_url": authority.URL,
			"client_id": "me", "api_url": r.base, "grant": "user"})
		id := r.read("device").ID
		login := &Login{Kind: LoginDevice, State: LoginWaiting, ExpiresAt: r.clock.now().Add(time.Hour)}
		r.logins.show(id, login, nil)
		r.poll(t.Context(), id, "the-code", time.Millisecond, login)
		shown, ok := r.Login(id)
		if !ok || shown.State != test.state || !strings.Contains(shown.Reason, test.reason) || len(answers) != 0 {
			t.Errorf("%s: %+v, %q are left", test.answers, shown, answers)
		}
		authority.Close()
		if err := r.store.DeleteConnection(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.Deleted(id)
	}
	r.Deleted(c.ID) // ends the polling
	var e *bellhop.Error
	if _, err := r.Begin(t.Context(), "device", true); !errors.As(err, &e) || e.Code != bellhop.CodeNotFound {
		t.Errorf("%v", err)
	}
}

// TestLoginsBounded shows that tickets and sign-ins that nobody completes do not fill the memory.
func TestLoginsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	c := r.create("work", "graph", nil)
	first, _ := r.logins.newTicket(c)
	for range maxLogins {
		r.clock.pass(time.Millisecond)
		r.logins.newTicket(c)
		r.logins.expect(r.logins.secret(), signIn{id: c.ID, expiresAt: r.clock.now().Add(loginTime)})
	}
	if _, ok := r.logins.ticket(first, c.Name, false); ok || len(r.logins.tickets) > maxLogins ||
		len(r.logins.states) > maxLogins {
		t.Errorf("%d tickets, %d sign-ins", len(r.logins.tickets), len(r.logins.states))
	}
	r.Deleted(c.ID)
	if len(r.logins.tickets)+len(r.logins.states) != 0 {
		t.Error("sign-ins to a deleted connection are kept")
	}
}

// TestBeginRefused shows what cannot be begun.
func TestBeginRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	r.create("own", "graph", map[string]any{"grant": "client_credentials"})
	l, err := r.Begin(t.Context(), "own", false)
	if err != nil || l.Kind != LoginNone || l.State != LoginDone {
		t.Errorf("%+v, %v", l, err)
	}
	r.create("wrong", "graph", map[string]any{"grant": "client_credentials", "client_secret": "wrong-wrong-wrong"})
	r.create("plain", "oauth2", map[string]any{"token_url": r.base, "client_id": "me", "api_url": r.base,
		"grant": "user"})
	r.create("strange", "oauth2", map[string]any{"token_url": r.base, "device_url": r.base + "/v1.0/me",
		"client_id": "me", "api_url": r.base, "grant": "user"})
	for _, c := range []struct {
		name   string
		device bool
		want   string
	}{
		{"wrong", false, "AADSTS7000215"}, {"plain", false, "authorize_url"}, {"plain", true, "device_url"},
		{"strange", true, "401"},
	} {
		_, err := r.Begin(t.Context(), c.name, c.device)
		var e *bellhop.Error
		if !errors.As(err, &e) || e.Code != bellhop.CodeConflict || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if u, err := url.Parse(r.RedirectURI()); err != nil || u.Path != CallbackPath {
		t.Errorf("redirect URI %s", r.RedirectURI())
	}
}
