package subscription

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// step does what is next for an entry: as many calls as belong together, mostly one. It does nothing if nothing is
// due.
func (m *Manager) step(ctx context.Context, e *entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := m.takeMarks(e)
	if len(e.unsaved) > 0 && m.save(ctx, e, noNote) != nil {
		m.later(e, time.Minute)
		return
	}
	err := m.next(ctx, e, k)
	if err != nil { // storage: nothing was called, or the outcome is stored later
		m.later(e, time.Minute)
	}
}

func (m *Manager) takeMarks(e *entry) marks {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := e.marks
	e.marks = marks{}
	if !e.checkAt.IsZero() && !e.checkAt.After(m.now()) {
		k.check, e.checkAt = true, time.Time{}
	}
	return k
}

// later makes e due after some time, without a write. The caller holds e.mu.
func (m *Manager) later(e *entry, wait time.Duration) {
	e.sub.RenewAt = m.now().Add(wait)
	e.share()
}

// next is step with e locked. Its error means that storage could not take a write.
func (m *Manager) next(ctx context.Context, e *entry, k marks) error {
	sub := &e.sub
	src, there := m.sourceOf(sub.SourceID)
	switch {
	case sub.Deleting:
		return m.end(ctx, e)
	case !there:
		return m.orphaned(ctx, e)
	case sub.State == bellhop.SubscriptionPaused:
		return m.retireAll(ctx, e)
	}
	if sub.RemoteID != "" && sub.URL != src.url {
		m.retire(sub)
		sub.State, sub.Reason = bellhop.SubscriptionPending, "the URL of the source has changed"
		m.lose(sub, m.now())
	}
	if m.dependsElse(sub, &src) {
		m.retire(sub)
		sub.State, sub.Reason = bellhop.SubscriptionPending, "the source has other settings than the provider was told"
		m.lose(sub, m.now())
	}
	if sub.Secrets.Wish.IsZero() { // else a creation with an unknown outcome had the URL
		sub.URL = src.url
	}
	if k.removed && sub.RemoteID != "" {
		sub.RemoteID, sub.State = "", bellhop.SubscriptionRemoved
		sub.Reason, sub.Failures = "the provider ended the registration", 0
		m.lose(sub, m.now())
		m.announceState(sub, bellhop.TypeSubscriptionFailing)
	}
	if !k.missed.IsZero() {
		gap := m.newGap(sub, k.missed, m.now(), reasonMissed)
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Gap: gap}); err != nil {
			return err
		}
	}
	now := m.now()
	due := k.now || !sub.RenewAt.IsZero() && !sub.RenewAt.After(now)
	var err error
	switch {
	case sub.RemoteID == "":
		if due || k.removed {
			err = m.create(ctx, e)
		}
	case sub.State == bellhop.SubscriptionPending:
		if due {
			err = m.await(ctx, e)
		}
	case due:
		err = m.renew(ctx, e)
	case k.reauthorize:
		err = m.reauthorize(ctx, e)
	case k.check:
		err = m.check(ctx, e)
	}
	if err == nil && len(k.orphans) > 0 {
		err = m.dropOrphans(ctx, e, k.orphans)
	}
	if err == nil && sub.State.Live() && len(sub.Secrets.Retired) > 0 {
		err = m.retireAll(ctx, e)
	}
	return err
}

// lose notes since when notifications may be lost.
func (m *Manager) lose(sub *bellhop.Subscription, since time.Time) {
	if sub.LostAt.IsZero() || since.Before(sub.LostAt) {
		sub.LostAt = since
	}
}

// create makes a registration, or finds the one that an earlier call made whose outcome is not known.
func (m *Manager) create(ctx context.Context, e *entry) error {
	sub := &e.sub
	t, err := m.open(ctx, sub)
	if err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, true)
	}
	unknown := sub.Secrets.Wish // of an earlier creation whose outcome is not known
	if !unknown.IsZero() && t.info.Lists && !t.named {
		id, err := m.findMade(ctx, e, t)
		if err != nil {
			return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, true)
		}
		src, _ := m.sourceOf(sub.SourceID)
		switch {
		case id != "" && sub.URL == src.url:
			return m.take(ctx, e, t, id)
		case id != "": // it calls a URL that is not the source's any more
			sub.RemoteID, sub.Secrets.Wish, unknown = id, time.Time{}, time.Time{}
			m.retire(sub)
		}
	}
	if src, ok := m.sourceOf(sub.SourceID); ok {
		sub.URL = src.url
	}
	if sub.Secrets.ClientState == "" || !unknown.IsZero() && !t.info.Lists && !t.named {
		// With another state, notifications of a registration that an unknown outcome left are recognized and refused.
		sub.Secrets.ClientState = m.state()
	}
	if err := m.certify(sub, t); err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, true)
	}
	r := m.wish(sub, t)
	if unknown.IsZero() { // else the registration that is found may be of the earlier call
		sub.Secrets.Depends = t.terms.Depends
	}
	sub.Secrets.Wish = r.ExpiresAt
	if r.ExpiresAt.IsZero() {
		sub.Secrets.Wish = m.now() // only a mark, where registrations have no expiry
	}
	if sub.State == bellhop.SubscriptionFailed {
		sub.State = bellhop.SubscriptionPending
	}
	got, err := m.call(ctx, e, callCreate,
		func(ctx context.Context) (provider.Remote, error) { return t.calls.Create(ctx, r) })
	if err != nil {
		return err
	}
	if got.err != nil {
		if !got.err.MaybeDone {
			sub.Secrets.Wish = unknown
		}
		return m.createFailed(ctx, e, got, t, !unknown.IsZero())
	}
	return m.made(ctx, e, got, r)
}

