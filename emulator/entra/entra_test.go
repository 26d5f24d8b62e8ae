package entra

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A rig is a stand-in alone.
type rig struct {
	*emulatortest.Rig
	*System
	t *testing.T
}

func newRig(t *testing.T, opts Options) *rig {
	t.Helper()
	r := &rig{t: t}
	opts.Key = emulatortest.Key()
	r.Rig = emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		r.System = New(host, opts)
		return []emulator.System{r.System}
	})
	return r
}

// post posts a form to a path and returns the status and the JSON of the answer.
func (r *rig) post(path string, form url.Values) (int, map[string]any) {
	r.t.Helper()
	answer := r.Post(path, form)
	if answer.JSON == nil {
		r.t.Fatalf("POST %s: %d, no JSON: %s", path, answer.Status, answer.Text)
	}
	return answer.Status, answer.JSON
}

// bearer authenticates a request with a token for an audience.
func (r *rig) bearer(token, audience string) (Claims, error) {
	req := httptest.NewRequest("GET", "/", nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return r.Authenticate(req, audience)
}

const graphAudience = "https://graph.microsoft.com"

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	config := clientcredentials.Config{ClientID: DefaultClient, ClientSecret: DefaultSecret,
		TokenURL: r.URL + "/contoso.example/oauth2/v2.0/token", Scopes: []string{graphAudience + "/.default"},
		AuthStyle: oauth2.AuthStyleInParams}
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInParams, oauth2.AuthStyleInHeader} {
		config.AuthStyle = style
		token, err := config.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		claims, err := r.bearer(token.AccessToken, graphAudience+"/")
		if err != nil || claims.ByUser() || claims.ByCertificate() || !claims.Permits("Mail.Read") ||
			claims.Permits("Mail.Send") ||
			claims.Tenant != madeUpID("tenant contoso.example") || token.RefreshToken != "" {
			t.Errorf("claims are %+v, %v", claims, err)
		}
	}
	config.Scopes, config.TokenURL = nil, r.URL+"/contoso.example/oauth2/token"
	config.EndpointParams = url.Values{"resource": {"https://rest.media.azure.net"}}
	token, err := config.Token(t.Context())
	if err != nil || token.Extra("resource") != "https://rest.media.azure.net" || token.Extra("expires_on") == nil {
		t.Errorf("v1: %v, %v", token, err)
	}
}

