package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"golang.org/x/oauth2"
)

// errorCodes are those of RFC 6749, section 5.2. What else a server says may hold a secret, and is kept from view.
var errorCodes = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

// explain says in words of ours why there is no token.
func (t *tokens) explain(ctx context.Context, err error) error {
	var answered *oauth2.RetrieveError
	var unreached *url.Error
	var failure *egress.Error
	switch {
	case errors.As(err, &answered):
		said := describeStatus(answered.Response.StatusCode)
		if slices.Contains(errorCodes, answered.ErrorCode) {
			said += " (" + answered.ErrorCode + ")"
		}
		return t.wrong("answered " + said)
	case ctx.Err() != nil, errors.As(err, &unreached) && unreached.Timeout():
		return t.late()
	case errors.As(err, &failure):
		return t.wrong("cannot be reached: " + failure.Error())
	case errors.As(err, &unreached):
		return t.wrong("cannot be reached: " + egress.WithoutURL(err).Error())
	}
	return t.wrong("sent something that is no token")
}

func (t *tokens) wrong(what string) error {
	return fmt.Errorf("the token server %s %s", t.server, what)
}

func (t *tokens) late() error { return t.wrong("did not send a token in time") }
