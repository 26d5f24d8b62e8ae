package app

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/connection"
)

// connections is the manager of connections as the API asks for it: in the JSON forms of package client.
type connections struct{ *connection.Manager }

var _ api.Connections = connections{}

// Login implements [api.Connections].
func (c connections) Login(ctx context.Context, idOrName string, device bool) (client.Login, error) {
	l, err := c.Begin(ctx, idOrName, device)
	return loginJSON(l), err
}

// LatestLogin implements [api.Connections].
func (c connections) LatestLogin(id string) *client.Login {
	l, ok := c.Manager.Login(id)
	if !ok {
		return nil
	}
	shown := loginJSON(l)
	return &shown
}

func loginJSON(l connection.Login) client.Login {
	return client.Login{Kind: string(l.Kind), State: string(l.State), Reason: l.Reason,
		ExpiresAt: client.Time{Time: l.ExpiresAt}, URL: l.URL, RedirectURI: l.RedirectURI, UserCode: l.UserCode,
		VerificationURI: l.VerificationURI}
}

// RedirectURI implements [api.Connections].
func (c connections) RedirectURI(n bellhop.Connection) string {
	if !c.UsesRedirect(n) {
		return ""
	}
	return c.Manager.RedirectURI()
}

// Test implements [api.Connections].
func (c connections) Test(ctx context.Context, idOrName string) (client.ConnectionTest, error) {
	t, err := c.Manager.Test(ctx, idOrName)
	shown := client.ConnectionTest{OK: t.OK, Reason: t.Reason, Account: t.Account, Grant: "key",
		ExpiresAt: client.Time{Time: t.ExpiresAt}, Permissions: []client.Permission{},
		Duration: catalog.DurationText(t.Took.Round(time.Millisecond))}
	switch {
	case t.ByUser:
		shown.Grant = "user"
	case t.ByToken:
		shown.Grant = "client_credentials"
	}
	for _, p := range t.Permissions {
		shown.Permissions = append(shown.Permissions, client.Permission(p))
	}
	return shown, err
}
