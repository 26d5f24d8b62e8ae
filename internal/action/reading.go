package action

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Reading reads what has changed in the resource that a notification names, from where it has read before, and
// publishes an event for each change: sharepoint.changes, graph.delta. See docs/FETCH.md.
type Reading struct {
	Provider provider.ChangeReader
	Calls    *Calls
}

// Readings returns an action for each provider that is a [provider.ChangeReader].
func Readings(providers []provider.Provider, calls *Calls) (actions []provider.Action) {
	for _, p := range providers {
		r, ok := p.(provider.ChangeReader)
		if ok {
			actions = append(actions, Reading{Provider: r, Calls: calls})
		}
	}
	return actions
}

const (
	readingTimeout = time.Minute
	// firstMargin is how long before its notification the first run of a resource begins, and how long before a
	// position was saved a run begins that has to do without it.
	firstMargin = 10 * time.Minute
)

// Info describes the destinations.
func (x Reading) Info() provider.Info {
	info := provider.ReadingActionInfo(x.Provider)
	info.Concurrency, info.Timeout, info.Errors = fetchConcurrency, readingTimeout, callErrors
	return info
}

// OpenAction checks the settings of d, and that its connection exists and is one of the provider.
func (x Reading) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if env.Publish == nil || env.Cursors == nil {
		return nil, bellhop.Invalid("type", "this server takes no events from actions, or keeps no positions")
	}
	opened, err := x.Provider.OpenReading(d.Settings)
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	common := opened.Common()
	every, foldErr := readFold(common.Fold)
	conn, err := openConnection(env, common.Connection, x.Provider.Info().Name)
	if err := bellhop.Join("settings", err, foldErr); err != nil {
		return nil, err
	}
	info := x.Provider.ReadingInfo()
	timeout := d.Timeout
	if timeout <= 0 {
		timeout = readingTimeout
	}
	every = max(1, every) // with 0 the runs would not wait for each other
	return &reader{work: work{action: info.Name, env: env, calls: x.Calls, destination: d,
		log: env.Logger.With("component", "action"), folds: folds{clock: newClock(env.Now), every: every}},
		conn: conn, reading: opened, width: info.Width, most: timeout / 2}, nil
}

// A reader is the Performer of one destination. A run is one reading of a log: the runs of one log go one after
// another.
type reader struct {
	work    // its folds are by the keys of logs
	conn    provider.Connection
	reading provider.Reading
	width   int
	most    time.Duration // a run goes on in another attempt after this long, which is half of the timeout
}

// laterRun is the answer of folds for an event that a run serves which began later.
const laterRun = "a later run"

// LeavesOut implements [provider.Selector]: what an action made names nothing to read.
func (*reader) LeavesOut(*bellhop.Event) bool { return true }

// Perform reads the log that ev is about, unless a run that began after ev came in has done so.
func (r *reader) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	if ev.Header.Get(bellhop.CauseHeader) != "" {
		return r.skip(madeByAction)
	}
	found, err := r.reading.Find(ctx, r.env.Env, r.apiOf, ev)
	switch {
	case err != nil:
		done := r.calls.failed(ctx, r.conn, err)
		r.calls.metrics.count(r.action, outcomeOf(done))
		return done
	case found.Skip != "":
		return r.skip(found.Skip)
	}
	done, begins := r.begin(found.Key, ev)
	if !begins {
		return done
	}
	x := run{reader: r, found: found, ev: ev, at: at, begun: r.env.Now()}
	defer func() { r.folds.end(found.Key, x.served, true) }() // after a panic too: the next run can begin
	done = x.toEnd(ctx)
	x.note(done)
	return done
}

// apiOf returns the API of the connection, whose calls keep to the limits of a share.
func (r *reader) apiOf(key string) provider.API {
	return &sharedAPI{calls: r.calls, conn: r.conn, of: share{key, r.width}}
}

// A run is one reading of a log for an event.
type run struct {
	*reader
	found  provider.FoundLog
	ev     *bellhop.Event
	at     provider.AttemptInfo
	begun  time.Time
	kept   readingReply
	pages  int
	served string // laterRun once the run came to the end of the log
}

