package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"golang.org/x/oauth2"
)

// knownErrors are the error codes of RFC 6749, section 5.2. Anything else that a token server says may hold a
// secret, and is not repeated.
var knownErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
	"unsupported_grant_type", "invalid_scope"}

// explain returns, in our own words, why a request brought no token.
func (s *Source) explain(ctx context.Context, err error) error {
	var answered *oauth2.RetrieveError
	var unreached *url.Error
	switch {
	case egress.IsLocal(err):
		return egress.Local(err)
	case errors.As(err, &answered):
		status := egress.DescribeStatus(answered.Response.StatusCode)
		if slices.Contains(knownErrors, answered.ErrorCode) {
			status += " (" + answered.ErrorCode + ")"
		}
		return s.wrong("answered " + status)
	case ctx.Err() != nil, errors.As(err, &unreached) && unreached.Timeout():
		return s.late()
	case unreached != nil:
		what, _ := egress.Unanswered(err)
		return s.wrong(what)
	}
	return s.wrong("sent something that is no token")
}
