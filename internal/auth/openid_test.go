package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An issuer is an OpenID issuer that answers what a test wants.
type issuer struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	claims map[string]any                             // beside those that every ID token has
	change func(header, claims map[string]any)        // of the ID token; nil changes nothing
	token  func(w http.ResponseWriter, idText string) // the answer to a code; nil is the usual one
	signer *ecdsa.PrivateKey                          // nil is key
	form   url.Values                                 // of the latest request for a token
	down   bool
	now    func() time.Time
	nonce  string
}

func newIssuer(t *testing.T, now func() time.Time) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, now: now, claims: map[string]any{"groups": []string{"support"}}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if i.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize",
			"token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256"}})
	case "/keys":
		point, err := i.key.PublicKey.Bytes()
		if err != nil {
			i.t.Error(err)
		}
		json.NewEncoder(w).Encode(
			map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "one",
				"alg": "ES256", "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])}}})
	case "/token":
		if err := r.ParseForm(); err != nil {
			i.t.Error(err)
		}
		i.form = r.PostForm
		header := map[string]any{"alg": "ES256", "kid": "one"}
		claims := map[string]any{"iss": i.URL, "aud": "bellhop", "sub": "1", "nonce": i.nonce,
			"preferred_username": "ada@example.com", "iat": i.now().Unix(), "exp": i.now().Add(time.Hour).Unix()}
		for name, value := range i.claims {
			claims[name] = value
		}
		if i.change != nil {
			i.change(header, claims)
		}
		text := i.sign(header, claims)
		if i.token != nil {
			i.token(w, text)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": text})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// sign returns an ID token.
func (i *issuer) sign(header, claims map[string]any) string {
	head, _ := json.Marshal(header)
	body, _ := json.Marshal(claims)
	text := encode(head) + "." + encode(body)
	if header["alg"] == "none" {
		return text + "."
	}
	key := i.key
	if i.signer != nil {
		key = i.signer
	}
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		i.t.Error(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// rules parses the texts of rules.
func rules(t *testing.T, texts ...string) (list []bellhop.SignInRule) {
	for _, text := range texts {
		rule, err := bellhop.ParseSignInRule(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rule)
	}
	return list
}

// A porch is the sign-in by an issuer, with sessions.
type porch struct {
	*OpenID
	*lobby
	issuer *issuer
}

func newPorch(t *testing.T, texts ...string) *porch {
	l := newLobby(t)
	clock := func() time.Time { return l.desk.now }
	p := &porch{lobby: l, issuer: newIssuer(t, clock)}
	l.Sessions.opts.Rules = rules(t, texts...)
	p.OpenID = NewOpenID(OpenIDOptions{Issuer: p.issuer.URL, ClientID: "bellhop", ClientSecret: "s3cret",
		ReturnURL: "https://bellhop.example.com/ui/openid/back", Rules: l.Sessions.opts.Rules, Sessions: l.Sessions,
		Client: p.issuer.Client(), Now: clock, Logger: slog.New(slog.NewTextHandler(&l.desk.log, nil))})
	return p
}

// begin begins a sign-in.
func (p *porch) begin() (url.Values, Flow) {
	p.desk.t.Helper()
	to, flow, err := p.Start(p.desk.t.Context())
	if err != nil {
		p.desk.t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		p.desk.t.Fatal(err)
	}
	p.issuer.nonce = u.Query().Get("nonce")
	return u.Query(), flow
}

// come comes back from the issuer with a code.
func (p *porch) come(flow Flow, state string) (string, error) {
	return p.Finish(p.desk.t.Context(), flow, url.Values{"code": {"c0de"}, "state": {state}}, "192.0.2.7:1234")
}

// TestOpenID: a person whom a rule lets in has a session with the rights of the rule, which ends with it. The request
// for the code has PKCE, a state and a nonce of their own.
func TestOpenID(t *testing.T) {
	t.Parallel()
	p := newPorch(t, "admin:groups=bosses", "operator@acme:groups=support", "viewer:groups=support")
	asked, flow := p.begin()
	again, other := p.begin()
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(asked.Get(name)) != 43 || asked.Get(name) == again.Get(name) {
			t.Errorf("%s: %q %q", name, asked.Get(name), again.Get(name))
		}
	}
	digest := sha256.Sum256([]byte(flow.Verifier))
	if asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != encode(digest[:]) ||
		asked.Get("client_id") != "bellhop" || asked.Get("response_type") != "code" ||
		asked.Get("redirect_uri") != "https://bellhop.example.com/ui/openid/back" {
		t.Errorf("asked for %v", asked)
	}
	token, err := p.come(other, other.State)
	if err != nil {
		t.Fatal(err)
	}
	if p.issuer.form.Get("code_verifier") != other.Verifier || p.issuer.form.Get("code") != "c0de" {
		t.Errorf("the request for a token: %v", p.issuer.form)
	}
	who, _, err := p.Principal(t.Context(), token)
	if err != nil || who.Name != "ada@example.com" || who.Scope != bellhop.ScopeOperate || who.Tenant != "acme" ||
		!strings.HasPrefix(who.KeyID, "person_") {
		t.Errorf("%+v %v", who, err)
	}
	if _, _, err := p.Link(t.Context(), who); codeOf(err) != bellhop.CodeUnauthorized {
		t.Errorf("a person without a key makes a link: %v", err)
	}
	p.Sessions.opts.Rules = rules(t, "viewer:groups=support", "operator:groups=support")
	p.ended("after the rule was taken away", token)
}

// TestOpenIDRules: which claims a rule takes, and that the first rule decides.
func TestOpenIDRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule   string
		claims map[string]any
		fits   bool
	}{
		{"admin:groups=a", map[string]any{"groups": []any{"b", "a"}}, true},
		{"admin:groups=a", map[string]any{"groups": []any{"ab", "A", 1.0, nil}}, false},
		{"admin:groups=a", map[string]any{"groups": "a"}, true},
		{"admin:groups=a", map[string]any{"groups": "a b"}, false},
		{"admin:groups=true", map[string]any{"groups": true}, false},
		{"admin:groups=a", map[string]any{"roles": "a"}, false},
		{"admin:email=a@x", map[string]any{"email": "a@x"}, false},
		{"admin:email=a@x", map[string]any{"email": "a@x", "email_verified": "true"}, false},
		{"admin:email=a@x", map[string]any{"email": "a@x", "email_verified": true}, true},
		{"admin:n=a=b:c", map[string]any{"n": "a=b:c"}, true},
	} {
		if got := fits(rules(t, c.rule)[0], c.claims); got != c.fits {
			t.Errorf("%s fits %v: %v", c.rule, c.claims, got)
		}
	}
}

// TestOpenIDRefuses: nobody gets in by an answer of the issuer that is no proof for this browser, this client and now,
// and the log says why. What the issuer wrote does not come out.
func TestOpenIDRefuses(t *testing.T) {
	t.Parallel()
	const canary = "s3cr3t-of-the-issuer"
	claim := func(name string, value any) func(*porch) {
		return func(p *porch) { p.issuer.change = func(_, claims map[string]any) { claims[name] = value } }
	}
	answer := func(status int, body string) func(*porch) {
		return func(p *porch) {
			p.issuer.token = func(w http.ResponseWriter, _ string) {
				w.WriteHeader(status)
				fmt.Fprint(w, body)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*porch)
		want   bellhop.Code
	}{
		"another nonce":    {claim("nonce", "x"), bellhop.CodeUnauthorized},
		"no nonce":         {claim("nonce", nil), bellhop.CodeUnauthorized},
		"another client":   {claim("aud", "other"), bellhop.CodeUnauthorized},
		"another issuer":   {claim("iss", "https://evil.example"), bellhop.CodeUnauthorized},
		"expired":          {claim("exp", 1), bellhop.CodeUnauthorized},
		"no end":           {claim("exp", nil), bellhop.CodeUnauthorized},
		"groups elsewhere": {claim("groups", []string{"sales"}), bellhop.CodeForbidden},
		"no groups":        {claim("groups", nil), bellhop.CodeForbidden},
		"no signature": {func(p *porch) {
			p.issuer.change = func(header, _ map[string]any) { header["alg"] = "none" }
		}, bellhop.CodeUnauthorized},
		"an algorithm that the issuer does not use": {func(p *porch) {
			p.issuer.change = func(header, _ map[string]any) { header["alg"] = "HS256" }
		}, bellhop.CodeUnauthorized},
		"another key": {func(p *porch) {
			other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Error(err)
			}
			p.issuer.signer = other
		}, bellhop.CodeUnauthorized},
		"no ID token":     {answer(200, `{"access_token":"a","token_type":"Bearer"}`), bellhop.CodeUnauthorized},
		"an odd ID token": {answer(200, `{"access_token":"a","id_token":{"a":1}}`), bellhop.CodeUnauthorized},
		"a text":          {answer(200, canary), bellhop.CodeUnauthorized},
		"a code that ended": {answer(400, `{"error":"invalid_grant","error_description":"`+canary+`"}`),
			bellhop.CodeUnauthorized},
		"an endless answer": {func(p *porch) {
			p.issuer.token = func(w http.ResponseWriter, _ string) {
				for range 64 {
					if _, err := w.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			}
		}, bellhop.CodeUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPorch(t, "admin:groups=support")
			_, flow := p.begin()
			c.change(p)
			token, err := p.come(flow, flow.State)
			if token != "" || codeOf(err) != c.want || len(p.drawer.sessions) != 0 {
				t.Errorf("%q %v, %d sessions", token, err, len(p.drawer.sessions))
			}
			if log := p.desk.log.String(); !strings.Contains(log, "openid.un") || strings.Contains(log, canary) {
				t.Errorf("log: %s", log)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Error(err)
			}
		})
	}
}

// TestOpenIDForeignReturn: a browser comes back that has begun no sign-in, or another one, or was refused.
func TestOpenIDForeignReturn(t *testing.T) {
	t.Parallel()
	p := newPorch(t, "admin:groups=support")
	_, flow := p.begin()
	for what, begun := range map[string]Flow{"none": {}, "another": {State: "x", Nonce: "y", Verifier: "z"}} {
		for _, state := range []string{"", flow.State} {
			if token, err := p.come(begun, state); token != "" || codeOf(err) != bellhop.CodeUnauthorized {
				t.Errorf("%s with state %q: %q %v", what, state, token, err)
			}
		}
	}
	query := url.Values{"error": {"access_denied\n\x1b[31m"}, "state": {flow.State}}
	_, err := p.Finish(t.Context(), flow, query, "192.0.2.7:1")
	if codeOf(err) != bellhop.CodeUnauthorized || !strings.Contains(p.desk.log.String(), "access_denied") {
		t.Errorf("refused by the issuer: %v", err)
	}
	if p.issuer.form != nil {
		t.Error("the code of a browser without a sign-in was spent")
	}
}

// TestOpenIDOutage: while the issuer does not answer nobody signs in by it, it is asked once in some seconds, and
// sessions go on.
func TestOpenIDOutage(t *testing.T) {
	t.Parallel()
	p := newPorch(t, "admin:groups=support")
	p.issuer.down = true
	for range 3 {
		if _, _, err := p.Start(t.Context()); codeOf(err) != bellhop.CodeUnavailable {
			t.Errorf("it is away: %v", err)
		}
	}
	p.issuer.down = false
	if _, _, err := p.Start(t.Context()); codeOf(err) != bellhop.CodeUnavailable {
		t.Errorf("it is asked again at once: %v", err)
	}
	p.desk.now = p.desk.now.Add(issuerRests)
	_, flow := p.begin()
	token, err := p.come(flow, flow.State)
	if err != nil {
		t.Fatal(err)
	}
	p.issuer.down = true
	p.goesOn("while the issuer is away", token, "ada@example.com")
}

// TestNameOf: names are for people to read.
func TestNameOf(t *testing.T) {
	for want, claims := range map[string]map[string]any{
		"ada":      {"preferred_username": " a\x1b\nd\u202ea ", "sub": "1"},
		"1":        {"preferred_username": strings.Repeat("a", 300), "email": 7, "sub": "1"},
		"somebody": {},
	} {
		if got := nameOf(claims); got != want {
			t.Errorf("%v: %q", claims, got)
		}
	}
}
