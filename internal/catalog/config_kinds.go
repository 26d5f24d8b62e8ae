package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file has the rules of each kind of noun in a configuration.

// kinds returns the kinds of nouns, each after those that its nouns name. A new kind is one more entry.
func (d *draft) kinds() []kind {
	return []kind{d.tenantKind(), d.connectionKind(), d.sourceKind(), d.destinationKind(), d.subscriptionKind(),
		d.keyKind()}
}

func (d *draft) tenantKind() kind {
	c := d.catalog
	check := func(t bellhop.Tenant, fault error) error {
		return bellhop.Join("", fault, bellhop.CheckName(t.Name), bellhop.Join("limits", t.Limits.Check()))
	}
	return &kindOf[bellhop.Tenant, bellhop.Tenant]{
		word: "tenant", list: d.config.Tenants, changes: &d.changes.Tenants,
		stored:   func(ctx context.Context) ([]bellhop.Tenant, error) { return ReadAll(ctx, c.opts.Store.Tenants) },
		identity: func(t bellhop.Tenant) (string, string, time.Time) { return t.ID, t.Name, time.Time{} },
		name:     func(t bellhop.Tenant) string { return t.Name },
		check:    check,
		create: func(_ string, t bellhop.Tenant) (bellhop.Tenant, Step, func(), error) {
			t.ID, t.CreatedAt = c.newID(bellhop.PrefixTenant), bellhop.StoredTime(c.now())
			t.UpdatedAt = t.CreatedAt
			return t, Step{}, nil, check(t, nil)
		},
		succeed: func(_ string, before, t bellhop.Tenant) (to bellhop.Successor[bellhop.Tenant], same bool, step Step,
			follow func(), err error) {
			if t.Limits == before.Limits {
				return to, true, step, nil, nil
			}
			to.Noun = before
			to.Noun.Limits, to.Noun.UpdatedAt = t.Limits, bellhop.StoredTime(c.changedAt(before.UpdatedAt))
			return to, false, step, nil, check(t, nil)
		},
		remove: func(t bellhop.Tenant) (why, note string, follow func()) { return d.users[tenantOf(t.Name)], "", nil },
		waits: func(_ context.Context, t bellhop.Tenant) (string, error) {
			if d.ending[tenantOf(t.Name)] && d.users[tenantOf(t.Name)] == "" {
				return "what is deleted later belongs to it: apply the configuration again once that is gone", nil
			}
			return "", nil
		},
		keep: func(t bellhop.Tenant, leaving bool) { d.tenants[t.Name], d.leaving[t.ID] = t, leaving },
	}
}

