package generic

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

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
