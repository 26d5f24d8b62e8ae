package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file has what users do with subscriptions. Each method stores the wish, takes the next step at once, and waits
// for it as long as a client of the API waits. What is not done by then goes on in the background.

// userWait bounds that wait.
const userWait = 25 * time.Second

// Create checks and stores a new subscription, and makes its registration. The subscription has its id, its times and
// what users set. The result may be pending or failed: Reason says why, and it is tried again.
func (m *Manager) Create(ctx context.Context, sub bellhop.Subscription) (bellhop.Subscription, error) {
	src, ok := m.sourceOf(sub.SourceID)
	if !ok {
		return sub, bellhop.Invalid("source", "there is no such source")
	}
	if err := m.checkRegistration(&sub, &src); err != nil {
		return sub, err
	}
	sub.State, sub.URL, sub.RenewAt = bellhop.SubscriptionPending, src.url, m.now()
	if err := m.opts.Store.CreateSubscription(ctx, sub); err != nil {
		return sub, err
	}
	m.log.Info("subscription.stored", "subscription_id", sub.ID, "subscription", sub.Name, "provider", sub.Provider,
		"source_id", sub.SourceID, "source", src.Name, "connection_id", sub.ConnectionID)
	return m.act(ctx, m.add(sub)), nil
}

// checkRegistration has the provider check what users set.
func (m *Manager) checkRegistration(sub *bellhop.Subscription, src *source) error {
	p, ok := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	if !ok {
		return bellhop.Invalid("provider", "has no subscriptions that Bellhop can keep")
	}
	if src.Provider != sub.Provider {
		return bellhop.Invalid("source", "is one of the provider "+src.Provider+", not "+sub.Provider)
	}
	_, err := p.CheckRegistration(provider.Registration{Resource: sub.Resource, ChangeTypes: sub.ChangeTypes,
		Settings: sub.Settings}, src.Settings)
	return bellhop.Join("", err, bellhop.CheckExpectEvery("expect_every", sub.ExpectEvery))
}

// begin has e take its next step now. done is closed when it has.
func (m *Manager) begin(e *entry) (done chan struct{}) {
	m.mu.Lock()
	e.marks.now = true
	m.mu.Unlock()
	done = make(chan struct{})
	m.steps.Go(func() {
		defer close(done)
		m.step(m.ctx, e)
		m.reschedule(e)
	})
	return done
}

