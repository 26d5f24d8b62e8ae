package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file fills gaps: it asks the provider for what has changed, page by page, and has what was missed enter as
// events of the source. The fills of one connection go one after another (line.go), so that the provider's limits and
// the corridor have room for everything else.

// Bounds of a fill.
const (
	// that a gap is asked for before its begin: a provider tells late, and clocks differ
	fillMargin   = 10 * time.Minute
	fillMarginTo = 2 * time.Minute // and after its end
	fillBatch    = 500             // events of one commit
	maxForeign   = 5               // answers in a row that are not of the API
)

// A fill is a gap that is to be filled. Its first three fields never change. Manager.mu guards at, begun and, until
// the fill has begun, gap. From then on gap and the fields after it belong to the goroutine of the line, until done is
// closed.
type fill struct {
	e    *entry
	id   string        // of the gap
	done chan struct{} // closed when the fill has ended

	at      time.Time // when to go on
	begun   bool      // it is under way: its gap is not widened any more
	gap     bellhop.Gap
	opened  bool // the fields below are set
	changes provider.Changes
	place   place
	arrived arrived
	// arrivedTo is the time whose events, and all later ones, are not in arrived yet.
	arrivedTo time.Time
	told      map[string]bool // keys that this fill has published
	walk      provider.Walk
	failures  int                   // in a row, of the kind failing
	failing   provider.APIErrorKind // of the latest failure
	pages     int
	started   time.Time
}

// A place is where a fill goes on, stored as JSON in the cursor of its gap.
type place struct {
	Resource string `json:"resource"` // of the subscription; a place in another one is of no use
	Cursor   string `json:"cursor"`
	Lost     string `json:"lost,omitempty"`   // what cannot be known, in words
	Unseen   string `json:"unseen,omitempty"` // what such a walk does not find
}

// resource names what a subscription watches, for the cursors that are kept for it.
func resource(sub *bellhop.Subscription) string {
	return sub.ConnectionID + " " + sub.Resource + " " + string(sub.Settings)
}

// fillStep does the next step of a fill: one page. It returns when to go on; ended reports that the fill has ended.
func (m *Manager) fillStep(ctx context.Context, f *fill) (wait time.Duration, ended bool) {
	sub := f.e.shared.Load()
	if !f.opened {
		failure := m.openFill(ctx, f, sub)
		if failure != nil {
			return m.fillFailed(ctx, f, sub, failure)
		}
	}
	span := provider.Span{Since: f.gap.Since, Until: f.gap.To.Add(fillMarginTo)}
	asked := m.now()
	page, err := m.askPage(ctx, f, span)
	m.countCall(sub, "changes", err)
	if err != nil {
		return m.fillFailed(ctx, f, sub, err)
	}
	err = m.readArrived(ctx, f, sub) // after the page: what it has may have arrived meanwhile
	if err != nil {
		return m.fillFailed(ctx, f, sub, err)
	}
	gap := f.gap
	events, folded := f.sort(page.Changes, &gap)
	stored := 0
	for batch := range slices.Chunk(events, fillBatch) {
		n, err := m.opts.PublishCaughtUp(ctx, sub.SourceID, gap.ID, providerIDs(sub.ID, batch))
		if err != nil {
			return m.fillFailed(ctx, f, sub, err)
		}
		stored += n
	}
	gap.Folded = min(gap.Found, gap.Folded+folded+len(events)-stored)
	before := f.place
	f.place.Cursor = page.Cursor
	if page.Lost != "" && f.place.Lost == "" {
		f.place.Lost = page.Lost
	}
	if page.Unseen != "" {
		f.place.Unseen = page.Unseen
	}
	gap.Outcome, f.failures, f.failing = "", 0, ""
	f.pages++
	m.metrics.caughtUp.WithLabelValues(sub.Provider).Add(float64(stored))
	if page.Last {
		m.keepBaseline(ctx, sub, page.Cursor, asked)
		wait, ended := m.settleFill(ctx, f, sub, gap, "")
		if !ended { // the page is read again, and its events fold
			f.place = before
		}
		return wait, ended
	}
	err = m.opts.Store.SaveGap(context.WithoutCancel(ctx), gap, f.cursor(m.now()))
	if err != nil { // the page is read again, and its events fold
		f.place = before
		return m.fillFailed(ctx, f, sub, err)
	}
	f.gap = gap
	for _, c := range events {
		f.told[c.Key] = true
	}
	err = f.walk.Step(page.Cursor)
	if err != nil {
		return m.fillFailed(ctx, f, sub, err)
	}
	return max(page.Wait, fillRest(m.now().Sub(asked))), false
}

