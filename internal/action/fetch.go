package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Fetch fetches what the notifications of a provider name: graph.fetch, outlook.fetch. See docs/FETCH.md.
type Fetch struct {
	Provider provider.Fetcher
	Calls    *Calls
}

// The defaults of destinations that fetch. An API may take long while it is busy.
const (
	fetchTimeout     = 30 * time.Second
	fetchConcurrency = 4
)

// Fetches returns an action for each provider that is a [provider.Fetcher].
func Fetches(providers []provider.Provider, calls *Calls) (actions []provider.Action) {
	for _, p := range providers {
		f, ok := p.(provider.Fetcher)
		if ok {
			actions = append(actions, Fetch{Provider: f, Calls: calls})
		}
	}
	return actions
}

// Info describes the destinations that fetch.
func (x Fetch) Info() provider.Info {
	info := provider.FetchActionInfo(x.Provider)
	info.Concurrency, info.Timeout, info.Errors = fetchConcurrency, fetchTimeout, callErrors
	return info
}

// readFold reads the setting fold.
func readFold(text string) (time.Duration, error) {
	if text == "" {
		return defaultFold, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxFold {
		return 0, bellhop.Invalid("fold", `use a length of time from "0s" to "1h", such as "5s"`)
	}
	return d, nil
}

// OpenAction checks the settings of d, and that its connection exists and is one of the provider.
func (x Fetch) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions")
	}
	opened, err := x.Provider.OpenFetch(d.Settings)
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	common, name := opened.Common(), x.Provider.Info().Name
	every, foldErr := readFold(common.Fold)
	conn, err := openConnection(env, common.Connection, name)
	if err := bellhop.Join("settings", err, foldErr); err != nil {
		return nil, err
	}
	return &fetcher{work: work{name: name, action: name + ".fetch", env: env, calls: x.Calls, destination: d,
		log: env.Logger.With("component", "action"), folds: folds{clock: newClock(env.Now), every: every}},
		conn: conn, fetch: opened, width: x.Provider.FetchInfo().Width}, nil
}

// A fetcher is the Performer of one destination.
type fetcher struct {
	work
	conn  provider.Connection
	fetch provider.Fetch
	width int
}

// LeavesOut implements [provider.Selector]: what an action made names nothing to fetch.
func (*fetcher) LeavesOut(*bellhop.Event) bool { return true }

// Perform fetches what ev names, unless a fetch that began after ev came in has done so.
func (f *fetcher) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	plan := f.fetch.Plan(ev)
	if ev.Header.Get(bellhop.CauseHeader) != "" {
		plan = provider.FetchPlan{Skip: madeByAction}
	}
	switch {
	case plan.Skip != "":
		return f.skip(plan.Skip)
	case plan.Refused != "":
		return f.refuse(plan.Refused)
	case plan.Gone:
		return f.publishAtOnce(ctx, ev, f.gone(ev, plan.Resource, "deleted"))
	case plan.Content != nil:
		found := f.fetched(plan.Resource, "content", f.fetch.Version(plan.Content), "application/json", plan.Content)
		found.outcome = outcomeGiven
		return f.publishAtOnce(ctx, ev, found)
	}
	return f.run(ctx, ev, at, fetching{
		key: plan.Resource, resource: plan.Resource, way: plan.Call.Path + " " + plan.Call.Header.Get("Prefer"),
		conn: f.conn, of: share{plan.Share, f.width}, call: plan.Call, version: f.fetch.Version,
		check: func(a provider.Answer) error { return f.fetch.Check(a, plan, f.env.Now()) },
	})
}

// madeByAction is why an event is skipped that an action made. A destination gets it only by a replay, or if it has
// not named its type: otherwise LeavesOut leaves it out.
const madeByAction = "it was made by an action"

// A work is what the performers of actions that fetch, or read changes, have in common.
type work struct {
	name        string // that begins the types of events: "graph"
	action      string // "graph.fetch"
	env         provider.ActionEnv
	calls       *Calls
	destination bellhop.Destination
	log         *slog.Logger
	folds       folds
}

// A fetching is one fetch.
type fetching struct {
	key      string // fetches with the same key fold
	resource string // the subject of the event that is published
	way      string // what the answer depends on beside the resource
	conn     provider.Connection
	of       share
	call     provider.Call
	check    func(provider.Answer) error // as Calls.do has it
	version  func(body []byte) string    // of the resource; "" if its JSON has none
}

// A finding is an event to publish.
type finding struct {
	outcome string
	key     string // names the event among those of the destination
	event   bellhop.Event
}

// fetched returns the finding of a resource. version is what changes with each change of it; "" is a hash of body.
func (w *work) fetched(resource, way, version, contentType string, body []byte) finding {
	if version == "" {
		sum := sha256.Sum256(body)
		version = hex.EncodeToString(sum[:])
	}
	return finding{outcomeFetched, strings.Join([]string{"fetched", resource, way, version}, "|"),
		bellhop.Event{Type: w.name + ".fetched", Subject: resource, ContentType: contentType, Body: body}}
}

// A goneBody is the body of an event about a resource that is not there any more.
type goneBody struct {
	Resource string `json:"resource"`
	Reason   string `json:"reason"` // "deleted", as the notification says, or "not_found", as the API does
}

// gone returns the finding that the resource of cause is not there any more.
func (w *work) gone(cause *bellhop.Event, resource, reason string) finding {
	body, err := json.Marshal(goneBody{resource, reason})
	if err != nil {
		panic(fmt.Sprintf("bellhop: write an event: %v", err)) // of texts
	}
	return finding{outcomeGone, "gone|" + cause.ID, bellhop.Event{Type: w.name + ".gone", Subject: resource,
		ContentType: "application/json", Body: body}}
}