// A readingReply is what an attempt keeps, in JSON.
type readingReply struct {
	Published int    `json:"published"`
	Lost      string `json:"lost,omitempty"`   // why changes may be missing
	Unseen    string `json:"unseen,omitempty"` // what the first run cannot find
	Waits     string `json:"waits,omitempty"`  // why another attempt goes on
}

func (k readingReply) text() []byte {
	text, err := json.Marshal(k)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write a reply: %v", err)) // of texts
	}
	return text
}

// toEnd reads the log from the stored position to its end. The position is saved after each page, once its events are
// stored.
func (x *run) toEnd(ctx context.Context) provider.ActionResult {
	stored, err := x.env.Cursors.Cursor(ctx, x.destination.ID, x.found.Key)
	if err != nil {
		return provider.ActionResult{Error: errorTemporary, Detail: "the position could not be read",
			Cut: ctx.Err() != nil}
	}
	var walk provider.Walk
	cursor, span := stored.Value, x.span(stored)
	for {
		err := walk.Step(cursor)
		var page provider.ChangePage
		if err == nil {
			page, err = x.found.Log.Next(ctx, cursor, span)
		}
		if err != nil {
			return x.reply(x.calls.failed(ctx, x.conn, err))
		}
		x.pages++
		x.tell(page)
		for _, change := range page.Changes {
			_, err = publish(ctx, x.env, x.destination.ID, change.Key, x.ev, change.Event)
			if err != nil {
				return x.reply(unpublished(ctx, err))
			}
			x.kept.Published++
		}
		cursor = page.Cursor
		err = x.env.Cursors.SaveCursor(ctx, x.destination.ID, x.found.Key,
			bellhop.Cursor{Value: cursor, SavedAt: x.env.Now()})
		if err != nil {
			return x.reply(provider.ActionResult{Error: errorPublish, Detail: "the position could not be stored",
				Cut: ctx.Err() != nil})
		}
		now := x.env.Now()
		switch {
		case page.Last:
			x.served = laterRun
			return x.reply(provider.ActionResult{})
		case page.Wait > 0:
			return x.later(now.Add(page.Wait), "the API asks to wait")
		case now.Sub(x.begun) > x.most:
			return x.later(now, "there is more to read")
		}
	}
}

// span returns the span of a run. It begins where the stored position is, for a log that does not know it any more.
func (x *run) span(stored bellhop.Cursor) provider.Span {
	switch {
	case stored.Value != "":
		return provider.Span{Since: stored.SavedAt.Add(-firstMargin)}
	case x.found.FromStart:
		return provider.Span{}
	}
	return provider.Span{Since: x.ev.ReceivedAt.Add(-firstMargin)}
}

// tell keeps what a page says about what it cannot find.
func (x *run) tell(page provider.ChangePage) {
	if page.Unseen != "" {
		x.kept.Unseen = page.Unseen
	}
	if page.Lost == "" {
		return
	}
	x.kept.Lost = page.Lost
	x.log.Warn("action.position_lost", "action", x.action, "destination_id", x.destination.ID, "destination",
		x.destination.Name, "event_id", x.ev.ID, "connection_id", x.conn.ID, "reason", page.Lost)
}

// reply puts what the run did into the result of an attempt. Its reply, if there is one, says why it goes on later.
func (x *run) reply(done provider.ActionResult) provider.ActionResult {
	x.kept.Waits = string(done.Reply)
	done.Reply = x.kept.text()
	return done
}

// later returns the result of an attempt that goes on in another one.
func (x *run) later(at time.Time, why string) provider.ActionResult {
	return x.reply(provider.ActionResult{Continue: at, Reply: []byte(why)})
}

// note counts a run, and writes its line.
func (x *run) note(done provider.ActionResult) {
	outcome := outcomeFetched
	if x.served == "" {
		outcome = outcomeOf(done)
	}
	x.calls.metrics.count(x.action, outcome)
	x.line("action.read", x.ev, x.at, x.conn, done, "outcome", outcome, "pages", x.pages, "published",
		x.kept.Published, "duration_ms", x.env.Now().Sub(x.begun).Milliseconds())
}
