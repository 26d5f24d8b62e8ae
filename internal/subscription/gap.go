package subscription

import (
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes gaps, and joins those of a subscription that would ask the provider for nearly the same.

// Why notifications may have been missed. None contains reasonSeparator.
const (
	reasonDown         = "the gateway was not running for longer than the provider repeats notifications"
	reasonMissed       = "the provider says that notifications were lost"
	reasonUnregistered = "there was no registration at the provider"
	reasonPaused       = "a user paused the subscription"
	reasonAsked        = "a user asked for what changed"

	reasonSeparator = "; "
)

// Bounds of the fills of one subscription that follow one another.
const (
	// fillPause is how long the next fill waits after the end of one. The gaps that arrive meanwhile are joined.
	fillPause = time.Minute
	// holdFailures is after how many failed calls in a row, some hours, a fill holds the next one back no longer: what
	// it asks for may fail for ever.
	holdFailures = 20
)

// newGap returns a new gap of sub, which is open if its provider can be asked for what was missed. It ends at the
// earliest when it begins, whatever clocks said.
func (m *Manager) newGap(sub *bellhop.Subscription, from, to time.Time, reason string) *bellhop.Gap {
	if to.Before(from) {
		from = to
	}
	gap := &bellhop.Gap{ID: bellhop.NewID(bellhop.PrefixGap, m.opts.Rand), SubscriptionID: sub.ID, From: from, To: to,
		Reason: reason, State: bellhop.GapOpen}
	if _, ok := m.catchUpper(sub.Provider); !ok {
		gap.State, gap.Outcome = bellhop.GapUnknown, noCatchUp(sub.Provider)
	}
	return gap
}

// byItself reports whether a gap is filled without a user who asks for it. Only such gaps are joined.
func byItself(gap bellhop.Gap) bool { return gap.Reason != reasonPaused && gap.Reason != reasonAsked }

// join returns the gap that is to be stored for a new gap of e: the new one or, if that is near one that waits, the
// waiting one, which covers both from now on.
//
// The waiting one is widened in memory before it is stored. Whether its fill begins before or after the write, it asks
// for both spans, and the write changes nothing that a fill writes. If the write fails, the new gap is stored later.
func (m *Manager) join(e *entry, gap *bellhop.Gap) (stored *bellhop.Gap, joined bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[e.shared.Load().ConnectionID]
	if l == nil || gap.State != bellhop.GapOpen || !byItself(*gap) {
		return gap, false
	}
	at := slices.IndexFunc(l.fills, func(f *fill) bool { return f.e == e && f.waits() && near(f.gap, *gap) })
	if at < 0 {
		return gap, false
	}
	wide := &l.fills[at].gap
	if gap.From.Before(wide.From) {
		wide.From = gap.From
	}
	wide.To = latest(wide.To, gap.To)
	if !slices.Contains(strings.Split(wide.Reason, reasonSeparator), gap.Reason) {
		wide.Reason += reasonSeparator + gap.Reason
	}
	wide.Announced = false
	widened := *wide
	return &widened, true
}

// waits reports whether a fill has never begun and can be joined. The caller holds Manager.mu.
func (f *fill) waits() bool { return !f.begun && f.gap.State == bellhop.GapOpen && byItself(f.gap) }

// holds reports whether a fill that has begun holds back the next one of its subscription. The goroutine of its line
// calls it.
func (f *fill) holds() bool { return f.failing == provider.APISignedOut || f.failures < holdFailures }

// near reports whether the spans that the provider is asked for because of two gaps overlap or touch.
func near(a, b bellhop.Gap) bool {
	const margins = fillMargin + fillMarginTo
	return a.From.Sub(b.To) <= margins && b.From.Sub(a.To) <= margins
}
