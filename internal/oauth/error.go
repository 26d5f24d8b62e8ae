package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
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
	var failure *egress.Error
	var untrusted *tls.CertificateVerificationError
	var network *net.OpError
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
	case errors.As(err, &failure):
		return s.wrong("cannot be reached: " + failure.Error())
	case errors.As(err, &untrusted):
		return s.wrong("cannot be trusted: " + untrusted.Error())
	case errors.As(err, &network) && network.Op == "dial":
		return s.wrong("cannot be reached: " + network.Err.Error())
	case errors.As(err, &unreached): // net/http repeats the bytes that it cannot read
		return s.wrong("did not answer as HTTP servers do, or hung up")
	}
	return s.wrong("sent something that is no token")
}
