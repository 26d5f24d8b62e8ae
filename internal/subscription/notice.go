package subscription

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file publishes the gateway's own events about subscriptions and sources, and watches for silence.

// A notice is the body of such an event. It has neither a URL nor a secret.
type notice struct {
	Subscription *nounNotice `json:"subscription,omitempty"`
	Source       *nounNotice `json:"source,omitempty"`
	State        string      `json:"state,omitempty"`
	Reason       string      `json:"reason,omitempty"`
	ExpiresAt    time.Time   `json:"expires_at,omitzero"`
	Gap          *gapNotice  `json:"gap,omitempty"`
	Since        time.Time   `json:"since,omitzero"`
	ExpectEvery  string      `json:"expect_every,omitempty"`

	tenant string // of the subscription or the source
}

type nounNotice struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
	Resource string `json:"resource,omitempty"`
}

type gapNotice struct {
	ID      string    `json:"id"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	State   string    `json:"state"`
	Outcome string    `json:"outcome,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Found   *int      `json:"found,omitempty"`
	Folded  *int      `json:"folded,omitempty"`
}

// noticeOf returns what an event tells of a gap. Of one that the provider was not asked about it tells no numbers.
func noticeOf(gap bellhop.Gap) *gapNotice {
	n := &gapNotice{ID: gap.ID, From: gap.From, To: gap.To, State: string(gap.State), Outcome: gap.Outcome,
		Since: gap.Since, Until: gap.Until}
	if !gap.Since.IsZero() {
		n.Found, n.Folded = &gap.Found, &gap.Folded
	}
	return n
}

func subscriptionNotice(sub *bellhop.Subscription) *nounNotice {
	return &nounNotice{sub.ID, sub.Name, sub.Provider, sub.Resource}
}

// publishNotice publishes one event. An id that was published before does nothing.
func (m *Manager) publishNotice(kind, subject, id string, n notice) error {
	if m.opts.Announce == nil {
		return nil
	}
	body, err := json.Marshal(n)
	if err == nil {
		err = m.opts.Announce(context.WithoutCancel(m.ctx), bellhop.Event{Type: kind, Subject: subject, ProviderID: id,
			Tenant: n.tenant, Time: m.now(), ContentType: "application/json", Body: body})
	}
	if err != nil {
		m.log.Error("announcement.failed", "type", kind, "subject", subject, "error", err)
	}
	return err
}

// announceState announces that sub is active again, or not any more.
func (m *Manager) announceState(sub *bellhop.Subscription, kind string) {
	m.publishNotice(kind, sub.Name, "", notice{Subscription: subscriptionNotice(sub), State: string(sub.State),
		Reason: sub.Reason, ExpiresAt: sub.ExpiresAt, tenant: sub.Tenant})
}

// announceGap announces a gap that is stored and, once it was tried to fill it, how that ended. If that fails,
// announceGaps does so later. What was announced before folds. The ids tell the span: a gap that was widened since is
// announced again.
func (m *Manager) announceGap(gap bellhop.Gap, sub *bellhop.Subscription) {
	n := notice{Subscription: subscriptionNotice(sub), Reason: gap.Reason, Gap: noticeOf(gap), tenant: sub.Tenant}
	if src, ok := m.sourceOf(sub.SourceID); ok {
		n.Source = &nounNotice{ID: src.ID, Name: src.Name, Provider: src.Provider}
	}
	id := fmt.Sprintf("%s %d %d", gap.ID, gap.From.UnixMicro(), gap.To.UnixMicro())
	if m.publishNotice(bellhop.TypeSubscriptionGap, sub.Name, id, n) != nil {
		return
	}
	switch ended := !gap.Since.IsZero() && !gap.State.Waits(); {
	case !ended:
		m.log.Warn("subscription.gap", "subscription_id", sub.ID, "subscription", sub.Name, "gap_id", gap.ID, "from",
			gap.From, "to", gap.To, "reason", gap.Reason, "state", gap.State)
	case m.publishNotice(endOf[gap.State], sub.Name, id+" "+string(gap.State), n) != nil:
		return
	}
	if err := m.opts.Store.GapAnnounced(context.WithoutCancel(m.ctx), gap); err != nil {
		m.log.Error("announcement.failed", "gap_id", gap.ID, "error", err)
	}
}

// endOf are the types of the events that tell how a fill ended.
var endOf = map[bellhop.GapState]string{bellhop.GapFilled: bellhop.TypeSubscriptionGapFilled,
	bellhop.GapUnknown: bellhop.TypeSubscriptionGapUnknown}

// announceGaps announces the gaps that a crash or a full disk left unannounced.
func (m *Manager) announceGaps(ctx context.Context) {
	gaps, err := m.opts.Store.GapsToAnnounce(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.log.Error("announcement.failed", "error", err)
		}
		return
	}
	for _, gap := range gaps {
		if e, err := m.find(gap.SubscriptionID); err == nil {
			m.announceGap(gap, e.shared.Load())
		}
	}
}

