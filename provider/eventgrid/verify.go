package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

// An authenticator checks one of the things that Event Grid was configured to add to each request.
type authenticator interface {
	// authenticate returns nil if req is authentic, else an error of package signature, or provider.ErrUnavailable.
	authenticate(ctx context.Context, req *provider.Request) error
}

// A querySecret is a secret in the query of the URL. It may have several values while it is being replaced.
type querySecret []string

// parameter is Azure's usual name for such a secret.
const parameter = "code"

func (q querySecret) authenticate(_ context.Context, req *provider.Request) error {
	return signature.DescribeToken(signature.VerifyToken(provider.Query(req.Target, parameter), q...),
		"the query parameter "+parameter)
}

// A headerSecret is a secret in a header that the subscription's delivery properties add.
type headerSecret struct {
	name    string // canonical
	secrets []string
}

func (s *headerSecret) authenticate(_ context.Context, req *provider.Request) error {
	return signature.DescribeToken(signature.VerifyToken(req.Header.Values(s.name), s.secrets...),
		"the secret in the header of settings.header")
}

// sas signs the tokens with which publishers post to a topic.
var sas = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}

// sasTime is the format in which the JavaScript and .NET clients write a token's expiry, in UTC.
const sasTime = "1/2/2006 3:04:05 PM"

// maxSAS is the largest token that is read, in bytes.
const maxSAS = 4 << 10

// SignSAS returns a shared access signature: the value of aeg-sas-token, or of Authorization after
// "SharedAccessSignature ". Until expires it is valid for every URL at or below resource, such as
// https://contoso.westus2-1.eventgrid.azure.net/api/events.
//
// key is a topic's access key after Base64 decoding; for an empty key the error is signature.ErrKey. The signed
// text is the token before "&s=", here as the JavaScript client writes it.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
func SignSAS(resource string, expires time.Time, key []byte) (string, error) {
	unsigned := "r=" + escape(resource) + "&e=" + escape(expires.UTC().Format(sasTime))
	sum, err := sas.Sign(key, []byte(unsigned))
	if err != nil {
		return "", err
	}
	return unsigned + "&s=" + escape(sum), nil
}

// escape encodes a blank as "%20", which every decoder reads as a blank.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// VerifySAS checks that token was signed with one of keys and is valid for a request to target at the time at. It
// verifies the text as it was received, so it accepts every client's way of escaping.
//
// It returns signature.ErrMissing for an empty token, ErrMalformed, ErrMismatch (also for a URL that the token does
// not cover) or ErrExpired, and compares in constant time. target is an absolute URL. Both queries are ignored,
// because some clients sign a query that they do not send.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
func VerifySAS(token, target string, at time.Time, keys ...[]byte) error {
	if token == "" {
		return signature.ErrMissing
	}
	t, ok := parseSAS(token)
	if !ok {
		return signature.ErrMalformed
	}
	if err := sas.Verify(t.signature, keys, []byte(t.unsigned)); err != nil {
		return err
	}
	switch {
	case !at.Before(t.expires):
		return fmt.Errorf("%w: token past its expiry", signature.ErrExpired)
	case !covers(t.resource, target):
		return fmt.Errorf("%w: token for another URL", signature.ErrMismatch)
	}
	return nil
}

type sasToken struct {
	unsigned  string // the text that is signed, as received
	signature string // in Base64
	resource  string
	expires   time.Time
}

// parseSAS reads a token: exactly "r=…&e=…&s=…", in this order.
func parseSAS(token string) (t sasToken, ok bool) {
	end := strings.LastIndex(token, "&s=")
	if end < 0 || len(token) > maxSAS {
		return t, false
	}
	t.unsigned = token[:end]
	resource, expires, found := strings.Cut(t.unsigned, "&e=")
	resource, named := strings.CutPrefix(resource, "r=")
	if !found || !named || strings.Contains(resource, "&") || strings.Contains(expires, "&") {
		return t, false
	}
	var errs [3]error
	t.resource, errs[0] = url.QueryUnescape(resource)
	expires, errs[1] = url.QueryUnescape(expires)
	t.signature, errs[2] = url.PathUnescape(token[end+len("&s="):]) // PathUnescape keeps a "+"
	t.expires = parseExpiry(expires)
	return t, errors.Join(errs[:]...) == nil && !t.expires.IsZero()
}

