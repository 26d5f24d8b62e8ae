package client

import (
	"context"
	"net/http"
	"net/url"
)

// A NewKey holds the values of a new key.
type NewKey struct {
	Name      string `json:"name" example:"ci"`
	Scope     string `json:"scope" example:"read" enum:"admin,operate,read,publish"`
	Tenant    string `json:"tenant,omitempty" maxLength:"255"` // "" is all
	ExpiresAt Time   `json:"expires_at,omitzero"`              // zero is never
}

// A Key lets a program call the API within its scope. Its text is not shown again after it was made.
type Key struct {
	ID          string `json:"id" example:"key_01h455vb4pex5vsknk08"`
	Name        string `json:"name" example:"ci"`
	Scope       string `json:"scope" example:"read" enum:"admin,operate,read,publish"`
	Tenant      string `json:"tenant"`
	CreatedAt   Time   `json:"created_at"`
	ExpiresAt   Time   `json:"expires_at"`   // zero is never
	LastUsedAt  Time   `json:"last_used_at"` // zero is never
	LastAddress string `json:"last_address" example:"192.0.2.7"`

	// ETag names the key, for [Client.IfMatch], and no later one of the same name; "" in a list.
	ETag string `json:"-"`
}

func (k *Key) setETag(tag string) { k.ETag = tag }

// A CreatedKey is a new key with its text, which is shown this once.
type CreatedKey struct {
	Key
	Text string `json:"key" example:"bhk_01h455vb4pex5vsknk08_…"`
}

// An AdminRotation says how the admin key is replaced.
type AdminRotation struct {
	Grace string `json:"grace,omitempty" example:"10m"` // how long the old one still works, at most 24h; "" is 0s
}

// A RotatedAdmin is a new admin key, which is shown this once.
type RotatedAdmin struct {
	Key      string `json:"key" example:"bhk_…"`
	OldUntil Time   `json:"old_until"` // when the old one ends; zero: it has ended
}

// A KeyFilter narrows a list of keys. Zero fields select all.
type KeyFilter struct {
	Tenant string
	Scope  string // admin, operate, read or publish
}

// Keys lists the keys.
func (c *Client) Keys(ctx context.Context, f KeyFilter, page Page) (List[Key], error) {
	return list[Key](ctx, c, path("keys"), page, url.Values{"scope": {f.Scope}, "tenant": {f.Tenant}})
}

// Key returns the key of that id or name, without its text.
func (c *Client) Key(ctx context.Context, idOrName string) (Key, error) {
	return get[Key](ctx, c, path("keys", idOrName))
}

// CreateKey makes a key. Its text is in this answer alone.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (CreatedKey, error) {
	return post[CreatedKey](ctx, c, path("keys"), n)
}

// DeleteKey revokes a key: it is refused from then on.
func (c *Client) DeleteKey(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("keys", idOrName), nil, nil)
}

// RotateAdminKey replaces the admin key of the server. A Client with the old one needs a successor with the new one.
func (c *Client) RotateAdminKey(ctx context.Context, r AdminRotation) (RotatedAdmin, error) {
	return post[RotatedAdmin](ctx, c, path("keys", "rotate-admin"), r)
}

// A SignInLink signs a person in to the pages of the gateway, as the holder of the key that made it: once, until it
// expires.
type SignInLink struct {
	URL string `json:"url" example:"https://hooks.example.com/ui/open/…"`
	// LocalURL is the same page by an address of the gateway's machine.
	LocalURL  string `json:"local_url" example:"http://127.0.0.1:8080/ui/open/…"`
	ExpiresAt Time   `json:"expires_at"`
}

// CreateSignInLink makes a link that signs in the holder of the client's key.
func (c *Client) CreateSignInLink(ctx context.Context) (SignInLink, error) {
	return post[SignInLink](ctx, c, path("sign-in-links"), nil)
}
