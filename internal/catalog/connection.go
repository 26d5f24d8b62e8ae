package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// ConnectionStore keeps the connections. The catalog sets ids and times.
type ConnectionStore interface {
	Connection(ctx context.Context, idOrName string) (bellhop.Connection, error)
	CreateConnection(ctx context.Context, c bellhop.Connection) error
	// UpdateConnection leaves the state and the tokens unchanged. It changes the name of the connection in the
	// settings of actions too, and returns the names of those.
	UpdateConnection(ctx context.Context, c bellhop.Connection, version ...time.Time) (followed []string, err error)
	DeleteConnection(ctx context.Context, id string, version ...time.Time) error
}

// Connections keeps the tokens of connections.
type Connections interface {
	// Changed asks for tokens by new settings, if that needs no person, and stores the state that follows.
	Changed(ctx context.Context, id string)
	// Deleted forgets a connection.
	Deleted(id string)
}

// A ConnectionChange is the successor of a connection, and what its caller said about secrets.
type ConnectionChange struct {
	After bellhop.Connection
	// Given are the paths of the secrets that the caller wrote out: "settings.client_secret".
	Given []string
	// KeepSecrets confirms that the stored secrets are meant for another scheme, host or port too.
	KeepSecrets bool
}

// CreateConnection checks and stores a new connection, and returns it with the state that its first request for
// tokens has brought.
func (c *Catalog) CreateConnection(ctx context.Context, n bellhop.Connection) (bellhop.Connection, error) {
	tenant, tenantErr := c.owner(ctx, n.Tenant)
	if tenantErr == nil {
		n.Tenant = tenant
	}
	n, err := c.newConnection(n, tenantErr)
	if err != nil {
		return n, err
	}
	if err := c.opts.Store.CreateConnection(ctx, n); err != nil {
		return n, err
	}
	c.log.Info("connection.created", "connection_id", n.ID, "connection", n.Name, "provider", n.Provider)
	return c.settledConnection(ctx, n)
}

// newConnection checks a new connection, and gives it an id, times and the state in which it starts. tenantErr is the
// error of its tenant.
func (c *Catalog) newConnection(n bellhop.Connection, tenantErr error) (bellhop.Connection, error) {
	opened, err := c.checkConnection(n)
	if err := bellhop.Join("", err, tenantErr); err != nil {
		return n, err
	}
	n.ID = c.newID(bellhop.PrefixConnection)
	n.CreatedAt = bellhop.StoredTime(c.now())
	n.UpdatedAt = n.CreatedAt
	n.SecretsAt = c.connectionSecretTimes(bellhop.Connection{}, n)
	switch {
	case opened.OAuth == nil:
		n.State = bellhop.ConnectionReady
	case opened.OAuth.ByClient():
		n.State, n.Reason = bellhop.ConnectionFailing, "no token has been asked for yet"
	default:
		n.State, n.Reason = bellhop.ConnectionSignedOut, "nobody has signed in: bellhop connections login "+n.Name
	}
	return n, nil
}

// succeedConnection checks the successor of a connection, and gives it what is not its to set.
func (c *Catalog) succeedConnection(before bellhop.Connection, made ConnectionChange) (bellhop.Connection, error) {
	after := made.After
	if after.Provider != before.Provider {
		return before, bellhop.Invalid("provider", "cannot be changed")
	}
	after.ID, after.Tenant, after.CreatedAt = before.ID, before.Tenant, before.CreatedAt
	if _, err := c.checkConnection(after); err != nil {
		return before, err
	}
	if err := c.checkConnectionMove(before, made); err != nil {
		return before, err
	}
	after.UpdatedAt = bellhop.StoredTime(c.changedAt(before.UpdatedAt))
	after.SecretsAt = c.connectionSecretTimes(before, after)
	return after, nil
}

// settledConnection has the tokens of a changed connection asked for, and returns it as it is then.
func (c *Catalog) settledConnection(ctx context.Context, n bellhop.Connection) (bellhop.Connection, error) {
	if c.opts.Connections != nil {
		c.opts.Connections.Changed(ctx, n.ID)
	}
	return c.opts.Store.Connection(ctx, n.ID)
}

