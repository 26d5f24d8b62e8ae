package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// This file hands the events of a server to a program on this machine.

func newListenCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "listen --forward URL",
		Short: "Hand the events of a server to a program on this machine",
		Long: `Hand the events of a server to a program on this machine, as they come: the body as it was received,
with the headers of the request that carried it. So a server that providers can reach serves a program
that they cannot, without a tunnel.

Each event is one line: its number, the status of the program's answer and how long it took. Events go
one after the other, in their order, and each once: the server's own deliveries and their retries are
not concerned. On a terminal, 'r' and Enter hands the latest event over again, and 'r 12' the one of
line 12. Ctrl-C ends.

If the server cannot be reached for a while, the command waits for it and goes on where it was. With
--position, it also goes on there when it is started again: the file has the position after the last
event that was handed over.

With --destination, the program is a destination: one of type listen, whose deliveries wait for
whoever listens. The program's answer is that of the destination: 2xx is delivered, and another one is
retried by the server's schedule. A delivery whose answer could not be given comes again, and gets it
then: the program does not see it twice. Several who listen share the deliveries.

The command adds the headers Bellhop-Event-Id and Bellhop-Event-Type, and with --destination
Bellhop-Delivery-Id and Bellhop-Attempt. Headers with secrets are not kept by the server, so the
program cannot check the provider's signature if that is in such a header.`,
		Example: `  bellhop listen --forward http://localhost:3000
  bellhop listen --forward 3000 --source media --type 'ams.*'
  bellhop listen --forward http://localhost:3000/hooks --position ~/.bellhop-position
  bellhop listen --forward 3000 --server https://hooks.example.com --api-key "$KEY"
  bellhop listen --forward 3000 --destination dev`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	l := listen{e: e, conn: conn, http: egress.NewLocal()}
	forward := c.Flags().String("forward", "",
		"URL of the program, such as http://localhost:3000/hooks, or a port of this machine")
	c.Flags().StringVar(&l.destination, "destination", "",
		"take the deliveries of this destination of type listen, by name or id, and answer for it")
	f := &l.filter
	f.Kinds = []string{"event.accepted"}
	c.Flags().StringVar(&f.Source, "source", "", "only events of this source, by name or id")
	c.Flags().StringVar(&f.Type, "type", "", "only events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&f.Subject, "subject", "", "only events with this subject; a * at the end stands for any rest")
	tenantFlag(c, &f.Tenant, "events")
	c.Flags().StringVar(&l.after, "after", "", "begin after this position, such as the id of a line of 'tail --json'")
	c.Flags().StringVar(&l.position, "position", "", "a file that keeps the position from one run to the next")
	lengthFlag(c, &l.timeout, "timeout", 30*time.Second,
		"how long the program may take to answer; with --destination, the destination's timeout if that is "+
			"shorter, or if this flag is not given")
	c.Flags().IntVar(&l.limit, "limit", 0, "end after so many events; 0 is without an end")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		switch {
		case *forward == "":
			return wrongUsage("missing --forward: give the URL of the program, such as http://localhost:3000")
		case l.limit < 0:
			return wrongUsage("--limit: use a number of at least 0")
		case l.after != "" && l.position != "":
			return wrongUsage("give --after or --position, not both")
		case l.destination != "" && f.Source+f.Type+f.Subject+f.Tenant+l.after+l.position != "":
			return wrongUsage("--destination: the destination's match chooses the events, and the server keeps " +
				"those that wait; leave out --source, --type, --subject, --tenant, --after and --position")
		}
		l.bounded = c.Flags().Changed("timeout")
		l.forward, err = forwardURL(*forward)
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			l.api = api
			return l.run(c.Context(), e.lines())
		})
	}
	return c
}

// forwardURL returns the URL that --forward means.
func forwardURL(text string) (string, error) {
	if port, err := strconv.ParseUint(text, 10, 16); err == nil && port > 0 {
		return "http://localhost:" + text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", wrongUsage("--forward: write it as http://localhost:3000/hooks, or as a port of this machine: 3000")
	}
	return text, nil
}

// lines returns the lines that a person types, if stdin is a terminal.
func (e *env) lines() <-chan string {
	f, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	lines := make(chan string)
	go func() { // ends with the program: a read of a terminal cannot be broken off
		for typed := bufio.NewScanner(f); typed.Scan(); {
			lines <- typed.Text()
		}
	}()
	return lines
}

// A listen is one run of the command.
type listen struct {
	e        *env
	conn     *connection
	api      *client.Client
	http     *http.Client // for the program
	forward  string       // the URL of the program
	filter   client.StreamFilter
	after    string
	position string        // path of the file that keeps the position; "" is none
	timeout  time.Duration // for the program's answer
	bounded  bool          // timeout is what the user wants, and not the default
	limit    int

	destination string           // name or id of the destination to answer for; "" is none
	works       map[string]*work // by the id of the delivery
	done        chan doneWork

	handed []string // the ids of the latest events that were handed over, the last keptHanded
	count  int      // of all
}

// keptHanded is how many of the latest events can be repeated.
const keptHanded = 1000

// run hands over events until ctx ends or the user interrupts it, which is no error, or there were enough. typed has
// the lines that the user types; nil is none.
func (l *listen) run(ctx context.Context, typed <-chan string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	err := l.readPosition()
	if err != nil {
		return err
	}
	l.works, l.done = map[string]*work{}, make(chan doneWork)
	items, failed := l.follow(ctx)
	for attached := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case line := <-typed:
			err = l.repeat(ctx, line)
		case w := <-l.done:
			err = l.finish(ctx, w)
		case err = <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return l.explain(err)
		case item := <-items:
			if item.Kind == client.ItemInterrupted && !attached {
				return noStream(item.End)
			}
			attached = attached || item.Kind != client.ItemInterrupted
			err = l.take(ctx, item)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil || l.limit > 0 && l.count == l.limit:
			return err
		}
	}
}

