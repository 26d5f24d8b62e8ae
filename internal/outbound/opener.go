// Package outbound makes one request to a destination: it renders the events in the destination's format or
// dialect, signs and authorizes the request, sends it, and returns what came back. A destination of an action
// type does its work here instead.
//
// Open checks a destination and makes it ready: a [Target]. Each attempt is one call of [Target.Send], which
// keeps nothing but the access token. When attempts are made, and what a reply means for a delivery, is decided
// by internal/delivery.
//
// The package promises that an attempt ends within the destination's timeout, that a provider or an action that
// panics fails that attempt alone, and that no error or log line repeats a secret.
package outbound

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Options say what an Opener may use.
type Options struct {
	Client    *egress.Client
	Providers []provider.Provider // each [provider.Sender] among them is a destination type
	Actions   []provider.Action   // each is a destination type
	Env       provider.Env        // for providers and actions; its clock is the Opener's too
	Logger    *slog.Logger
	Gate      *match.Gate // of large bodies, for all who evaluate expressions; nil makes one
	PublicURL string      // of our API, for the URLs in format thin: "https://hooks.example.com"

	// Files keeps the files of actions; nil keeps none. Publish accepts the events that actions publish, as
	// [provider.ActionEnv] has it; nil accepts none.
	Files   provider.Files
	Publish func(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (id string, err error)
	// Connection returns the connections that actions use, as [provider.ActionEnv] has it; nil if there are none.
	Connection func(ctx context.Context, idOrName string) (provider.Connection, error)
	// Source returns a source to actions, as [provider.ActionEnv] has it; nil has none.
	Source func(ctx context.Context, idOrName string) (provider.ActionSource, error)
	// Cursors keeps positions for actions, as [provider.ActionEnv] has it; nil keeps none.
	Cursors provider.Cursors

	// Current returns the target that attempts of a destination use now, or nil. A target or handshake of the same
	// destination continues to use its access token. A nil Current is one that always returns nil.
	Current func(destinationID string) *Target
}

// An Opener makes destinations ready. It is safe for concurrent use.
type Opener struct {
	opts    Options
	senders map[string]provider.Sender // by destination type
	actions map[string]provider.Action // by destination type
}

// New returns an Opener of the destination types "http" and "pull", those of the providers that send, and the actions.
func New(opts Options) *Opener {
	o := &Opener{opts: opts, senders: map[string]provider.Sender{}, actions: map[string]provider.Action{}}
	if o.opts.Gate == nil {
		o.opts.Gate = match.NewGate(0)
	}
	for _, p := range opts.Providers {
		if s, ok := p.(provider.Sender); ok {
			o.senders[p.Info().Name] = s
		}
	}
	for _, a := range opts.Actions {
		o.actions[a.Info().Name] = a
	}
	return o
}

func (o *Opener) now() time.Time { return o.opts.Env.Now() }

// Open checks d and makes it ready. It reports all faults at once, as one [bellhop.CodeInvalid] error with
// paths within the destination: "url", "settings.format", "match.where".
func (o *Opener) Open(d bellhop.Destination) (*Target, error) {
	t, err := o.open(d)
	if err != nil {
		return nil, err
	}
	t.access = o.inherit(t.access, d.ID)
	return t, nil
}

// Check reports the faults of d as Open does.
func (o *Opener) Check(d bellhop.Destination) error { return o.CheckAmong(d, nil) }

// CheckAmong is Check, except that the connection of an action is one that connection finds; nil finds the stored
// ones.
func (o *Opener) CheckAmong(d bellhop.Destination, connection provider.ConnectionFinder) error {
	if connection == nil {
		connection = o.opts.Connection
	}
	_, err := o.openAmong(d, connection)
	return err
}

// Warnings returns one sentence for each weakness of d's settings, which begins with the path of a setting within
// them. It returns none if d has faults.
func (o *Opener) Warnings(d bellhop.Destination) []string {
	t, err := o.open(d)
	if err != nil {
		return nil
	}
	return t.warnings
}

func (o *Opener) open(d bellhop.Destination) (*Target, error) {
	return o.openAmong(d, o.opts.Connection)
}

// openAmong is open with the connections that connection finds.
func (o *Opener) openAmong(d bellhop.Destination, connection provider.ConnectionFinder) (*Target, error) {
	t := &Target{opener: o, id: d.ID, name: d.Name, kind: d.Type, url: d.URL, timeout: d.Timeout,
		expiresAt: d.ExpiresAt}
	if a, ok := o.actions[d.Type]; ok {
		return o.openAction(t, d, a, connection)
	}
	if d.Type == bellhop.TypePull {
		return o.openPull(t, d)
	}
	var urlErr, matchErr, renderErr, handshakeErr, batchErr, accessErr error
	deliveryErr := checkDelivery(d, errorCodes())
	t.address, t.access, urlErr = o.openAddress(d)
	t.Matcher, matchErr = match.Compile(d.Match)
	renderErr = o.openRenderer(t, d)
	handshakeErr = o.checkHandshake(d)
	if renderErr == nil && !d.Batch.IsZero() && t.renderBatch == nil {
		batchErr = bellhop.Invalid("batch", "with this type and these settings events go one at a time; leave it "+
			"out, or use format envelope or thin, or a type that supports batches")
	}
	// Where some requests hold several events, receivers want the same shape of all of them. Providers do that
	// themselves.
	t.arrays = d.Type == bellhop.TypeHTTP && !d.Batch.IsZero() && t.renderBatch != nil
	if renderErr == nil && urlErr == nil {
		accessErr = t.checkAuthorization()
	}
	if bad, ok := renderErr.(*typeError); ok { // the type's settings cannot be checked
		return nil, bellhop.Join("", urlErr, bellhop.Join("match", matchErr), bellhop.Invalid("type", bad.Error()))
	}
	if err := bellhop.Join("", urlErr, bellhop.Join("match", matchErr), bellhop.Join("settings", renderErr),
		handshakeErr, batchErr, accessErr, deliveryErr); err != nil {
		return nil, err
	}
	return t, nil
}

// openRenderer sets the functions that render requests of t's type.
func (o *Opener) openRenderer(t *Target, d bellhop.Destination) error {
	if d.Type == bellhop.TypeHTTP {
		return o.openHTTP(t, d.Settings, true)
	}
	r, err := o.openSender(d)
	if err != nil {
		return err
	}
	t.judge, _ = r.(provider.ReplyJudge)
	if w, ok := r.(provider.Warner); ok {
		t.warnings = w.Warnings()
	}
	t.whole = d.Type != typeCloudEvents
	t.render = func(ev *bellhop.Event, at provider.AttemptInfo) (request, error) {
		m, err := r.Render(ev, at)
		if err != nil {
			return request{}, err
		}
		header, err := appendHeaders(make([]byte, 0, 512), m.Header)
		return request{method: m.Method, header: appendIDs(header, ev, at), body: m.Body}, err
	}
	if b, ok := r.(provider.Batcher); ok {
		t.renderBatch = func(events []*bellhop.Event, at provider.AttemptInfo) (request, error) {
			m, err := b.RenderBatch(events, at)
			if err != nil {
				return request{}, err
			}
			header, err := appendHeaders(make([]byte, 0, 512), m.Header)
			return request{method: m.Method, header: appendBatchIDs(header, events, at), body: m.Body}, err
		}
	}
	if _, err := t.renderProbe(); err != nil {
		if bad, ok := err.(*framingError); ok {
			return bellhop.Invalid("", bad.Error())
		} // any other error may concern the probe alone
	}
	return nil
}

// openSender has the provider of d's type check d's settings.
func (o *Opener) openSender(d bellhop.Destination) (provider.Renderer, error) {
	if s, ok := o.senders[d.Type]; ok {
		return provider.OpenSender(s, o.opts.Env, d.Settings)
	}
	types := []string{bellhop.TypeHTTP, bellhop.TypePull}
	types = slices.AppendSeq(slices.AppendSeq(types, maps.Keys(o.senders)), maps.Keys(o.actions))
	slices.Sort(types)
	return nil, &typeError{types}
}

// A typeError reports a destination type that does not exist here.
type typeError struct{ types []string }

func (e *typeError) Error() string { return "no such type; there are " + strings.Join(e.types, ", ") }

// checkDelivery checks the fields that say when attempts are made. codes are the error codes that attempts can
// end with.
func checkDelivery(d bellhop.Destination, codes []string) error {
	var orderErr error
	if d.Order != "" {
		orderErr = d.Order.Check()
	}
	return bellhop.Join("", bellhop.Join("retry", d.Retry.Check(codes)), bellhop.Join("breaker", d.Breaker.Check()),
		orderErr)
}

// errorCodes lists the codes of attempts that got no reply. A destination's retry.outcomes may name them.
func errorCodes() []string {
	codes := []string{ErrorToken}
	for _, class := range egress.Classes() {
		codes = append(codes, string(class))
	}
	return codes
}

// logPanic logs a panic of a provider or an action, with its stack. It is called by the deferred function that
// recovered p.
func (t *Target) logPanic(event string, p any, args ...any) {
	args = append([]any{"component", "delivery", "destination_id", t.id, "destination", t.name, "type", t.kind},
		args...)
	args = append(args, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	t.opener.opts.Logger.Error(event, args...)
}
