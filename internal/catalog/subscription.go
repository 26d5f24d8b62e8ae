package catalog

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Subscriptions keeps the registrations at providers. Each method takes the next step at once and returns what the
// subscription is then. Its errors are *bellhop.Error.
type Subscriptions interface {
	Create(ctx context.Context, s bellhop.Subscription) (bellhop.Subscription, error)
	Update(ctx context.Context, id string,
		change func(before bellhop.Subscription) (bellhop.Subscription, error)) (bellhop.Subscription, error)
	Renew(ctx context.Context, id string) (bellhop.Subscription, error)
	Pause(ctx context.Context, id string) (bellhop.Subscription, error)
	Resume(ctx context.Context, id string) (bellhop.Subscription, error)
	Delete(ctx context.Context, id string, keepRemote bool) error
	// Fill asks the provider for what was missed, in the gaps that are not filled or since a time.
	Fill(ctx context.Context, id string, since time.Time) ([]bellhop.Gap, error)
	// Remote returns the registrations that a connection sees at its provider.
	Remote(ctx context.Context, connectionID, provider, resource string) ([]bellhop.RemoteSubscription, error)
	// Check checks what users set of a subscription at a source, which need not be stored.
	Check(s bellhop.Subscription, src bellhop.Source) error
	// Declare makes changes that write stores, together with others and all or none of them. It calls write with the
	// changes as they are to be stored. sourceOf returns a source as it is then. The calls of providers that follow
	// begin when begin is called, and Declare has returned no error.
	Declare(ctx context.Context, changes bellhop.Changes[bellhop.Subscription],
		sourceOf func(id string) (bellhop.Source, bool),
		write func(changes bellhop.Changes[bellhop.Subscription]) error) (begin func(), err error)
	// HasConnection returns the name of a subscription that uses a connection; "" if none does.
	HasConnection(connectionID string) string
}

// SubscriptionStore finds subscriptions.
type SubscriptionStore interface {
	Subscription(ctx context.Context, idOrName string) (bellhop.Subscription, error)
}

// CreateSubscription checks and stores a new subscription, and has its registration made. Source and connection are
// names or ids. An empty provider is that of the source.
func (c *Catalog) CreateSubscription(ctx context.Context, sub bellhop.Subscription, source, connection string) (
	bellhop.Subscription, error) {
	src, sourceErr := c.opts.Store.Source(ctx, source)
	if isNotFound(sourceErr) {
		sourceErr = bellhop.Invalid("source", "there is no such source; 'bellhop sources' lists them")
	}
	conn, connectionErr := c.opts.Store.Connection(ctx, connection)
	if isNotFound(connectionErr) {
		connectionErr = bellhop.Invalid("connection", "there is no such connection; 'bellhop connections' lists them")
	}
	if err := bellhop.Join("", bellhop.CheckName(sub.Name), sourceErr, connectionErr); err != nil {
		return sub, err
	}
	sub, err := c.newSubscription(sub, src, conn)
	if err != nil {
		return sub, err
	}
	return c.opts.Subscriptions.Create(ctx, sub)
}

// newSubscription gives a new subscription at a source, made in the name of a connection, its id and its times.
func (c *Catalog) newSubscription(sub bellhop.Subscription, src bellhop.Source,
	conn bellhop.Connection) (bellhop.Subscription, error) {
	if conn.Tenant != "" && conn.Tenant != src.Tenant {
		return sub, bellhop.Invalid("connection", "belongs to another tenant than the source")
	}
	if sub.Provider == "" {
		sub.Provider = src.Provider
	}
	if wanted := c.connectorOf(sub.Provider); conn.Provider != wanted {
		return sub, bellhop.Invalid("connection", "is one of the provider "+conn.Provider+", not "+wanted)
	}
	sub.ID = c.newID(bellhop.PrefixSubscription)
	sub.SourceID, sub.ConnectionID, sub.Tenant = src.ID, conn.ID, src.Tenant
	sub.ChangeTypes = lower(sub.ChangeTypes)
	sub.CreatedAt = bellhop.StoredTime(c.now())
	sub.UpdatedAt = sub.CreatedAt
	return sub, nil
}

// connectorOf returns the provider whose connections make the calls for subscriptions of a provider.
func (c *Catalog) connectorOf(name string) string {
	s, ok := provider.SubscriberOf(c.opts.Providers, name)
	if !ok {
		return name
	}
	return cmp.Or(s.SubscribeInfo().Connector, name)
}

func lower(words []string) []string {
	var folded []string
	for _, word := range words {
		folded = append(folded, strings.ToLower(strings.TrimSpace(word)))
	}
	return folded
}

// UpdateSubscription stores the successor that change makes of a subscription. Only name, resource, change types,
// settings and ExpectEvery are change's to set.
func (c *Catalog) UpdateSubscription(ctx context.Context, idOrName string,
	change func(before bellhop.Subscription) (bellhop.Subscription, error)) (bellhop.Subscription, error) {
	sub, err := c.opts.Store.Subscription(ctx, idOrName)
	if err != nil {
		return sub, err
	}
	return c.opts.Subscriptions.Update(ctx, sub.ID, func(before bellhop.Subscription) (bellhop.Subscription, error) {
		after, err := change(before)
		if err != nil {
			return after, err
		}
		after.ChangeTypes = lower(after.ChangeTypes)
		return after, bellhop.CheckName(after.Name)
	})
}

// ActOnSubscription renews, pauses or resumes a subscription, by one of the methods of [Subscriptions].
func (c *Catalog) ActOnSubscription(ctx context.Context, idOrName string,
	act func(s Subscriptions, ctx context.Context, id string) (bellhop.Subscription,
		error)) (bellhop.Subscription, error) {
	sub, err := c.opts.Store.Subscription(ctx, idOrName)
	if err != nil {
		return sub, err
	}
	return act(c.opts.Subscriptions, ctx, sub.ID)
}

// FillSubscription asks the provider of a subscription for what was missed: in the gaps that are not filled or, if
// since is not zero, from then on. It returns the gaps, oldest first; those that are still being filled go on.
func (c *Catalog) FillSubscription(ctx context.Context, idOrName string, since time.Time) ([]bellhop.Gap, error) {
	sub, err := c.opts.Store.Subscription(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	return c.opts.Subscriptions.Fill(ctx, sub.ID, since)
}

// DeleteSubscription deletes a subscription that allowed, unless it is nil, returns no error for and, unless
// keepRemote is set, its registration at the provider.
func (c *Catalog) DeleteSubscription(
	ctx context.Context, idOrName string, keepRemote bool, allowed func(bellhop.Subscription) error,
) error {
	sub, err := c.opts.Store.Subscription(ctx, idOrName)
	if err == nil && allowed != nil {
		err = allowed(sub)
	}
	if err != nil {
		return err
	}
	return c.opts.Subscriptions.Delete(ctx, sub.ID, keepRemote)
}

// RemoteSubscriptions returns the registrations that a connection sees at its provider.
func (c *Catalog) RemoteSubscriptions(ctx context.Context, connection, resource string) ([]bellhop.RemoteSubscription,
	error) {
	conn, err := c.opts.Store.Connection(ctx, connection)
	if err != nil {
		return nil, err
	}
	return c.opts.Subscriptions.Remote(ctx, conn.ID, conn.Provider, resource)
}