// createFailed decides what follows a creation that was refused. maybe reports whether an earlier one may have had its
// effect.
func (m *Manager) createFailed(ctx context.Context, e *entry, got callResult, t tool, maybe bool) error {
	sub := &e.sub
	id := got.err.ExistingID
	retired := slices.IndexFunc(sub.Secrets.Retired, func(r bellhop.RetiredRemote) bool { return r.ID == id })
	switch {
	case got.err.Kind == provider.APITooLong && sub.Lifetime == 0 && t.terms.Fallback > 0:
		sub.Lifetime = t.terms.Fallback
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		return m.create(ctx, e)
	case got.err.Kind == provider.APIExists && id != "" && retired >= 0: // ours, in whose place this one is
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		if err := m.retireAll(ctx, e); err != nil || len(sub.Secrets.Retired) > 0 {
			return err
		}
		return m.create(ctx, e)
	case got.err.Kind == provider.APIExists && id != "" && maybe && m.ownerOf(id) == nil:
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		return m.take(ctx, e, t, id)
	case got.err.Kind == provider.APIExists:
		got.err.Remedy = cmp.Or(got.err.Remedy, "the provider has one registration for this resource, these change "+
			"types and this URL already, which this subscription did not make: another server with the same public "+
			"URL, or one whose data is gone; delete it there, or wait until it expires")
		if other := m.ownerOf(id); other != nil {
			got.err.Remedy = "it is the registration of subscription " + other.shared.Load().Name
		}
	}
	return m.fail(ctx, e, got, t, true)
}

// ownerOf returns the entry that has a registration; nil if none has.
func (m *Manager) ownerOf(remoteID string) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if remoteID != "" && e.shared.Load().RemoteID == remoteID {
			return e
		}
	}
	return nil
}

// take adopts a registration that this gateway made, and renews it at once: its expiry is not known.
func (m *Manager) take(ctx context.Context, e *entry, t tool, id string) error {
	r := m.wish(&e.sub, t)
	got, err := m.call(ctx, e, callRenew,
		func(ctx context.Context) (provider.Remote, error) { return t.calls.Renew(ctx, id, r) })
	if err != nil {
		return err
	}
	state := e.sub.Secrets.ClientState
	switch {
	case got.err != nil && got.err.Kind == provider.APIGone:
		e.sub.Secrets.Wish = time.Time{}
		return m.fail(ctx, e, got, t, true)
	case got.err != nil:
		return m.fail(ctx, e, got, t, true)
	case got.remote.ClientState != "" && got.remote.ClientState != state: // it cannot be ours
		e.sub.Secrets.Wish = time.Time{}
		got.err = &provider.APIError{Kind: provider.APIExists, Message: "the registration has another client state"}
		return m.fail(ctx, e, got, t, true)
	}
	got.remote.ID = id
	got.record.Outcome = "adopted: an earlier call had made it"
	return m.made(ctx, e, got, r)
}

// made stores a new registration.
func (m *Manager) made(ctx context.Context, e *entry, got callResult, r provider.Registration) error {
	sub, now := &e.sub, m.now()
	failing := sub.State == bellhop.SubscriptionFailed || sub.Failures > 0 || !sub.LostAt.IsZero()
	sub.RemoteID, sub.Failures, sub.Reason, sub.Secrets.Wish = got.remote.ID, 0, "", time.Time{}
	sub.RemoteResource = got.remote.Resource
	m.granted(sub, got, r, leftAtFirst)
	var gap *bellhop.Gap
	if got.remote.Pending {
		sub.State, sub.Reason = bellhop.SubscriptionPending, got.remote.Waiting
		if e.pending.IsZero() || e.pending.After(now) {
			e.pending = now
		}
		sub.RenewAt = now.Add(min(max(pendingPause, now.Sub(e.pending)/8), longestPending))
	} else {
		e.pending = time.Time{}
		gap = m.settled(sub, now)
	}
	if src, ok := m.sourceOf(sub.SourceID); ok && m.dependsElse(sub, &src) {
		sub.RenewAt = now // an earlier call had made it, before the source changed
	}
	err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record, Gap: gap})
	if err == nil && failing && sub.State == bellhop.SubscriptionActive {
		m.announceState(sub, bellhop.TypeSubscriptionActive)
	}
	return err
}