// TestRefused shows each refusal of the token endpoint with its status, error and number.
func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	credentials := func(more ...string) url.Values {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {DefaultClient},
			"client_secret": {DefaultSecret}, "scope": {graphAudience + "/.default"}}
		for i := 0; i < len(more); i += 2 {
			if form.Del(more[i]); more[i+1] != "" {
				form.Set(more[i], more[i+1])
			}
		}
		return form
	}
	for _, tt := range []struct {
		name, path string
		form       url.Values
		status     int
		kind       string
		code       float64
	}{
		{"another secret", "/t/oauth2/v2.0/token", credentials("client_secret", "wrong"), 401, "invalid_client",
			7000215},
		{"no secret", "/t/oauth2/v2.0/token", credentials("client_secret", ""), 401, "invalid_client", 7000216},
		{"unknown client", "/t/oauth2/v2.0/token", credentials("client_id", "x"), 400, "unauthorized_client", 700016},
		{"no tenant", "/common/oauth2/v2.0/token", credentials(), 400, "invalid_request", 90002},
		{"resource at v2", "/t/oauth2/v2.0/token", credentials("resource", "x"), 400, "invalid_request", 901002},
		{"no resource at v1", "/t/oauth2/token", credentials(), 400, "invalid_request", 90014},
		{"a scope by name", "/t/oauth2/v2.0/token", credentials("scope", "Mail.Read"), 400, "invalid_scope", 70011},
		{"two resources", "/t/oauth2/v2.0/token", credentials("scope", "https://a/x https://b/x"), 400,
			"invalid_scope", 700022},
		{"no grant", "/t/oauth2/v2.0/token", credentials("grant_type", ""), 400, "invalid_request", 900144},
		{"unknown grant", "/t/oauth2/v2.0/token", credentials("grant_type", "password"), 400, "unsupported_grant_type",
			70003},
		{"unknown code", "/t/oauth2/v2.0/token", credentials("grant_type", "authorization_code", "code", "x"), 400,
			"invalid_grant", 70000},
		{"unknown refresh token", "/t/oauth2/v2.0/token", credentials("grant_type", "refresh_token"), 400,
			"invalid_grant", 9002313},
		{"unknown device", "/t/oauth2/v2.0/token", credentials("grant_type", "device_code"), 400,
			"bad_verification_code", 70018},
		{"no assertion", "/t/oauth2/v2.0/token", credentials("client_assertion", "x.y.z"), 400, "invalid_request",
			50027},
	} {
		status, answer := r.post(tt.path, tt.form)
		codes, _ := answer["error_codes"].([]any)
		if status != tt.status || answer["error"] != tt.kind || len(codes) != 1 || codes[0] != tt.code {
			t.Errorf("%s: %d %v; want %d %s %v", tt.name, status, answer, tt.status, tt.kind, tt.code)
		}
		if text, _ := answer["error_description"].(string); !strings.HasPrefix(text, "AADSTS") ||
			!strings.Contains(text, "\r\nTrace ID: ") {
			t.Errorf("%s: described as %q", tt.name, text)
		}
	}
	if _, err := r.Happen(emulator.Event{Resource: "clients/bellhop/secret", ChangeType: "deleted"}); err != nil {
		t.Fatal(err)
	}
	if _, answer := r.post("/t/oauth2/v2.0/token", credentials()); answer["error_codes"].([]any)[0] != 7000222.0 {
		t.Errorf("an expired secret: %v", answer)
	}
	r.Reset()
	if status, answer := r.post("/t/oauth2/v2.0/token", credentials()); status != 200 {
		t.Errorf("after a reset: %d %v", status, answer)
	}
	res, err := http.Get(r.URL + "/t/oauth2/v2.0/token")
	if err != nil || res.StatusCode != 405 {
		t.Errorf("GET of the token endpoint: %v, %v", res, err)
	}
}

// signIn has the user agree and returns the parameters with which the browser comes back.
func (r *rig) signIn(config *oauth2.Config, opts ...oauth2.AuthCodeOption) url.Values {
	r.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := client.Get(config.AuthCodeURL("the state", opts...))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil {
		body, _ := io.ReadAll(res.Body)
		r.t.Fatalf("authorize answered %d %s", res.StatusCode, body)
	}
	if mode, fragment := to.Fragment, to.Fragment; mode != "" {
		values, _ := url.ParseQuery(fragment)
		return values
	}
	return to.Query()
}

func (r *rig) config(scopes ...string) *oauth2.Config {
	return &oauth2.Config{ClientID: DefaultClient, ClientSecret: DefaultSecret,
		RedirectURL: "http://localhost:1234/connect",
		Scopes:      scopes, Endpoint: oauth2.Endpoint{AuthURL: r.URL + "/common/oauth2/v2.0/authorize",
			TokenURL: r.URL + "/common/oauth2/v2.0/token", DeviceAuthURL: r.URL + "/common/oauth2/v2.0/devicecode",
			AuthStyle: oauth2.AuthStyleInParams}}
}

func TestCodeAndRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	config := r.config(graphAudience+"/Calendars.Read", "offline_access", "openid")
	verifier := oauth2.GenerateVerifier()
	got := r.signIn(config, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n"))
	if got.Get("state") != "the state" {
		t.Errorf("came back with %v", got)
	}
	if _, err := config.Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption("another"+verifier)); err == nil {
		t.Error("another verifier was taken")
	}
	token, err := config.Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(verifier),
		oauth2.SetAuthURLParam("client_info", "1"))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := r.bearer(token.AccessToken, graphAudience)
	if err != nil || !claims.ByUser() || claims.Scope != "Calendars.Read" || claims.Name != UserName ||
		token.Extra("client_info") == nil || token.Extra("id_token") == nil {
		t.Errorf("claims are %+v, %v", claims, err)
	}
	if _, err := r.bearer(token.AccessToken, "https://outlook.office.com"); !errors.Is(err, ErrAudience) {
		t.Errorf("for another audience: %v", err)
	}
	if _, err := config.Exchange(t.Context(), got.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was redeemed twice")
	}

	next := func(refresh string) (*oauth2.Token, error) {
		return config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: refresh}).Token()
	}
	second, err := next(token.RefreshToken)
	if err != nil || second.RefreshToken == token.RefreshToken {
		t.Fatalf("refreshed: %v, %v", second, err)
	}
	if _, err := next(token.RefreshToken); err != nil {
		t.Errorf("the first refresh token again: %v", err)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke}); err != nil {
		t.Fatal(err)
	}
	_, err = next(second.RefreshToken)
	var failed *oauth2.RetrieveError
	if !errors.As(err, &failed) || failed.ErrorCode != "invalid_grant" || !strings.Contains(string(failed.Body),
		"50173") {
		t.Errorf("after revoke: %v", err)
	}
	if _, err := r.bearer(second.AccessToken, graphAudience); !errors.Is(err, ErrExpired) {
		t.Errorf("the access token after revoke: %v", err)
	}
}

// TestScopesOfRedemption shows that the scopes of OpenID can be asked for when the code is redeemed.
func TestScopesOfRedemption(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	config := r.config(graphAudience + "/Calendars.Read")
	for scope, want := range map[string]bool{"": false, "openid offline_access profile": true} {
		token, err := config.Exchange(t.Context(), r.signIn(config).Get("code"),
			oauth2.SetAuthURLParam("scope", scope))
		if err != nil || (token.RefreshToken != "") != want || (token.Extra("id_token") != nil) != want {
			t.Errorf("%q: %+v, %v", scope, token, err)
		}
	}
}

func TestReuseDetection(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{ReuseDetection: true})
	config := r.config("offline_access")
	token, err := config.Exchange(t.Context(), r.signIn(config).Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	next := func(refresh string) (*oauth2.Token, error) {
		return config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: refresh}).Token()
	}
	second, err := next(token.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next(token.RefreshToken); err == nil {
		t.Error("a refresh token was used twice")
	}
	if _, err := next(second.RefreshToken); err == nil {
		t.Error("its successor is still good")
	}
}

