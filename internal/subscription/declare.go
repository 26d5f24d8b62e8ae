package subscription

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// This file has the changes that a configuration makes of many subscriptions at once, and that are stored together
// with those of other nouns.

// Check checks what users set of a subscription at a source, which need not be stored.
func (m *Manager) Check(sub bellhop.Subscription, src bellhop.Source) error {
	return m.checkRegistration(&sub, &source{Source: src})
}

// A declaration is a change of one entry that is to be stored. The caller of Declare holds the mu of the entry
// meanwhile.
type declaration struct {
	e      *entry
	before bellhop.Subscription
}

// Declare makes changes that write stores, together with others and all or none of them: it calls write once, with the
// changes as they are to be stored. A deletion is stored as a wish, which a step fulfils at the provider. sourceOf
// returns a source as it is once write has returned. begin has the steps taken that follow; it is called once the
// sources are loaded.
func (m *Manager) Declare(ctx context.Context, changes bellhop.Changes[bellhop.Subscription],
	sourceOf func(id string) (bellhop.Source, bool),
	write func(changes bellhop.Changes[bellhop.Subscription]) error) (begin func(), err error) {
	var stored bellhop.Changes[bellhop.Subscription]
	for _, sub := range changes.Created {
		src, _ := sourceOf(sub.SourceID)
		sub.State, sub.URL, sub.RenewAt = bellhop.SubscriptionPending, m.urlOf(src), m.now()
		stored.Created = append(stored.Created, sub)
	}
	held, err := m.hold(ctx, changes)
	defer func() {
		for _, d := range held {
			d.e.mu.Unlock()
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, d := range held {
		i := slices.IndexFunc(changes.Updated,
			func(s bellhop.Successor[bellhop.Subscription]) bool { return s.Noun.ID == d.e.id })
		if i < 0 {
			d.e.sub.Deleting, d.e.sub.RenewAt = true, m.now()
		} else {
			m.succeed(&d.e.sub, changes.Updated[i].Noun)
		}
		stored.Updated = append(stored.Updated, bellhop.Successor[bellhop.Subscription]{Noun: d.e.sub})
	}
	if err := write(stored); err != nil {
		for _, d := range held {
			d.e.sub = d.before
		}
		return nil, err
	}
	return m.declared(stored.Created, held), nil
}

// hold locks the entries that are changed, in the order of their ids, once all that waits to be stored of them is.
func (m *Manager) hold(ctx context.Context, changes bellhop.Changes[bellhop.Subscription]) (held []declaration,
	err error) {
	var ids []string
	for _, to := range changes.Updated {
		ids = append(ids, to.Noun.ID)
	}
	for _, gone := range changes.Deleted {
		ids = append(ids, gone.ID)
	}
	slices.Sort(ids)
	for _, id := range ids {
		e, err := m.find(id)
		if err != nil {
			return held, err
		}
		e.mu.Lock()
		held = append(held, declaration{e, e.sub})
		if len(e.unsaved) > 0 {
			if err := m.save(ctx, e, noNote); err != nil {
				return held, err
			}
		}
		held[len(held)-1].before = e.sub
	}
	return held, nil
}

// declared takes over what was stored, and returns the function that has the next steps taken. The caller holds the
// entries of held.
func (m *Manager) declared(created []bellhop.Subscription, held []declaration) (begin func()) {
	var entries []*entry
	for _, d := range held {
		d.e.share()
		m.expects.Store(m.expects.Load() || d.e.sub.ExpectEvery > 0)
		m.publish(d.e.sub.SourceID)
		entries = append(entries, d.e)
	}
	for _, sub := range created {
		m.log.Info("subscription.stored", "subscription_id", sub.ID, "subscription", sub.Name, "provider",
			sub.Provider)
		entries = append(entries, m.add(sub))
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return func() {
		for _, e := range entries {
			m.begin(e)
		}
	}
}

// urlOf returns the URL of a source.
func (m *Manager) urlOf(src bellhop.Source) string {
	return strings.TrimSuffix(m.opts.PublicURL, "/") + "/in/" + src.Name
}
