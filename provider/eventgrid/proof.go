package eventgrid

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A proof is something that a request carries because Event Grid was told to add it.
type proof interface {
	// check returns nil if req carries it, else an error of package signature, or provider.ErrUnavailable.
	check(ctx context.Context, req *provider.Request) error
}

// querySecret is a secret in the query of the URL. Several are those in use while it is being replaced.
type querySecret []string

// parameter is what Azure calls such a secret everywhere.
const parameter = "code"

func (q querySecret) check(_ context.Context, req *provider.Request) error {
	values := provider.Query(req.Target, parameter)
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return fmt.Errorf("code in the query: %w", signature.ErrMissing)
	case len(values) > 1:
		return fmt.Errorf("code in the query: %w", signature.ErrMalformed)
	case !signature.EqualToken(values[0], q...):
		return fmt.Errorf("code in the query: %w", signature.ErrMismatch)
	}
	return nil
}

// headerSecret is a secret in a header that the subscription's delivery properties add.
type headerSecret struct {
	name    string // canonical
	secrets []string
}

func (s *headerSecret) check(_ context.Context, req *provider.Request) error {
	value, err := signature.Single(req.Header, s.name)
	if err == nil && !signature.EqualToken(value, s.secrets...) {
		err = signature.ErrMismatch
	}
	if err != nil {
		return fmt.Errorf("settings.header: %w", err)
	}
	return nil
}
