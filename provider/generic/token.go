package generic

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

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
