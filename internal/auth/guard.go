package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of a Guard.
const (
	// MaxWrongKeys is how many wrong keys one address may send within Window; further ones are answered 429.
	MaxWrongKeys = 20
	// Window is the length of time after which all counts begin anew.
	Window = time.Minute

	maxAddresses = 4096        // counted one by one within a window; all further addresses share one count
	logInterval  = time.Second // at most one line is logged in this time
)

// GuardOptions say what a Guard may use. All but Metrics are required.
type GuardOptions struct {
	Next    Authenticator
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil registers no metrics
}

// A Guard authenticates by another Authenticator. It counts the requests that this one refuses, logs at most one of
// them a second, and answers 429 to wrong keys from an address that has sent too many.
//
// A right key is always accepted, whatever else its address has sent: several clients may share the address of a
// proxy. The limit therefore does not rest on the key being guessed slowly: keys are too long to be guessed. It keeps
// a client with an old key, or a scanner, from costing more than a short answer, and makes it visible.
type Guard struct {
	opts    GuardOptions
	log     *slog.Logger
	refused *prometheus.CounterVec // by reason

	mu       sync.Mutex // guards the fields below
	ends     time.Time  // when the counts begin anew
	wrong    map[netip.Prefix]int
	loggedAt time.Time
	unlogged int // refusals since the last line
}

// NewGuard returns a Guard in front of o.Next.
func NewGuard(o GuardOptions) *Guard {
	g := &Guard{opts: o, log: o.Logger.With("component", "auth"), refused: prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "bellhop_api_unauthorized_total",
			Help: "Requests without a right API key, by reason (no_key, wrong_key, expired_key, limited)."},
		[]string{"reason"})}
	for _, reason := range []string{"no_key", "wrong_key", "expired_key", "limited"} {
		g.refused.WithLabelValues(reason) // so that each exists at 0
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(g.refused)
	}
	return g
}

// Authenticate returns the principal of r. Beside the errors of the other Authenticator it returns CodeLimited, with
// the time after which to try again.
func (g *Guard) Authenticate(r *http.Request) (Principal, error) {
	principal, err := g.opts.Next.Authenticate(r)
	if err == nil {
		return principal, nil
	}
	reason, keyID := "no_key", ""
	if !errors.Is(err, ErrNoKey) {
		reason = "wrong_key"
		var expired *expiredError
		if errors.As(err, &expired) {
			reason, keyID = "expired_key", expired.id
		}
		if wait := g.count(bellhop.Sender(r.RemoteAddr)); wait > 0 {
			reason = "limited"
			err = &bellhop.Error{Code: bellhop.CodeLimited, Err: err, RetryAfter: wait,
				Message: "too many wrong API keys from this address; a right key is still accepted"}
		}
	}
	g.refused.WithLabelValues(reason).Inc()
	g.note(r, reason, keyID)
	return Principal{}, err
}

// count counts a wrong key from an address. If there were too many it returns how long they are counted.
func (g *Guard) count(address netip.Prefix) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opts.Now()
	if left := g.ends.Sub(now); left <= 0 || left > Window { // more: the clock was put back
		g.ends, g.wrong = now.Add(Window), make(map[netip.Prefix]int)
	}
	if _, known := g.wrong[address]; !known && len(g.wrong) >= maxAddresses {
		address = netip.Prefix{}
	}
	if g.wrong[address] >= MaxWrongKeys {
		return g.ends.Sub(now)
	}
	g.wrong[address]++
	return 0
}

// note logs a refusal, unless one was logged a moment ago: then the next line counts it. The line has nothing of the
// key but the id of an expired one.
func (g *Guard) note(r *http.Request, reason, keyID string) {
	g.mu.Lock()
	now := g.opts.Now()
	if since := now.Sub(g.loggedAt); since >= 0 && since < logInterval {
		g.unlogged++
		g.mu.Unlock()
		return
	}
	unlogged := g.unlogged
	g.loggedAt, g.unlogged = now, 0
	g.mu.Unlock()
	g.log.Warn("api.unauthorized", "reason", reason, "remote_addr", r.RemoteAddr, "method", r.Method,
		"unlogged", unlogged, "key_id", keyID,
		"meaning", "a request without a right API key; unlogged counts those since the last line")
}