func TestAuthorizePage(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Page: true, Clients: []Client{{ID: "app", Redirects: []string{"http://localhost/back"}}}})
	config := r.config("offline_access")
	get := func(address string) (int, string) {
		t.Helper()
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	status, body := get(config.AuthCodeURL(`"><script>`))
	if status != 200 || !strings.Contains(body, "Accept") || strings.Contains(body, "<script>") {
		t.Errorf("the page is %d %s", status, body)
	}
	if got := r.signIn(config, oauth2.SetAuthURLParam("answer", "no")); got.Get("error") != "access_denied" {
		t.Errorf("declined: %v", got)
	}
	if got := r.signIn(config, oauth2.SetAuthURLParam("answer", "yes"),
		oauth2.SetAuthURLParam("response_mode", "fragment")); got.Get("code") == "" {
		t.Errorf("accepted: %v", got)
	}
	if _, body := get(config.AuthCodeURL("s", oauth2.SetAuthURLParam("answer", "yes"),
		oauth2.SetAuthURLParam("response_mode", "form_post"))); !strings.Contains(body, `name="code"`) {
		t.Errorf("the form is %s", body)
	}
	if got := r.signIn(config, oauth2.SetAuthURLParam("code_challenge", "short")); got.Get(
		"error") != "invalid_request" {
		t.Errorf("a short challenge: %v", got)
	}
	config.ClientID = "app"
	if status, body := get(config.AuthCodeURL("s")); status != 400 || !strings.Contains(body, "AADSTS50011") {
		t.Errorf("another redirect: %d %s", status, body)
	}
	config.RedirectURL = "http://localhost:9999/back"
	if got := r.signIn(config, oauth2.SetAuthURLParam("answer", "yes")); got.Get("code") == "" {
		t.Errorf("a loopback port: %v", got)
	}
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Page: true})
	_, begun := r.post("/common/oauth2/v2.0/devicecode",
		url.Values{"client_id": {DefaultClient}, "scope": {"Mail.Read offline_access"}})
	poll := func(kind string) (int, map[string]any) {
		return r.post("/common/oauth2/v2.0/token", url.Values{"grant_type": {kind}, "client_id": {DefaultClient},
			"device_code": {begun["device_code"].(string)}})
	}
	if _, answer := poll("device_code"); answer["error"] != "authorization_pending" {
		t.Errorf("at first: %v", answer)
	}
	if _, answer := poll("device_code"); answer["error"] != "slow_down" {
		t.Errorf("at once again: %v", answer)
	}
	page := begun["verification_uri"].(string)
	res, err := http.PostForm(page, url.Values{"code": {begun["user_code"].(string)}, "answer": {"yes"}})
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("the page: %v, %v", res, err)
	}
	status, answer := poll("urn:ietf:params:oauth:grant-type:device_code")
	if status != 200 || answer["refresh_token"] == nil {
		t.Errorf("agreed: %d %v", status, answer)
	}
	if _, answer := poll("device_code"); answer["error"] != "bad_verification_code" {
		t.Errorf("used: %v", answer)
	}
	for want, act := range map[string]func(code string){
		"authorization_declined": func(code string) {
			http.PostForm(page, url.Values{"code": {code}, "answer": {"no"}})
		},
		"expired_token": func(string) { r.Pass(16 * time.Minute) },
	} {
		_, begun = r.post("/common/oauth2/v2.0/devicecode",
			url.Values{"client_id": {DefaultClient}, "scope": {"Mail.Read"}})
		act(begun["user_code"].(string))
		if _, answer := poll("device_code"); answer["error"] != want {
			t.Errorf("%v; want %s", answer, want)
		}
	}
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	key := emulatortest.Key()
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Options{AssertionOnce: true,
		Clients: []Client{{ID: "app", Certificates: []*x509.Certificate{certificate}}}})
	tokenURL := r.URL + "/contoso.example/oauth2/v2.0/token"
	long, short := sha256.Sum256(raw), sha1.Sum(raw)
	try := func(algorithm jose.SignatureAlgorithm, header, thumbprint string,
		change func(claims map[string]any)) map[string]any {
		t.Helper()
		claims := map[string]any{"aud": tokenURL, "iss": "app", "sub": "app", "jti": rand.Text(),
			"nbf": r.Now().Unix(), "exp": r.Now().Add(10 * time.Minute).Unix()}
		if change != nil {
			change(claims)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key},
			new(jose.SignerOptions).WithHeader(jose.HeaderKey(header), thumbprint))
		if err != nil {
			t.Fatal(err)
		}
		payload, _ := json.Marshal(claims)
		signed, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		assertion, _ := signed.CompactSerialize()
		_, answer := r.post("/contoso.example/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"},
			"client_id": {"app"}, "scope": {graphAudience + "/.default"}, "client_assertion_type": {assertionType},
			"client_assertion": {assertion}})
		return answer
	}
	url64, std64 := base64.RawURLEncoding, base64.StdEncoding
	for name, answer := range map[string]map[string]any{
		"current":                  try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]), nil),
		"current, standard Base64": try(jose.PS256, "x5t#S256", std64.EncodeToString(long[:]), nil),
		"older":                    try(jose.RS256, "x5t", url64.EncodeToString(short[:]), nil),
		"for v1": try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]), func(claims map[string]any) {
			claims["aud"] = r.URL + "/contoso.example/oauth2/token"
		}),
	} {
		token, _ := answer["access_token"].(string)
		if claims, err := r.bearer(token, graphAudience); err != nil || !claims.ByCertificate() {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
	for name, tt := range map[string]struct {
		code   float64
		change func(claims map[string]any)
	}{
		"old":   {700024, func(c map[string]any) { c["exp"] = r.Now().Add(-6 * time.Minute).Unix() }},
		"early": {700024, func(c map[string]any) { c["nbf"] = r.Now().Add(6 * time.Minute).Unix() }},
		"another audience": {700023, func(c map[string]any) {
			c["aud"] = "https://login.example/t/oauth2/v2.0/token"
		}},
		"another issuer": {700021, func(c map[string]any) { c["iss"] = "other" }},
		"no id":          {50027, func(c map[string]any) { delete(c, "jti") }},
	} {
		answer := try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]), tt.change)
		if codes, _ := answer["error_codes"].([]any); len(codes) != 1 || codes[0] != tt.code {
			t.Errorf("%s: %v; want %v", name, answer, tt.code)
		}
	}
	same := func(c map[string]any) { c["jti"] = "once" }
	try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]), same)
	if answer := try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]),
		same); answer["error_codes"].([]any)[0] != 50012.0 {
		t.Errorf("used twice: %v", answer)
	}
	r.opts.AssertionOnce = false
	if answer := try(jose.PS256, "x5t#S256", url64.EncodeToString(long[:]), same); answer["access_token"] == nil {
		t.Errorf("used twice where that is allowed: %v", answer)
	}
	if answer := try(jose.PS256, "x5t#S256", url64.EncodeToString(short[:]),
		nil); answer["error_codes"].([]any)[0] != 700027.0 {
		t.Errorf("another certificate: %v", answer)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for _, path := range []string{"/common/v2.0/.well-known/openid-configuration?",
		"/common/.well-known/openid-configuration",
		"/common/discovery/instance?api-version=1.1", "/common/discovery/v2.0/keys", "/common/discovery/keys"} {
		res, err := http.Get(r.URL + path)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v, %v", path, res, err)
		}
	}
	if r.Owns("/v1.0/me/messages") || r.Owns("/") || !r.Owns("/contoso.example/OAuth2/v2.0/Token") {
		t.Error("it owns other paths than its own")
	}
}