// parseExpiry reads the formats in which clients write an expiry. All are in UTC, without a zone. It returns the
// zero Time for any other text.
func parseExpiry(text string) time.Time {
	for _, form := range []string{sasTime, "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// covers reports whether target is at or below resource: the same scheme and host, and a path that begins with all
// segments of the resource's path.
func covers(resource, target string) bool {
	r, err := url.Parse(resource)
	t, targetErr := url.Parse(target)
	if err != nil || targetErr != nil || r.Host == "" || r.User != nil || t.User != nil {
		return false
	}
	below, ok := strings.CutPrefix(t.EscapedPath(), strings.TrimSuffix(r.EscapedPath(), "/"))
	return ok && (below == "" || below[0] == '/') && !strings.Contains(t.Path+"/", "/../") &&
		strings.EqualFold(r.Scheme, t.Scheme) && strings.EqualFold(r.Host, t.Host)
}

const authorization = "Authorization"

// leeway is the tolerated difference between Entra's clock and ours.
const leeway = 5 * time.Minute

// A bearer checks the token that Microsoft Entra issued to Event Grid for this endpoint.
type bearer struct {
	now      func() time.Time
	keys     signature.KeyFinder
	audience string
	tenant   string
	app      string
	issuers  []string
}

// bearer returns the check of Entra tokens that the settings describe.
func (s *settings) bearer(env provider.Env, where cloud) (*bearer, error) {
	var errs []error
	if s.Audience == "" {
		errs = append(errs, bellhop.Invalid("audience", "required with tenant_id: the id, or the application id "+
			"URI, of the Entra application that represents this endpoint"))
	}
	if !provider.IsGUID(s.TenantID) {
		errs = append(errs, bellhop.Invalid("tenant_id", "required with audience: the id of the Entra directory, "+
			"such as 7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"))
	}
	b := &bearer{now: env.Now, audience: s.Audience, tenant: strings.ToLower(s.TenantID), app: where.app}
	if s.AppID != "" {
		b.app = s.AppID
	}
	if !provider.IsGUID(b.app) {
		errs = append(errs, bellhop.Invalid("app_id", "use the id of an application, such as "+
			"4962773b-9cdb-44cf-a8bf-237846a00ab7"))
	}
	url, err := jwks.URL("keys_url", s.KeysURL, "https://"+where.login+"/"+b.tenant+"/discovery/v2.0/keys")
	b.keys = jwks.New(env, url)
	b.issuers = []string{"https://sts.windows.net/" + b.tenant + "/", "https://" + where.login + "/" + b.tenant +
		"/v2.0"}
	return b, bellhop.Join("", append(errs, err)...)
}

func (b *bearer) authenticate(ctx context.Context, req *provider.Request) error {
	if err := b.verify(ctx, req); err != nil {
		return fmt.Errorf("bearer token: %w", err)
	}
	return nil
}

// checkPresent is the part of authenticate that needs no key.
func (b *bearer) checkPresent(h http.Header) error {
	_, err := bearerToken(h)
	return provider.Named("bearer token", err)
}

// bearerToken returns the token in h, which is not empty.
func bearerToken(h http.Header) (string, error) {
	value, err := signature.Single(h, authorization)
	if err != nil {
		return "", err
	}
	scheme, token, _ := strings.Cut(value, " ")
	switch {
	case !strictjson.EqualFold(scheme, "Bearer"):
		return "", signature.ErrMalformed
	case token == "":
		return "", signature.ErrMissing
	}
	return token, nil
}

func (b *bearer) verify(ctx context.Context, req *provider.Request) error {
	token, err := bearerToken(req.Header)
	if err != nil {
		return err
	}
	claims, err := signature.VerifyJWT(ctx, token, b.keys)
	if err != nil {
		return err
	}
	if err := b.checkParties(claims); err != nil {
		return err
	}
	return claims.CheckTime(b.now(), leeway)
}

// checkParties compares the token's issuer, directory, audience and application with the expected ones. The
// application matters because any application of the directory can get a token for this endpoint.
func (b *bearer) checkParties(c signature.Claims) error {
	app := c.AppID // version 1 of Entra's tokens
	if app == "" {
		app = c.AuthorizedParty // version 2
	}
	switch {
	case !slices.Contains(b.issuers, c.Issuer):
		return fmt.Errorf("%w: unexpected issuer", signature.ErrMismatch)
	case !strictjson.EqualFold(c.TenantID, b.tenant):
		return fmt.Errorf("%w: the directory is not settings.tenant_id", signature.ErrMismatch)
	case !slices.Contains(c.Audience, b.audience):
		return fmt.Errorf("%w: the audience is not settings.audience", signature.ErrMismatch)
	case !strictjson.EqualFold(app, b.app):
		return fmt.Errorf("%w: the application is not Event Grid", signature.ErrMismatch)
	}
	return nil
}
