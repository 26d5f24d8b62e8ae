package catalog

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

// KeyStore keeps the keys of the API.
type KeyStore interface {
	Key(ctx context.Context, idOrName string) (bellhop.Key, error)
	// CreateKey stores a key; CodeConflict if its name is taken, or if there are too many.
	CreateKey(ctx context.Context, k bellhop.Key) error
	DeleteKey(ctx context.Context, id string) error
}

// Keys are the keys that the server accepts.
type Keys interface {
	// Put makes the server accept a key that was stored.
	Put(k bellhop.Key)
	// Remove makes the server refuse a key.
	Remove(id string)
}

// CreateKey makes and stores a key with the name, scope, tenant and expiry of k, and returns it with its text, which
// is kept nowhere. by is the name of the principal who asks, for the log.
func (c *Catalog) CreateKey(ctx context.Context, k bellhop.Key, by string) (_ bellhop.Key, text string, err error) {
	tenant, tenantErr := c.owner(ctx, k.Tenant)
	if tenantErr == nil {
		k.Tenant = tenant
	}
	if k, text, err = c.newKey(k, "", tenantErr); err != nil {
		return k, "", err
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.opts.Store.CreateKey(ctx, k); err != nil {
		return k, "", err
	}
	c.opts.Keys.Put(k)
	c.log.Info("key.created", "key_id", k.ID, "key", k.Name, "scope", k.Scope, "tenant", k.Tenant,
		"expires_at", k.ExpiresAt, "by", by)
	return k, text, nil
}

// newKey checks a new key, and gives it an id, a time and the hash of its text, which is given or made. tenantErr is
// the error of its tenant.
func (c *Catalog) newKey(k bellhop.Key, given string, tenantErr error) (_ bellhop.Key, text string, err error) {
	now := bellhop.StoredTime(c.now())
	k.ExpiresAt = bellhop.StoredTime(k.ExpiresAt)
	if err := bellhop.Join("", checkKey(k), tenantErr); err != nil {
		return k, "", err
	}
	if k.Expired(now) {
		return k, "", bellhop.Invalid("expires_at", "is in the past; use a later time, or leave it out for a key "+
			"that does not expire")
	}
	k.ID, k.CreatedAt, text = c.newID(bellhop.PrefixKey), now, given
	if given == "" {
		text, err = bellhop.NewKeyText(k.ID, c.opts.Env.Rand)
	} else if id, ok := bellhop.KeyID(given); ok {
		k.ID = id
	} else {
		err = bellhop.Invalid("key", "is not the text of a key; 'bellhop config key' makes one")
	}
	if err != nil {
		return k, "", err
	}
	k.Hash = bellhop.HashKey(text)
	return k, text, nil
}

// checkKey checks the name and the scope of a new key.
func checkKey(k bellhop.Key) error {
	name := bellhop.CheckName(k.Name)
	if k.Name == bellhop.AdminKeyName {
		name = bellhop.Invalid("name", "the name admin is that of the admin key; use another name")
	}
	var scope error
	if !bellhop.ScopeAdmin.Includes(k.Scope) {
		scope = bellhop.Invalid("scope", "use admin, operate, read or publish")
	}
	return bellhop.Join("", name, scope)
}

// DeleteKey revokes a key: once it returns, the server refuses the key. by is the name of the principal who asks.
func (c *Catalog) DeleteKey(ctx context.Context, idOrName, by string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	k, err := c.opts.Store.Key(ctx, idOrName)
	if err != nil {
		return err
	}
	if err := c.opts.Store.DeleteKey(ctx, k.ID); err != nil {
		return err
	}
	c.opts.Keys.Remove(k.ID)
	c.log.Info("key.revoked", "key_id", k.ID, "key", k.Name, "scope", k.Scope, "by", by)
	return nil
}