func (d *draft) connectionKind() kind {
	c := d.catalog
	changed := func(id string) func() {
		return func() {
			if c.opts.Connections != nil {
				c.later(func(ctx context.Context) { c.opts.Connections.Changed(ctx, id) })
			}
		}
	}
	return &kindOf[bellhop.Connection, bellhop.Connection]{
		word: "connection", list: d.config.Connections, changes: &d.changes.Connections,
		stored: func(ctx context.Context) ([]bellhop.Connection, error) {
			return ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Connection, string, error) {
				return c.opts.Store.Connections(ctx, bellhop.ConnectionFilter{}, page)
			})
		},
		identity: func(n bellhop.Connection) (string, string, time.Time) { return n.ID, n.Name, n.UpdatedAt },
		name:     func(n bellhop.Connection) string { return n.Name },
		check:    func(_ bellhop.Connection, fault error) error { return fault },
		create: func(path string, n bellhop.Connection) (bellhop.Connection, Step, func(), error) {
			n, err := c.newConnection(n, d.owner(n.Tenant))
			d.warnAll(path, c.ConnectionWarnings(n))
			step := Step{}
			if n.State == bellhop.ConnectionSignedOut {
				step.Note = "somebody has to sign in: bellhop connections login " + n.Name
			}
			return n, step, changed(n.ID), err
		},
		succeed: func(path string, before, n bellhop.Connection) (to bellhop.Successor[bellhop.Connection], same bool,
			step Step, follow func(), err error) {
			if err := bellhop.Join("", stay("provider", before.Provider, n.Provider),
				stay("tenant", before.Tenant, n.Tenant)); err != nil {
				return to, false, step, nil, err
			}
			x := c.connectionSecrets(n.Provider)
			given := x.paths(n.Settings, settingsPrefix)
			n.Settings = x.restore(n.Settings, before.Settings)
			if sameJSON(n.Settings, before.Settings) {
				return to, true, step, nil, nil
			}
			to.Noun, err = c.succeedConnection(before, ConnectionChange{After: n, Given: given})
			d.warnAll(path, c.ConnectionWarnings(n))
			return to, false, step, changed(before.ID), err
		},
		remove: func(n bellhop.Connection) (why, note string, follow func()) {
			return cmp.Or(d.users[n.Name], d.users[n.ID]), "", func() {
				if c.opts.Connections != nil {
					c.opts.Connections.Deleted(n.ID)
				}
			}
		},
		waits: func(_ context.Context, n bellhop.Connection) (string, error) {
			if d.ending[n.ID] && d.users[n.ID] == "" {
				d.ending[tenantOf(n.Tenant)] = true
				return "it is needed until the registrations of its subscriptions are ended: apply the " +
					"configuration again then", nil
			}
			return "", nil
		},
		keep: func(n bellhop.Connection, leaving bool) {
			d.connections[n.Name], d.leaving[n.ID] = n, leaving
			if !leaving {
				d.stays("connection", n.Name, n.Tenant)
			}
		},
	}
}

func (d *draft) sourceKind() kind {
	c := d.catalog
	return &kindOf[bellhop.Source, bellhop.Source]{
		word: "source", list: d.config.Sources, changes: &d.changes.Sources,
		stored: func(ctx context.Context) ([]bellhop.Source, error) {
			return ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Source, string, error) {
				return c.opts.Store.Sources(ctx, bellhop.SourceFilter{}, page)
			})
		},
		identity: func(src bellhop.Source) (string, string, time.Time) { return src.ID, src.Name, src.UpdatedAt },
		name:     func(src bellhop.Source) string { return src.Name },
		check: func(src bellhop.Source, fault error) error {
			return bellhop.Join("", fault, c.checkSource(src))
		},
		create: func(path string, src bellhop.Source) (bellhop.Source, Step, func(), error) {
			src, err := c.newSource(src, d.owner(src.Tenant))
			d.warnAll(path, c.SourceWarnings(src))
			return src, Step{}, nil, err
		},
		succeed: func(path string, before, src bellhop.Source) (to bellhop.Successor[bellhop.Source], same bool,
			step Step, follow func(), err error) {
			if err := bellhop.Join("", stay("provider", before.Provider, src.Provider),
				stay("tenant", before.Tenant, src.Tenant)); err != nil {
				return to, false, step, nil, err
			}
			src.Settings = c.sourceSecrets(src.Provider).restore(src.Settings, before.Settings)
			if sameSource(before, src) {
				return to, true, step, nil, nil
			}
			to.Noun, err = c.succeedSource(before, src)
			d.warnAll(path, c.SourceWarnings(src))
			return to, false, step, nil, err
		},
		remove: func(src bellhop.Source) (why, note string, follow func()) {
			return d.users[src.ID], "requests to its URL are answered 404 from then on; its events stay", nil
		},
		waits: func(ctx context.Context, src bellhop.Source) (string, error) {
			if d.users[src.ID] != "" {
				return "", nil
			}
			pending, err := c.pendingOf(ctx, src, 1)
			if err != nil || pending == "" {
				return "", err
			}
			d.ending[tenantOf(src.Tenant)] = true
			return pending + "; apply the configuration again once they are made, or delete it by force", nil
		},
		keep: func(src bellhop.Source, leaving bool) {
			d.sources[src.Name], d.leaving[src.ID] = src, leaving
			if !leaving {
				d.stays("source", src.Name, src.Tenant)
			}
		},
	}
}

