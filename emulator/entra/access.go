package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/go-jose/go-jose/v4"
)

// Claims are what an access token says.
type Claims struct {
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss"`
	IssuedAt int64    `json:"iat"`
	From     int64    `json:"nbf"`
	Until    int64    `json:"exp"`
	Tenant   string   `json:"tid"`
	App      string   `json:"appid"`
	Party    string   `json:"azp"`
	Method   string   `json:"appidacr"`        // "0" public, "1" a secret, "2" a certificate
	Object   string   `json:"oid"`             // of the user, or of the application
	Subject  string   `json:"sub"`             // the same here
	Scope    string   `json:"scp,omitempty"`   // permissions of the user, with blanks between them
	Roles    []string `json:"roles,omitempty"` // permissions of the application
	Kind     string   `json:"idtyp"`           // "app" or "user"
	Name     string   `json:"upn,omitempty"`
	Version  string   `json:"ver"`
	ID       string   `json:"uti"`
	Issued   int64    `json:"xms_issued"` // in nanoseconds: what the faults expire and revoke compare
}

// ByUser reports whether a user stands behind the token; otherwise it is the application's own.
func (c Claims) ByUser() bool { return c.Kind == "user" }

// ByCertificate reports whether the client proved itself by a certificate.
func (c Claims) ByCertificate() bool { return c.Method == methodCertificate }

// Permits reports whether the token has one of the permissions. A token that names no permission of its own, as those
// of the endpoint v1, permits everything, and so does a scope that ends in ".default".
func (c Claims) Permits(permissions ...string) bool {
	if c.ByUser() {
		scopes := strings.Fields(c.Scope)
		return slices.ContainsFunc(scopes, func(s string) bool {
			return s == "user_impersonation" || s == ".default" || slices.Contains(permissions, s)
		})
	}
	return slices.ContainsFunc(c.Roles, func(r string) bool { return slices.Contains(permissions, r) })
}

// The errors of Authenticate.
var (
	ErrNoToken    = errors.New("there is no bearer token")
	ErrBadToken   = errors.New("the token is not one of this authority")
	ErrExpired    = errors.New("the token has expired")
	ErrEarly      = errors.New("the token is not yet valid")
	ErrAudience   = errors.New("the token is for another audience")
	errNoAudience = errors.New("no audience was asked for")
)

// Authenticate returns the claims of the bearer token of r if this stand-in issued it, it is valid now by the clock of
// the host, and its audience is one of audiences. An audience is compared without a slash at its end; "*" is any. The
// errors wrap ErrNoToken, ErrBadToken, ErrExpired, ErrEarly or ErrAudience.
func (s *System) Authenticate(r *http.Request, audiences ...string) (Claims, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return Claims{}, ErrNoToken
	}
	var c Claims
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, ErrBadToken
	}
	payload, err := signed.Verify(&s.key().PublicKey)
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return Claims{}, ErrBadToken
	}
	now := s.host.Now()
	s.mu.Lock()
	refused := false
	for _, client := range []string{"", strings.ToLower(c.App)} {
		since := s.notBefore[client]
		refused = refused || !since.IsZero() && c.Issued <= since.UnixNano()
	}
	s.mu.Unlock()
	switch {
	case refused || now.Unix() >= c.Until:
		return c, ErrExpired
	case now.Add(assertionLeeway).Unix() < c.From:
		return c, ErrEarly
	}
	if len(audiences) == 0 {
		return c, errNoAudience
	}
	if !slices.ContainsFunc(audiences,
		func(a string) bool { return a == "*" || strings.TrimSuffix(a, "/") == c.Audience }) {
		return c, fmt.Errorf("%w: %s", ErrAudience, c.Audience)
	}
	return c, nil
}

// UserID returns the object id of the user that a tenant has.
func UserID(tenant string) string { return madeUpID("user " + tenant) }

// UserName is the sign-in name of the user that every tenant has.
const UserName = "ada@example.com"

// accessToken returns an access token for a grant.
func (s *System) accessToken(g grant, now time.Time, at place) string {
	c := Claims{Audience: g.resource, Issuer: at.issuer(), IssuedAt: now.Unix(), From: now.Unix(),
		Until: now.Add(s.opts.Lifetime).Unix(), Tenant: g.tenant, App: g.client, Party: g.client, Method: g.method,
		Kind: "app", Version: "1.0", ID: randomText(), Issued: now.UnixNano()}
	if at.v2 {
		c.Version = "2.0"
	}
	c.Object = madeUpID("application " + g.client + g.tenant)
	if g.user {
		c.Kind, c.Object, c.Name = "user", UserID(g.tenant), UserName
		c.Scope = strings.Join(slices.DeleteFunc(slices.Clone(g.scopes), func(s string) bool {
			return slices.Contains(openIDScopes, s)
		}), " ")
	} else {
		client, _ := s.client(g.client)
		if c.Roles = client.Roles; len(c.Roles) == 0 {
			c.Roles = AllRoles
		}
	}
	c.Subject = c.Object
	return s.sign(c)
}

// idToken returns the token that tells the client who signed in.
func (s *System) idToken(g grant, now time.Time, at place) string {
	claims := map[string]any{"aud": g.client, "iss": place{base: at.base, tenant: g.tenant, v2: at.v2}.issuer(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "tid": g.tenant,
		"oid": UserID(g.tenant),
		"sub": UserID(g.tenant), "name": "Ada Example", "preferred_username": UserName, "ver": "2.0"}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return s.sign(claims)
}

// ValidationToken returns the token by which Microsoft Graph proves that a batch with content is its own: for the
// application whose id is audience, from the application publisher. Its issuer is that of the real service, so a
// receiver that has this stand-in's keys accepts it as it is. It outlives the attempts of a notification.
func (s *System) ValidationToken(tenant, audience, publisher string) string {
	now := s.now()
	return s.sign(map[string]any{"aud": audience, "iss": "https://sts.windows.net/" + tenant + "/", "iat": now.Unix(),
		"nbf": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "appid": publisher, "tid": tenant, "ver": "1.0"})
}

// sign returns claims as a token in the compact form. Its arguments are the stand-in's own, so an error is a mistake
// of this package.
func sign(key jose.SigningKey, claims any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(key, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

var _ emulator.System = (*System)(nil)
