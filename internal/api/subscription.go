package api

import (
	"context"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// Subscriptions are asked for what only their room knows.
type Subscriptions interface {
	// LastEventAt returns when the latest notification of a subscription came; zero if none has.
	LastEventAt(id string) time.Time
	// Sync compares all subscriptions with their providers.
	Sync(ctx context.Context) (client.SubscriptionSync, error)
}

func (s *server) subscriptions() {
	handle(s, op{http.MethodGet, "/subscriptions", "list-subscriptions", "List subscriptions", 0}, s.listSubscriptions)
	handle(s, op{http.MethodPost, "/subscriptions", "create-subscription", "Create a subscription",
		http.StatusCreated},
		s.createSubscription)
	handle(s, op{http.MethodPost, "/subscriptions/sync", "sync-subscriptions",
		"Compare all subscriptions with their providers", 0}, s.syncSubscriptions)
	handle(s, op{http.MethodGet, "/subscriptions/{id}", "show-subscription", "Show a subscription", 0},
		s.showSubscription)
	handlePatch(s, op{http.MethodPatch, "/subscriptions/{id}", "update-subscription", "Change a subscription", 0},
		s.updateSubscription)
	handle(s, op{http.MethodDelete, "/subscriptions/{id}", "delete-subscription", "Delete a subscription", 0},
		s.deleteSubscription)
	handle(s, op{http.MethodPost, "/subscriptions/{id}/renew", "renew-subscription", "Renew a registration now", 0},
		s.actOnSubscription(catalog.Subscriptions.Renew))
	handle(s, op{http.MethodPost, "/subscriptions/{id}/pause", "pause-subscription",
		"End a registration until it is resumed", 0}, s.actOnSubscription(catalog.Subscriptions.Pause))
	handle(s, op{http.MethodPost, "/subscriptions/{id}/resume", "resume-subscription",
		"Make the registration of a paused subscription again", 0}, s.actOnSubscription(catalog.Subscriptions.Resume))
	handle(s, op{http.MethodPost, "/subscriptions/{id}/fill", "fill-subscription",
		"Ask the provider for what was missed", 0}, s.fillSubscription)
	handle(s, op{http.MethodGet, "/subscriptions/{id}/history", "list-subscription-calls",
		"List the latest calls for a subscription", 0}, s.subscriptionHistory)
	handle(s, op{http.MethodGet, "/connections/{id}/remote", "list-remote-subscriptions",
		"List the registrations at a provider", 0}, s.remoteSubscriptions)
}

// listSubscriptionsInput narrows a list of subscriptions.
type listSubscriptionsInput struct {
	Source     string `query:"source" doc:"Name or id of the source"`
	Connection string `query:"connection" doc:"Name or id of the connection"`
	State      string `query:"state" enum:"pending,active,renewing,paused,expired,removed,failed" doc:"Only those in this state"`
	Provider   string `query:"provider" maxLength:"64" example:"graph" doc:"Only those at this provider"`
	Owned
	Paging
}

func (s *server) listSubscriptions(ctx context.Context, in *listSubscriptionsInput) (*listOutput[client.Subscription],
	error) {
	f := bellhop.SubscriptionFilter{State: bellhop.SubscriptionState(in.State), Provider: in.Provider,
		Tenant: in.Tenant}
	if in.Source != "" {
		src, err := s.Store.Source(ctx, in.Source)
		if err != nil {
			return nil, err
		}
		f.SourceID = src.ID
	}
	if in.Connection != "" {
		conn, err := s.Store.Connection(ctx, in.Connection)
		if err != nil {
			return nil, err
		}
		f.ConnectionID = conn.ID
	}
	list, next, err := s.Store.Subscriptions(ctx, f, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, func(sub bellhop.Subscription) client.Subscription {
		return s.subscriptionJSON(ctx,
			sub)
	}), nil
}

func (s *server) showSubscription(ctx context.Context, in *one) (*tagged[client.Subscription], error) {
	return s.showsSubscription(ctx)(s.Store.Subscription(ctx, in.ID))
}

// showsSubscription returns a function that shows the result of a call.
func (s *server) showsSubscription(ctx context.Context) func(bellhop.Subscription,
	error) (*tagged[client.Subscription], error) {
	return func(sub bellhop.Subscription, err error) (*tagged[client.Subscription], error) {
		if err != nil {
			return nil, err
		}
		return taggedBy(sub.UpdatedAt, s.subscriptionJSON(ctx, sub)), nil
	}
}

func (s *server) createSubscription(
	ctx context.Context, in *struct{ Body client.NewSubscription },
) (*createdOutput[client.Subscription], error) {
	sub, err := subscriptionOf(in.Body)
	if err != nil {
		return nil, err
	}
	if sub, err = s.Catalog.CreateSubscription(ctx, sub, in.Body.Source, in.Body.Connection); err != nil {
		return nil, err
	}
	return created("subscriptions", sub.ID, sub.UpdatedAt, s.subscriptionJSON(ctx, sub)), nil
}

// readOnlySubscription are the members of a subscription that a PATCH cannot set.
var readOnlySubscription = []string{"id", "provider", "tenant", "source", "source_id", "connection", "connection_id",
	"state", "reason", "remote_id", "url", "expires_at", "renew_at", "last_event_at", "lost_at", "gaps", "created_at",
	"updated_at"}

func (s *server) updateSubscription(
	ctx context.Context, in *patchInput[client.NewSubscription],
) (*tagged[client.Subscription], error) {
	return s.showsSubscription(ctx)(s.Catalog.UpdateSubscription(ctx, in.ID,
		func(before bellhop.Subscription) (bellhop.Subscription, error) {
			if err := in.check("subscription", before.UpdatedAt); err != nil {
				return before, err
			}
			shown := s.subscriptionJSON(ctx, before)
			if err := in.Body.readOnly(shown, readOnlySubscription...); err != nil {
				return before, err
			}
			merged, err := in.Body.apply(s, client.NewSubscription{Name: before.Name, Source: shown.Source,
				Connection: shown.Connection, Resource: before.Resource, ChangeTypes: before.ChangeTypes,
				Settings: shown.Settings, ExpectEvery: shown.ExpectEvery})
			if err != nil {
				return before, err
			}
			after, err := subscriptionOf(merged)
			before.Name, before.Resource, before.ChangeTypes = after.Name, after.Resource, after.ChangeTypes
			before.Settings, before.ExpectEvery = after.Settings, after.ExpectEvery
			return before, err
		}))
}

// deleteSubscriptionInput chooses a subscription to delete.
type deleteSubscriptionInput struct {
	ID         string `path:"id" doc:"Its id or name" example:"calendar"`
	KeepRemote bool   `query:"keep_remote" doc:"Leave the registration at the provider until it expires"`
	Precondition
}

func (s *server) deleteSubscription(ctx context.Context, in *deleteSubscriptionInput) (*none, error) {
	return nil, s.Catalog.DeleteSubscription(ctx, in.ID, in.KeepRemote, func(sub bellhop.Subscription) error {
		return in.check("subscription", sub.UpdatedAt)
	})
}

func (s *server) actOnSubscription(
	act func(catalog.Subscriptions, context.Context, string) (bellhop.Subscription, error),
) func(context.Context, *one) (*tagged[client.Subscription], error) {
	return func(ctx context.Context, in *one) (*tagged[client.Subscription], error) {
		return s.showsSubscription(ctx)(s.Catalog.ActOnSubscription(ctx, in.ID, act))
	}
}

// fillInput chooses a subscription and what is filled.
type fillInput struct {
	ID   string `path:"id" doc:"Its id or name" example:"calendar"`
	Body *client.NewFill
}

func (s *server) fillSubscription(ctx context.Context, in *fillInput) (*bodyOf[client.SubscriptionFill], error) {
	var since time.Time
	if in.Body != nil {
		since = in.Body.Since
	}
	gaps, err := s.Catalog.FillSubscription(ctx, in.ID, since)
	if err != nil {
		return nil, err
	}
	out := client.SubscriptionFill{Done: true, Gaps: []client.Gap{}}
	for _, gap := range gaps {
		out.Gaps = append(out.Gaps, gapJSON(gap))
		out.Done = out.Done && !gap.State.Waits()
	}
	return &bodyOf[client.SubscriptionFill]{out}, nil
}

func gapJSON(g bellhop.Gap) client.Gap {
	at := func(t time.Time) client.Time { return client.Time{Time: t} }
	return client.Gap{ID: g.ID, From: at(g.From), To: at(g.To), Reason: g.Reason, State: string(g.State),
		Outcome: g.Outcome, Since: at(g.Since), Until: at(g.Until), Found: g.Found, Folded: g.Folded}
}

func (s *server) subscriptionHistory(ctx context.Context, in *one) (*listOutput[client.SubscriptionCall], error) {
	sub, err := s.Store.Subscription(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	calls, err := s.Store.SubscriptionCalls(ctx, sub.ID)
	if err != nil {
		return nil, err
	}
	return listOf(calls, "", func(c bellhop.SubscriptionCall) client.SubscriptionCall {
		return client.SubscriptionCall{At: client.Time{Time: c.At}, Call: c.What, Status: c.Status, Done: c.Done,
			Outcome: c.Outcome, Handshake: c.Handshake, Duration: c.Took.Round(time.Millisecond).String()}
	}), nil
}

func (s *server) syncSubscriptions(ctx context.Context, _ *struct{}) (*bodyOf[client.SubscriptionSync], error) {
	done, err := s.Subscriptions.Sync(ctx)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.SubscriptionSync]{done}, nil
}

// remoteInput chooses a list of registrations at a provider.
type remoteInput struct {
	ID       string `path:"id" doc:"Its id or name" example:"work"`
	Resource string `query:"resource" doc:"The resource whose registrations are listed, where a provider has several lists"`
}

func (s *server) remoteSubscriptions(ctx context.Context, in *remoteInput) (*listOutput[client.RemoteSubscription],
	error) {
	list, err := s.Catalog.RemoteSubscriptions(ctx, in.ID, in.Resource)
	if err != nil {
		return nil, err
	}
	return listOf(list, "", func(r bellhop.RemoteSubscription) client.RemoteSubscription {
		return client.RemoteSubscription{RemoteID: r.RemoteID, Resource: r.Resource, ChangeTypes: words(r.ChangeTypes),
			Origin: r.Origin, ExpiresAt: client.Time{Time: r.ExpiresAt}, Owner: string(r.Owner),
			Subscription: r.Subscription}
	}), nil
}

// words returns list, which is never null in JSON.
func words(list []string) []string { return append([]string{}, list...) }

// subscriptionOf returns the subscription with the values of in.
func subscriptionOf(in client.NewSubscription) (bellhop.Subscription, error) {
	settings, err := settingsJSON(in.Settings)
	if err != nil {
		return bellhop.Subscription{}, err
	}
	expect, err := readExpectEvery(in.ExpectEvery)
	return bellhop.Subscription{Name: in.Name, Provider: in.Provider, Resource: in.Resource,
		ChangeTypes: in.ChangeTypes,
		Settings:    settings, ExpectEvery: expect}, err
}

// readExpectEvery reads the member expect_every of a source or a subscription; "" is 0.
func readExpectEvery(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, bellhop.Invalid("expect_every", `use a length of time such as "90m" or "24h"`)
	}
	return d, bellhop.CheckExpectEvery("expect_every", d)
}