func (d *draft) destinationKind() kind {
	c := d.catalog
	ask := func(n bellhop.Destination) func() {
		if n.State != bellhop.DestinationUnverified {
			return nil
		}
		return func() {
			c.later(func(ctx context.Context) {
				if _, err := c.verify(ctx, n); err != nil {
					c.log.Error("destination.unasked", "destination_id", n.ID, "destination", n.Name, "error", err)
				}
			})
		}
	}
	const asked = "its receiver is asked to agree first"
	return &kindOf[bellhop.Destination, bellhop.Destination]{
		word: "destination", list: d.config.Destinations, changes: &d.changes.Destinations,
		stored: func(ctx context.Context) ([]bellhop.Destination, error) {
			return ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Destination, string, error) {
				return c.opts.Store.Destinations(ctx, bellhop.DestinationFilter{}, page)
			})
		},
		identity: func(n bellhop.Destination) (string, string, time.Time) { return n.ID, n.Name, n.UpdatedAt },
		name:     func(n bellhop.Destination) string { return n.Name },
		check: func(n bellhop.Destination, fault error) error {
			_, err := c.checkComplete(n, d.findConnection, fault)
			return err
		},
		create: func(path string, n bellhop.Destination) (bellhop.Destination, Step, func(), error) {
			if n.URL == KeptURL {
				return n, Step{}, nil, bellhop.Invalid("url", "this is only the mask of a URL; write the URL itself")
			}
			n, err := c.newDestination(n, d.findConnection, d.owner(n.Tenant), d.furtherTenants(n.Tenants))
			if err == nil {
				d.inspect(path, n)
				d.newAt[n.Tenant] = path
			}
			step := Step{}
			if n.State == bellhop.DestinationUnverified {
				step.Note = asked
			}
			return n, step, ask(n), err
		},
		succeed: func(path string, before, n bellhop.Destination) (to bellhop.Successor[bellhop.Destination],
			same bool, step Step, follow func(), err error) {
			if err := bellhop.Join("", stay("type", before.Type, cmp.Or(n.Type, bellhop.TypeHTTP)),
				stay("tenant", before.Tenant, n.Tenant)); err != nil {
				return to, false, step, nil, err
			}
			change := DestinationChange{}
			change.After, change.Given = c.restored(before, n)
			if n.State == bellhop.DestinationPaused && before.State != n.State {
				d.warn(path+".paused", "it is "+string(before.State)+" and stays so, because this is for a new "+
					"destination: 'bellhop destinations pause "+n.Name+"' pauses it, or leave this out")
			}
			if sameDestination(before, c.complete(change.After)) {
				return to, true, step, nil, nil
			}
			asks := false
			to.Noun, to.Restart, asks, err = c.succeedDestination(before, change, d.findConnection,
				d.furtherTenants(change.After.Tenants))
			if err != nil {
				return to, false, step, nil, err
			}
			d.inspect(path, to.Noun)
			if asks {
				step.Note, follow = asked, ask(to.Noun)
			}
			return to, false, step, follow, nil
		},
		remove: func(bellhop.Destination) (why, note string, follow func()) {
			return "", "its pending deliveries are cancelled", nil
		},
		keep: func(n bellhop.Destination, leaving bool) {
			if leaving {
				return
			}
			d.destinations[n.Tenant]++
			d.stays("destination", n.Name, n.Tenant)
			name := textOf(members(n.Settings)["connection"])
			if _, acts := c.action(n.Type); acts && name != "" {
				d.users[name] = "destination " + n.Name + " makes its calls in the name of it"
			}
		},
	}
}

// restored returns a declared destination with the stored secrets in place of masks, and the paths of those that it
// gives itself.
func (c *Catalog) restored(before, n bellhop.Destination) (after bellhop.Destination, given []string) {
	x := c.destinationSecrets(before.Type)
	given = append(x.paths(n.Settings, settingsPrefix), accessSecrets.paths(n.Access, accessPrefix)...)
	n.Settings = x.restore(n.Settings, before.Settings)
	if len(n.Access) > 0 {
		n.Access = accessSecrets.restore(n.Access, before.Access)
	}
	if n.URL == KeptURL || n.URL != "" && n.URL == c.maskURL(before) {
		n.URL = before.URL
	}
	return n, given
}

