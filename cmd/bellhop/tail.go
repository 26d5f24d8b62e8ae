package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file follows the live stream of a server.

func newTailCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "tail",
		Short: "Follow what happens, as it happens",
		Long: `Follow what happens, as it happens: events and requests once they are on disk, attempts once they
are recorded, and changes of sources, destinations, connections and subscriptions. Each is one line,
until you end it with Ctrl-C.

If the server cannot be reached for a while, the command waits for it and goes on where it was. What
the server cannot tell again is said on stderr. With --json, each line is a JSON object; its id is the
position after it, and --after goes on there. docs/STREAM.md describes the objects.

A filter by a property leaves out what has no such property: with --destination there are attempts and
changes of that destination, and no events.`,
		Example: `  bellhop tail
  bellhop tail --source media --type 'ams.*'
  bellhop tail --kinds delivery.attempted --outcome dead,pending
  bellhop tail --json --limit 1`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	t := tail{e: e, conn: conn}
	streamFilterFlags(c, &t.filter)
	c.Flags().StringVar(&t.after, "after", "", "begin after this position, the id of a line of --json, and not now")
	c.Flags().IntVar(&t.filter.Rate, "rate", 0, "at most so many lines a second; stderr says how many are "+
		"left out")
	c.Flags().IntVar(&t.limit, "limit", 0, "end after so many lines; 0 is without an end")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if t.limit < 0 {
			return wrongUsage("--limit: use a number of at least 0")
		}
		if t.filter.Rate < 0 {
			return wrongUsage("--rate: use a number of at least 0")
		}
		return conn.call(func(api *client.Client) error { return t.run(c.Context(), api) })
	}
	return c
}

// The words of --kinds and --outcome. The server checks them.
var (
	streamKinds = []string{"event.accepted", "request.refused", "request.handshake", "delivery.attempted",
		"source.changed", "destination.changed", "connection.changed", "subscription.changed"}
	streamOutcomes = []string{"accepted", "refused", "partial", "handshake", "pending", "delivered", "dead",
		"cancelled", "created", "updated", "deleted"}
)

// streamFilterFlags adds the flags that choose messages of the live stream.
func streamFilterFlags(c *cobra.Command, f *client.StreamFilter) {
	c.Flags().StringSliceVar(&f.Kinds, "kinds", nil, "only these kinds: "+strings.Join(streamKinds, ", "))
	annotate(c.Flags().Lookup("kinds"), streamKinds)
	c.Flags().StringVar(&f.Source, "source", "", "only what is of this source, by name or id")
	c.Flags().StringVar(&f.Destination, "destination", "", "only what is of this destination, by name or id")
	c.Flags().StringVar(&f.Type, "type", "", "only what is of events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&f.Subject, "subject", "",
		"only what is of events with this subject; a * at the end stands for any rest")
	c.Flags().StringSliceVar(&f.Outcomes, "outcome", nil, "only these outcomes: accepted of events; refused, "+
		"partial or handshake of requests; pending, delivered, dead or cancelled of deliveries; created, "+
		"updated or deleted of nouns")
	annotate(c.Flags().Lookup("outcome"), streamOutcomes)
	tenantFlag(c, &f.Tenant, "what is")
}

// A tail is one run of the command.
type tail struct {
	e      *env
	conn   *connection
	filter client.StreamFilter
	after  string
	limit  int
}

// run prints what happens until ctx ends or the user interrupts it, which is no error, or there are enough lines.
func (t *tail) run(ctx context.Context, api *client.Client) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	attached, lines := false, 0
	for item, err := range api.Stream(ctx, t.filter, t.after) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case item.Kind == client.ItemInterrupted && !attached:
			return noStream(item.End)
		}
		attached = attached || item.Kind != client.ItemInterrupted
		if t.talk(item) {
			continue
		}
		err = t.print(item)
		lines++
		if err != nil || lines == t.limit {
			return err
		}
	}
	return nil
}

// noStream returns the error of a stream that could not begin.
func noStream(end *client.StreamEnd) error {
	if end.Reason == "unavailable" {
		return errors.New(end.Detail)
	}
	return errors.New(end.Detail + ": is the server running?")
}