// fillRest returns how long a fill rests after a page that took so long, its events included. It works an eighth of
// the time, so that what it brings leaves the door and the deliveries at least nine tenths of their rate.
func fillRest(took time.Duration) time.Duration { return min(max(0, 7*took), longestFillRest) }

// longestFillRest bounds the rest after a page that a slow provider took long for.
const longestFillRest = time.Second

// openFill stores the intent of a fill and reads where it begins. Its error is that of a call, or of storage.
func (m *Manager) openFill(ctx context.Context, f *fill, sub *bellhop.Subscription) error {
	resumed, announced := f.gap.State == bellhop.GapFilling, f.gap.Announced
	f.gap.State, f.gap.Announced, f.started, f.told = bellhop.GapFilling, true, m.now(), map[string]bool{}
	if f.gap.Since.IsZero() {
		f.gap.Since = f.gap.From.Add(-fillMargin)
	}
	f.place = place{Resource: resource(sub)}
	if resumed {
		stored, err := m.opts.Store.Cursor(ctx, sub.ID, f.gap.ID)
		if err != nil {
			return err
		}
		var kept place
		if json.Unmarshal([]byte(stored.Value), &kept) == nil && kept.Resource == f.place.Resource {
			f.place = kept
		}
	} else {
		f.place.Cursor = m.baselineFor(ctx, sub, f.gap.From)
	}
	err := m.opts.Store.SaveGap(context.WithoutCancel(ctx), f.gap, f.cursor(m.now()))
	if err != nil {
		return err
	}
	if !announced { // it was widened, and has its last span now
		m.announceGap(f.gap, sub)
	}
	if f.changes, err = m.openChanges(ctx, sub); err != nil {
		return err
	}
	f.arrived, f.arrivedTo, f.opened = arrived{}, f.gap.Since, true
	m.log.Info("subscription.gap.filling", "subscription_id", sub.ID, "subscription", sub.Name, "gap_id", f.gap.ID,
		"from", f.gap.From, "to", f.gap.To, "resumed", resumed, "position", f.place.Cursor != "")
	return nil
}

// openChanges returns the calls that find what has changed in the resource of sub. Its error is an *provider.APIError.
func (m *Manager) openChanges(ctx context.Context, sub *bellhop.Subscription) (provider.Changes, error) {
	p, ok := m.catchUpper(sub.Provider)
	if !ok {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: noCatchUp(sub.Provider)}
	}
	api, err := m.opts.Connections.API(ctx, sub.ConnectionID)
	var known *bellhop.Error
	switch {
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the connection was deleted"}
	case err != nil:
		return nil, asAPIError(err)
	}
	return p.OpenChanges(provider.Env{Now: m.opts.Now, Rand: m.opts.Rand, Logger: m.opts.Logger}, api,
		provider.Registration{Resource: sub.Resource, ChangeTypes: sub.ChangeTypes, Settings: sub.Settings,
			URL:            sub.URL,
			RemoteResource: sub.RemoteResource, RemoteID: sub.RemoteID})
}

// catchUpper returns the provider of that name if it can be asked for what was missed.
func (m *Manager) catchUpper(name string) (provider.CatchUpper, bool) {
	p, ok := provider.SubscriberOf(m.opts.Providers, name)
	if !ok || m.opts.PublishCaughtUp == nil {
		return nil, false
	}
	c, ok := p.(provider.CatchUpper)
	return c, ok
}

func noCatchUp(name string) string {
	return "the provider " + name + " cannot be asked for what was missed"
}

// askPage asks for the next page. If the provider cannot begin at a time, the oldest position that is kept has to do.
func (m *Manager) askPage(ctx context.Context, f *fill, span provider.Span) (provider.ChangePage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	page, err := f.changes.Next(ctx, f.place.Cursor, span)
	var refused *provider.APIError
	if f.place.Cursor != "" || !errors.As(err, &refused) || refused.Kind != provider.APIInvalid {
		return page, err
	}
	oldest, at := m.oldestBaseline(ctx, f.e.shared.Load())
	if oldest == "" {
		return page, err
	}
	f.place.Cursor = oldest
	f.place.Lost = "what changed before " + at.Format(time.RFC3339) + " is not known: " + refused.Error()
	return f.changes.Next(ctx, oldest, span)
}