// sameSource reports whether two sources are the same in all that users set.
func sameSource(a, b bellhop.Source) bool {
	if !sameJSON(a.Settings, b.Settings) {
		return false
	}
	for _, src := range []*bellhop.Source{&a, &b} {
		src.ID, src.Settings, src.SecretsAt = "", nil, nil
		src.CreatedAt, src.UpdatedAt = time.Time{}, time.Time{}
	}
	return reflect.DeepEqual(a, b)
}

// sameDestination reports whether two complete destinations are the same in all that users set.
func sameDestination(a, b bellhop.Destination) bool {
	if !sameJSON(a.Settings, b.Settings) || !sameJSON(a.Access, b.Access) || !a.ExpiresAt.Equal(b.ExpiresAt) {
		return false
	}
	for _, n := range []*bellhop.Destination{&a, &b} {
		n.Settings, n.Access, n.ExpiresAt = nil, nil, time.Time{}
		n.ID, n.Tenant, n.State, n.StateReason, n.Granted = "", "", "", "", bellhop.Rate{}
		n.FailingSince, n.CreatedAt, n.UpdatedAt, n.SecretsAt = time.Time{}, time.Time{}, time.Time{}, nil
		n.Tenants = orNil(n.Tenants)
		n.Match.Sources, n.Match.Types = orNil(n.Match.Sources), orNil(n.Match.Types)
		if len(n.Retry.Outcomes) == 0 {
			n.Retry.Outcomes = nil
		}
		if len(n.Retry.Schedule) == 0 {
			n.Retry.Schedule = nil
		}
		n.Order = cmp.Or(n.Order, bellhop.OrderNone)
	}
	return reflect.DeepEqual(a, b)
}

func orNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// sameJSON reports whether two settings objects have the same members.
func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(members(a)) == 0 && len(members(b)) == 0
	}
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// findConnection finds the connection of an action by its id or name: one that the configuration declares, or that the
// server has and keeps. Its calls cannot be made yet.
func (d *draft) findConnection(ctx context.Context, idOrName string) (provider.Connection, error) {
	tenant := bellhop.TenantOf(ctx)
	for name, n := range d.connections {
		if (name == idOrName || n.ID == idOrName) && !d.leaving[n.ID] && (tenant == "" || n.Tenant == tenant) {
			return provider.Connection{ID: n.ID, Name: name, Provider: n.Provider}, nil
		}
	}
	if d.config.Alone {
		return provider.Connection{}, provider.ErrNotHere
	}
	return provider.Connection{}, bellhop.NotFound("connection", idOrName)
}

// inspect warns of what is accepted of a destination but weak, or names nothing.
func (d *draft) inspect(path string, n bellhop.Destination) {
	d.warnAll(path, d.catalog.DestinationWarnings(n))
	for i, name := range n.Match.Sources {
		src, known := d.sources[name]
		if (!known || d.leaving[src.ID]) && name != bellhop.SourceAPI && name != bellhop.SourceSelf &&
			!strings.HasPrefix(name, bellhop.PrefixSource) {
			d.warn(path+".match.sources["+strconv.Itoa(i)+"]", d.missing("source"))
		}
	}
	if name := textOf(members(n.Settings)["connection"]); name != "" {
		conn, known := d.connections[name]
		_, acts := d.catalog.action(n.Type)
		if acts && (!known || d.leaving[conn.ID]) && !strings.HasPrefix(name, bellhop.PrefixConnection) {
			d.warn(path+".settings.connection", d.missing("connection"))
		}
	}
}

// missing says that no noun has a name.
func (d *draft) missing(word string) string {
	if d.config.Alone {
		return "the file has no " + word + " of this name; the server may have one"
	}
	return "there is no " + word + " of this name"
}

