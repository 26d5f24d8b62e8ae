// Package entra is a stand-in for Microsoft Entra ID: discovery, keys, the authorize page, the device code, and tokens
// of the endpoints v1 and v2, by a client secret or by a certificate.
//
// It knows one user, who signs in without a password, and the clients of its [Options]: from the start the client
// "bellhop" with the secret "secret", in any tenant. The paths are those of login.microsoftonline.com, so the base URL
// of the stand-in takes the place of the authority. Sources:
// https://learn.microsoft.com/entra/identity-platform/v2-protocols,
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/go-jose/go-jose/v4"
)

// The client that every stand-in knows from the start.
const (
	DefaultClient = "bellhop"
	DefaultSecret = "secret"
)

// DefaultTenant is the tenant behind "common", "organizations" and "consumers".
const DefaultTenant = "6f1d2c3b-8a47-4e5f-9b0a-2c7d41e8f930"

// A Client is an application that may ask for tokens, in any tenant.
type Client struct {
	ID           string
	Secret       string              // "" takes none
	Certificates []*x509.Certificate // for assertions; RSA
	Redirects    []string            // redirect URIs; none takes any. The port of a loopback host is ignored
	Roles        []string            // application permissions in its own tokens; none puts in every role of AllRoles
}

// AllRoles are the application permissions of a client that names none.
var AllRoles = []string{"Calendars.Read", "Contacts.Read", "Mail.Read", "Files.ReadWrite.All", "Sites.ReadWrite.All",
	"Sites.FullControl.All", "User.Read.All", "Group.Read.All", "Chat.Read.All", "ChannelMessage.Read.All",
	"CallRecords.Read.All"}

// Options change the stand-in.
type Options struct {
	Clients        []Client      // beside DefaultClient
	Lifetime       time.Duration // of an access token; 0 is 3599 s
	Page           bool          // the authorize page asks; otherwise it agrees at once
	ReuseDetection bool          // the second use of a refresh token revokes it and its successors
	AssertionOnce  bool          // an assertion is taken once; MSAL for Node uses one for ten minutes
	DeviceInterval time.Duration // between two polls of a device code, in whole seconds; 0 is 5 s
	Key            *rsa.PrivateKey
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host *emulator.Host
	opts Options
	key  func() *rsa.PrivateKey // of tokens; the first call may make it

	mu        sync.Mutex
	clients   map[string]Client
	expired   map[string]bool // ids of clients whose secret has expired
	codes     map[string]*grant
	devices   map[string]*device // by device code
	refreshes map[string]*refresh
	seen      map[string]time.Time // ids of assertions, until when they count
	notBefore map[string]time.Time // access tokens of a client issued earlier are refused; "" is of any client
}

// New returns a stand-in on host.
func New(host *emulator.Host, opts Options) *System {
	if opts.Lifetime == 0 {
		opts.Lifetime = 3599 * time.Second
	}
	if opts.DeviceInterval == 0 {
		opts.DeviceInterval = 5 * time.Second
	}
	s := &System{host: host, opts: opts, key: func() *rsa.PrivateKey { return opts.Key }}
	if opts.Key == nil {
		s.key = sync.OnceValue(newKey)
	}
	s.Reset()
	return s
}

// newKey makes a key for tokens. It takes a tenth of a second or several, so it waits until a token is asked for.
func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand ends the program first
	}
	return key
}

// Name returns "entra".
func (s *System) Name() string { return "entra" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets all tokens and codes, and every client but those of the options.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = map[string]Client{DefaultClient: {ID: DefaultClient, Secret: DefaultSecret}}
	for _, c := range s.opts.Clients {
		s.clients[strings.ToLower(c.ID)] = c
	}
	s.expired, s.codes, s.devices = map[string]bool{}, map[string]*grant{}, map[string]*device{}
	s.refreshes, s.seen, s.notBefore = map[string]*refresh{}, map[string]time.Time{}, map[string]time.Time{}
}