// UpdateConnection stores the successor that change makes of a connection, and returns it. An error of change is
// returned as it is. Id, provider, tenant, state and times are not change's to set. Tokens that were asked for by
// settings that are others now are not used any more. followed are the destinations whose settings named it by its old
// name, and follow it.
func (c *Catalog) UpdateConnection(
	ctx context.Context, idOrName string, change func(before bellhop.Connection) (ConnectionChange, error),
) (after bellhop.Connection, followed []string, err error) {
	c.changing.Lock()
	err = again(func() (err error) {
		after, followed, err = c.storeConnection(ctx, idOrName, change)
		return err
	})
	if err == nil && len(followed) > 0 {
		err = c.load(ctx)
	}
	c.changing.Unlock()
	if err != nil {
		return after, nil, err
	}
	after, err = c.settledConnection(ctx, after)
	return after, followed, err
}

// storeConnection is UpdateConnection without the request for tokens. The caller holds changing.
func (c *Catalog) storeConnection(
	ctx context.Context, idOrName string, change func(before bellhop.Connection) (ConnectionChange, error),
) (after bellhop.Connection, followed []string, err error) {
	before, err := c.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return before, nil, err
	}
	made, err := change(before)
	if err == nil {
		after, err = c.succeedConnection(before, made)
	}
	if err != nil {
		return before, nil, err
	}
	followed, err = c.opts.Store.UpdateConnection(ctx, after, before.UpdatedAt)
	if err != nil {
		return before, nil, err
	}
	c.log.Info("connection.updated", "connection_id", after.ID, "connection", after.Name, "followed", len(followed))
	return after, followed, nil
}

// DeleteConnection deletes a connection that allowed, unless it is nil, returns no error for, with its tokens.
func (c *Catalog) DeleteConnection(
	ctx context.Context, idOrName string, allowed func(bellhop.Connection) error,
) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	return again(func() error { return c.deleteConnection(ctx, idOrName, allowed) })
}

// deleteConnection is DeleteConnection. The caller holds changing.
func (c *Catalog) deleteConnection(
	ctx context.Context, idOrName string, allowed func(bellhop.Connection) error,
) error {
	n, err := c.opts.Store.Connection(ctx, idOrName)
	if err == nil && allowed != nil {
		err = allowed(n)
	}
	if err != nil {
		return err
	}
	if c.opts.Subscriptions != nil {
		if name := c.opts.Subscriptions.HasConnection(n.ID); name != "" {
			return bellhop.Conflict("subscription " + name + " is made in the name of this connection; delete it " +
				"first")
		}
	}
	user, err := c.destinationNaming(ctx, n)
	if err != nil {
		return err
	}
	if user != "" {
		return bellhop.Conflict("destination " + user + " makes its calls in the name of this connection; delete " +
			"it, or set its connection to another one, first")
	}
	if err := c.opts.Store.DeleteConnection(ctx, n.ID, n.UpdatedAt); err != nil {
		return err
	}
	if c.opts.Connections != nil {
		c.opts.Connections.Deleted(n.ID)
	}
	c.log.Info("connection.deleted", "connection_id", n.ID, "connection", n.Name)
	return nil
}

// destinationNaming returns the name of a destination whose settings name n, as those of actions do; "" if there is
// none. An action of another tenant does not find n.
func (c *Catalog) destinationNaming(ctx context.Context, n bellhop.Connection) (string, error) {
	for page := (bellhop.Page{Limit: bellhop.MaxPage}); ; {
		list, next, err := c.opts.Store.Destinations(ctx, bellhop.DestinationFilter{}, page)
		if err != nil {
			return "", err
		}
		for _, d := range list {
			_, acts := c.action(d.Type)
			named := textOf(members(d.Settings)["connection"])
			finds := d.Tenant == "" || d.Tenant == n.Tenant
			if acts && finds && (named == n.Name || named == n.ID) {
				return d.Name, nil
			}
		}
		if next == "" {
			return "", nil
		}
		page.Cursor = next
	}
}

// connector returns the connector of that name.
func (c *Catalog) connector(name string) (provider.Connector, bool) {
	i := slices.IndexFunc(c.opts.Connectors, func(k provider.Connector) bool { return k.ConnectorInfo().Name == name })
	if i < 0 {
		return nil, false
	}
	return c.opts.Connectors[i], true
}