func (d *draft) subscriptionKind() kind {
	c := d.catalog
	// meant finds the source and the connection, by name or id.
	meant := func(n DeclaredSubscription) (src bellhop.Source, conn bellhop.Connection, err error) {
		src, ok := d.sources[n.Source]
		if !ok {
			src, ok = d.sourceOf(n.Source)
		}
		var errs [2]error
		if !ok {
			errs[0] = bellhop.Invalid("source", "there is no such source, neither in the "+
				"configuration nor on the server")
		}
		conn, ok = d.connections[n.Connection]
		for _, each := range d.connections {
			if each.ID == n.Connection {
				conn, ok = each, true
			}
		}
		if !ok {
			errs[1] = bellhop.Invalid("connection",
				"there is no such connection, neither in the configuration nor on the server")
		}
		return src, conn, bellhop.Join("", errs[:]...)
	}
	note := "it is registered at the provider"
	return &kindOf[bellhop.Subscription, DeclaredSubscription]{
		word: "subscription", list: d.config.Subscriptions, changes: &d.changes.Subscriptions,
		stored: func(ctx context.Context) ([]bellhop.Subscription, error) {
			return ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Subscription, string, error) {
				return c.opts.Store.Subscriptions(ctx, bellhop.SubscriptionFilter{}, page)
			})
		},
		identity: func(n bellhop.Subscription) (string, string, time.Time) { return n.ID, n.Name, n.UpdatedAt },
		name:     func(n DeclaredSubscription) string { return n.Name },
		check:    func(_ DeclaredSubscription, fault error) error { return fault },
		create: func(path string, n DeclaredSubscription) (bellhop.Subscription, Step, func(), error) {
			src, conn, err := meant(n)
			if d.config.Alone && err != nil {
				d.warn(path, "its source or its connection is not in the file; the server may have it")
				return n.Subscription, Step{}, nil, bellhop.CheckName(n.Name)
			}
			if err := bellhop.Join("", bellhop.CheckName(n.Name), err); err != nil {
				return n.Subscription, Step{}, nil, err
			}
			sub, err := c.newSubscription(n.Subscription, src, conn)
			if err == nil {
				err = c.opts.Subscriptions.Check(sub, src)
			}
			return sub, Step{Note: note}, nil, err
		},
		succeed: func(_ string, before bellhop.Subscription, n DeclaredSubscription) (
			to bellhop.Successor[bellhop.Subscription], same bool, step Step, follow func(), err error) {
			src, conn, err := meant(n)
			switch {
			case err != nil:
				return to, false, step, nil, err
			case before.Deleting:
				return to, false, step, nil, bellhop.Invalid("name", "the subscription of this name is being "+
					"deleted; apply the configuration again once it is gone")
			case src.ID != before.SourceID:
				return to, false, step, nil, cannotBeChanged("source", d.sourceName(before.SourceID))
			case conn.ID != before.ConnectionID:
				return to, false, step, nil, cannotBeChanged("connection", d.connectionName(before.ConnectionID))
			case n.Provider != "" && n.Provider != before.Provider:
				return to, false, step, nil, cannotBeChanged("provider", before.Provider)
			}
			after := before
			after.Resource, after.ChangeTypes, after.Settings = n.Resource, lower(n.ChangeTypes), n.Settings
			after.ExpectEvery = n.ExpectEvery
			again := after.Resource != before.Resource || !sameJSON(after.Settings, before.Settings) ||
				!slices.Equal(after.ChangeTypes, before.ChangeTypes)
			if !again && after.ExpectEvery == before.ExpectEvery {
				return to, true, step, nil, nil
			}
			if again {
				step.Note = "it is registered anew at the provider, and then the old registration is deleted"
			}
			to.Noun = after
			return to, false, step, nil, c.opts.Subscriptions.Check(after, src)
		},
		remove: func(n bellhop.Subscription) (why, note string, follow func()) {
			d.ending[n.ConnectionID], d.ending[tenantOf(n.Tenant)] = true, true
			return "", "its registration at the provider is deleted", nil
		},
		keep: func(n bellhop.Subscription, leaving bool) {
			switch {
			case n.Deleting:
				d.ending[n.ConnectionID], d.ending[tenantOf(n.Tenant)] = true, true
			case !leaving:
				d.users[n.ConnectionID] = "subscription " + n.Name + " is made in the name of it"
				d.stays("subscription", n.Name, n.Tenant)
				d.users[n.SourceID] = "subscription " + n.Name + " calls it"
			}
		},
	}
}

