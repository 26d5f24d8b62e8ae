package subscription

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file ends registrations: those of deleted and paused subscriptions, those in whose place there is another one,
// and those that nobody knows.

// retire sets the registration of sub aside: it is deleted once there is another one, and until then the door takes
// its notifications.
func (m *Manager) retire(sub *bellhop.Subscription) {
	if sub.RemoteID == "" {
		sub.RemoteID = m.perhapsMade(sub)
	}
	if sub.RemoteID == "" {
		return
	}
	sub.Secrets.Retired = append(slices.Clone(sub.Secrets.Retired), bellhop.RetiredRemote{ID: sub.RemoteID,
		Resource: sub.Resource, Remote: sub.RemoteResource, Settings: sub.Settings,
		ClientState: sub.Secrets.ClientState})
	sub.RemoteID, sub.RemoteResource, sub.ExpiresAt, sub.Secrets.ClientState = "", "", time.Time{}, ""
	sub.RenewAt, sub.Failures, sub.Lifetime = m.now(), 0, 0
}

// perhapsMade returns the id of the registration that a creation with an unknown outcome has made if it was made; ""
// unless the id is a name of ours.
func (m *Manager) perhapsMade(sub *bellhop.Subscription) string {
	p, _ := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	namer, ok := p.(provider.Namer)
	if !ok || sub.Secrets.Wish.IsZero() || sub.Secrets.ClientState == "" {
		return ""
	}
	sub.Secrets.Wish = time.Time{}
	return namer.RegistrationName(provider.Registration{ClientState: sub.Secrets.ClientState})
}

// end deletes the registrations of a subscription that is to be deleted, and then the subscription.
func (m *Manager) end(ctx context.Context, e *entry) error {
	m.retire(&e.sub)
	if err := m.retireAll(ctx, e); err != nil || len(e.sub.Secrets.Retired) > 0 {
		return err
	}
	err := m.opts.Store.DeleteSubscription(ctx, e.id)
	var known *bellhop.Error
	if err != nil && !(errors.As(err, &known) && known.Code == bellhop.CodeNotFound) {
		return err
	}
	m.forget(e)
	return nil
}

// forget takes a deleted subscription out of memory.
func (m *Manager) forget(e *entry) {
	m.mu.Lock()
	delete(m.entries, e.id)
	m.schedule(e)
	m.mu.Unlock()
	m.publish(e.sub.SourceID)
	m.log.Info("subscription.deleted", "subscription_id", e.id, "subscription", e.sub.Name)
}

// orphaned ends the registration of a subscription whose source was deleted: nobody takes its notifications.
func (m *Manager) orphaned(ctx context.Context, e *entry) error {
	const reason = "its source was deleted: the registration at the provider is ended; delete this subscription too"
	m.retire(&e.sub)
	if e.sub.State != bellhop.SubscriptionFailed || e.sub.Reason != reason {
		e.sub.State, e.sub.Reason, e.sub.RenewAt = bellhop.SubscriptionFailed, reason, time.Time{}
		if err := m.save(ctx, e, noNote); err != nil {
			return err
		}
		m.announceState(&e.sub, bellhop.TypeSubscriptionFailing)
	}
	return m.retireAll(ctx, e)
}

// retireAll deletes the retired registrations at the provider. One that cannot be deleted now is tried again later.
func (m *Manager) retireAll(ctx context.Context, e *entry) error {
	sub := &e.sub
	for len(sub.Secrets.Retired) > 0 {
		old := sub.Secrets.Retired[0]
		got, err := m.deleteRemote(ctx, e, old)
		if err != nil {
			return err
		}
		if got.err != nil && !hopeless(got.err) {
			sub.Failures++
			wait := m.backoff(got.err, sub.Failures)
			if !sub.State.Live() || sub.RenewAt.After(m.now().Add(wait)) {
				sub.RenewAt = m.now().Add(wait)
			}
			if sub.Deleting {
				sub.Reason = "the registration at the provider is not deleted yet: " + got.err.Error() +
					"; to leave it there, delete with keep_remote"
			}
			return m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record})
		}
		sub.Secrets.Retired = slices.Clone(sub.Secrets.Retired[1:])
		if !sub.State.Live() && len(sub.Secrets.Retired) == 0 && sub.State != bellhop.SubscriptionPending {
			sub.RenewAt, sub.Failures = time.Time{}, 0
		}
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
	}
	return nil
}

// hopeless reports whether a deletion can never succeed: it is left to its expiry.
func hopeless(err *provider.APIError) bool { return err.Kind == provider.APIInvalid }

// deleteRemote deletes one registration at the provider.
func (m *Manager) deleteRemote(ctx context.Context, e *entry, old bellhop.RetiredRemote) (callResult, error) {
	t, err := m.open(ctx, &e.sub)
	if err != nil {
		return callResult{err: asAPIError(err)}, nil
	}
	r := t.registration
	if old.Resource != "" {
		r.Resource, r.RemoteResource, r.Settings = old.Resource, old.Remote, old.Settings
	}
	return m.call(ctx, e, callDelete, func(ctx context.Context) (provider.Remote, error) {
		return provider.Remote{}, t.calls.Delete(ctx, old.ID, r)
	})
}

// dropOrphans deletes registrations that spoke with our client state at our URL, but are not known: those whose
// creation had an unknown outcome. Each must also have our URL at the provider.
func (m *Manager) dropOrphans(ctx context.Context, e *entry, ids []string) error {
	t, err := m.open(ctx, &e.sub)
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if m.ownerOf(id) != nil {
			continue
		}
		got, err := m.call(ctx, e, callGet, func(ctx context.Context) (provider.Remote, error) {
			return t.calls.Get(ctx, id, t.registration)
		})
		if err != nil {
			return err
		}
		got.record.Outcome = "a registration that an earlier call had made: " + got.record.Outcome
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		if got.err != nil || got.remote.URL != e.sub.URL {
			continue
		}
		got, err = m.deleteRemote(ctx, e, bellhop.RetiredRemote{ID: id})
		if err != nil {
			return err
		}
		if got.record == nil {
			continue
		}
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
	}
	return nil
}
