package sender

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/github"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
	"github.com/bellhop-gateway/bellhop/provider/stripe"
)

// Options say where a system sends its webhooks.
type Options struct {
	// URL is where webhooks go; "" sends only those whose event names a URL.
	URL string
	// Settings are those of a destination of the provider: {"secret":"whsec_…"}.
	Settings json.RawMessage
}

// A kind is one of the systems.
type kind struct {
	provider provider.Sender
	timeout  time.Duration
	pauses   []time.Duration
	// final is the status after which the system sends nothing more to the URL; 0 is none.
	final int
	// hello is the change type of the webhook that a new URL gets; "" is none.
	hello string
	// compose returns the event that happens.
	compose func(e emulator.Event, now time.Time) (*bellhop.Event, error)
}

// kinds are the systems by name.
var kinds = map[string]kind{
	// GitHub repeats nothing by itself. Source:
	// https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
	"github": {provider: github.Provider{}, timeout: 10 * time.Second, hello: "ping", compose: composeGitHub},
	// Stripe repeats for three days with growing pauses, without saying which.
	"stripe": {provider: stripe.Provider{}, timeout: 20 * time.Second, compose: composeStripe,
		pauses: []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
			12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour}},
	// The schedule that the specification recommends; 410 ends it for the URL.
	"standardwebhooks": {provider: standardwebhooks.Provider{}, timeout: 20 * time.Second, compose: composeStandard,
		final: http.StatusGone,
		pauses: []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}},
}

// Names returns the names of the systems.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Provider returns the provider of a system, whose settings Options have; nil if there is no such system.
func Provider(name string) provider.Sender { return kinds[name].provider }

// maxSent bounds the webhooks that can be sent again.
const maxSent = 100

// A System is one of the systems. It is safe for concurrent use.
type System struct {
	NoAPI
	host     *emulator.Host
	name     string
	kind     kind
	opts     Options
	renderer provider.Renderer

	mu      sync.Mutex
	sent    []*bellhop.Event // the latest webhooks, oldest first; mu guards it, and removed
	removed bool             // the system has no webhook any more
}

// New returns a stand-in of the named system on host: one of [Names]. GitHub sends a ping to the URL at once. The
// error is that of [Open].
func New(host *emulator.Host, name string, opts Options) (*System, error) {
	k, ok := kinds[name]
	if !ok {
		return nil, fmt.Errorf("the sender %q %w", name, emulator.ErrUnknown)
	}
	renderer, err := Open(host, k.provider, opts.Settings)
	if err != nil {
		return nil, err
	}
	s := &System{host: host, name: name, kind: k, opts: opts, renderer: renderer}
	if k.hello != "" && opts.URL != "" {
		if _, err := s.Happen(emulator.Event{ChangeType: k.hello}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Name returns the name of the system.
func (s *System) Name() string { return s.name }

// Reset forgets what was sent, and sends webhooks again.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent, s.removed = nil, false
}

// Fault takes revoke: the webhook is removed, and nothing is sent any more.
func (s *System) Fault(f emulator.Fault) error {
	if f.Kind != emulator.FaultRevoke || f.Value != "" {
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	s.remove()
	return nil
}

func (s *System) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
}

// redelivered is the change type of a webhook that was sent before.
const redelivered = "redelivered"

// Happen lets something happen, of which one webhook tells. The change type is the name of the event, and the data are
// members of what it is about:
//
//	github            resource "octocat/hello-world", change type "push" or "issues.opened"; data of the payload
//	stripe            resource "in_1", change type "invoice.paid"; data of the object
//	standardwebhooks  resource "in_1", change type "invoice.paid"; data of the member "data"
//
// The resource "deliveries/ID", or "deliveries/latest", with the change type "redelivered" sends a webhook again.
// The member To of e replaces the URL. Nothing is sent once the webhook was removed.
func (s *System) Happen(e emulator.Event) (notified int, err error) {
	to := s.opts.URL
	if e.To != "" {
		to = e.To
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		return 0, fmt.Errorf("%s has no URL to send to; name it as \"to\"", s.name)
	}
	var ev *bellhop.Event
	if id, again := strings.CutPrefix(e.Resource, "deliveries/"); again && e.ChangeType == redelivered {
		ev, err = s.find(id)
	} else {
		ev, err = s.kind.compose(e, s.host.NowOf(s.name))
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	removed := s.removed
	if !removed && !slices.Contains(s.sent, ev) {
		if len(s.sent) >= maxSent {
			s.sent = slices.Delete(s.sent, 0, 1)
		}
		s.sent = append(s.sent, ev)
	}
	s.mu.Unlock()
	if removed {
		return 0, nil
	}
	return 1, Send(s.host, Post{System: s.name, URL: to, Event: ev, Renderer: s.renderer, Timeout: s.kind.timeout,
		Next: s.next})
}

// next decides what follows an attempt that was not accepted.
func (s *System) next(attempt, status int, _ error) (pause time.Duration, again bool) {
	switch {
	case s.kind.final != 0 && status == s.kind.final:
		s.remove()
		return 0, false
	case attempt > len(s.kind.pauses):
		return 0, false
	}
	return s.kind.pauses[attempt-1], true
}

// find returns a webhook that was sent.
func (s *System) find(id string) (*bellhop.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range slices.Backward(s.sent) {
		if id == "latest" || ev.ID == id {
			return ev, nil
		}
	}
	return nil, fmt.Errorf("delivery %q %w", id, emulator.ErrUnknown)
}
