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

// A scheme authenticates requests: it verifies received ones and signs those that are sent.
type scheme interface {
	// verify returns a nil error if req is authentic. Its errors are those of package signature, and provider.ErrBody.
	verify(req *provider.Request) (verification, error)
	// sign adds to h the headers that verify requires. id is the id of the event.
	sign(h http.Header, body []byte, id string, at provider.AttemptInfo) error
}

// A verification is the result of verifying an authentic request.
type verification struct {
	repeat string // a text that is equal for repeats of the request; "" if the scheme has none
	key    []byte // the key that signed the request; nil if it is not signed
}

// newScheme returns the scheme that the settings describe.
func newScheme(s settings, now func() time.Time) (scheme, error) {
	if s.Scheme == schemeNone {
		return none{}, nil
	}
	var made scheme
	var err error
	switch s.Scheme {
	case schemeHMAC:
		made, err = newMAC(s, now)
	case schemeToken:
		made, err = newToken(s)
	case schemeBasic:
		made, err = newBasic(s)
	default:
		made, err = newQuery(s)
	}
	secretErr := s.Secret.Check("secret")
	if s.Scheme == schemeHMAC {
		secretErr = nil // newMAC has checked it
	}
	return made, bellhop.Join("", secretErr, checkHeader("header", s.Header), err)
}

// none accepts every request.
type none struct{}

func (none) verify(*provider.Request) (verification, error)               { return verification{}, nil }
func (none) sign(http.Header, []byte, string, provider.AttemptInfo) error { return nil }

// authorization is the header of Basic authentication, and the default header of tokens. Its value is never stored.
const authorization = "Authorization"

// token is the scheme "token": a header holds the secret after a prefix.
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
		if bellhop.SecretFault(text) == "" && !provider.Printable(text) {
			errs = append(errs, bellhop.Invalid(s.Secret.Path("secret", i), "cannot be sent in a header: use "+
				"printable ASCII without a blank at either end"))
		}
	}
	return t, bellhop.Join("", errs...)
}

func (t *token) verify(req *provider.Request) (verification, error) {
	value, err := signature.Single(req.Header, t.header)
	if err != nil {
		return verification{}, fmt.Errorf("%s: %w", t.header, err)
	}
	got, ok := t.cutPrefix(value)
	switch {
	case !ok:
		return verification{}, fmt.Errorf("%s: %w", t.header, signature.ErrMalformed)
	case !signature.EqualToken(got, t.tokens...):
		return verification{},
			fmt.Errorf("%s: %w", t.header, signature.DescribeToken(signature.ErrMismatch, "the token"))
	}
	return verification{}, nil
}

// cutPrefix ignores case in Authorization only, where the prefix is the name of a scheme (RFC 9110, section 11.1).
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

// basic is the scheme "basic": Basic authentication.
type basic struct{ pairs []string } // "user:password"

func newBasic(s settings) (scheme, error) {
	if s.Username == "" || strings.Contains(s.Username, ":") {
		return &basic{}, bellhop.Invalid("username", "required: the user name, without a colon")
	}
	b := &basic{}
	for _, password := range s.Secret {
		b.pairs = append(b.pairs, s.Username+":"+password)
	}
	return b, nil
}

var strictBase64 = base64.StdEncoding.Strict()

func (b *basic) verify(req *provider.Request) (verification, error) {
	value, err := signature.Single(req.Header, authorization)
	if err != nil {
		return verification{}, fmt.Errorf("%s: %w", authorization, err)
	}
	name, text, _ := strings.Cut(value, " ")
	pair, err := strictBase64.DecodeString(text)
	switch {
	case !strictjson.EqualFold(name, "Basic"), err != nil, strings.ContainsAny(text, "\r\n"):
		return verification{}, fmt.Errorf("%s: %w", authorization, signature.ErrMalformed)
	case !signature.EqualToken(string(pair), b.pairs...):
		return verification{}, signature.DescribeToken(signature.ErrMismatch, "the user name or the password")
	}
	return verification{}, nil
}

func (b *basic) sign(h http.Header, _ []byte, _ string, _ provider.AttemptInfo) error {
	h.Set(authorization, "Basic "+strictBase64.EncodeToString([]byte(b.pairs[0])))
	return nil
}

// defaultParameter is the parameter of the URL that holds the secret, unless the settings name another.
const defaultParameter = "code"

// query is the scheme "query": a parameter of the URL holds the secret.
type query struct {
	parameter string
	tokens    []string
}

func newQuery(s settings) (scheme, error) {
	if s.Parameter == "" {
		s.Parameter = defaultParameter
	}
	return &query{parameter: s.Parameter, tokens: s.Secret}, nil
}

func (q *query) verify(req *provider.Request) (verification, error) {
	err := signature.VerifyToken(provider.Query(req.Target, q.parameter), q.tokens...)
	return verification{}, signature.DescribeToken(err, "the query parameter "+q.parameter)
}

// sign adds nothing, since the secret is in the destination's URL. It checks that it is there.
func (q *query) sign(_ http.Header, _ []byte, _ string, at provider.AttemptInfo) error {
	if _, err := q.verify(&provider.Request{Target: at.URL}); err != nil {
		return fmt.Errorf("the destination's URL must contain the secret once, as ?%s=…: %w", q.parameter, err)
	}
	return nil
}

// without returns the query text without the parameter that holds the secret.
func (q *query) without(text string) string {
	var kept []string
	for pair := range strings.SplitSeq(text, "&") {
		if len(provider.Query("?"+pair, q.parameter)) == 0 {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