// TestIDToken verifies the token of a sign-in by what discovery publishes, as a client of any OpenID issuer does.
func TestIDToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	config := r.config(graphAudience+"/Calendars.Read", "openid")
	got := r.signIn(config, oauth2.SetAuthURLParam("nonce", "n1"))
	token, err := config.Exchange(t.Context(), got.Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	discovered := r.Call("GET", "/"+DefaultTenant+"/v2.0/.well-known/openid-configuration", nil).JSON
	keysURL, _ := discovered["jwks_uri"].(string)
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(r.Call("GET", keysURL, nil).Text), &keys); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"id": token.Extra("id_token").(string), "access": token.AccessToken} {
		signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		found := keys.Key(signed.Signatures[0].Header.KeyID)
		if len(found) != 1 {
			t.Fatalf("%s: the key of the token is not published", name)
		}
		payload, err := signed.Verify(found[0])
		var claims map[string]any
		if err != nil || json.Unmarshal(payload, &claims) != nil || claims["iss"] != discovered["issuer"] ||
			claims["tid"] != DefaultTenant || claims["oid"] != UserID(DefaultTenant) {
			t.Errorf("%s: claims are %s, %v", name, payload, err)
		}
		if name == "id" && (claims["aud"] != DefaultClient || claims["nonce"] != "n1") {
			t.Errorf("the id token is %s", payload)
		}
	}
}

// TestExtraScopes shows that scopes of OpenID beside those of an application are left out: MSAL for Go sends them
// always.
func TestExtraScopes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.AppToken(DefaultClient, DefaultSecret, graphAudience+"/.default openid offline_access profile")
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultThrottle, Value: "9"}); err != nil {
		t.Fatal(err)
	}
	answer := r.Post("/t/oauth2/v2.0/token", url.Values{"grant_type": {"refresh_token"}})
	if answer.Status != 429 || answer.Header.Get("Retry-After") != "9" ||
		answer.JSON["error"] != "temporarily_unavailable" {
		t.Errorf("throttled: %d %v %s", answer.Status, answer.Header, answer.Text)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Lifetime: time.Minute})
	config := clientcredentials.Config{ClientID: DefaultClient, ClientSecret: DefaultSecret,
		TokenURL: r.URL + "/t/oauth2/v2.0/token", Scopes: []string{graphAudience + "/.default"},
		AuthStyle: oauth2.AuthStyleInParams}
	get := func() string {
		t.Helper()
		token, err := config.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken
	}
	token := get()
	r.Pass(time.Minute)
	if _, err := r.bearer(token, "*"); !errors.Is(err, ErrExpired) {
		t.Errorf("after its life: %v", err)
	}
	token = get()
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultExpire}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.bearer(token, "*"); !errors.Is(err, ErrExpired) {
		t.Errorf("after the fault: %v", err)
	}
	r.Pass(time.Second)
	if _, err := r.bearer(get(), "*"); err != nil {
		t.Errorf("a new one: %v", err)
	}
	if _, err := r.bearer("", "*"); !errors.Is(err, ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	if _, err := r.bearer("x.y.z", "*"); !errors.Is(err, ErrBadToken) {
		t.Errorf("no token of ours: %v", err)
	}
}

