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
	if err := signature.VerifyToken(provider.Query(req.Target, parameter), q...); err != nil {
		return fmt.Errorf("code in the query: %w", err)
	}
	return nil
}

// headerSecret is a secret in a header that the subscription's delivery properties add.
type headerSecret struct {
	name    string // canonical
	secrets []string
}

func (s *headerSecret) check(_ context.Context, req *provider.Request) error {
	if err := signature.VerifyToken(req.Header.Values(s.name), s.secrets...); err != nil {
		return fmt.Errorf("settings.header: %w", err)
	}
	return nil
}
