package subscription

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file compares what the providers have with what the gateway knows: at the start, every day, and when a user
// asks for it. A list that lacks a registration proves nothing: the registration itself is asked for then. A list
// that is refused, as SharePoint refuses it to an application without full control, is lived with in the same way.

// A list is the part of a provider's registrations that one call returns.
type list struct {
	connectionID, provider, scope string
}

// A Swept is what a sweep found.
type Swept struct {
	Checked int      // subscriptions with a registration
	Found   int      // of them, in a provider's list
	Doubted []string // names of those that the provider is asked for one by one
	Strays  int      // registrations that are ours by URL and client state, but of no subscription: they are deleted
	Errors  []string // lists that could not be read, in sentences
}

// Pauses between tries of a list that fails for a while. Afterwards its registrations are asked for one by one.
var listPauses = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// sweep compares all subscriptions with the lists of their providers. A list that fails for a while is tried again
// after the pauses.
func (m *Manager) sweep(ctx context.Context, pauses []time.Duration) Swept {
	var done Swept
	start := m.now()
	groups := map[list][]*entry{}
	m.mu.Lock()
	entries := m.all()
	m.mu.Unlock()
	var doubted []*entry
	for _, e := range entries {
		sub := e.shared.Load()
		if sub.RemoteID == "" || sub.Deleting {
			continue
		}
		done.Checked++
		at, lists := m.listOf(sub)
		if !lists {
			doubted = append(doubted, e)
			continue
		}
		groups[at] = append(groups[at], e)
	}
	for at, group := range groups {
		found, err := m.readList(ctx, at, group[0])
		for _, pause := range pauses {
			if !isTemporary(err) || !sleep(ctx, pause) {
				break
			}
			found, err = m.readList(ctx, at, group[0])
		}
		if ctx.Err() != nil {
			return done
		}
		if err != nil {
			done.Errors = append(done.Errors,
				"the registrations of connection "+at.connectionID+" cannot be listed: "+err.Error())
			doubted = append(doubted, group...)
			continue
		}
		missing := m.compare(ctx, group, found)
		done.Found += len(group) - len(missing)
		doubted = append(doubted, missing...)
		done.Strays += m.findStrays(found)
	}
	for _, e := range doubted {
		done.Doubted = append(done.Doubted, e.shared.Load().Name)
	}
	slices.Sort(done.Doubted)
	m.mu.Lock()
	m.markChecks(doubted)
	m.mu.Unlock()
	m.poke()
	m.metrics.sweeps.Observe(m.now().Sub(start).Seconds())
	m.log.Info("subscriptions.swept", "checked", done.Checked, "found", done.Found, "doubted", len(doubted),
		"strays", done.Strays, "errors", len(done.Errors), "duration_ms", m.now().Sub(start).Milliseconds())
	return done
}

// listOf returns the list that has the registration of sub; lists is false if the provider has none, or it does not
// show all that is to be compared.
func (m *Manager) listOf(sub *bellhop.Subscription) (at list, lists bool) {
	p, ok := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	if !ok || !p.SubscribeInfo().Lists || p.SubscribeInfo().FromSource {
		return at, false
	}
	scope := p.OpenSubscriptions(provider.Env{Now: m.opts.Now}, nil).ListScope(provider.Registration{
		Resource: sub.Resource, Settings: sub.Settings, RemoteResource: sub.RemoteResource})
	return list{sub.ConnectionID, sub.Provider, scope}, true
}

// listTimeout bounds the reading of one list, of any number of pages.
const listTimeout = 5 * time.Minute

func (m *Manager) readList(ctx context.Context, at list, e *entry) ([]provider.Remote, error) {
	m.mu.Lock()
	throttled := m.of(at.connectionID).until.After(m.now())
	m.mu.Unlock()
	if throttled {
		return nil, &provider.APIError{Kind: provider.APITemporary, Message: "the provider has asked for a pause"}
	}
	t, err := m.open(ctx, e.shared.Load())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	found, err := t.calls.List(ctx, t.registration)
	kind := "done"
	var failure *provider.APIError
	if errors.As(err, &failure) {
		kind = string(failure.Kind)
		if failure.RetryAfter > 0 {
			m.throttle(at.connectionID, failure.RetryAfter)
		}
	}
	m.metrics.calls.WithLabelValues(at.provider, "list", kind).Inc()
	return found, err
}