// sort returns the changes that are to be published, and counts those that are folded. It counts all of them in gap.
func (f *fill) sort(changes []provider.Change, gap *bellhop.Gap) (publish []provider.Change, folded int) {
	here := map[string]bool{}
	for _, c := range changes {
		count := max(1, c.Count)
		gap.Found += count
		switch {
		case f.told[c.Key] || here[c.Key]: // told by the event that it shares
			if c.Count == 0 {
				folded++
			}
		case f.arrived.has(c.Key):
			folded += count
		default:
			here[c.Key] = true
			publish = append(publish, c)
		}
	}
	return publish, folded
}

// providerIDs returns the events of changes with the ids by which repeats of them fold.
func providerIDs(subscriptionID string, changes []provider.Change) []bellhop.Event {
	events := make([]bellhop.Event, len(changes))
	for i, c := range changes {
		events[i] = c.Event
		events[i].ProviderID = provider.RepeatKey("caught up|" + subscriptionID + "|" + c.Key)
	}
	return events
}

func (f *fill) cursor(now time.Time) bellhop.Cursor {
	text, err := json.Marshal(f.place)
	if err != nil {
		panic(err) // it is made of texts
	}
	return bellhop.Cursor{Value: string(text), SavedAt: now}
}

// fillFailed decides what follows a step that failed: it is tried again, or the gap stays unknown. A provider that is
// away or asks for a pause, and a connection that is signed out, are waited for.
func (m *Manager) fillFailed(ctx context.Context, f *fill, sub *bellhop.Subscription,
	err error) (time.Duration, bool) {
	if ctx.Err() != nil {
		return 0, false // the next start goes on
	}
	var known *bellhop.Error
	if errors.As(err, &known) && known.Code == bellhop.CodeNotFound {
		if _, there := m.sourceOf(sub.SourceID); !there {
			return m.settleFill(ctx, f, sub, f.gap, "its source was deleted")
		}
		return 0, true // the subscription, or the gap, was deleted
	}
	var refused *provider.APIError
	if !errors.As(err, &refused) { // storage
		m.log.Error("subscription.gap.unsaved", "subscription_id", sub.ID, "subscription", sub.Name,
			"gap_id", f.gap.ID, "error", err,
			"meaning", "the fill goes on soon")
		return time.Minute, false
	}
	if refused.Kind != f.failing {
		f.failing, f.failures = refused.Kind, 0
	}
	f.failures++
	m.log.Warn("subscription.gap.call_failed", "subscription_id", sub.ID, "subscription", sub.Name, "gap_id", f.gap.ID,
		"kind", refused.Kind, "status", refused.Status, "error", refused.Error(), "failures", f.failures)
	if refused.RetryAfter > 0 {
		m.throttle(sub.ConnectionID, refused.RetryAfter)
	}
	patient := refused.Kind == provider.APITemporary || refused.Kind == provider.APISignedOut ||
		refused.Kind == provider.APIForeign && f.failures < maxForeign
	if !patient {
		return m.settleFill(ctx, f, sub, f.gap, refused.Error())
	}
	outcome := "waits: " + refused.Error()
	if f.gap.Outcome != outcome {
		f.gap.Outcome = outcome
		if err := m.opts.Store.SaveGap(context.WithoutCancel(ctx), f.gap, f.cursor(m.now())); err != nil {
			m.log.Error("subscription.gap.unsaved", "subscription_id", sub.ID, "subscription", sub.Name,
				"gap_id", f.gap.ID, "error", err)
		}
	}
	wait := m.backoff(refused, f.failures)
	if refused.Kind == provider.APISignedOut {
		wait = min(wait, 5*time.Minute) // somebody may sign in at any time
	}
	return wait, false
}