// settled makes sub active, and returns the gap that ends with it.
func (m *Manager) settled(sub *bellhop.Subscription, now time.Time) (gap *bellhop.Gap) {
	sub.State = bellhop.SubscriptionActive
	if !sub.LostAt.IsZero() {
		gap = m.newGap(sub, sub.LostAt, now, reasonUnregistered)
		if sub.Secrets.Paused && gap.State == bellhop.GapOpen { // who pauses does not want what happens meanwhile
			gap.State, gap.Reason = bellhop.GapUnknown, reasonPaused
			gap.Outcome = "a pause is filled only on request: bellhop subscriptions fill " + sub.Name
		}
	}
	sub.LostAt, sub.Secrets.Paused = time.Time{}, false
	return gap
}

// The pauses between looks at a registration that the provider still makes: they grow with its age.
const (
	pendingPause   = 3 * time.Second
	longestPending = time.Minute
)

// await looks whether the provider has made a registration.
func (m *Manager) await(ctx context.Context, e *entry) error {
	t, err := m.open(ctx, &e.sub)
	if err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, true)
	}
	got, err := m.call(ctx, e, callGet, func(ctx context.Context) (provider.Remote, error) {
		return t.calls.Get(ctx, e.sub.RemoteID, t.registration)
	})
	switch {
	case err != nil:
		return err
	case got.err != nil && got.err.Kind == provider.APIGone:
		e.sub.RemoteID, e.pending = "", time.Time{}
		return m.fail(ctx, e, got, t, true)
	case got.err != nil && got.err.Kind == provider.APIHandshake:
		return m.notValidated(ctx, e, got, t)
	case got.err != nil:
		return m.failedToLook(ctx, e, got)
	}
	return m.made(ctx, e, got, t.registration)
}

// notValidated ends a registration that the provider gave up making, so that the next try makes another one.
func (m *Manager) notValidated(ctx context.Context, e *entry, got callResult, t tool) error {
	if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
		return err
	}
	ended, err := m.deleteRemote(ctx, e, bellhop.RetiredRemote{ID: e.sub.RemoteID})
	if err != nil {
		return err
	}
	e.sub.RemoteID, e.pending = "", time.Time{}
	got.record = ended.record
	return m.fail(ctx, e, got, t, true)
}

// failedToLook has a registration that the provider still makes looked at again after a failed call.
func (m *Manager) failedToLook(ctx context.Context, e *entry, got callResult) error {
	e.sub.Failures++
	e.sub.Reason = got.err.Error()
	e.sub.RenewAt = m.now().Add(m.backoff(got.err, e.sub.Failures))
	return m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record})
}

// renew extends the registration.
func (m *Manager) renew(ctx context.Context, e *entry) error {
	sub := &e.sub
	t, err := m.open(ctx, sub)
	if err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, false)
	}
	before := sub.ExpiresAt
	sub.State = bellhop.SubscriptionRenewing
	if err := m.certify(sub, t); err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, false)
	}
	r := m.wish(sub, t)
	got, err := m.call(ctx, e, callRenew, func(ctx context.Context) (provider.Remote, error) {
		return t.calls.Renew(ctx, sub.RemoteID, r)
	})
	switch {
	case err != nil:
		return err
	case got.err != nil && got.err.Kind == provider.APIGone:
		return m.gone(ctx, e, got)
	case got.err != nil && got.err.Kind == provider.APITooLong:
		return m.tooLong(ctx, e, got, t)
	case got.err != nil:
		return m.fail(ctx, e, got, t, false)
	}
	m.granted(sub, got, r, leftAtRenewal)
	if !before.IsZero() && !sub.ExpiresAt.IsZero() && !sub.ExpiresAt.After(before) &&
		sub.ExpiresAt.Before(r.ExpiresAt.Add(-time.Minute)) {
		got.err = &provider.APIError{Kind: provider.APITemporary,
			Message: "the provider did not extend the registration"}
		got.record.Done, got.record.Outcome = false, got.err.Message
		return m.fail(ctx, e, got, t, false)
	}
	failing := !sub.LostAt.IsZero() || sub.Failures >= failuresToAnnounce
	sub.Failures, sub.Reason = 0, ""
	gap := m.settled(sub, m.now())
	err = m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record, Gap: gap})
	if err == nil && failing {
		m.announceState(sub, bellhop.TypeSubscriptionActive)
	}
	return err
}