// stay returns an error unless a member of a noun is as it is on the server.
func stay(member, before, declared string) error {
	if before == declared {
		return nil
	}
	return cannotBeChanged(member, cmp.Or(before, "none"))
}

// sourceName returns the name of the source of that id, or the id.
func (d *draft) sourceName(id string) string {
	src, _ := d.sourceOf(id)
	return cmp.Or(src.Name, id)
}

// connectionName returns the name of the connection of that id, or the id.
func (d *draft) connectionName(id string) string {
	for name, n := range d.connections {
		if n.ID == id {
			return name
		}
	}
	return id
}

func (d *draft) keyKind() kind {
	c := d.catalog
	accept := func(k bellhop.Key) func() { return func() { c.opts.Keys.Put(k) } }
	return &kindOf[bellhop.Key, DeclaredKey]{
		word: "key", list: d.config.Keys, changes: &d.changes.Keys,
		stored: func(ctx context.Context) ([]bellhop.Key, error) {
			return ReadAll(ctx, func(ctx context.Context, page bellhop.Page) ([]bellhop.Key, string, error) {
				return c.opts.Store.Keys(ctx, bellhop.KeyFilter{}, page)
			})
		},
		identity: func(k bellhop.Key) (string, string, time.Time) { return k.ID, k.Name, time.Time{} },
		name:     func(k DeclaredKey) string { return k.Name },
		check:    func(_ DeclaredKey, fault error) error { return fault },
		create: func(_ string, k DeclaredKey) (bellhop.Key, Step, func(), error) {
			made, text, err := d.newKey(k)
			step := Step{}
			if k.Text == "" {
				step.Key = text
			}
			return made, step, accept(made), err
		},
		succeed: func(_ string, before bellhop.Key, k DeclaredKey) (to bellhop.Successor[bellhop.Key], same bool,
			step Step, follow func(), err error) {
			k.ExpiresAt = bellhop.StoredTime(k.ExpiresAt)
			if k.Scope == before.Scope && k.Tenant == before.Tenant && k.ExpiresAt.Equal(before.ExpiresAt) &&
				(k.Text == "" || bellhop.HashKey(k.Text) == before.Hash) {
				return to, true, step, nil, nil
			}
			if k.Text == "" || bellhop.HashKey(k.Text) == before.Hash {
				return to, false, step, nil, bellhop.Invalid("", "a key is never changed: give the new one another "+
					"name, or another text in key, which revokes the old one")
			}
			to.Noun, _, err = d.newKey(k)
			step.Change, step.Note = StepReplace, "the old key is refused from then on"
			return to, false, step, func() {
				c.opts.Keys.Remove(before.ID)
				c.opts.Keys.Put(to.Noun)
			}, err
		},
		remove: func(k bellhop.Key) (why, note string, follow func()) {
			return "", "it is refused from then on", func() { c.opts.Keys.Remove(k.ID) }
		},
		keep: func(k bellhop.Key, leaving bool) {
			if !leaving {
				d.stays("key", k.Name, k.Tenant)
			}
		},
	}
}

// newKey returns a key with the text that the configuration gives, or a new one.
func (d *draft) newKey(k DeclaredKey) (bellhop.Key, string, error) {
	if k.Text == "" && d.config.GivenKeys {
		return k.Key, "", bellhop.Invalid("key", "required, because the text of a key that a server makes at its "+
			"start would be seen by nobody; 'bellhop config key' makes one: write it as env:NAME or file:PATH")
	}
	return d.catalog.newKey(k.Key, k.Text, d.owner(k.Tenant))
}