// run makes a fetch for ev, or finds that another one serves ev, and publishes what it found.
func (w *work) run(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo, f fetching) provider.ActionResult {
	done, begins := w.begin(f.key, ev)
	if !begins {
		return done
	}
	published, made := "", true
	defer func() { w.folds.end(f.key, published, made) }()
	begun := w.env.Now()
	answer, err := w.calls.do(ctx, f.conn, f.of, f.call, f.check)
	answered := w.env.Now()
	var e *provider.APIError
	var later *laterError
	var found finding
	switch {
	case err == nil:
		found = w.fetched(f.resource, f.way, f.version(answer.Body), answer.Header.Get("Content-Type"), answer.Body)
	case errors.As(err, &e) && e.Kind == provider.APIGone:
		found = w.gone(ev, f.resource, "not_found")
	default:
		made = !errors.As(err, &later)
		done = failure(ctx, f.conn, err)
		found.outcome = outcomeOf(done)
	}
	if err == nil || found.outcome == outcomeGone {
		published, done = w.publish(ctx, ev, found)
		if done.Error != "" {
			found.outcome = outcomeFailed
		}
	}
	w.calls.metrics.count(w.action, found.outcome)
	if made {
		w.note(ev, at, f, found, answer, published, done, answered.Sub(begun), w.env.Now().Sub(answered))
	}
	return done
}

// begin begins the work for ev on what key names; folds.end ends it. begins is false if work that began later than ev
// came in serves it, or it has to wait for its turn: done says which.
func (w *work) begin(key string, ev *bellhop.Event) (done provider.ActionResult, begins bool) {
	turn := w.folds.begin(key, ev.ReceivedAt)
	switch {
	case turn.served != "":
		w.calls.metrics.count(w.action, outcomeFolded)
		return provider.ActionResult{Reply: reply{ServedBy: turn.served}.text()}, false
	case !turn.begins:
		w.calls.metrics.count(w.action, outcomeWaiting)
		return provider.ActionResult{Continue: w.env.Now().Add(turn.after),
			Reply: []byte("waits for the next turn of the resource")}, false
	}
	return done, true
}

// outcomeOf returns the outcome of an attempt that published nothing.
func outcomeOf(done provider.ActionResult) string {
	switch {
	case done.Parked != "":
		return outcomeParked
	case !done.Continue.IsZero():
		return outcomeThrottled
	}
	return outcomeFailed
}

// note writes the line of one call.
func (w *work) note(ev *bellhop.Event, at provider.AttemptInfo, f fetching, found finding, answer provider.Answer,
	published string, done provider.ActionResult, called, own time.Duration) {
	w.line("action.called", ev, at, f.conn, done, "outcome", found.outcome, "status", answer.Status, "bytes",
		len(answer.Body), "published_id", published, "api_ms", called.Milliseconds(), "own_us", own.Microseconds())
}

// line writes a line about an attempt for ev in the name of conn, and its result.
func (w *work) line(message string, ev *bellhop.Event, at provider.AttemptInfo, conn provider.Connection,
	done provider.ActionResult, more ...any) {
	level, args := slog.LevelInfo, append([]any{"action", w.action, "destination_id", w.destination.ID, "destination",
		w.destination.Name, "delivery_id", at.DeliveryID, "attempt", at.Attempt, "event_id", ev.ID, "connection_id",
		conn.ID}, more...)
	if done.Error != "" || done.Parked != "" {
		level, args = slog.LevelWarn, append(args, "error", done.Error, "detail", done.Detail)
	}
	w.log.Log(context.Background(), level, message, args...)
}

// A reply is what an attempt keeps, in JSON.
type reply struct {
	Event    string `json:"event,omitempty"`     // id of the event that was published
	Type     string `json:"type,omitempty"`      // of that event
	ServedBy string `json:"served_by,omitempty"` // id of the event that an other fetch published
}

func (r reply) text() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write a reply: %v", err)) // of texts
	}
	return text
}

// publish publishes what was found, and returns the id of the event and the result of the attempt.
func (w *work) publish(ctx context.Context, ev *bellhop.Event, found finding) (string, provider.ActionResult) {
	id, err := publish(ctx, w.env, w.destination.ID, found.key, ev, found.event)
	if err != nil {
		return "", unpublished(ctx, err)
	}
	return id, provider.ActionResult{Reply: reply{Event: id, Type: found.event.Type}.text()}
}

// publishAtOnce publishes what a notification says by itself.
func (w *work) publishAtOnce(ctx context.Context, ev *bellhop.Event, found finding) provider.ActionResult {
	_, done := w.publish(ctx, ev, found)
	if done.Error != "" {
		found.outcome = outcomeFailed
	}
	w.calls.metrics.count(w.action, found.outcome)
	return done
}

// skip returns the result for an event that is not one to fetch for.
func (w *work) skip(why string) provider.ActionResult {
	w.calls.metrics.count(w.action, outcomeSkipped)
	return provider.ActionResult{Skip: true, Detail: w.action + ": " + why}
}

// refuse returns the result for an event whose resource is never called.
func (w *work) refuse(why string) provider.ActionResult {
	w.calls.metrics.count(w.action, outcomeFailed)
	return provider.ActionResult{Error: errorInvalid, Detail: why, Final: true}
}
