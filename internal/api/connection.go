package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// Connections signs connections in and out, and tests them. Its errors are *bellhop.Error where a person can act on
// them.
type Connections interface {
	// Login begins a sign-in by a browser, or by a device code.
	Login(ctx context.Context, idOrName string, device bool) (client.Login, error)
	// LatestLogin returns the sign-in of a connection that was begun last; nil if there was none.
	LatestLogin(id string) *client.Login
	// RedirectURI returns the URL to register at the authority of c; "" if no user signs in to it by a browser.
	RedirectURI(c bellhop.Connection) string
	// Logout forgets the tokens of a connection.
	Logout(ctx context.Context, idOrName string) error
	// Test makes a call in the name of a connection.
	Test(ctx context.Context, idOrName string) (client.ConnectionTest, error)
}

func (s *server) connections() {
	handle(s, op{http.MethodGet, "/connections", "list-connections", "List connections", 0}, s.listConnections)
	handle(s, op{http.MethodPost, "/connections", "create-connection", "Create a connection", http.StatusCreated},
		s.createConnection)
	handle(s, op{http.MethodGet, "/connections/{id}", "show-connection", "Show a connection", 0}, s.showConnection)
	handlePatch(s, op{http.MethodPatch, "/connections/{id}", "update-connection", "Change a connection", 0},
		s.updateConnection)
	handle(s, op{http.MethodDelete, "/connections/{id}", "delete-connection", "Delete a connection", 0},
		s.deleteConnection)
	handle(s, op{http.MethodPost, "/connections/{id}/login", "login-connection", "Begin a sign-in", 0},
		s.loginConnection)
	handle(s, op{http.MethodPost, "/connections/{id}/test", "test-connection",
		"Make a call in the name of a connection", 0}, s.testConnection)
	handle(s, op{http.MethodPost, "/connections/{id}/logout", "logout-connection",
		"Revoke and forget the tokens of a connection", 0}, s.logoutConnection)
}

// listConnectionsInput narrows a list of connections.
type listConnectionsInput struct {
	State    string `query:"state" enum:"ready,signed_out,failing" doc:"Only those in this state"`
	Provider string `query:"provider" maxLength:"64" example:"graph" doc:"Only those at this provider"`
	Owned
	Paging
}

func (s *server) listConnections(
	ctx context.Context,
	in *listConnectionsInput,
) (*listOutput[client.Connection], error) {
	filter := bellhop.ConnectionFilter{State: bellhop.ConnectionState(in.State), Provider: in.Provider,
		Tenant: in.Tenant}
	list, next, err := s.Store.Connections(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, s.connectionJSON), nil
}

func (s *server) showConnection(ctx context.Context, in *one) (*tagged[client.Connection], error) {
	c, err := s.Store.Connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(c.UpdatedAt, s.connectionJSON(c)), nil
}

func (s *server) createConnection(
	ctx context.Context, in *struct{ Body client.NewConnection },
) (*createdOutput[client.Connection], error) {
	c, err := connectionOf(in.Body)
	if err != nil {
		return nil, err
	}
	if c, err = s.Catalog.CreateConnection(ctx, c); err != nil {
		return nil, err
	}
	return created("connections", c.ID, c.UpdatedAt, s.changedConnectionJSON(c)), nil
}

// connectionReadOnly are the members of an answer that cannot be set, and do not change by themselves.
var connectionReadOnly = []string{"id", "provider", "tenant", "redirect_uri", "created_at", "updated_at"}

// connectionPassing are the members of an answer that may have changed since the client got it.
var connectionPassing = []string{"state", "reason", "account", "expires_at", "used_at", "login", "warnings",
	"followed"}

