package subscription

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file decides about times and certificates: which expiry to ask for, when to renew, and how long to wait after a
// failure.

// wish returns the registration to ask for. The expiry is up to ten minutes less than the longest one: so the clock of
// the provider may differ, and no two creations ask for the same, by which [Manager.findMade] knows what it made.
func (m *Manager) wish(sub *bellhop.Subscription, t tool) provider.Registration {
	r := t.registration
	r.URL, r.ClientState = sub.URL, sub.Secrets.ClientState
	if c, ok := newest(sub); ok && t.terms.Encrypted {
		r.Certificate = c
	}
	life := t.terms.Longest
	if sub.Lifetime > 0 {
		life = sub.Lifetime
	}
	if life > 0 {
		r.ExpiresAt = m.now().Add(life - m.random(life/1000,
			life/1000+min(10*time.Minute, life/50))).Truncate(time.Microsecond)
	}
	return r
}

// granted takes over the expiry that a provider granted. left are the parts of the lifetime that may be left at the
// renewal: see renewAt.
func (m *Manager) granted(sub *bellhop.Subscription, got callResult, r provider.Registration, left parts) {
	sub.ExpiresAt = bellhop.StoredTime(got.remote.ExpiresAt)
	if sub.ExpiresAt.IsZero() {
		sub.ExpiresAt = r.ExpiresAt
	}
	if sub.ExpiresAt.IsZero() {
		sub.RenewAt = time.Time{}
		return
	}
	if asked := r.ExpiresAt; asked.Sub(sub.ExpiresAt) > time.Minute {
		got.record.Outcome = "done; granted until " + sub.ExpiresAt.Format(time.RFC3339) + ", asked for " +
			asked.Format(time.RFC3339)
	}
	sub.RenewAt = m.renewAt(sub.ExpiresAt, left)
}

// parts are the least and the most of a lifetime.
type parts struct{ least, most float64 }

// What may be left of the lifetime at a renewal. The first one after a creation comes at any time of the span in
// which a later one comes on average: so subscriptions that were made together do not stay together.
var (
	leftAtFirst   = parts{0.325, 0.98}
	leftAtRenewal = parts{0.25, 0.4}
)

// renewAt returns when to renew a registration that expires then: at a random moment when such a part of its lifetime
// from now on is left.
func (m *Manager) renewAt(expiresAt time.Time, part parts) time.Time {
	left := float64(max(0, expiresAt.Sub(m.now())))
	wait := m.random(time.Duration(part.least*left), time.Duration(part.most*left))
	return expiresAt.Add(-wait).Truncate(time.Microsecond)
}

// backoff returns how long to wait after a call that failed, the n-th in a row: by kind, twice as long each time,
// with a jitter of a fifth, and at least what the provider asked for.
func (m *Manager) backoff(err *provider.APIError, n int) time.Duration {
	first, most := 10*time.Second, 15*time.Minute
	switch err.Kind {
	case provider.APISignedOut, provider.APIForbidden, provider.APIHandshake, provider.APIForeign:
		first, most = time.Minute, time.Hour
	case provider.APIInvalid, provider.APIExists, provider.APITooLong:
		first, most = time.Hour, 24*time.Hour
	}
	wait := most
	if n < 16 {
		wait = min(most, first<<max(0, n-1))
	}
	return max(err.RetryAfter, m.random(wait*4/5, wait*6/5))
}

// failuresToAnnounce is after how many failed renewals in a row a subscription is announced as failing.
const failuresToAnnounce = 5

// fail stores a failed call and when to try again. creating reports that there is no registration.
func (m *Manager) fail(ctx context.Context, e *entry, got callResult, t tool, creating bool) error {
	sub, now := &e.sub, m.now()
	sub.Failures++
	sub.Reason = m.explain(e, got, t)
	wait := m.backoff(got.err, sub.Failures)
	announce := sub.Failures == failuresToAnnounce
	if creating {
		final := got.err.Kind != provider.APITemporary && !got.err.MaybeDone
		if final && sub.State != bellhop.SubscriptionFailed {
			sub.State, announce = bellhop.SubscriptionFailed, true
		}
	} else if left := sub.ExpiresAt.Sub(now); sub.ExpiresAt.IsZero() || left > 0 {
		sub.State = bellhop.SubscriptionRenewing
		if !sub.ExpiresAt.IsZero() && got.err.RetryAfter < left { // some tries before it ends, whatever the kind
			wait = min(wait, max(time.Second, got.err.RetryAfter, left/4))
		}
	} else if sub.State != bellhop.SubscriptionExpired {
		sub.State, announce = bellhop.SubscriptionExpired, true
		m.lose(sub, sub.ExpiresAt)
		sub.Reason = "the registration has expired; the last try to renew it: " + sub.Reason
	}
	sub.RenewAt = now.Add(wait).Truncate(time.Microsecond)
	err := m.save(ctx, e, bellhop.SubscriptionNote{Call: got.record})
	if err == nil && announce {
		m.announceState(sub, bellhop.TypeSubscriptionFailing)
	}
	return err
}

// certify gives sub a certificate if it needs one, or a new one if the newest is old. The one before is kept: content
// that was encrypted for it may still come.
func (m *Manager) certify(sub *bellhop.Subscription, t tool) error {
	if !t.terms.Encrypted {
		return nil
	}
	if c, ok := newest(sub); ok && m.now().Sub(c.MadeAt) < certificateAge {
		return nil
	}
	c, err := provider.NewCertificate(bellhop.NewID("bellhop-", m.opts.Rand), m.now())
	if err != nil {
		return err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	kept := sub.Secrets.Certificates[:min(len(sub.Secrets.Certificates), 1)]
	sub.Secrets.Certificates = append([]json.RawMessage{raw}, kept...)
	return nil
}

// certificateAge is the age at which a certificate is replaced.
const certificateAge = 180 * 24 * time.Hour

// newest returns the certificate in use.
func newest(sub *bellhop.Subscription) (c provider.Certificate, ok bool) {
	if len(sub.Secrets.Certificates) == 0 || json.Unmarshal(sub.Secrets.Certificates[0], &c) != nil {
		return c, false
	}
	return c, true
}
