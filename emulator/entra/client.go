package entra

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How a client proved itself, as appidacr says it.
const (
	methodPublic      = "0"
	methodSecret      = "1"
	methodCertificate = "2"
)

// assertionType is the only kind of client assertion.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate finds the client of a token request, by a secret in the body or in the header Authorization, by an
// assertion, or by its id alone, and says how it proved itself.
func (s *System) authenticate(r *http.Request, at place) (Client, string, *failure) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok { // RFC 6749 has both escaped
		id, secret = unescape(user), unescape(password)
	}
	c, problem := s.client(id)
	if problem != nil {
		return c, "", problem
	}
	if assertion := r.PostForm.Get("client_assertion"); assertion != "" {
		if r.PostForm.Get("client_assertion_type") != assertionType {
			return c, "", fail(50027, "invalid_request", "The client_assertion_type is not %s.", assertionType)
		}
		return c, methodCertificate, s.checkAssertion(c, assertion, at)
	}
	if secret == "" {
		return c, methodPublic, nil
	}
	s.mu.Lock()
	expired := s.expired[strings.ToLower(c.ID)]
	s.mu.Unlock()
	switch {
	case c.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1:
		return c, "", fail(7000215, "invalid_client",
			"Invalid client secret provided. Ensure the secret being sent is the client secret value, not the "+
				"client secret ID, for a secret added to app '%s'.", c.ID)
	case expired:
		return c, "", fail(7000222, "invalid_client", "The provided client secret keys for app '%s' are expired.",
			c.ID)
	}
	return c, methodSecret, nil
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// assertionLeeway is how far the clocks of a client and of the stand-in may part.
const assertionLeeway = 5 * time.Minute

// checkAssertion checks a client's assertion: its certificate, signature, audience, time, and with
// Options.AssertionOnce that it is new.
func (s *System) checkAssertion(c Client, assertion string, at place) *failure {
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.PS256, jose.RS256})
	if err != nil {
		return fail(50027, "invalid_client", "The JWT token is invalid or malformed.")
	}
	certificate := named(c.Certificates, signed.Signatures[0].Protected.ExtraHeaders)
	if certificate == nil {
		return fail(700027, "invalid_client", "Client assertion failed signature validation. The key was not "+
			"found: no certificate of the application has the thumbprint of the header.")
	}
	payload, err := signed.Verify(certificate.PublicKey)
	if err != nil {
		return fail(700027, "invalid_client", "Client assertion failed signature validation.")
	}
	var claims struct {
		Audience string `json:"aud"`
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		ID       string `json:"jti"`
		From     int64  `json:"nbf"`
		Until    int64  `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return fail(50027, "invalid_client", "The claims of the assertion are malformed.")
	}
	now, until := s.now(), time.Unix(claims.Until, 0)
	switch {
	case !slices.Contains([]string{at.tokenURL(true), at.tokenURL(false)}, claims.Audience):
		return fail(700023, "invalid_client", "Client assertion audience claim does not match the token endpoint.")
	case !strings.EqualFold(claims.Issuer, c.ID) || claims.Issuer != claims.Subject:
		return fail(700021, "invalid_client", "Client assertion's issuer and subject are not the "+
			"application's identifier.")
	case claims.Until == 0 || now.After(until.Add(assertionLeeway)),
		claims.From != 0 && now.Add(assertionLeeway).Before(time.Unix(claims.From, 0)):
		return fail(700024, "invalid_client", "Client assertion is not within its valid time range.")
	case claims.ID == "":
		return fail(50027, "invalid_client", "The assertion has no jti.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, end := range s.seen {
		if now.After(end) {
			delete(s.seen, id)
		}
	}
	if _, again := s.seen[c.ID+" "+claims.ID]; again && s.opts.AssertionOnce {
		return fail(50012, "invalid_client", "The assertion with this jti was used before.")
	}
	s.seen[c.ID+" "+claims.ID] = until.Add(assertionLeeway)
	return nil
}

// named returns the certificate whose thumbprint the header has: x5t#S256, or x5t with SHA-1. Clients write it in
// either Base64. It returns nil if there is none.
func named(certificates []*x509.Certificate, header map[jose.HeaderKey]any) *x509.Certificate {
	for _, c := range certificates {
		if _, ok := c.PublicKey.(*rsa.PublicKey); !ok {
			continue
		}
		short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
		if sameBytes(header["x5t"], short[:]) || sameBytes(header["x5t#S256"], long[:]) {
			return c
		}
	}
	return nil
}

// sameBytes reports whether text is b in standard or URL-safe Base64, with or without padding.
func sameBytes(text any, b []byte) bool {
	s, ok := text.(string)
	if !ok || s == "" {
		return false
	}
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	got, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && bytes.Equal(got, b)
}

// takesRedirect reports whether uri is a redirect URI of the client. The port of a loopback host is ignored.
func (c Client) takesRedirect(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Fragment != "" {
		return false
	}
	return len(c.Redirects) == 0 || slices.ContainsFunc(c.Redirects, func(known string) bool {
		return withoutPort(known) == withoutPort(uri)
	})
}

func withoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1") {
		u.Host = u.Hostname()
		return u.String()
	}
	return uri
}

// randomText returns a text that nobody can guess.
func randomText() string { return rand.Text() + rand.Text() }