// Happen takes the resource "clients/ID/secret". With the change type "deleted" the client's secret has expired from
// then on; with "updated" it is the member "value" of the data, or the same again if there is none.
func (s *System) Happen(e emulator.Event) (int, error) {
	id, ok := strings.CutPrefix(strings.Trim(e.Resource, "/"), "clients/")
	id, isSecret := strings.CutSuffix(id, "/secret")
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.clients[strings.ToLower(id)]; !ok || !isSecret || !known {
		return 0, fmt.Errorf("resource %q %w", e.Resource, emulator.ErrUnknown)
	}
	id = strings.ToLower(id)
	s.expired[id] = e.ChangeType == "deleted"
	if secret, ok := e.Data["value"].(string); ok {
		c := s.clients[id]
		c.Secret = secret
		s.clients[id] = c
	}
	return 0, nil
}

// Fault takes expire, by which every access token issued so far is refused, and revoke, by which the same happens to
// refresh tokens too. The value is the id of the client whose tokens it concerns; "" is every client.
func (s *System) Fault(f emulator.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	client := strings.ToLower(f.Value)
	if _, known := s.clients[client]; !known && client != "" {
		return fmt.Errorf("client %q %w", f.Value, emulator.ErrUnknown)
	}
	switch f.Kind {
	case emulator.FaultExpire:
		s.notBefore[client] = s.now()
	case emulator.FaultRevoke:
		s.notBefore[client] = s.now()
		for _, r := range s.refreshes {
			r.revoked = r.revoked || client == "" || strings.EqualFold(r.client, client)
		}
	default:
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	return nil
}

// endpoints are the paths below the tenant, in lower case. Those of v2 come first where both fit.
var endpoints = []struct {
	suffix string
	v2     bool
	serve  func(s *System, w http.ResponseWriter, r *http.Request, at place)
}{
	{"/oauth2/v2.0/token", true, (*System).token},
	{"/oauth2/token", false, (*System).token},
	{"/oauth2/v2.0/authorize", true, (*System).authorize},
	{"/oauth2/authorize", false, (*System).authorize},
	{"/oauth2/v2.0/devicecode", true, (*System).deviceCode},
	{"/oauth2/devicecode", false, (*System).deviceCode},
	{"/oauth2/deviceauth", true, (*System).devicePage},
	{"/v2.0/.well-known/openid-configuration", true, (*System).discovery},
	{"/.well-known/openid-configuration", false, (*System).discovery},
	{"/discovery/v2.0/keys", true, (*System).keys},
	{"/discovery/keys", false, (*System).keys},
	{"/adminconsent", true, (*System).adminConsent},
	{"/discovery/instance", true, (*System).instance},
}

// A place is where a call went: which tenant, and the version of its endpoint.
type place struct {
	base   string // of the stand-in: "http://127.0.0.1:9100"
	tenant string // as in the path
	v2     bool
}

// id returns the tenant's id: of a domain, a made-up one that is always the same.
func (p place) id() string {
	switch t := strings.ToLower(p.tenant); {
	case t == "common" || t == "organizations" || t == "consumers":
		return DefaultTenant
	case len(t) == 36 && strings.Count(t, "-") == 4:
		return t
	default:
		return madeUpID("tenant " + t)
	}
}

// issuer is the issuer of tokens of this place's version.
func (p place) issuer() string {
	if p.v2 {
		return p.base + "/" + p.id() + "/v2.0"
	}
	return p.base + "/" + p.id() + "/"
}

// tokenURL is the token endpoint of either version.
func (p place) tokenURL(v2 bool) string {
	if v2 {
		return p.base + "/" + p.tenant + "/oauth2/v2.0/token"
	}
	return p.base + "/" + p.tenant + "/oauth2/token"
}

// madeUpID returns a GUID that depends on text alone.
func madeUpID(text string) string {
	sum := sha256.Sum256([]byte(text))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-9" + h[17:20] + "-" + h[20:32]
}

// Owns reports whether path is one of a tenant's endpoints.
func (s *System) Owns(path string) bool {
	_, _, ok := route(path)
	return ok
}

// route returns the tenant and the index of the endpoint.
func route(path string) (tenant string, endpoint int, ok bool) {
	tenant, _, ok = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || tenant == "" {
		return "", 0, false
	}
	rest := strings.ToLower(path[1+len(tenant):])
	for i := range endpoints {
		if rest == endpoints[i].suffix {
			return tenant, i, true
		}
	}
	return "", 0, false
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, i, _ := route(r.URL.Path)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("X-Ms-Request-Id", emulator.NewID())
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	endpoints[i].serve(s, w, r, place{base: emulator.BaseURL(r), tenant: tenant, v2: endpoints[i].v2})
}

// discovery answers the OpenID configuration.
func (s *System) discovery(w http.ResponseWriter, _ *http.Request, at place) {
	root := at.base + "/" + at.tenant
	version := ""
	if at.v2 {
		version = "/v2.0"
	}
	emulator.WriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                at.issuer(),
		"authorization_endpoint":                root + "/oauth2" + version + "/authorize",
		"token_endpoint":                        root + "/oauth2" + version + "/token",
		"device_authorization_endpoint":         root + "/oauth2" + version + "/devicecode",
		"jwks_uri":                              root + "/discovery" + version + "/keys",
		"response_types_supported":              []string{"code", "id_token", "code id_token"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt",
			"client_secret_basic"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name",
			"tid", "oid", "ver"},
		"tenant_region_scope": nil,
		"cloud_instance_name": "stand-in",
	})
}

