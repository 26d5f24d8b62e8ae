package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file keeps baselines: positions in the change log of a resource from before a gap, for systems that cannot be
// asked from a time on, or only with less certainty. One is taken soon after the registration was made, and then every
// day. Those of the last days are kept, since a gap may have begun before the latest one.

// When baselines are taken, and how many are kept. The directory of Graph forgets a position after seven days.
const (
	baselineEvery = 24 * time.Hour
	baselineFresh = 20 * time.Hour // a younger one is not replaced
	baselineLife  = 6 * 24 * time.Hour
	baselineSoon  = 2 * time.Hour // after a start, over which those that are due are spread
	maxBaselining = 4             // at a time
	baselineTime  = 10 * time.Minute
)

// baselineKey is the key of the cursor that has the baselines of a subscription.
const baselineKey = "baseline"

// A mark is one baseline.
type mark struct {
	At     time.Time `json:"at"` // what changed later is after the cursor
	Cursor string    `json:"cursor"`
}

// baselines are the baselines of a subscription, newest first, as they are stored.
type baselines struct {
	Resource string `json:"resource"`
	Marks    []mark `json:"marks"`
}

// readBaselines returns the baselines of sub. Those of another resource are none.
func (m *Manager) readBaselines(ctx context.Context, sub *bellhop.Subscription) (b baselines, err error) {
	stored, err := m.opts.Store.Cursor(ctx, sub.ID, baselineKey)
	if err != nil {
		return b, err
	}
	if json.Unmarshal([]byte(stored.Value), &b) != nil || b.Resource != resource(sub) {
		b = baselines{}
	}
	b.Resource = resource(sub)
	return b, nil
}

// baselineFor returns the latest position from before a time; "" if there is none.
func (m *Manager) baselineFor(ctx context.Context, sub *bellhop.Subscription, at time.Time) string {
	b, err := m.readBaselines(ctx, sub)
	if err != nil {
		m.log.Error("subscription.baseline.unread", "subscription_id", sub.ID, "subscription", sub.Name,
			"error", err)
	}
	for _, mark := range b.Marks {
		if !mark.At.After(at) {
			return mark.Cursor
		}
	}
	return ""
}

// oldestBaseline returns the oldest position that is kept, and its time; "" if there is none.
func (m *Manager) oldestBaseline(ctx context.Context, sub *bellhop.Subscription) (string, time.Time) {
	b, err := m.readBaselines(ctx, sub)
	if err != nil || len(b.Marks) == 0 {
		return "", time.Time{}
	}
	oldest := b.Marks[len(b.Marks)-1]
	return oldest.Cursor, oldest.At
}

// keepBaseline keeps the position at the end of a fill, if sub has baselines.
func (m *Manager) keepBaseline(ctx context.Context, sub *bellhop.Subscription, cursor string, at time.Time) {
	b, err := m.readBaselines(ctx, sub)
	if err == nil && len(b.Marks) > 0 {
		err = m.saveBaselines(ctx, sub, b, mark{at, cursor})
	}
	if err != nil {
		m.log.Error("subscription.baseline.unsaved", "subscription_id", sub.ID, "subscription", sub.Name,
			"error", err)
	}
}

// saveBaselines stores the baselines with one more. The oldest ones give way if there is no room for them.
func (m *Manager) saveBaselines(ctx context.Context, sub *bellhop.Subscription, b baselines, newest mark) error {
	kept := []mark{newest}
	for _, mark := range b.Marks {
		if newest.At.Sub(mark.At) < baselineLife && kept[len(kept)-1].At.Sub(mark.At) >= baselineFresh {
			kept = append(kept, mark)
		}
	}
	for ; len(kept) > 0; kept = kept[:len(kept)-1] {
		b.Marks = kept
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		if len(text) <= bellhop.MaxCursorBytes {
			return m.opts.Store.SaveCursor(context.WithoutCancel(ctx), sub.ID, baselineKey,
				bellhop.Cursor{Value: string(text), SavedAt: m.now()})
		}
	}
	return errors.New("the position is too long to be kept")
}

// startBaselines takes the baselines that are due. Run calls it.
func (m *Manager) startBaselines(ctx context.Context) {
	if m.opts.PublishCaughtUp == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for _, e := range m.entries {
		if m.baselining >= maxBaselining {
			return
		}
		sub := e.shared.Load()
		if e.baselineAt.After(now) && e.baselineAt.Sub(now) < 2*baselineEvery || e.gaps > 0 || !sub.State.Live() ||
			!sub.LostAt.IsZero() || m.of(sub.ConnectionID).until.After(now) {
			continue
		}
		if _, ok := m.catchUpper(sub.Provider); !ok {
			e.baselineAt = now.Add(baselineEvery)
			continue
		}
		m.baselining++
		e.baselineAt = now.Add(baselineEvery)
		m.fillers.Go(func() {
			next := m.takeBaseline(ctx, sub)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.baselining--
			e.baselineAt = m.now().Add(next)
		})
	}
}

// takeBaseline takes a baseline of sub, unless the latest one is young, and returns after how long to come again. A
// failure is not waited for: the next one is tried within hours.
func (m *Manager) takeBaseline(ctx context.Context, sub *bellhop.Subscription) (next time.Duration) {
	b, err := m.readBaselines(ctx, sub)
	before := ""
	if err == nil && len(b.Marks) > 0 {
		if age := m.now().Sub(b.Marks[0].At); age >= 0 && age < baselineFresh {
			return baselineEvery - age
		}
		before = b.Marks[0].Cursor
	}
	later := m.random(baselineEvery*9/10, baselineEvery)
	if err == nil {
		var changes provider.Changes
		changes, err = m.openChanges(ctx, sub)
		if err != nil { // this resource cannot be asked about, which the first gap says
			return later
		}
		at := m.now()
		calling, cancel := context.WithTimeout(ctx, baselineTime)
		defer cancel()
		var cursor string
		cursor, err = changes.Begin(calling, before)
		m.countCall(sub, "baseline", err)
		if err == nil && cursor != "" {
			err = m.saveBaselines(ctx, sub, b, mark{at, cursor})
		}
	}
	var refused *provider.APIError
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		m.throttle(sub.ConnectionID, refused.RetryAfter)
	}
	if err != nil && ctx.Err() == nil {
		later = m.random(time.Hour, 3*time.Hour)
		m.log.Warn("subscription.baseline.failed", "subscription_id", sub.ID, "subscription", sub.Name, "error", err,
			"meaning", "it is tried again within hours; a gap before that may stay unknown")
	}
	return later
}

// countCall counts a call that is not in the history of a subscription.
func (m *Manager) countCall(sub *bellhop.Subscription, call string, err error) {
	kind := "done"
	var refused *provider.APIError
	if errors.As(err, &refused) {
		kind = string(refused.Kind)
	}
	m.metrics.calls.WithLabelValues(sub.Provider, call, kind).Inc()
}