func isTemporary(err error) bool {
	var failure *provider.APIError
	return errors.As(err, &failure) && failure.Kind == provider.APITemporary
}

// sleep waits for d, and reports whether ctx did not end meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// compare takes over what the provider shows of the entries, and returns those that it does not show.
func (m *Manager) compare(ctx context.Context, group []*entry, found []provider.Remote) (missing []*entry) {
	byID := make(map[string]provider.Remote, len(found))
	for _, r := range found {
		byID[r.ID] = r
	}
	for _, e := range group {
		sub := e.shared.Load()
		r, ok := byID[sub.RemoteID]
		if !ok {
			missing = append(missing, e)
			continue
		}
		if expiresAt := bellhop.StoredTime(r.ExpiresAt); expiresAt.IsZero() ||
			expiresAt.Sub(sub.ExpiresAt).Abs() < time.Minute {
			continue
		}
		e.mu.Lock()
		if e.sub.RemoteID == r.ID && m.sawExpiry(&e.sub, r.ExpiresAt) {
			m.save(ctx, e, noNote) // logs its error; the renewal takes the expiry over, too
		}
		e.mu.Unlock()
		m.reschedule(e)
	}
	return missing
}

func (m *Manager) reschedule(e *entry) {
	m.mu.Lock()
	m.schedule(e)
	m.mu.Unlock()
	m.poke()
}

// findStrays has registrations deleted that have the URL and the client state of a subscription, but another id.
func (m *Manager) findStrays(found []provider.Remote) (n int) {
	if !slices.ContainsFunc(found, func(r provider.Remote) bool { return r.ClientState != "" }) {
		return 0 // this provider does not show them
	}
	states := map[[2]string]*entry{}
	ids := map[string]bool{}
	m.mu.Lock()
	for _, e := range m.entries {
		sub := e.shared.Load()
		ids[sub.RemoteID] = true
		for _, old := range sub.Secrets.Retired {
			ids[old.ID] = true
		}
		if sub.Secrets.ClientState != "" && sub.Secrets.Wish.IsZero() {
			states[[2]string{sub.URL, sub.Secrets.ClientState}] = e
		}
	}
	m.mu.Unlock()
	for _, r := range found {
		if e := states[[2]string{r.URL, r.ClientState}]; e != nil && !ids[r.ID] {
			m.orphan(e, r.ID)
			n++
		}
	}
	return n
}

// markChecks has the provider asked for the registration of each entry, spread over sweepSpan if they are many. The
// caller holds m.mu.
func (m *Manager) markChecks(entries []*entry) {
	span := min(sweepSpan, time.Duration(len(entries))*sweepSpan/10_000)
	for _, e := range entries {
		e.checkAt = m.now().Add(time.Duration(m.opts.Jitter.Float64() * float64(span)))
		m.schedule(e)
	}
}

// findMade returns the id of the registration that a creation with an unknown outcome has made, "" if there is none.
// It has our URL, and the client state or, where the provider does not show that, the very expiry that was asked for.
func (m *Manager) findMade(ctx context.Context, e *entry, t tool) (id string, err error) {
	found, err := t.calls.List(ctx, t.registration)
	var failure *provider.APIError
	switch {
	case errors.As(err, &failure) && failure.Kind != provider.APITemporary:
		return "", nil // a list that is refused is lived with
	case err != nil:
		return "", err
	}
	sub := &e.sub
	for _, r := range found {
		retired := slices.ContainsFunc(sub.Secrets.Retired, func(old bellhop.RetiredRemote) bool {
			return old.ID == r.ID
		})
		byState := r.ClientState != "" && r.ClientState == sub.Secrets.ClientState
		byExpiry := r.ClientState == "" && sameResource(r.Resource, sub.Resource) && sameChanges(r.ChangeTypes,
			sub.ChangeTypes) &&
			r.ExpiresAt.Sub(sub.Secrets.Wish).Abs() < time.Second
		if r.URL == sub.URL && !retired && (byState || byExpiry) && m.ownerOf(r.ID) == nil {
			return r.ID, nil
		}
	}
	return "", nil
}

