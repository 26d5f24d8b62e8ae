package cloudevents

import (
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Verify checks that a request has one of tokens, either in Authorization after "Bearer " or in the query parameter
// access_token of target, the path and query. It returns signature.ErrMissing, ErrMismatch, or ErrMalformed if
// there are two tokens, even equal ones, or another scheme in Authorization. It compares in constant time.
//
// Web Hooks have no stronger authentication: whoever sees a request can make others.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#3-authorization
func Verify(h http.Header, target string, tokens ...string) error {
	token, err := token(h, target)
	if err == nil && !signature.EqualToken(token, tokens...) {
		return signature.DescribeToken(signature.ErrMismatch, "the bearer token")
	}
	return err
}

// token returns the one token of a request.
func token(h http.Header, target string) (string, error) {
	inQuery := provider.Query(target, queryToken)
	switch {
	case len(inQuery) == 0:
		value, err := signature.Single(h, "Authorization")
		if err != nil {
			return "", err
		}
		return cutScheme(value)
	case len(inQuery) > 1 || len(h["Authorization"]) > 0:
		return "", fmt.Errorf("%w: there is more than one token", signature.ErrMalformed)
	case inQuery[0] == "":
		return "", signature.ErrMissing
	}
	return inQuery[0], nil
}

// queryToken is the query parameter for senders that cannot set headers.
const queryToken = "access_token"

// bearer is the scheme in Authorization and the blank after it.
const bearer = "Bearer "

func cutScheme(value string) (string, error) {
	if len(value) <= len(bearer) || !strictjson.EqualFold(value[:len(bearer)], bearer) {
		return "", fmt.Errorf("%w: Authorization is not a Bearer token", signature.ErrMalformed)
	}
	return value[len(bearer):], nil
}