// tooLong asks for a shorter life or, if that was refused too, for a new registration.
func (m *Manager) tooLong(ctx context.Context, e *entry, got callResult, t tool) error {
	sub := &e.sub
	if sub.Lifetime == 0 && t.terms.Fallback > 0 {
		sub.Lifetime = t.terms.Fallback
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		return m.renew(ctx, e)
	}
	m.retire(sub)
	sub.State, sub.Reason = bellhop.SubscriptionPending,
		"the provider does not renew this registration: "+got.err.Error()
	if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
		return err
	}
	return m.create(ctx, e)
}

// gone makes a new registration in place of one that the provider does not have any more.
func (m *Manager) gone(ctx context.Context, e *entry, got callResult) error {
	sub, now := &e.sub, m.now()
	sub.State, sub.Reason = bellhop.SubscriptionRemoved, "the provider does not have the registration any more"
	since := m.heardAt(ctx, sub, got.record)
	if !sub.ExpiresAt.IsZero() && !sub.ExpiresAt.After(now) {
		sub.State, sub.Reason = bellhop.SubscriptionExpired, "the registration expired before it could be renewed"
		since = sub.ExpiresAt
	}
	m.lose(sub, since)
	sub.RemoteID, sub.Failures = "", 0
	if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
		return err
	}
	m.announceState(sub, bellhop.TypeSubscriptionFailing)
	return m.create(ctx, e)
}

// heardAt returns the latest time at which the registration is known to have been there: that of a notification or of
// a call before the present one.
func (m *Manager) heardAt(ctx context.Context, sub *bellhop.Subscription,
	present *bellhop.SubscriptionCall) time.Time {
	at := sub.CreatedAt
	if e, err := m.find(sub.ID); err == nil && e.spoken.Load() > at.UnixMicro() {
		at = time.UnixMicro(e.spoken.Load()).UTC()
	}
	calls, err := m.opts.Store.SubscriptionCalls(ctx, sub.ID)
	if err != nil {
		return at
	}
	for _, call := range calls {
		if call.ID != present.ID && call.Done && call.What != callDelete && call.At.After(at) {
			at = call.At
		}
	}
	return at
}

// reauthorize answers the provider's wish to authorize the registration again. A renewal does that too.
func (m *Manager) reauthorize(ctx context.Context, e *entry) error {
	t, err := m.open(ctx, &e.sub)
	if err != nil {
		return m.fail(ctx, e, callResult{err: asAPIError(err)}, t, false)
	}
	got, err := m.call(ctx, e, callReauthorize, func(ctx context.Context) (provider.Remote, error) {
		return provider.Remote{}, t.calls.Reauthorize(ctx, e.sub.RemoteID, t.registration)
	})
	switch {
	case err != nil:
		return err
	case got.err != nil && got.err.Kind == provider.APIGone:
		return m.gone(ctx, e, got)
	case got.err != nil: // the next try is a renewal, which authorizes too
		return m.fail(ctx, e, got, t, false)
	}
	return m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record})
}

// check asks the provider for the registration, after something made it doubtful.
func (m *Manager) check(ctx context.Context, e *entry) error {
	sub := &e.sub
	t, err := m.open(ctx, sub)
	if err != nil {
		return nil // the next renewal says why
	}
	got, err := m.call(ctx, e, callGet, func(ctx context.Context) (provider.Remote, error) {
		return t.calls.Get(ctx, sub.RemoteID, t.registration)
	})
	switch {
	case err != nil:
		return err
	case got.err != nil && got.err.Kind == provider.APIGone:
		return m.gone(ctx, e, got)
	case got.err == nil && got.remote.Differs != "", got.err != nil && got.err.Kind == provider.APIHandshake:
		if got.err == nil {
			got.record.Outcome = "differs from what was asked for: " + got.remote.Differs
		}
		if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record}); err != nil {
			return err
		}
		return m.renew(ctx, e) // which puts it right
	case got.err == nil:
		m.sawExpiry(sub, got.remote.ExpiresAt)
	}
	return m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record})
}

// sawExpiry takes over the expiry that a provider shows, if it is another one, and reports that.
func (m *Manager) sawExpiry(sub *bellhop.Subscription, expiresAt time.Time) bool {
	expiresAt = bellhop.StoredTime(expiresAt)
	if expiresAt.IsZero() || expiresAt.Sub(sub.ExpiresAt).Abs() < time.Minute {
		return false
	}
	sub.ExpiresAt = expiresAt
	if renewAt := m.renewAt(expiresAt, leftAtRenewal); sub.State == bellhop.SubscriptionActive {
		sub.RenewAt = renewAt
	}
	return true
}