func sameResource(a, b string) bool {
	return strings.EqualFold(strings.Trim(a, "/"), strings.Trim(b, "/"))
}

// sameChanges reports whether two lists have the same change types, in any order and letter case.
func sameChanges(a, b []string) bool {
	fold := func(list []string) []string {
		folded := make([]string, len(list))
		for i, text := range list {
			folded[i] = strings.ToLower(text)
		}
		slices.Sort(folded)
		return folded
	}
	return slices.Equal(fold(a), fold(b))
}

// Remote returns the registrations that a connection sees at its provider. resource, and the settings with it, choose
// the list where there are several; "" reads the lists of all subscriptions of the connection.
func (m *Manager) Remote(ctx context.Context, connectionID, providerName,
	resource string) ([]bellhop.RemoteSubscription, error) {
	p, ok := provider.SubscriberOf(m.opts.Providers, providerName)
	if !ok {
		return nil, bellhop.Conflict("the provider " + providerName + " has no subscriptions")
	}
	api, err := m.opts.Connections.API(ctx, connectionID)
	if err != nil {
		return nil, userError(err)
	}
	calls := p.OpenSubscriptions(provider.Env{Now: m.opts.Now, Rand: m.opts.Rand, Logger: m.opts.Logger}, api)
	wanted := map[string]provider.Registration{}
	if resource != "" || calls.ListScope(provider.Registration{}) == "" {
		r := provider.Registration{Resource: resource}
		wanted[calls.ListScope(r)] = r
	} else {
		m.mu.Lock()
		for _, e := range m.entries {
			sub := e.shared.Load()
			if sub.ConnectionID == connectionID {
				r := provider.Registration{Resource: sub.Resource, Settings: sub.Settings,
					RemoteResource: sub.RemoteResource}
				wanted[calls.ListScope(r)] = r
			}
		}
		m.mu.Unlock()
	}
	var all []bellhop.RemoteSubscription
	for _, r := range wanted {
		found, err := calls.List(ctx, r)
		if err != nil {
			return nil, userError(err)
		}
		for _, remote := range found {
			shown := m.show(remote)
			if own := bellhop.TenantOf(ctx); own != "" && !m.belongs(shown.Subscription, own) {
				shown.Subscription = "" // of another tenant at the same account
			}
			all = append(all, shown)
		}
	}
	slices.SortFunc(all, func(a, b bellhop.RemoteSubscription) int { return strings.Compare(a.RemoteID, b.RemoteID) })
	return all, nil
}

// belongs reports whether the subscription of a name belongs to a tenant.
func (m *Manager) belongs(name, tenant string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.all(), func(e *entry) bool {
		sub := e.shared.Load()
		return sub.Name == name && sub.Tenant == tenant
	})
}

// show returns a registration as users see it: without client state, and of the URL only the origin.
func (m *Manager) show(r provider.Remote) bellhop.RemoteSubscription {
	shown := bellhop.RemoteSubscription{RemoteID: r.ID, Resource: r.Resource, ChangeTypes: r.ChangeTypes,
		ExpiresAt: r.ExpiresAt, Owner: bellhop.RemoteForeign}
	if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
		shown.Origin = u.Scheme + "://" + u.Host
	}
	if e := m.ownerOf(r.ID); e != nil {
		shown.Owner, shown.Subscription = bellhop.RemoteOurs, e.shared.Load().Name
		return shown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		sub := e.shared.Load()
		retired := slices.ContainsFunc(sub.Secrets.Retired, func(old bellhop.RetiredRemote) bool {
			return old.ID == r.ID
		})
		if retired || r.ClientState != "" && r.URL == sub.URL && r.ClientState == sub.Secrets.ClientState {
			shown.Owner = bellhop.RemoteLost
		}
	}
	return shown
}

// userError returns the error of a call for a user of the API.
func userError(err error) error {
	var known *bellhop.Error
	if errors.As(err, &known) {
		return err
	}
	e := asAPIError(err)
	code := bellhop.CodeConflict
	if e.Kind == provider.APITemporary {
		code = bellhop.CodeUnavailable
	}
	return &bellhop.Error{Code: code, Message: "the provider: " + e.Error(), RetryAfter: e.RetryAfter}
}
