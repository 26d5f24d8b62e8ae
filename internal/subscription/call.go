package subscription

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes one call of a provider's API for a subscription: the intent is stored, the call made, and the
// outcome put into words. The caller stores it, together with what it means for the subscription.

// callTimeout bounds one call. Graph makes two handshakes of ten seconds within one.
const callTimeout = 45 * time.Second

// The names of calls.
const (
	callCreate      = "create"
	callRenew       = "renew"
	callReauthorize = "reauthorize"
	callGet         = "get"
	callDelete      = "delete"
)

// A tool is what a call needs: the provider's calls for the connection, and its terms for the subscription.
type tool struct {
	info         provider.SubscribeInfo
	terms        provider.Terms
	named        bool // registrations have names of ours: see provider.Namer
	calls        provider.Subscriptions
	registration provider.Registration // as the subscription has it, without an expiry
}

// open returns the tool for sub. Its error is an *provider.APIError.
func (m *Manager) open(ctx context.Context, sub *bellhop.Subscription) (t tool, err error) {
	p, ok := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	if !ok {
		return t, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the provider " + sub.Provider + " has no subscriptions"}
	}
	api, err := m.opts.Connections.API(ctx, sub.ConnectionID)
	var known *bellhop.Error
	switch {
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		return t, &provider.APIError{Kind: provider.APIInvalid, Message: "the connection was deleted",
			Remedy: "delete this subscription too, and create it with another connection"}
	case err != nil:
		return t, asAPIError(err)
	}
	t.info = p.SubscribeInfo()
	t.registration = provider.Registration{Resource: sub.Resource, ChangeTypes: sub.ChangeTypes,
		Settings: sub.Settings,
		URL:      sub.URL, ClientState: sub.Secrets.ClientState, RemoteResource: sub.RemoteResource}
	src, _ := m.sourceOf(sub.SourceID)
	t.registration.Source = src.Settings
	_, t.named = p.(provider.Namer)
	t.terms, err = p.CheckRegistration(t.registration, src.Settings)
	if err != nil && !sub.Deleting && len(src.Settings) > 0 {
		return t, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	t.calls = p.OpenSubscriptions(provider.Env{Now: m.opts.Now, Rand: m.opts.Rand, Logger: m.opts.Logger}, api)
	return t, nil
}

// longest returns the longest lifetime that sub can have; 0 if it is not known.
func (m *Manager) longest(sub *bellhop.Subscription) time.Duration {
	p, ok := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	if !ok {
		return 0
	}
	terms, _ := p.CheckRegistration(provider.Registration{Resource: sub.Resource, ChangeTypes: sub.ChangeTypes,
		Settings: sub.Settings}, nil)
	return terms.Longest
}

// dependsElse reports whether the registration of sub was made with other settings of the source, such as a key, than
// the source has now.
func (m *Manager) dependsElse(sub *bellhop.Subscription, src *source) bool {
	p, ok := provider.SubscriberOf(m.opts.Providers, sub.Provider)
	if !ok || sub.RemoteID == "" {
		return false
	}
	terms, err := p.CheckRegistration(provider.Registration{Resource: sub.Resource, ChangeTypes: sub.ChangeTypes,
		Settings: sub.Settings}, src.Settings)
	return err == nil && terms.Depends != sub.Secrets.Depends
}

// asAPIError returns err as the error of a call that may succeed later, unless it is one already.
func asAPIError(err error) *provider.APIError {
	var e *provider.APIError
	if errors.As(err, &e) {
		return e
	}
	return &provider.APIError{Kind: provider.APITemporary, Message: provider.WithoutURL(err).Error()}
}

// A callResult is the outcome of a call.
type callResult struct {
	record  *bellhop.SubscriptionCall
	remote  provider.Remote
	err     *provider.APIError // nil if the call had its effect
	refused bool               // the source refused the latest handshake that came meanwhile
}

// call stores the intent, with the present state of e, and makes the call. The caller holds e.mu. An error means that
// the intent could not be stored, so that no call was made.
func (m *Manager) call(ctx context.Context, e *entry, what string,
	do func(ctx context.Context) (provider.Remote, error)) (callResult, error) {
	record := &bellhop.SubscriptionCall{SubscriptionID: e.id, At: m.now(), What: what}
	if err := m.save(ctx, e, bellhop.SubscriptionNote{Call: record}); err != nil {
		return callResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := do(ctx)
	result := callResult{record: record, remote: got}
	record.Took = m.now().Sub(record.At)
	record.Handshake, result.refused = m.registry(e.sub.SourceID).shakesSince(record.At)
	record.Done = err == nil
	record.Outcome = "done"
	if err != nil {
		result.err = asAPIError(err)
		record.Status, record.Outcome = result.err.Status, result.err.Error()
		if result.err.RetryAfter > 0 {
			m.throttle(e.sub.ConnectionID, result.err.RetryAfter)
		}
	}
	m.logCall(e, result)
	return result, nil
}

// past are the names of log lines.
var past = map[string]string{callCreate: "created", callRenew: "renewed", callReauthorize: "reauthorized",
	callGet: "checked", callDelete: "deleted"}

// logCall writes the wide line of a call, and counts it.
func (m *Manager) logCall(e *entry, r callResult) {
	kind := "done"
	level := slog.LevelInfo
	remoteID := e.sub.RemoteID
	if r.record.What == callCreate && r.err == nil {
		remoteID = r.remote.ID
	}
	src, _ := m.sourceOf(e.sub.SourceID)
	args := []any{"subscription_id", e.id, "subscription", e.sub.Name, "source_id", e.sub.SourceID, "source", src.Name,
		"connection_id", e.sub.ConnectionID, "provider", e.sub.Provider, "remote_id", remoteID,
		"duration_ms", r.record.Took.Milliseconds(), "failures", e.sub.Failures}
	if r.err == nil {
		args = append(args, "expires_at", r.remote.ExpiresAt)
	} else {
		kind, level = string(r.err.Kind), slog.LevelWarn
		args = append(args, "call", r.record.What, "kind", kind, "status", r.err.Status, "error", r.record.Outcome)
	}
	name := "subscription." + past[r.record.What]
	if r.err != nil {
		name = "subscription.call_failed"
	}
	m.log.Log(context.Background(), level, name, args...)
	m.metrics.calls.WithLabelValues(e.sub.Provider, r.record.What, kind).Inc()
}

// explain puts a failure into words for the owner of the subscription.
func (m *Manager) explain(e *entry, r callResult, t tool) string {
	if r.err.Kind != provider.APIHandshake {
		return r.err.Error()
	}
	return fmt.Sprintf("%s: %s", r.err.Error(), m.handshakeStory(e, r, t))
}

// handshakeStory says which handshake was expected, what came, and how to try it from outside.
func (m *Manager) handshakeStory(e *entry, r callResult, t tool) string {
	var b strings.Builder
	expected, address := cmp.Or(t.info.Expected, "a POST"), e.sub.URL
	try := strings.ReplaceAll(t.info.Try, "URL", address)
	if t.info.Handshake != "" {
		address += "?" + t.info.Handshake + "="
		try = "curl -i -X POST '" + address + "ring' must print status 200 and ring"
		address += "…"
	}
	fmt.Fprintf(&b, "expected %s at %s within the call, to be answered within %s; ", expected, address,
		t.info.AnswerWithin)
	came := "it came and was " + r.record.Handshake
	if strings.Contains(r.record.Handshake, " handshakes, ") {
		came = "there came " + r.record.Handshake
	}
	switch {
	case r.record.Handshake == "":
		b.WriteString("none came here: the provider cannot reach this URL, or something in front of this gateway " +
			"answered")
	case r.refused:
		src, _ := m.sourceOf(e.sub.SourceID)
		b.WriteString(came + ": the source refused it; see why with 'bellhop requests list --source " + src.Name + "'")
	default:
		b.WriteString(came + ": something between may have changed the answer or taken too long")
	}
	b.WriteString("; try it from outside: " + try)
	return b.String()
}

// state returns a new client state: 40 letters and digits, of 200 bits.
func (m *Manager) state() string {
	return bellhop.NewID("", m.opts.Rand) + bellhop.NewID("", m.opts.Rand)
}