// Clock returns where the door notes when a source accepted its latest event, in microseconds since 1970; nil for a
// source without ExpectEvery.
func (m *Manager) Clock(sourceID string) *atomic.Int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	src := m.sources[sourceID]
	if src == nil || src.ExpectEvery == 0 {
		return nil
	}
	if src.spoken == nil {
		src.spoken = &atomic.Int64{}
	}
	return src.spoken
}

// A silence is a source or a subscription that has not spoken for longer than expected.
type silence struct {
	id     string
	notice notice
	since  time.Time
	name   string
}

// watchSilence announces each silence once, and forgets those that have ended.
func (m *Manager) watchSilence(ctx context.Context) {
	now := m.now()
	var begun []silence
	var ended []*source
	m.mu.Lock()
	for id, src := range m.sources {
		if src.ExpectEvery == 0 || src.Disabled {
			continue
		}
		last := src.notes.LastEventAt
		if src.spoken != nil {
			last = latest(last, moment(src.spoken.Load()))
		}
		was := src.notes.SilentSince
		since := latest(last, src.UpdatedAt, m.started)
		switch {
		case !was.IsZero() && last.After(was):
			src.notes.SilentSince = time.Time{}
			ended = append(ended, src)
		case was.IsZero() && now.Sub(since) > src.ExpectEvery:
			src.notes.SilentSince = since
			begun = append(begun,
				silence{id, notice{Source: &nounNotice{ID: id, Name: src.Name, Provider: src.Provider},
					Since: since, ExpectEvery: src.ExpectEvery.String(), tenant: src.Tenant}, since, src.Name})
		}
	}
	var entries []*entry
	if m.expects.Load() { // mostly none does, and there may be ten thousand
		entries = m.all()
	}
	m.mu.Unlock()
	for _, s := range begun {
		m.reportSilence(s)
		m.saveSilence(ctx, s.id, s.name, s.since)
	}
	for _, src := range ended {
		m.saveSilence(ctx, src.ID, src.Name, time.Time{})
	}
	for _, e := range entries {
		m.watchEntry(ctx, e, now)
	}
}

// saveSilence stores since when a source is silent; the zero time if it is not any more.
func (m *Manager) saveSilence(ctx context.Context, sourceID, name string, since time.Time) {
	if err := m.opts.Store.SourceSilent(ctx, sourceID, since); err != nil {
		m.log.Error("silence.unsaved", "source_id", sourceID, "source", name, "error", err)
	}
}

// watchEntry is watchSilence for one subscription.
func (m *Manager) watchEntry(ctx context.Context, e *entry, now time.Time) {
	sub := m.shown(e)
	if sub.ExpectEvery == 0 || !sub.State.Live() {
		return
	}
	since := latest(sub.LastEventAt, sub.UpdatedAt, m.started)
	ended := !sub.SilentSince.IsZero() && sub.LastEventAt.After(sub.SilentSince)
	begun := sub.SilentSince.IsZero() && now.Sub(since) > sub.ExpectEvery
	if !ended && !begun || !e.mu.TryLock() { // a step is under way: the next look is in a minute
		return
	}
	defer e.mu.Unlock()
	e.sub.SilentSince = time.Time{}
	if begun {
		e.sub.SilentSince = since
		m.reportSilence(silence{e.id, notice{Subscription: subscriptionNotice(&sub), Since: since,
			ExpectEvery: sub.ExpectEvery.String(), tenant: sub.Tenant}, since, sub.Name})
	}
	m.save(ctx, e, noNote) // logs its error
}

func (m *Manager) reportSilence(s silence) {
	m.log.Warn("source.silent", "id", s.id, "name", s.name, "since", s.since, "expect_every", s.notice.ExpectEvery)
	m.metrics.silences.Inc()
	m.publishNotice(bellhop.TypeSourceSilent, s.name, fmt.Sprintf("silent %s %d", s.id, s.since.UnixMicro()), s.notice)
}

// moment returns the time that is so many microseconds after 1970; the zero time for 0.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// latest returns the latest of times.
func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// flush stores when the latest events came, for those that have spoken since the last flush.
func (m *Manager) flush(ctx context.Context) {
	at := map[string]time.Time{}
	heard := m.heard.Swap(false)
	m.mu.Lock()
	for id, e := range m.entries {
		if !heard {
			break
		}
		if spoken := e.spoken.Load(); spoken != e.flushed {
			at[id], e.flushed = time.UnixMicro(spoken).UTC(), spoken
		}
	}
	for id, src := range m.sources {
		if src.spoken == nil {
			continue
		}
		if spoken := moment(src.spoken.Load()); spoken.After(src.notes.LastEventAt) {
			src.notes.LastEventAt, at[id] = spoken, spoken
		}
	}
	m.mu.Unlock()
	if len(at) == 0 {
		return
	}
	if err := m.opts.Store.Spoken(ctx, at); err != nil && ctx.Err() == nil {
		m.log.Error("spoken.unsaved", "count", len(at), "error", err)
	}
}
