package generic

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A scheme proves who sent a request, and verifies that proof.
type scheme interface {
	// verify returns nil if req is authentic. Its errors are those of package signature, and provider.ErrBody.
	verify(req *provider.Request) (proof, error)
	// sign adds to h what verify asks for. id is that of the event.
	sign(h http.Header, body []byte, id string, at provider.AttemptInfo) error
}

// A proof is what an authentic request was found to have.
type proof struct {
	repeat string // a text that is the same for a repeat of it; "" if the scheme has none
	key    []byte // that signed it; nil if none did
}

// newScheme checks the settings that are about the scheme.
func newScheme(s settings, now func() time.Time) (scheme, error) {
	if s.Scheme == schemeNone {
		return none{}, nil
	}
	if err := bellhop.Join("", s.Secret.Check("secret"), checkHeader("header", s.Header)); err != nil {
		return nil, err
	}
	switch s.Scheme {
	case schemeHMAC:
		return newMAC(s, now)
	case schemeToken:
		return newToken(s)
	case schemeBasic:
		return newBasic(s)
	default:
		return newQuery(s)
	}
}

// none takes every request.
type none struct{}

func (none) verify(*provider.Request) (proof, error)                      { return proof{}, nil }
func (none) sign(http.Header, []byte, string, provider.AttemptInfo) error { return nil }

// authorization is the header of Basic, and of tokens where no other is set. What it holds is never kept.
const authorization = "Authorization"

// token is the scheme of that name: a header holds the secret behind a prefix.
type token struct {
	header string // canonical
	prefix string
	tokens []string
}

func newToken(s settings) (scheme, error) {
	t := &token{header: http.CanonicalHeaderKey(s.Header), tokens: s.Secret}
	if t.header == "" {
		t.header = authorization
	}
	switch {
	case s.Prefix != nil:
		t.prefix = *s.Prefix
	case t.header == authorization:
		t.prefix = "Bearer "
	}
	var errs []error
	for i, text := range s.Secret {
		if !provider.Printable(text) {
			errs = append(errs, bellhop.Invalid(s.Secret.Path("secret", i), "cannot stand in a header: use printable ASCII without a blank at either end"))
		}
	}
	return t, bellhop.Join("", errs...)
}

func (t *token) verify(req *provider.Request) (proof, error) {
	value, err := signature.Single(req.Header, t.header)
	if err != nil {
		return proof{}, fmt.Errorf("%s: %w", t.header, err)
	}
	got, ok := t.cutPrefix(value)
	switch {
	case !ok:
		return proof{}, fmt.Errorf("%s: %w", t.header, signature.ErrMalformed)
	case !signature.EqualToken(got, t.tokens...):
		return proof{}, fmt.Errorf("%s: %w", t.header, signature.ErrMismatch)
	}
	return proof{}, nil
}

// cutPrefix disregards case in Authorization only, where the prefix is the name of a scheme (RFC 9110, section 11.1).
func (t *token) cutPrefix(value string) (rest string, ok bool) {
	if t.header != authorization || len(value) < len(t.prefix) {
		return strings.CutPrefix(value, t.prefix)
	}
	return value[len(t.prefix):], strictjson.EqualFold(value[:len(t.prefix)], t.prefix)
}

func (t *token) sign(h http.Header, _ []byte, _ string, _ provider.AttemptInfo) error {
	h.Set(t.header, t.prefix+t.tokens[0])
	return nil
}

// basic is the scheme of that name: Basic authentication.
type basic struct{ pairs []string } // "user:password"

func newBasic(s settings) (scheme, error) {
	if s.Username == "" || strings.Contains(s.Username, ":") {
		return nil, bellhop.Invalid("username", "required: the user name, without a colon")
	}
	b := &basic{}
	for _, password := range s.Secret {
		b.pairs = append(b.pairs, s.Username+":"+password)
	}
	return b, nil
}

var strictBase64 = base64.StdEncoding.Strict()

func (b *basic) verify(req *provider.Request) (proof, error) {
	value, err := signature.Single(req.Header, authorization)
	if err != nil {
		return proof{}, fmt.Errorf("%s: %w", authorization, err)
	}
	name, text, _ := strings.Cut(value, " ")
	pair, err := strictBase64.DecodeString(text)
	switch {
	case !strictjson.EqualFold(name, "Basic"), err != nil, strings.ContainsAny(text, "\r\n"):
		return proof{}, fmt.Errorf("%s: %w", authorization, signature.ErrMalformed)
	case !signature.EqualToken(string(pair), b.pairs...):
		return proof{}, fmt.Errorf("%s: %w", authorization, signature.ErrMismatch)
	}
	return proof{}, nil
}

func (b *basic) sign(h http.Header, _ []byte, _ string, _ provider.AttemptInfo) error {
	h.Set(authorization, "Basic "+strictBase64.EncodeToString([]byte(b.pairs[0])))
	return nil
}

// query is the scheme of that name: a parameter of the URL holds the secret.
type query struct {
	parameter string
	tokens    []string
}

func newQuery(s settings) (scheme, error) {
	if s.Parameter == "" {
		s.Parameter = "code"
	}
	return &query{parameter: s.Parameter, tokens: s.Secret}, nil
}

func (q *query) verify(req *provider.Request) (proof, error) {
	if err := signature.VerifyToken(provider.Query(req.Target, q.parameter), q.tokens...); err != nil {
		return proof{}, fmt.Errorf("query: %w", err)
	}
	return proof{}, nil
}

// sign has nothing to add, since the URL is the destination's own; it makes sure that the secret is in it.
func (q *query) sign(_ http.Header, _ []byte, _ string, at provider.AttemptInfo) error {
	if _, err := q.verify(&provider.Request{Target: at.URL}); err != nil {
		return fmt.Errorf("the destination's URL must carry the secret once, as ?%s=…: %w", q.parameter, err)
	}
	return nil
}