// follow follows the stream in the background until ctx ends. An item is taken only once the one before is handed
// over.
func (l *listen) follow(ctx context.Context) (<-chan client.StreamItem, <-chan error) {
	items, failed := make(chan client.StreamItem), make(chan error, 1)
	go func() {
		all := l.api.Stream(ctx, l.filter, l.after)
		if l.destination != "" {
			all = l.api.Listen(ctx, l.destination)
		}
		for item, err := range all {
			if err != nil {
				failed <- err
				return
			}
			select {
			case items <- item:
			case <-ctx.Done():
				return
			}
		}
	}()
	return items, failed
}

// explain returns the error of a stream that the server refuses. A position in a file is not what the user typed.
func (l *listen) explain(err error) error {
	var refused *client.Error
	if l.position != "" && errors.As(err, &refused) && len(refused.Errors) == 1 &&
		refused.Errors[0].Path == "Last-Event-ID" {
		return fmt.Errorf("the position in %s is not one of this server: remove the file to begin now", l.position)
	}
	return err
}

// take handles one item of the stream.
func (l *listen) take(ctx context.Context, item client.StreamItem) error {
	l.e.troubles(item)
	if item.Kind == client.ItemLive && l.count == 0 {
		what := "events"
		if l.destination != "" {
			what = "deliveries of " + clean(l.destination)
		}
		fmt.Fprintf(l.e.stderr, "%s go to %s; r and Enter repeats the latest, r 12 that of line 12; Ctrl-C ends\n",
			what, clean(l.forward))
		l.noteState(ctx)
	}
	switch {
	case item.Delivery != nil:
		return l.begin(ctx, item.Delivery, item.Delivery.Until.Sub(item.At.Time))
	case item.Event != nil:
		err := l.show(ctx, handing{EventID: item.Event.ID})
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	return l.writePosition(item.ID)
}

// noteState tells the user that a destination gets nothing now, because it is paused, for example.
func (l *listen) noteState(ctx context.Context) {
	if l.destination == "" {
		return
	}
	d, err := l.api.Destination(ctx, l.destination)
	if err == nil && d.State != string(bellhop.DestinationActive) {
		fmt.Fprintf(l.e.stderr, "the destination is %s: nothing comes before 'bellhop destinations resume %s'\n",
			clean(d.State), clean(d.Name))
	}
}

// repeat does what the user has typed.
func (l *listen) repeat(ctx context.Context, line string) error {
	words := strings.Fields(line)
	number := l.count
	ok := len(words) > 0 && words[0] == "r" && len(words) <= 2
	if len(words) == 2 {
		n, err := strconv.Atoi(strings.TrimPrefix(words[1], "#"))
		number, ok = n, ok && err == nil
	}
	first := l.count - len(l.handed) + 1
	switch {
	case len(words) == 0:
		return nil
	case !ok:
		fmt.Fprintln(l.e.stderr, "r and Enter repeats the latest event, r 12 that of line 12; Ctrl-C ends")
		return nil
	case len(l.handed) == 0:
		fmt.Fprintln(l.e.stderr, "there was no event yet")
		return nil
	case number < first || number > l.count:
		fmt.Fprintf(l.e.stderr, "the lines %d to %d can be repeated\n", first, l.count)
		return nil
	}
	h := handing{EventID: l.handed[number-first], Repeated: true}
	if l.destination != "" { // deliveries go on meanwhile
		l.work(ctx, h, l.timeout)
		return nil
	}
	return l.show(ctx, h)
}

// show hands an event over and prints what came of it.
func (l *listen) show(ctx context.Context, h handing) error {
	l.hand(ctx, &h, l.timeout)
	if ctx.Err() != nil {
		return nil
	}
	return l.print(h)
}

// print numbers what came of an event, and prints it as one line.
func (l *listen) print(h handing) error {
	l.count++
	h.Number = l.count
	l.handed = append(l.handed, h.EventID)
	l.handed = l.handed[max(0, len(l.handed)-keptHanded):]
	if l.conn.json {
		return printData(l.e, h)
	}
	result := strconv.Itoa(h.Status)
	if h.Error != "" {
		result = h.Error
	}
	took := time.Duration(h.DurationMS * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
	words := []string{"#" + strconv.Itoa(h.Number), result, took, h.Source, h.Type, h.Subject, h.EventID}
	if h.Attempt > 1 {
		words = append(words, "attempt "+strconv.Itoa(h.Attempt))
	}
	if h.Repeated {
		words = append(words, "repeated")
	}
	_, err := fmt.Fprintln(l.e.stdout, l.e.oneLine(words))
	return err
}

// readPosition reads the file of the position. Without one the stream begins now.
func (l *listen) readPosition() error {
	if l.position == "" {
		return nil
	}
	text, err := os.ReadFile(within(l.e.dir, l.position))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	l.after = strings.TrimSpace(string(text))
	return err
}

// writePosition keeps a position, so that it is there whole or not at all.
func (l *listen) writePosition(id string) error {
	if l.position == "" || id == "" {
		return nil
	}
	path := within(l.e.dir, l.position)
	part, err := os.CreateTemp(filepath.Dir(path), ".position-*")
	if err != nil {
		return fmt.Errorf("keep the position: %w", err)
	}
	_, err = part.WriteString(id + "\n")
	err = errors.Join(err, part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		os.Remove(part.Name())
		return fmt.Errorf("keep the position: %w", err)
	}
	return nil
}
