package client

import (
	"context"
	"net/http"
	"net/url"
)

// A NewConnection holds the values of a new connection.
type NewConnection struct {
	Name     string   `json:"name" example:"work"`
	Provider string   `json:"provider" example:"graph"`
	Settings Settings `json:"settings,omitempty"` // secrets included
	Tenant   string   `json:"tenant,omitempty" maxLength:"64"`
}

// A ConnectionPatch describes the changes that [Client.UpdateConnection] takes.
type ConnectionPatch struct {
	NewConnection
	// KeepSecrets allows a change of a URL to send stored secrets, or the tokens that they bring, to another
	// scheme, host or port. Without it such a change is refused, unless it gives or removes these secrets.
	KeepSecrets bool `json:"keep_secrets,omitempty"`
}

// A Connection is who we are at a provider's API. Its tokens are never shown.
type Connection struct {
	ID          string   `json:"id" example:"con_01h455vb4pex5vsknk08"`
	Name        string   `json:"name" example:"work"`
	Provider    string   `json:"provider" example:"graph"`
	Tenant      string   `json:"tenant"`
	Settings    Settings `json:"settings"` // a secret is masked: {"set": true, "set_at": …}
	State       string   `json:"state" example:"ready" enum:"ready,signed_out,failing"`
	Reason      string   `json:"reason"`          // why it is not ready, with the remedy; of a ready one: a warning
	Account     string   `json:"account"`         // who we are at the provider
	ExpiresAt   Time     `json:"expires_at"`      // when the present access token ends
	UsedAt      Time     `json:"used_at"`         // of the latest call, to the minute
	RedirectURI string   `json:"redirect_uri"`    // to be registered at the authority, if users sign in by a browser
	Login       *Login   `json:"login,omitempty"` // the latest sign-in begun since the start, if any
	CreatedAt   Time     `json:"created_at"`
	UpdatedAt   Time     `json:"updated_at"`
	Warnings    []string `json:"warnings,omitempty"` // of an answer to a change: what is accepted but weak
	// of an answer to a new name: the destinations whose settings have it now
	Followed []string `json:"followed,omitempty"`

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (c *Connection) setETag(tag string) { c.ETag = tag }

// A Login is a sign-in that was begun.
type Login struct {
	Kind            string `json:"kind" enum:"browser,device,none" example:"browser"`
	State           string `json:"state" enum:"waiting,done,failed" example:"waiting"`
	Reason          string `json:"reason"` // why it failed
	ExpiresAt       Time   `json:"expires_at"`
	URL             string `json:"url,omitempty"` // in the answer that begins the sign-in only
	RedirectURI     string `json:"redirect_uri,omitempty"`
	UserCode        string `json:"user_code,omitempty" example:"F7KQ2M9XA"`
	VerificationURI string `json:"verification_uri,omitempty" example:"https://microsoft.com/devicelogin"`
}

// A LoginRequest says how a user signs in.
type LoginRequest struct {
	Device bool `json:"device,omitempty"` // by a device code instead of a browser here
}

// A ConnectionTest is what a test call showed.
type ConnectionTest struct {
	OK          bool         `json:"ok"`
	Reason      string       `json:"reason"` // why it failed, with the remedy; of a good one: a warning
	Account     string       `json:"account"`
	Grant       string       `json:"grant" enum:"user,client_credentials,key" example:"user"`
	ExpiresAt   Time         `json:"expires_at"` // when the present access token ends
	Permissions []Permission `json:"permissions"`
	Duration    string       `json:"duration" example:"132ms"`
}

// A Permission is what an account may do at a provider.
type Permission struct {
	Name    string `json:"name" example:"Calendars.Read"`
	For     string `json:"for" example:"events of calendars"`
	Granted bool   `json:"granted"`
}

// ConnectionFilter narrows a list of connections. Zero fields select all.
type ConnectionFilter struct {
	State    string // ready, signed_out or failing
	Provider string
	Tenant   string
}

// Connections lists the connections.
func (c *Client) Connections(ctx context.Context, f ConnectionFilter, page Page) (List[Connection], error) {
	return list[Connection](ctx, c, path("connections"), page,
		url.Values{"state": {f.State}, "provider": {f.Provider}, "tenant": {f.Tenant}})
}

// Connection returns the connection of that id or name.
func (c *Client) Connection(ctx context.Context, idOrName string) (Connection, error) {
	return get[Connection](ctx, c, path("connections", idOrName))
}

// CreateConnection creates a connection. Its state is that of its first request for a token, where that needs
// nobody to sign in.
func (c *Client) CreateConnection(ctx context.Context, n NewConnection) (Connection, error) {
	return post[Connection](ctx, c, path("connections"), n)
}

// UpdateConnection changes the members named in changes, a JSON merge patch of a ConnectionPatch. A nil value
// removes a member.
func (c *Client) UpdateConnection(ctx context.Context, idOrName string, changes map[string]any) (Connection, error) {
	return patch[Connection](ctx, c, path("connections", idOrName), changes)
}

// DeleteConnection deletes a connection with its tokens.
func (c *Client) DeleteConnection(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("connections", idOrName), nil, nil)
}

// LoginConnection begins a sign-in: the answer says which page to open, and for a device code which code to enter
// there. [Client.Connection] shows how far it is.
func (c *Client) LoginConnection(ctx context.Context, idOrName string, r LoginRequest) (Login, error) {
	return post[Login](ctx, c, path("connections", idOrName, "login"), r)
}

// TestConnection makes the cheapest authentic call in the name of a connection.
func (c *Client) TestConnection(ctx context.Context, idOrName string) (ConnectionTest, error) {
	return post[ConnectionTest](ctx, c, path("connections", idOrName, "test"), nil)
}

// LogoutConnection forgets the tokens of a connection, and returns it.
func (c *Client) LogoutConnection(ctx context.Context, idOrName string) (Connection, error) {
	return post[Connection](ctx, c, path("connections", idOrName, "logout"), nil)
}
