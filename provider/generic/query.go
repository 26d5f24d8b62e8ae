package generic

import (
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

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