// act has e take its next step now, waits for it, and returns what e is then.
func (m *Manager) act(ctx context.Context, e *entry) bellhop.Subscription {
	done := m.begin(e)
	timer := time.NewTimer(userWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return m.shown(e)
}

// shown returns e as users see it.
func (m *Manager) shown(e *entry) bellhop.Subscription {
	sub := *e.shared.Load()
	sub.LastEventAt = latest(sub.LastEventAt, moment(e.spoken.Load()))
	return sub
}

// LastEventAt returns when the latest notification of a subscription came; zero if none has, or it is not known.
func (m *Manager) LastEventAt(id string) time.Time {
	e, err := m.find(id)
	if err != nil {
		return time.Time{}
	}
	return m.shown(e).LastEventAt
}

// change locks the subscription of that id, has do change it, and stores it. If do returns no error, the next step is
// taken at once.
func (m *Manager) change(ctx context.Context, id string,
	do func(sub *bellhop.Subscription) error) (bellhop.Subscription, error) {
	e, err := m.find(id)
	if err != nil {
		return bellhop.Subscription{}, err
	}
	e.mu.Lock()
	before, unsaved := e.sub, len(e.unsaved) > 0
	err = do(&e.sub)
	if err == nil {
		err = m.save(ctx, e, noNote)
	}
	if err != nil {
		e.sub = before
		if !unsaved { // only the version that the user does not get was
			e.unsaved = nil
		}
		e.share()
		m.publish(before.SourceID)
	}
	e.mu.Unlock()
	if err != nil {
		return before, err
	}
	return m.act(ctx, e), nil
}

// Update stores the successor that change makes of a subscription. If the provider has to know of it, there is a new
// registration first, and then the old one is deleted: no notification is lost meanwhile.
func (m *Manager) Update(ctx context.Context, id string,
	change func(before bellhop.Subscription) (bellhop.Subscription, error)) (bellhop.Subscription, error) {
	return m.change(ctx, id, func(sub *bellhop.Subscription) error {
		after, err := change(*sub)
		if err != nil {
			return err
		}
		src, ok := m.sourceOf(sub.SourceID)
		if ok {
			if err := m.checkRegistration(&after, &src); err != nil {
				return err
			}
		}
		m.succeed(sub, after)
		return nil
	})
}

// succeed gives sub what users set of after. If the provider has to know of it, there will be a new registration.
func (m *Manager) succeed(sub *bellhop.Subscription, after bellhop.Subscription) {
	again := after.Resource != sub.Resource || !reflect.DeepEqual(after.ChangeTypes, sub.ChangeTypes) ||
		!sameSettings(after.Settings, sub.Settings)
	if again {
		m.retire(sub) // with the old resource and settings
	}
	*sub = mergeUser(*sub, after)
	sub.UpdatedAt = latest(m.now(), sub.UpdatedAt.Add(time.Microsecond)) // it is the version of the subscription
	if again && sub.State != bellhop.SubscriptionPaused {
		sub.State, sub.Reason, sub.RenewAt, sub.Failures = bellhop.SubscriptionPending, "", m.now(), 0
	}
}

// mergeUser returns sub with what users set of after.
func mergeUser(sub, after bellhop.Subscription) bellhop.Subscription {
	sub.Name, sub.Resource, sub.ChangeTypes = after.Name, after.Resource, after.ChangeTypes
	sub.Settings, sub.ExpectEvery = after.Settings, after.ExpectEvery
	return sub
}

// Renew renews the registration of a subscription now, or makes one if there is none.
func (m *Manager) Renew(ctx context.Context, id string) (bellhop.Subscription, error) {
	return m.change(ctx, id, func(sub *bellhop.Subscription) error {
		switch {
		case sub.State == bellhop.SubscriptionPaused:
			return bellhop.Conflict("the subscription is paused; resume it")
		case sub.Deleting:
			return bellhop.Conflict("the subscription is being deleted")
		}
		sub.RenewAt = m.now()
		return nil
	})
}

// Pause ends the registration of a subscription at the provider and makes none until Resume.
func (m *Manager) Pause(ctx context.Context, id string) (bellhop.Subscription, error) {
	return m.change(ctx, id, func(sub *bellhop.Subscription) error {
		if sub.Deleting {
			return bellhop.Conflict("the subscription is being deleted")
		}
		if sub.State != bellhop.SubscriptionPaused {
			m.retire(sub)
			sub.State, sub.Reason, sub.RenewAt = bellhop.SubscriptionPaused, "", time.Time{}
			m.lose(sub, m.now())
			sub.Secrets.Paused = true
		}
		return nil
	})
}

// Resume makes the registration of a paused subscription again. The pause is a gap.
func (m *Manager) Resume(ctx context.Context, id string) (bellhop.Subscription, error) {
	return m.change(ctx, id, func(sub *bellhop.Subscription) error {
		switch {
		case sub.Deleting:
			return bellhop.Conflict("the subscription is being deleted")
		case sub.State == bellhop.SubscriptionPaused:
			sub.State, sub.RenewAt = bellhop.SubscriptionPending, m.now()
		}
		return nil
	})
}

// Delete deletes a subscription and its registration at the provider. keepRemote leaves the registration there, to
// expire by itself. If the provider cannot be reached, the error is a conflict, and the deletion is tried again.
func (m *Manager) Delete(ctx context.Context, id string, keepRemote bool) error {
	if keepRemote {
		e, err := m.find(id)
		if err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		err = m.opts.Store.DeleteSubscription(ctx, id)
		var known *bellhop.Error
		if err != nil && !(errors.As(err, &known) && known.Code == bellhop.CodeNotFound) {
			return err
		}
		m.forget(e)
		return nil
	}
	left, err := m.change(ctx, id, func(sub *bellhop.Subscription) error {
		sub.Deleting, sub.RenewAt = true, m.now()
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := m.find(id); err != nil {
		return nil
	}
	return bellhop.Conflict("the subscription is deleted as soon as the provider has ended its registration: " +
		left.Reason)
}

// Sync compares all subscriptions with their providers now. Checks of single registrations follow in the background.
func (m *Manager) Sync(ctx context.Context) (Swept, error) {
	done := make(chan Swept, 1)
	m.steps.Go(func() { done <- m.sweep(m.ctx, nil) })
	timer := time.NewTimer(userWait)
	defer timer.Stop()
	select {
	case swept := <-done:
		return swept, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return Swept{}, &bellhop.Error{Code: bellhop.CodeUnavailable,
		Message: "the comparison takes longer than this call may; it goes on, and the log has its result"}
}

// HasConnection returns the name of a subscription that uses a connection; "" if none does.
func (m *Manager) HasConnection(connectionID string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if sub := e.shared.Load(); sub.ConnectionID == connectionID {
			return sub.Name
		}
	}
	return ""
}

// sameSettings reports whether two settings objects have the same members.
func sameSettings(a, b json.RawMessage) bool {
	var x, y map[string]any
	if len(a) > 0 && json.Unmarshal(a, &x) != nil || len(b) > 0 && json.Unmarshal(b, &y) != nil {
		return false
	}
	return len(x) == 0 && len(y) == 0 || reflect.DeepEqual(x, y)
}
