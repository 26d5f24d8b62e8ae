package action

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// This file makes the calls that actions make in the name of a connection: it opens the connection, obeys the
// limits of the API, and turns failures into results of the attempt.

// Calls are the calls of all actions of a server. They share what the APIs have asked for: when one of them wants
// no calls for a mailbox or a tenant, all destinations that call for it wait, and no others. It is kept in memory,
// bounded, and safe for concurrent use.
type Calls struct {
	now     func() time.Time
	random  func() float64 // in [0, 1), for jitter
	metrics *metrics
	rests   rests // of downloads

	mu    sync.Mutex // guards lanes and all that they hold
	lanes map[string]*lane
}

// CallsOptions say what Calls may use.
type CallsOptions struct {
	Now     func() time.Time      // required
	Random  func() float64        // in [0, 1), for jitter; nil is that of math/rand
	Metrics prometheus.Registerer // nil registers no metrics

	// Accepted returns how many events have come in since the start: downloads rest while many do. Nil is no rests.
	Accepted func() int64
}

// NewCalls returns Calls that have not been asked to wait.
func NewCalls(o CallsOptions) *Calls {
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return &Calls{now: o.Now, random: o.Random, metrics: newMetrics(o.Metrics), rests: rests{accepted: o.Accepted},
		lanes: map[string]*lane{}}
}

// A share is the part of an API that has a limit of its own, such as one mailbox.
type share struct {
	key   string // within the API of the connection; "" is all of it
	width int    // calls at a time; 0 is any number
}

// A lane is what is known about a share.
type lane struct {
	active  int           // calls under way
	until   time.Time     // before which no call begins, because the API asked for that
	last    time.Time     // the latest turn that was given to a call which has to wait
	took    time.Duration // about how long a call takes
	strikes int           // refusals in a row that name no time
}

// Bounds of lanes.
const (
	maxLanes     = 4096
	leastTook    = 20 * time.Millisecond
	furthestTurn = 10 * time.Minute // for which a call is put off, unless the API asked for longer
	firstStrike  = 2 * time.Second  // put off after a 429 without a time, doubled with each further one
	longestWait  = time.Minute      // after such a one
)

// A laterError says that a call was not made, or was refused for now: it may be made at a time.
type laterError struct {
	at  time.Time
	why string
}

func (e *laterError) Error() string { return e.why }

// connectionSetting is the path of the setting that names a connection.
const connectionSetting = "connection"