// TestCodes shows that the fault error answers with the error of a code: at the token endpoint as JSON, and at the
// authorize page by leading back.
func TestCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {DefaultClient}}
	for _, code := range r.ErrorCodes() {
		if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: code}); err != nil {
			t.Fatal(err)
		}
		status, answer := r.post("/t/oauth2/v2.0/token", form)
		if text, _ := answer["error_description"].(string); status != 400 && status != 401 ||
			!strings.HasPrefix(text, code+": ") {
			t.Errorf("%s: answered %d %v", code, status, answer)
		}
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: "AADSTS65001"}); err != nil {
		t.Fatal(err)
	}
	if got := r.signIn(r.config("offline_access")); got.Get("error") != "invalid_grant" || got.Get("state") == "" {
		t.Errorf("the browser comes back with %v", got)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: "AADSTS1"}); err == nil {
		t.Error("an unknown code was taken")
	}
}

// TestOneClient shows faults that concern the tokens of one client, and a secret that changes.
func TestOneClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Clients: []Client{{ID: "Other", Secret: "s"}}})
	ours := r.AppToken(DefaultClient, DefaultSecret, graphAudience+"/.default")
	theirs := r.AppToken("Other", "s", graphAudience+"/.default")
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, Value: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.bearer(theirs, "*"); !errors.Is(err, ErrExpired) {
		t.Errorf("the revoked token: %v", err)
	}
	if _, err := r.bearer(ours, "*"); err != nil {
		t.Errorf("the token of another client: %v", err)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultRevoke, Value: "nobody"}); err == nil {
		t.Error("an unknown client was taken")
	}
	if _, err := r.Happen(emulator.Event{Resource: "clients/other/secret", ChangeType: "updated",
		Data: map[string]any{"value": "new"}}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"other"}, "client_secret": {"s"},
		"scope": {graphAudience + "/.default"}}
	if status, answer := r.post("/t/oauth2/v2.0/token", form); status != 401 {
		t.Errorf("the old secret: %d %v", status, answer)
	}
	form.Set("client_secret", "new")
	if status, answer := r.post("/t/oauth2/v2.0/token", form); status != 200 {
		t.Errorf("the new secret: %d %v", status, answer)
	}
}

// TestClock shows that a sign-in with a wrong clock says so in the header Date, and issues tokens of that time.
func TestClock(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for _, tt := range []struct {
		by   string
		want error
	}{{"4m", nil}, {"2m", ErrEarly}, {"-2h", ErrExpired}} {
		if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultClock, System: "entra", Value: tt.by}); err != nil {
			t.Fatal(err)
		}
		answer := r.Call("GET", "/t/v2.0/.well-known/openid-configuration", nil)
		if got := answer.Header.Get("Date"); got != r.now().UTC().Format(http.TimeFormat) || r.now().Equal(r.Now()) {
			t.Errorf("%s: Date is %s", tt.by, got)
		}
		token := r.AppToken(DefaultClient, DefaultSecret, graphAudience+"/.default")
		if _, err := r.bearer(token, "*"); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.by, err, tt.want)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, path := range []string{"/common/oauth2/v2.0/token", "/t/OAuth2/Token", "//oauth2/token", "/t", "/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tenant, i, ok := route(path)
		if ok && (tenant == "" || !strings.HasSuffix(strings.ToLower(path), endpoints[i].suffix)) {
			t.Errorf("%q leads to the tenant %q and %s", path, tenant, endpoints[i].suffix)
		}
	})
}
