package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"golang.org/x/oauth2"
)

// tokenErrors are those of RFC 6749, section 5.2. What else a server says may hold a secret, and is kept from view.
var tokenErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// explain says in words of ours why there is no token.
func (t *tokens) explain(ctx context.Context, err error) error {
	var answered *oauth2.RetrieveError
	var unreached *url.Error
	var failure *egress.Error
	var untrusted *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.As(err, &answered):
		said := describeStatus(answered.Response.StatusCode)
		if slices.Contains(tokenErrors, answered.ErrorCode) {
			said += " (" + answered.ErrorCode + ")"
		}
		return t.wrong("answered " + said)
	case ctx.Err() != nil, errors.As(err, &unreached) && unreached.Timeout():
		return t.late()
	case errors.As(err, &failure):
		return t.wrong("cannot be reached: " + failure.Error())
	case errors.As(err, &untrusted):
		return t.wrong("cannot be trusted: " + untrusted.Error())
	case errors.As(err, &network) && network.Op == "dial":
		return t.wrong("cannot be reached: " + network.Err.Error())
	case errors.As(err, &unreached): // net/http repeats what it cannot read
		return t.wrong("did not answer as HTTP servers do, or hung up")
	}
	return t.wrong("sent something that is no token")
}

func (t *tokens) wrong(what string) error {
	return fmt.Errorf("the token server %s %s", t.server, what)
}

func (t *tokens) late() error { return t.wrong("did not send a token in time") }