// openConnection returns the connection that a setting names. kinds are the providers that it may be of; none is any.
// Its errors have the path of the setting within the settings.
func openConnection(env provider.ActionEnv, idOrName string, kinds ...string) (provider.Connection, error) {
	kind := cmp.Or(append(kinds, "oauth2")[0], "oauth2")
	switch {
	case idOrName == "":
		return provider.Connection{}, bellhop.Invalid(
			connectionSetting,
			"required: the name of a connection, in whose "+
				"name the calls are made; create one: bellhop connections create NAME --provider "+kind,
		)
	case env.Connection == nil:
		return provider.Connection{}, bellhop.Invalid(connectionSetting, "this server has no connections")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := env.Connection(ctx, idOrName)
	var known *bellhop.Error
	switch {
	case errors.Is(err, provider.ErrNotHere):
		return c, nil
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		return c, bellhop.Invalid(connectionSetting,
			"there is no such connection; create it: bellhop connections create NAME --provider "+kind)
	case err != nil:
		return c, fmt.Errorf("read the connection: %w", err)
	case len(kinds) > 0 && !slices.Contains(kinds, c.Provider):
		return c, bellhop.Invalid(connectionSetting, "is one of provider "+c.Provider+"; name one of provider "+
			strings.Join(kinds, " or "))
	}
	return c, nil
}

// do makes one call in the name of conn. check returns nil if the answer is the one that was asked for; otherwise an
// *provider.APIError. The error of do is that, or a laterError if the API wants no calls for that share now.
func (c *Calls) do(ctx context.Context, conn provider.Connection, of share, call provider.Call,
	check func(provider.Answer) error) (provider.Answer, error) {
	var answer provider.Answer
	err := c.through(ctx, conn, of, func(ctx context.Context) (err error) {
		answer, err = conn.API.Do(ctx, call)
		if err == nil {
			err = check(answer)
		}
		return err
	})
	return answer, err
}

// open is do for an answer whose body is read by the caller, who closes it.
func (c *Calls) open(ctx context.Context, conn provider.Connection, of share, call provider.Call,
	check func(provider.Stream) error) (provider.Stream, error) {
	var answer provider.Stream
	err := c.through(ctx, conn, of, func(ctx context.Context) (err error) {
		answer, err = conn.Open(ctx, call)
		if err != nil {
			return err
		}
		if err = check(answer); err != nil {
			answer.Body.Close()
		}
		return err
	})
	return answer, err
}

// through makes a call in the lane of a share. The error is that of the call, or a laterError.
func (c *Calls) through(ctx context.Context, conn provider.Connection, of share,
	call func(ctx context.Context) error) error {
	l, at := c.enter(conn, of)
	if l == nil {
		return &laterError{at, "waits: too many calls at a time, or the API asked to wait"}
	}
	begun := c.now()
	ctx, span := trace.Child(ctx, "call "+cmp.Or(conn.Provider, "http"), trace.Client)
	err := call(ctx)
	endCall(span, conn, err)
	var e *provider.APIError
	c.metrics.called(c.now().Sub(begun))
	throttled := errors.As(err, &e) && (e.Status == http.StatusTooManyRequests ||
		e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	l.active--
	if !throttled {
		l.strikes = 0
		l.took += (now.Sub(begun) - l.took) / 4
		return err
	}
	wait := e.RetryAfter
	if wait <= 0 {
		wait = min(longestWait, firstStrike<<min(l.strikes, 10))
		wait += time.Duration(c.random() * float64(wait) / 2)
		l.strikes++
	}
	if until := now.Add(wait); until.After(l.until) {
		l.until = until
	}
	return &laterError{l.until, "waits: the API answered " + e.Error()}
}

// endCall ends the span of a call. It has neither the URL nor what the API said: both may be secret.
func endCall(span trace.Span, conn provider.Connection, err error) {
	if !span.Recording() {
		return
	}
	span.Text("bellhop.connection", conn.Name)
	span.Text("bellhop.provider", conn.Provider)
	var e *provider.APIError
	switch {
	case errors.As(err, &e):
		span.Number("http.response.status_code", e.Status)
		span.Fail("the API refused the call")
	case err != nil:
		span.Fail("no answer that can be used")
	}
	span.End()
}

// enter begins a call of a share. If it has to wait, the lane is nil, and at is its turn: calls that wait get
// different times, so that they do not come back together.
func (c *Calls) enter(conn provider.Connection, of share) (l *lane, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	l = c.lane(conn.ID+" "+of.key, now)
	if !l.until.After(now) && (of.width == 0 || l.active < of.width) {
		l.active++
		return l, time.Time{}
	}
	from := now
	for _, later := range []time.Time{l.until, l.last} {
		if later.After(from) {
			from = later
		}
	}
	if from.After(now.Add(furthestTurn)) && !l.until.After(now) {
		from = now.Add(furthestTurn)
	}
	l.last = from.Add(max(l.took, leastTook) / time.Duration(max(1, of.width)))
	return nil, l.last
}

// lane returns what is known about a key. It forgets others if there are too many: first those that have nothing to
// wait for, and then any without a call. The caller holds mu.
func (c *Calls) lane(key string, now time.Time) *lane {
	l := c.lanes[key]
	if l != nil {
		return l
	}
	l = new(lane)
	for _, forget := range []func(*lane) bool{
		func(l *lane) bool { return l.active == 0 && !l.until.After(now) && !l.last.After(now) },
		func(l *lane) bool { return l.active == 0 },
	} {
		for other, l := range c.lanes {
			if len(c.lanes) < maxLanes {
				break
			}
			if forget(l) {
				delete(c.lanes, other)
			}
		}
	}
	if len(c.lanes) < maxLanes {
		c.lanes[key] = l
	}
	return l
}

// The error codes of attempts at calls. A destination's retry.outcomes may name them.
const (
	errorTemporary = "temporary" // no answer, or one of the kinds that pass
	errorRefused   = "refused"   // the API does not accept the credentials of the connection
	errorForbidden = "forbidden" // a permission is missing
	errorInvalid   = "invalid"   // the call can never succeed
	errorGone      = "gone"      // the object of the call is not there
	errorForeign   = "foreign"   // the answer is not one of the API
	errorPublish   = "publish"   // the result could not be stored as an event
)

// callErrors are the error codes of actions that make calls.
var callErrors = []string{errorTemporary, errorRefused, errorForbidden, errorInvalid, errorGone, errorForeign,
	errorPublish}

// failure returns the result of an attempt whose call in the name of conn brought err.
func failure(ctx context.Context, conn provider.Connection, err error) provider.ActionResult {
	var later *laterError
	var e *provider.APIError
	switch {
	case errors.As(err, &later):
		return provider.ActionResult{Continue: later.at, Reply: []byte(later.why)}
	case !errors.As(err, &e):
		return provider.ActionResult{
			Error:  errorTemporary,
			Detail: provider.WithoutURL(err).Error(),
			Cut:    ctx.Err() != nil,
		}
	}
	done := provider.ActionResult{Error: errorInvalid, Detail: e.Error()}
	switch e.Kind {
	case provider.APITemporary:
		done.Error, done.Cut = errorTemporary, ctx.Err() != nil
	case provider.APISignedOut:
		if e.Status == 0 {
			return provider.ActionResult{Parked: conn.ID, Detail: signedOut(conn, e)}
		}
		done.Error = errorRefused // by the API, although the authority has granted the token
	case provider.APIForbidden:
		done.Error = errorForbidden
	case provider.APIForeign:
		done.Error = errorForeign
	case provider.APIGone:
		done.Error, done.Final = errorGone, true
	default:
		done.Final = true
	}
	return done
}

// signedOut says in words that conn is signed out, and what to do.
func signedOut(conn provider.Connection, e *provider.APIError) string {
	begin := "connection " + conn.Name
	text := strings.TrimPrefix(strings.TrimPrefix(e.Error(), begin), " is signed out")
	text = begin + " is signed out: " + strings.TrimPrefix(text, ": ")
	if !strings.Contains(text, "bellhop connections ") {
		text += "; more by: bellhop connections show " + conn.Name
	}
	return text
}

// publish stores an event that an action made for cause. key names the event among those of the destination: an event
// that was published under the same key before is that event, whose id is returned.
func publish(ctx context.Context, env provider.ActionEnv, destinationID, key string, cause *bellhop.Event,
	ev bellhop.Event) (id string, err error) {
	if bellhop.Hops(cause.Header)+1 >= bellhop.MaxHops {
		return "", bellhop.Conflict("too many actions have caused one another: narrow the match of one of them")
	}
	ev.ProviderID = provider.RepeatKey(destinationID + "|" + key)
	ev.Subject, ev.Tenant = provider.Subject(ev.Subject), cause.Tenant
	return env.Publish(ctx, cause, ev)
}

// unpublished returns the result of an attempt whose event could not be stored because of err.
func unpublished(ctx context.Context, err error) provider.ActionResult {
	done := provider.ActionResult{Error: errorPublish, Detail: "the event could not be stored", Cut: ctx.Err() != nil}
	var known *bellhop.Error
	if errors.As(err, &known) {
		done.Detail += ": " + known.Message
		done.Final = known.Code == bellhop.CodeInvalid || known.Code == bellhop.CodeConflict
	}
	return done
}

// failed returns the result of an attempt whose call in the name of conn brought err. A call that has to wait uses up
// no try.
func (c *Calls) failed(ctx context.Context, conn provider.Connection, err error) provider.ActionResult {
	var e *provider.APIError
	if errors.As(err, &e) && e.Kind == provider.APITemporary && e.RetryAfter > 0 {
		return provider.ActionResult{Continue: c.now().Add(e.RetryAfter), Reply: []byte(e.Error())}
	}
	return failure(ctx, conn, err)
}

// A sharedAPI makes the calls of one attempt in the name of a connection, as far as the limits of a share allow. The
// error of a call that has to wait has RetryAfter. It is for one goroutine.
type sharedAPI struct {
	calls *Calls
	conn  provider.Connection
	of    share
	made  int // calls that were answered
}

// Do implements [provider.API].
func (a *sharedAPI) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	answer, err := a.calls.do(ctx, a.conn, a.of, call, a.throttled)
	var later *laterError
	if errors.As(err, &later) {
		err = &provider.APIError{Kind: provider.APITemporary, Message: later.why,
			RetryAfter: max(time.Millisecond, later.at.Sub(a.calls.now()))}
	}
	return answer, err
}

// throttled counts an answer, and returns an error for one that asks to wait. All others are read by the provider.
func (a *sharedAPI) throttled(answer provider.Answer) error {
	a.made++
	wait := provider.RetryAfter(answer.Header, a.calls.now())
	if answer.Status != http.StatusTooManyRequests && (answer.Status != http.StatusServiceUnavailable || wait <= 0) {
		return nil
	}
	return &provider.APIError{Kind: provider.APITemporary, Status: answer.Status, RetryAfter: wait,
		Message: http.StatusText(answer.Status)}
}