func (s *server) updateConnection(
	ctx context.Context, in *patchInput[client.ConnectionPatch],
) (*tagged[client.Connection], error) {
	c, followed, err := s.Catalog.UpdateConnection(ctx, in.ID,
		func(before bellhop.Connection) (to catalog.ConnectionChange, err error) {
			if err := in.check("connection", before.UpdatedAt); err != nil {
				return to, err
			}
			to.Given = s.Catalog.KeepConnectionSecrets(before, in.Body)
			for _, name := range connectionPassing {
				delete(in.Body, name)
			}
			if err := in.Body.readOnly(s.connectionJSON(before), connectionReadOnly...); err != nil {
				return to, err
			}
			merged, err := in.Body.apply(s, client.ConnectionPatch{NewConnection: newConnection(before)})
			if err != nil {
				return to, err
			}
			to.KeepSecrets = merged.KeepSecrets
			to.After, err = connectionOf(merged.NewConnection)
			return to, err
		})
	if err != nil {
		return nil, err
	}
	changed := s.changedConnectionJSON(c)
	changed.Followed = followed
	return taggedBy(c.UpdatedAt, changed), nil
}

func (s *server) deleteConnection(ctx context.Context, in *oneToDelete) (*none, error) {
	return nil, s.Catalog.DeleteConnection(ctx, in.ID, func(c bellhop.Connection) error {
		return in.check("connection", c.UpdatedAt)
	})
}

func (s *server) loginConnection(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"Its id or name" example:"work"`
	Body *client.LoginRequest
}) (*bodyOf[client.Login], error) {
	login, err := s.Connections.Login(ctx, in.ID, in.Body != nil && in.Body.Device)
	if err != nil {
		return nil, err
	}
	c, err := s.Store.Connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.Catalog.NoteChange(ctx, "connection", c.ID, c.Name, "began a sign-in")
	return &bodyOf[client.Login]{login}, nil
}

func (s *server) testConnection(ctx context.Context, in *one) (*bodyOf[client.ConnectionTest], error) {
	test, err := s.Connections.Test(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.ConnectionTest]{test}, nil
}

func (s *server) logoutConnection(ctx context.Context, in *one) (*tagged[client.Connection], error) {
	c, err := s.Store.Connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.Connections.Logout(ctx, in.ID); err != nil {
		return nil, err
	}
	s.Catalog.NoteChange(ctx, "connection", c.ID, c.Name, "signed out")
	return s.showConnection(ctx, in)
}

// connectionJSON returns c in its JSON form, with its secrets masked.
func (s *server) connectionJSON(c bellhop.Connection) client.Connection {
	of := newConnection(s.Catalog.MaskConnection(c))
	return client.Connection{
		ID: c.ID, Name: c.Name, Provider: c.Provider, Tenant: c.Tenant, Settings: of.Settings, State: string(c.State),
		Reason: c.Reason, Account: c.Account,
		ExpiresAt: client.Time{Time: c.ExpiresAt}, UsedAt: client.Time{Time: c.UsedAt},
		RedirectURI: s.Connections.RedirectURI(c), Login: s.Connections.LatestLogin(c.ID),
		CreatedAt: client.Time{Time: c.CreatedAt}, UpdatedAt: client.Time{Time: c.UpdatedAt},
	}
}

// changedConnectionJSON is connectionJSON for the answer to a change, which has warnings.
func (s *server) changedConnectionJSON(c bellhop.Connection) client.Connection {
	changed := s.connectionJSON(c)
	changed.Warnings = s.Catalog.ConnectionWarnings(c)
	return changed
}

// newConnection returns the values from which c could be created again, secrets included.
func newConnection(c bellhop.Connection) client.NewConnection {
	return client.NewConnection{Name: c.Name, Provider: c.Provider, Tenant: c.Tenant,
		Settings: readSettings(c.Settings)}
}

// connectionOf returns the connection with the values of in.
func connectionOf(in client.NewConnection) (bellhop.Connection, error) {
	settings, err := settingsJSON(in.Settings)
	return bellhop.Connection{Name: in.Name, Provider: in.Provider, Tenant: in.Tenant, Settings: settings}, err
}
