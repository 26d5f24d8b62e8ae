package action

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Work does a work of a provider: ams.publish, ams.encode. What is the provider's is behind [provider.Worker]; this
// file opens the connection, evaluates expressions, obeys the limits of the API, and publishes what was made.
type Work struct {
	Provider provider.Worker
	Is       provider.WorkInfo
	Calls    *Calls
	// Compile compiles an expression in the language of templates. Its error is bellhop.CodeInvalid with an empty
	// path.
	Compile func(text string) (Expression, error)
}

// Works returns an action for each work of a provider that is a [provider.Worker].
func Works(providers []provider.Provider, calls *Calls,
	compile func(text string) (Expression, error)) (actions []provider.Action) {
	for _, p := range providers {
		w, ok := p.(provider.Worker)
		if !ok {
			continue
		}
		for _, info := range w.Works() {
			actions = append(actions, Work{Provider: w, Is: info, Calls: calls, Compile: compile})
		}
	}
	return actions
}

// Info describes the destinations of the work.
func (x Work) Info() provider.Info {
	info := provider.WorkActionInfo(x.Provider, x.Is)
	info.Concurrency, info.Errors = fetchConcurrency, callErrors
	return info
}

// OpenAction checks the settings of d, compiles its expressions, and checks that its connection exists and is one of
// the provider.
func (x Work) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions")
	}
	opened, err := x.Provider.OpenWork(env.Env, x.Is.Name, d.Settings)
	var members map[string]any
	json.Unmarshal(d.Settings, &members) // OpenWork has said what is wrong with settings that are no object
	connection, _ := members[connectionSetting].(string)
	w := &worker{info: x.Is, provider: x.Provider.Info().Name, env: env, calls: x.Calls, destination: d,
		log: env.Logger.With("component", "action"), work: opened, expressions: map[string]Expression{},
		chained: len(d.Match.Types) > 0}
	conn, connErr := openConnection(env, connection, w.provider)
	if err := bellhop.Join("settings", err, connErr, w.compile(members, x.Compile)); err != nil {
		return nil, err
	}
	w.conn = conn
	return w, nil
}

// A worker is the Performer of one destination.
type worker struct {
	info        provider.WorkInfo
	provider    string
	env         provider.ActionEnv
	calls       *Calls
	destination bellhop.Destination
	log         *slog.Logger
	conn        provider.Connection
	work        provider.Work
	expressions map[string]Expression // by the names of settings
	// chained says that the destination chooses events by their types, so that those of other actions are meant.
	chained bool
}

// compile compiles the settings that are expressions.
func (w *worker) compile(settings map[string]any, compile func(text string) (Expression, error)) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(w.info.Expressions)) {
		text, _ := settings[name].(string)
		text = cmp.Or(text, w.info.Expressions[name])
		if text == "" {
			continue
		}
		compiled, err := compile(text)
		if err != nil {
			errs = append(errs, bellhop.Join(name, err))
			continue
		}
		w.expressions[name] = compiled
	}
	return bellhop.Join("", errs...)
}

// LeavesOut implements [provider.Selector].
func (w *worker) LeavesOut(ev *bellhop.Event) bool { return w.work.Skip(ev) != "" }

// Perform makes one attempt at the work that ev asks for.
func (w *worker) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	why := w.work.Skip(ev)
	if why == "" && ev.Header.Get(bellhop.CauseHeader) != "" && !w.chained {
		why = madeByAction + "; name its type in the match to work for it"
	}
	if why != "" {
		return w.skip(why)
	}
	values, err := w.evaluate(ctx, ev)
	if err != nil && ctx.Err() != nil {
		return provider.ActionResult{Cut: true}
	} else if err != nil {
		w.count(outcomeFailed)
		return provider.ActionResult{Error: errorInvalid, Detail: err.Error(), Final: true}
	}
	base, err := w.conn.BaseURL(ctx)
	if err != nil {
		return w.failed(ctx, err)
	}
	api := &sharedAPI{calls: w.calls, conn: w.conn, of: share{width: w.info.Width}}
	begun := w.env.Now()
	done, err := w.work.Do(ctx, &provider.Task{Event: ev, DeliveryID: at.DeliveryID, API: api,
		BaseURL: strings.TrimSuffix(base.String(), "/"), Values: values, Progress: at.Progress, Source: w.source})
	made, result := w.finish(ctx, ev, done, err)
	level, args := slog.LevelInfo, []any{"action", w.info.Name, "destination_id", w.destination.ID, "destination",
		w.destination.Name, "delivery_id", at.DeliveryID, "attempt", at.Attempt, "event_id", ev.ID, "connection_id",
		w.conn.ID, "calls", api.made, "published_ids", made, "duration_ms", w.env.Now().Sub(begun).Milliseconds()}
	if result.Error != "" || result.Parked != "" {
		level, args = slog.LevelWarn, append(args, "error", result.Error, "detail", result.Detail)
	}
	w.log.Log(context.Background(), level, "action.worked", args...)
	return result
}