// settleFill stores the outcome of a fill, whose gap is now gap, and announces it. why says why the gap stays unknown;
// "" is a walk that came to its end. If the outcome cannot be stored, the last page is read again after the wait.
func (m *Manager) settleFill(ctx context.Context, f *fill, sub *bellhop.Subscription, gap bellhop.Gap,
	why string) (wait time.Duration, ended bool) {
	gap.State, gap.Outcome, gap.Until, gap.Announced = bellhop.GapFilled, f.place.Unseen, m.now(), false
	if gap.Outcome != "" {
		gap.Outcome = "not seen: " + gap.Outcome
	}
	if unknown := join("; ", why, f.place.Lost); unknown != "" {
		gap.State, gap.Outcome = bellhop.GapUnknown, join("; ", unknown, gap.Outcome)
	}
	if gap.Since.IsZero() {
		gap.Since = gap.From
	}
	err := m.opts.Store.SaveGap(context.WithoutCancel(ctx), gap, bellhop.Cursor{})
	if err != nil {
		m.log.Error("subscription.gap.unsaved", "subscription_id", sub.ID, "subscription", sub.Name,
			"gap_id", gap.ID, "error", err,
			"meaning", "the fill goes on soon")
		return time.Minute, false
	}
	f.gap = gap
	m.metrics.fills.WithLabelValues(sub.Provider, string(gap.State)).Inc()
	m.log.Info("subscription.gap."+string(gap.State), "subscription_id", sub.ID, "subscription", sub.Name, "gap_id",
		gap.ID, "since", gap.Since, "until", gap.Until, "found", gap.Found, "folded", gap.Folded, "pages", f.pages,
		"outcome", gap.Outcome, "duration_ms", m.now().Sub(f.started).Milliseconds())
	m.announceGap(gap, sub)
	return 0, true
}

// join joins the texts that are not empty.
func join(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), separator)
}

// Fill fills the gaps of a subscription that are not filled or, with since, what changed since then, as a gap of its
// own. It waits for as long as a client of the API waits, and returns the gaps as they are then.
func (m *Manager) Fill(ctx context.Context, id string, since time.Time) ([]bellhop.Gap, error) {
	e, err := m.find(id)
	if err != nil {
		return nil, err
	}
	sub := e.shared.Load()
	_, ok := m.catchUpper(sub.Provider)
	now := m.now()
	switch {
	case !ok:
		return nil, bellhop.Conflict(noCatchUp(sub.Provider))
	case sub.Deleting:
		return nil, bellhop.Conflict("the subscription is being deleted")
	case !since.IsZero() && !since.Before(now):
		return nil, bellhop.Invalid("since", "use a time in the past")
	}
	var wanted []bellhop.Gap
	if !since.IsZero() {
		e.mu.Lock()
		gap := m.newGap(sub, bellhop.StoredTime(since), now, reasonAsked)
		err = m.save(ctx, e, bellhop.SubscriptionNote{Gap: gap})
		e.mu.Unlock()
		if err != nil {
			return nil, err
		}
		wanted = []bellhop.Gap{*gap}
	} else if wanted, err = m.reopen(ctx, e); err != nil {
		return nil, err
	}
	timer := time.NewTimer(userWait)
	defer timer.Stop()
	for i, gap := range wanted {
		f := m.enqueue(e, gap)
		m.hurry(f)
		select {
		case <-f.done:
			wanted[i] = f.gap
		case <-timer.C:
			timer.Reset(0) // the rest is not waited for
		case <-ctx.Done():
			return wanted, ctx.Err()
		}
	}
	return wanted, nil
}

// maxReopened bounds how many gaps are filled at once by hand: the latest, as many as a subscription shows.
const maxReopened = 20

// reopen opens the gaps of e that stayed unknown, and returns all that are not filled, oldest first.
func (m *Manager) reopen(ctx context.Context, e *entry) (wanted []bellhop.Gap, err error) {
	gaps, err := m.opts.Store.SubscriptionGaps(ctx, e.id)
	if err != nil {
		return nil, err
	}
	for _, gap := range gaps {
		if gap.State == bellhop.GapFilled || len(wanted) >= maxReopened {
			continue
		}
		if gap.State == bellhop.GapUnknown {
			gap.State, gap.Outcome, gap.Since, gap.Until = bellhop.GapOpen, "", time.Time{}, time.Time{}
			gap.Found, gap.Folded, gap.Announced = 0, 0, true
			if err := m.opts.Store.SaveGap(ctx, gap, bellhop.Cursor{}); err != nil {
				return nil, err
			}
		}
		wanted = append(wanted, gap)
	}
	slices.Reverse(wanted)
	return wanted, nil
}