// checkConnection checks n, and has its connector open the settings.
func (c *Catalog) checkConnection(n bellhop.Connection) (provider.Connected, error) {
	if err := c.connectionSecrets(n.Provider).refuseMasks(n.Settings); err != nil {
		return provider.Connected{}, bellhop.Join("settings", err)
	}
	name := bellhop.CheckName(n.Name)
	if n.Name == "callback" { // the page of that name takes the answers of authorities
		name = bellhop.Invalid("name", "the name callback is reserved; use another name")
	}
	k, ok := c.connector(n.Provider)
	if !ok {
		var names []string
		for _, k := range c.opts.Connectors {
			names = append(names, k.ConnectorInfo().Name)
		}
		unknown := bellhop.Invalid("provider", "there are no connections of this provider; there are those of "+
			strings.Join(names, ", "))
		return provider.Connected{}, bellhop.Join("", name, unknown)
	}
	opened, err := k.OpenConnection(c.opts.Env, n.Settings)
	return opened, bellhop.Join("", name, bellhop.Join("settings", err))
}

// connectionSecrets returns which settings of a connection are secret. If the provider is unknown, all are.
func (c *Catalog) connectionSecrets(providerName string) secrets {
	k, ok := c.connector(providerName)
	if !ok {
		return secrets{all: true}
	}
	return secretsOf(k.ConnectorInfo().Settings)
}

// MaskConnection returns n with its secrets masked.
func (c *Catalog) MaskConnection(n bellhop.Connection) bellhop.Connection {
	n.Settings = c.connectionSecrets(n.Provider).mask(n.Settings, settingsPrefix, n.SecretsAt)
	return n
}

// KeepConnectionSecrets removes each masked secret from patch, a merge patch of n, so that the stored secret stays.
// It returns the paths of the secrets that patch sets.
func (c *Catalog) KeepConnectionSecrets(n bellhop.Connection, patch map[string]any) (given []string) {
	settings, ok := patch["settings"].(map[string]any)
	if !ok {
		return nil
	}
	x := c.connectionSecrets(n.Provider)
	x.keep(settings)
	return x.given(settings, settingsPrefix)
}

// connectionSecretTimes returns when each secret of after was set. before is the connection until now, or the zero
// one.
func (c *Catalog) connectionSecretTimes(before, after bellhop.Connection) bellhop.SecretTimes {
	times := make(bellhop.SecretTimes)
	c.connectionSecrets(after.Provider).stamp(times, settingsPrefix, before.Settings, after.Settings, before.SecretsAt,
		after.UpdatedAt)
	return times
}

// checkConnectionMove refuses a change that would send stored secrets, or the tokens that they bring, to another
// scheme, host or port, unless the caller wrote the secrets out or confirmed that they are kept.
func (c *Catalog) checkConnectionMove(before bellhop.Connection, change ConnectionChange) error {
	k, ok := c.connector(before.Provider)
	if !ok || change.KeepSecrets {
		return nil
	}
	x := c.connectionSecrets(before.Provider)
	old, changed := members(before.Settings), members(change.After.Settings)
	var kept []string
	for name, value := range changed {
		path := settingsPrefix + name
		if x.has(name) && string(old[name]) == string(value) && !slices.Contains(change.Given, path) {
			kept = append(kept, path)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	slices.Sort(kept)
	var errs []error
	for _, name := range k.ConnectorInfo().Addresses {
		if origin(textOf(old[name])) != origin(textOf(changed[name])) {
			errs = append(
				errs,
				bellhop.Invalid(settingsPrefix+name, "has another scheme, host or port, and would be sent "+
					"stored secrets or their tokens: "+strings.Join(kept, ", ")+"; give these again or remove "+
					"them in the same "+
					"change, or set keep_secrets to true if they are meant for the new address"),
			)
		}
	}
	return bellhop.Join("", errs...)
}

// textOf returns the text that raw is; "" if it is none.
func textOf(raw json.RawMessage) (text string) {
	json.Unmarshal(raw, &text) // only settings that were checked are stored
	return text
}

// ConnectionWarnings returns one sentence for each weakness of a connection that was accepted. None repeats a
// secret.
func (c *Catalog) ConnectionWarnings(n bellhop.Connection) (warnings []string) {
	k, ok := c.connector(n.Provider)
	if !ok {
		return nil
	}
	settings := members(n.Settings)
	for _, name := range k.ConnectorInfo().Addresses {
		if isPlain(textOf(settings[name])) {
			warnings = append(warnings,
				settingsPrefix+name+" is plain http, so others on the way can read secrets and tokens; use https")
		}
	}
	return warnings
}