// finish publishes what was made, and returns the ids of its events and the result of the attempt.
func (w *worker) finish(ctx context.Context, ev *bellhop.Event, done provider.WorkDone,
	err error) (made []string, result provider.ActionResult) {
	replies := []reply{}
	for _, one := range done.Events {
		id, failure := publish(ctx, w.env, w.destination.ID, one.Key, ev, one.Event)
		if failure != nil {
			w.count(outcomeFailed)
			result = unpublished(ctx, failure)
			result.Progress = done.Progress
			return made, result
		}
		made = append(made, id)
		replies = append(replies, reply{Event: id, Type: one.Event.Type})
	}
	switch {
	case err != nil:
		result = w.failed(ctx, err)
	case done.Skip:
		return made, w.skip(done.Why)
	case done.Wait > 0:
		w.count(outcomeWaiting)
		result = provider.ActionResult{Continue: w.env.Now().Add(done.Wait), Reply: []byte(done.Why)}
	default:
		w.count(outcomeDone)
		text, err := json.Marshal(workReply{replies, done.Why})
		if err != nil {
			panic(fmt.Sprintf("bellhop: write a reply: %v", err)) // of texts
		}
		result = provider.ActionResult{Reply: text}
	}
	result.Progress = done.Progress
	return made, result
}

// A workReply is what a successful attempt keeps, in JSON.
type workReply struct {
	Events []reply `json:"events"`
	Why    string  `json:"note,omitempty"`
}

func (w *worker) count(outcome string) { w.calls.metrics.worked(w.info.Name, outcome) }

// skip returns the result for an event that asks for no work.
func (w *worker) skip(why string) provider.ActionResult {
	w.count(outcomeSkipped)
	return provider.ActionResult{Skip: true, Detail: w.info.Name + ": " + why}
}

// failed returns the result of an attempt that err ended.
func (w *worker) failed(ctx context.Context, err error) provider.ActionResult {
	done := w.calls.failed(ctx, w.conn, err)
	w.count(outcomeOf(done))
	return done
}

// evaluate evaluates the expressions over ev. What they give is a text, or null.
func (w *worker) evaluate(ctx context.Context, ev *bellhop.Event) (map[string]string, error) {
	values := make(map[string]string, len(w.expressions))
	for name, evaluate := range w.expressions {
		v, err := evaluate(ctx, ev)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text, ok := v.(string)
		if !ok && v != nil {
			return nil, fmt.Errorf("%s: the expression gives no text", name)
		}
		values[name] = text
	}
	return values, nil
}

// source returns a source of the provider.
func (w *worker) source(ctx context.Context, idOrName string) (provider.ActionSource, error) {
	unusable := func(message, remedy string) (provider.ActionSource, error) {
		return provider.ActionSource{}, &provider.APIError{Kind: provider.APIInvalid, Message: message, Remedy: remedy}
	}
	if w.env.Source == nil {
		return unusable("this server has no sources", "")
	}
	src, err := w.env.Source(ctx, idOrName)
	var known *bellhop.Error
	switch {
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		return unusable("there is no source "+idOrName, "create it: bellhop sources create NAME --provider "+
			w.provider)
	case err != nil:
		return src, &provider.APIError{Kind: provider.APITemporary, Message: "the source could not be read"}
	case src.Provider != w.provider:
		return unusable("source "+src.Name+" is one of provider "+src.Provider, "name one of provider "+w.provider)
	}
	return src, nil
}