// keys answers the keys that sign tokens.
func (s *System) keys(w http.ResponseWriter, _ *http.Request, at place) {
	key := s.key()
	e := big.NewInt(int64(key.E)).Bytes()
	emulator.WriteJSON(w, http.StatusOK, map[string]any{"keys": []map[string]any{{
		"kty": "RSA", "use": "sig", "kid": s.keyID(), "x5t": s.keyID(), "issuer": at.issuer(),
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(e),
	}}})
}

func (s *System) keyID() string {
	sum := sha256.Sum256(s.key().N.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// instance answers which authorities are the same one. Microsoft's own clients ask for it.
func (s *System) instance(w http.ResponseWriter, r *http.Request, at place) {
	emulator.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": at.base + "/" + at.tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{"preferred_network": r.Host, "preferred_cache": r.Host,
			"aliases": []string{r.Host}}},
	})
}

// adminConsent agrees for the whole tenant and leads back.
func (s *System) adminConsent(w http.ResponseWriter, r *http.Request, at place) {
	client, problem := s.client(r.URL.Query().Get("client_id"))
	redirect := r.URL.Query().Get("redirect_uri")
	if problem == nil && !client.takesRedirect(redirect) {
		problem = fail(50011, "invalid_request", "The redirect URI %q does not match those of the application.",
			redirect)
	}
	if problem != nil {
		s.page(w, http.StatusBadRequest, problem)
		return
	}
	lead(w, r, redirect, "query", map[string]string{"tenant": at.id(), "state": r.URL.Query().Get("state"),
		"admin_consent": "True"})
}

// client returns the client of that id.
func (s *System) client(id string) (Client, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[strings.ToLower(id)]
	if !ok {
		return c, fail(700016, "unauthorized_client", "Application with identifier '%s' was not found in the "+
			"directory.", id)
	}
	return c, nil
}

// sign returns claims as a token.
func (s *System) sign(claims any) string {
	return sign(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: s.key(), KeyID: s.keyID()}}, claims)
}

// scopesOf splits a scope parameter.
func scopesOf(scope string) []string {
	return slices.DeleteFunc(strings.Split(scope, " "), func(s string) bool { return s == "" })
}