// talk says on stderr what a message about the stream itself says, and reports whether there was nothing else to it.
func (t *tail) talk(item client.StreamItem) bool {
	t.e.troubles(item)
	switch item.Kind {
	case client.ItemLive:
		fmt.Fprintln(t.e.stderr, "following what happens; Ctrl-C ends")
		return true
	case client.ItemSkipped:
		if !t.conn.json {
			fmt.Fprintf(t.e.stderr, "%d more\n", item.Skipped.Count)
		}
		return !t.conn.json
	case client.ItemGap:
		return !t.conn.json
	}
	return item.Kind == client.ItemInterrupted
}

// troubles says on stderr that the stream is interrupted, or that something is missing in it.
func (e *env) troubles(item client.StreamItem) {
	switch item.Kind {
	case client.ItemInterrupted:
		fmt.Fprintf(e.stderr, "the server does not answer (%s); it is asked again until it does\n",
			clean(item.End.Detail))
	case client.ItemGap:
		fmt.Fprintf(e.stderr, "something may be missing here: %s\n", clean(gapText(item.Gap)))
	}
}

// gapText says what is missing, and why.
func gapText(g *client.StreamGap) string {
	if g == nil {
		return "the server does not say what"
	}
	text := g.Detail
	if !g.Since.IsZero() {
		text += "; since " + moment(g.Since.Time)
	}
	if len(g.Kinds) > 0 {
		text += " (" + strings.Join(g.Kinds, ", ") + ")"
	}
	return text
}

// print prints an item as one line.
func (t *tail) print(item client.StreamItem) error {
	if t.conn.json {
		return printData(t.e, item)
	}
	_, err := fmt.Fprintln(t.e.stdout, t.e.streamLine(item))
	return err
}

// streamLine returns an item as one line: the time, the kind, and what there is to say.
func (e *env) streamLine(item client.StreamItem) string {
	at := moment(item.At.Time)
	if e.columns() > 0 {
		at = item.At.Local().Format("15:04:05.000")
	}
	return e.oneLine(append([]string{at, item.Kind}, streamWords(item)...))
}

// oneLine returns words, of which strangers may have written some, with two blanks between them. On a terminal the
// line is cut to its width, unless --output is wide.
func (e *env) oneLine(words []string) string {
	for i, word := range words {
		if word == "" {
			word = "-"
		}
		words[i] = clean(word)
	}
	line := strings.Join(words, "  ")
	if e.columns() > 1 && e.format != formatWide {
		line = shorten(line, e.columns()-1)
	}
	return line
}

// streamWords returns what there is to say of an item, in the order of importance.
func streamWords(item client.StreamItem) []string {
	switch {
	case item.Event != nil:
		ev := item.Event
		owed := "no deliveries"
		switch {
		case ev.Deliveries == 1:
			owed = "1 delivery"
		case ev.Deliveries > 1:
			owed = strconv.Itoa(ev.Deliveries) + " deliveries"
		}
		return []string{ev.Source, ev.Type, ev.Subject, owed, strconv.Itoa(ev.BodyBytes) + " bytes", ev.ID}
	case item.Request != nil:
		r := item.Request
		return []string{sourceText(*r), r.Outcome, strconv.Itoa(r.Status), r.Reason, r.Detail, r.ID}
	case item.Attempt != nil:
		return attemptWords(item.Attempt)
	case item.Change != nil:
		return []string{item.Change.Name, item.Change.Action, item.Change.State, item.Change.Reason, item.Change.ID}
	}
	return nil
}

func attemptWords(a *client.StreamAttempt) []string {
	reply := strconv.Itoa(a.Status)
	if a.Status == 0 {
		reply = a.Error
	}
	took := time.Duration(a.DurationMS * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
	state := a.State
	if !a.NextAt.IsZero() {
		state += " until " + moment(a.NextAt.Time)
	}
	return []string{a.Destination, state, reply, took, "attempt " + strconv.Itoa(a.Number), a.Type, a.Detail,
		a.EventID}
}