// expectEveryText writes an ExpectEvery; 0 is "".
func expectEveryText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return catalog.DurationText(d)
}

// maxShownGaps bounds the gaps in the JSON form of a subscription.
const maxShownGaps = 20

// subscriptionJSON returns sub in its JSON form, without its client state and certificates.
func (s *server) subscriptionJSON(ctx context.Context, sub bellhop.Subscription) client.Subscription {
	at := func(t time.Time) client.Time { return client.Time{Time: t} }
	shown := client.Subscription{ID: sub.ID, Name: sub.Name, Provider: sub.Provider, Tenant: sub.Tenant,
		SourceID: sub.SourceID, ConnectionID: sub.ConnectionID,
		Resource: sub.Resource, ChangeTypes: words(sub.ChangeTypes),
		Settings: readSettings(sub.Settings), ExpectEvery: expectEveryText(sub.ExpectEvery), State: string(sub.State),
		Reason: sub.Reason, RemoteID: sub.RemoteID, URL: sub.URL, ExpiresAt: at(sub.ExpiresAt),
		RenewAt:     at(sub.RenewAt),
		LastEventAt: at(sub.LastEventAt), LostAt: at(sub.LostAt), Gaps: []client.Gap{}, CreatedAt: at(sub.CreatedAt),
		UpdatedAt: at(sub.UpdatedAt)}
	if s.Subscriptions != nil {
		if last := s.Subscriptions.LastEventAt(sub.ID); last.After(sub.LastEventAt) {
			shown.LastEventAt = at(last)
		}
	}
	if src, err := s.Store.Source(ctx, sub.SourceID); err == nil {
		shown.Source = src.Name
	}
	if conn, err := s.Store.Connection(ctx, sub.ConnectionID); err == nil {
		shown.Connection = conn.Name
	}
	gaps, err := s.Store.SubscriptionGaps(ctx, sub.ID)
	if err != nil {
		s.log.Error("gaps.unread", "subscription_id", sub.ID, "subscription", sub.Name, "error", err)
	}
	for _, g := range gaps[:min(len(gaps), maxShownGaps)] {
		shown.Gaps = append(shown.Gaps, gapJSON(g))
	}
	return shown
}
