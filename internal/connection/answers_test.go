package connection

import (
	"context"
	"errors"
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

const canary = "canary-in-the-answer"

// tokenAnswers are answers of a token endpoint, and what a connection says about them.
var tokenAnswers = map[string]struct {
	answer func(w http.ResponseWriter, r *http.Request)
	state  bellhop.ConnectionState
	reason string
}{
	"a page": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>sign in here "+canary+"</html>")
	}, bellhop.ConnectionFailing, "sent an answer that is no token, or was cut off"},
	"a page as plain text": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, canary)
	}, bellhop.ConnectionFailing, "is no token"},
	"half of an answer": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "500")
		fmt.Fprint(w, `{"access_token":"`+canary)
	}, bellhop.ConnectionFailing, "cut off"},
	"truncated JSON": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"`+canary)
	}, bellhop.ConnectionFailing, "cut off"},
	"a huge answer": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"`+strings.Repeat(canary, maxAnswer/8))
	}, bellhop.ConnectionFailing, "too long for a token"},
	"a redirect": {func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/"+canary, http.StatusTemporaryRedirect)
	}, bellhop.ConnectionFailing, "307: redirects are not followed"},
	"an error page": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, canary)
	}, bellhop.ConnectionFailing, "answered 403 Forbidden: check that the authority's URL is right"},
	"an unknown error": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"`+canary+`","error_description":"`+canary+`"}`)
	}, bellhop.ConnectionFailing, "answered 400 Bad Request"},
	"no grant": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_scope","error_description":"`+canary+`"}`)
	}, bellhop.ConnectionSignedOut, "(invalid_scope): check scopes"},
	"an overloaded server": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	}, bellhop.ConnectionFailing, "answered 503 Service Unavailable"},
	"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		bellhop.ConnectionFailing, "did not answer as HTTP servers do, or hung up"},
	"another type": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"`+canary+`","token_type":"mac"}`)
	}, bellhop.ConnectionFailing, "of another type than Bearer"},
	"a token with a line break": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"`+canary+`\r\nX: y","token_type":"Bearer"}`)
	}, bellhop.ConnectionFailing, "cannot stand in a header"},
	"a token that has ended": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"`+canary+`","token_type":"Bearer","expires_in":-1}`)
	}, bellhop.ConnectionFailing, "has ended already"},
	"numbers as texts": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"a.b.c","token_type":"bearer","expires_in":"120"}`)
	}, bellhop.ConnectionReady, ""},
	"no lifetime": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"abc","token_type":"Bearer"}`)
	}, bellhop.ConnectionReady, ""},
}

// TestTokenAnswers shows what becomes of answers that are no tokens. Nothing of them is shown.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	for name, c := range tokenAnswers {
		authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			user, secret, ok := q.BasicAuth()
			if !ok || user != "me" || secret != "a%2Bsecret" { // RFC 6749, section 2.3.1
				t.Errorf("%s: the client is %q, %q", name, user, secret)
			}
			c.answer(w, q)
		}))
		made := r.create(strings.ReplaceAll(name, " ", "-"), "oauth2", map[string]any{"token_url": authority.URL,
			"client_id": "me", "client_secret": "a+secret", "auth": "basic", "api_url": r.base})
		authority.Close()
		r.want(made, c.state, c.reason)
		if strings.Contains(made.Reason+made.Account, canary) {
			t.Errorf("%s: the answer is shown: %s", name, made.Reason)
		}
	}
	if strings.Contains(r.logged.String(), canary) {
		t.Error("an answer is logged")
	}
}

// TestAnswers shows what Do makes of the answers of an API.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	var seen atomic.Int64
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen.Add(1)
		switch q.URL.Path {
		case "/base/long":
			fmt.Fprint(w, strings.Repeat("x", 2000))
		case "/base/cut":
			w.Header().Set("Content-Length", "500")
			fmt.Fprint(w, "half")
		case "/base/redirect":
			http.Redirect(w, q, r.base+"/elsewhere", http.StatusFound)
		case "/base/hang-up":
			panic(http.ErrAbortHandler)
		case "/base/slow":
			<-q.Context().Done()
		default:
			fmt.Fprintf(w, "%s %s %s", q.Method, q.URL.RequestURI(), q.Header.Get("X-Test"))
		}
	}))
	defer system.Close()
	r.create("work", "graph", map[string]any{"api_url": system.URL + "/base"})
	api, err := r.API(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, path string) (provider.Answer, error) {
		return api.Do(t.Context(), provider.Call{Method: method, Path: path, MaxBytes: 1000,
			Header: http.Header{"x-test": {"yes"}}, Body: []byte("body")})
	}
	for path, want := range map[string]string{"/a?b=c%20d": "POST /base/a?b=c%20d yes",
		system.URL + "/other?page=2": "POST /other?page=2 yes", "//evil.example/x": "POST /base//evil.example/x yes"} {
		answer, err := get(http.MethodPost, path)
		if err != nil || string(answer.Body) != want || answer.Status != http.StatusOK {
			t.Errorf("%s: %d %s, %v", path, answer.Status, answer.Body, err)
		}
	}
	redirect, err := get(http.MethodGet, "/redirect")
	if err != nil || redirect.Status != http.StatusFound || len(r.calls("/elsewhere")) != 0 {
		t.Errorf("a redirect: %d, %v", redirect.Status, err)
	}
	before := seen.Load()
	for _, c := range []struct {
		method, path string
		kind         provider.APIErrorKind
		text         string
		maybe        bool
	}{
		{http.MethodGet, "/long", provider.APIForeign, "too long", false},
		{http.MethodPost, "/long", provider.APIForeign, "too long", true},
		{http.MethodGet, "/cut", provider.APIForeign, "cut off", false},
		{http.MethodPost, "/hang-up", provider.APITemporary, "hung up", true},
		{http.MethodGet, "/hang-up", provider.APITemporary, "hung up", false},
		{http.MethodGet, r.base + "/v1.0/me", provider.APIInvalid, "another host", false},
		{http.MethodGet, strings.Replace(system.URL, "http://", "https://", 1) + "/x", provider.APIInvalid,
			"another host", false},
		{http.MethodGet, strings.Replace(system.URL, "http://", "http://user@", 1) + "/x", provider.APIInvalid,
			"another host",
			false},
		{http.MethodGet, "relative", provider.APIInvalid, "cannot be read", false},
		{http.MethodGet, "/a#b", provider.APIInvalid, "fragment", false},
		{http.MethodGet, "/%zz", provider.APIInvalid, "cannot be read", false},
		{"BAD METHOD", "/a", provider.APIInvalid, "cannot be made", false},
	} {
		_, err := get(c.method, c.path)
		var e *provider.APIError
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Message, c.text) || e.MaybeDone != c.maybe {
			t.Errorf("%s %s: %v, want %s: %q, %t", c.method, c.path, err, c.kind, c.text, c.maybe)
		}
	}
	if n := seen.Load() - before; n < 5 || n > 7 { // net/http repeats a GET on a connection that was closed
		t.Errorf("%d calls reached the API", n)
	}
	short, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = api.Do(short, provider.Call{Method: http.MethodGet, Path: "/slow"})
	var e *provider.APIError
	if !errors.As(err, &e) || e.Kind != provider.APITemporary || !strings.Contains(e.Message, "given up") {
		t.Errorf("a call that was given up: %v", err)
	}
}

// FuzzClaims shows that no token makes readClaims panic, and that an account is a bounded text without control
// characters.
func FuzzClaims(f *testing.F) {
	f.Add("")
	f.Add("a.b.c")
	f.Add("e30.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJhZGEifQ.x")
	f.Add("e30.eyJhcHBpZCI6ImJlbGxob3AiLCJyb2xlcyI6WyJhIl19.x")
	f.Fuzz(func(t *testing.T, token string) {
		c := readClaims(token)
		for _, byUser := range []bool{true, false} {
			name := c.account(byUser)
			if len(name) > bellhop.MaxConnectionAccount || strings.ContainsAny(name, "\r\n\x00") {
				t.Fatalf("%q is the account of %q", name, token)
			}
		}
	})
}
