package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

The command adds the headers Bellhop-Event-Id and Bellhop-Event-Type. Headers with secrets are not
kept by the server, so the program cannot check the provider's signature if that is in such a header.`,
		Example: `  bellhop listen --forward http://localhost:3000
  bellhop listen --forward 3000 --source media --type 'ams.*'
  bellhop listen --forward http://localhost:3000/hooks --position ~/.bellhop-position
  bellhop listen --forward 3000 --server https://hooks.example.com --api-key "$KEY"`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	l := listen{e: e, conn: conn, http: egress.NewLocal()}
	forward := c.Flags().String("forward", "",
		"URL of the program, such as http://localhost:3000/hooks, or a port of this machine")
	f := &l.filter
	f.Kinds = []string{"event.accepted"}
	c.Flags().StringVar(&f.Source, "source", "", "only events of this source, by name or id")
	c.Flags().StringVar(&f.Type, "type", "", "only events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&f.Subject, "subject", "", "only events with this subject; a * at the end stands for any rest")
	tenantFlag(c, &f.Tenant, "events")
	c.Flags().StringVar(&l.after, "after", "", "begin after this position, such as the id of a line of 'tail --json'")
	c.Flags().StringVar(&l.position, "position", "", "a file that keeps the position from one run to the next")
	lengthFlag(c, &l.timeout, "timeout", 30*time.Second, "how long the program may take to answer")
	c.Flags().IntVar(&l.limit, "limit", 0, "end after so many events; 0 is without an end")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		switch {
		case *forward == "":
			return wrongUsage("missing --forward: give the URL of the program, such as http://localhost:3000")
		case l.limit < 0:
			return wrongUsage("--limit: use a number of at least 0")
		case l.after != "" && l.position != "":
			return wrongUsage("give --after or --position, not both")
		}
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
	position string // path of the file that keeps the position; "" is none
	timeout  time.Duration
	limit    int

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
	items, failed := l.follow(ctx)
	for attached := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case line := <-typed:
			err = l.repeat(ctx, line)
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

// follow follows the stream in the background until ctx ends. An item is taken only once the one before is handed over.
func (l *listen) follow(ctx context.Context) (<-chan client.StreamItem, <-chan error) {
	items, failed := make(chan client.StreamItem), make(chan error, 1)
	go func() {
		for item, err := range l.api.Stream(ctx, l.filter, l.after) {
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
		fmt.Fprintf(l.e.stderr, "events go to %s; r and Enter repeats the latest, r 12 that of line 12; Ctrl-C ends\n",
			clean(l.forward))
	}
	if item.Event != nil {
		err := l.hand(ctx, item.Event.ID, false)
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	return l.writePosition(item.ID)
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
	return l.hand(ctx, l.handed[number-first], true)
}

// A handing is what came of one event, as --json prints it.
type handing struct {
	Number     int     `json:"number"`
	EventID    string  `json:"event_id"`
	Source     string  `json:"source"`
	Type       string  `json:"type"`
	Subject    string  `json:"subject"`
	Repeated   bool    `json:"repeated"` // by the user
	Status     int     `json:"status"`   // of the program's answer; 0 without one
	Error      string  `json:"error"`    // why there is no answer
	DurationMS float64 `json:"duration_ms"`
}

// hand hands an event to the program, and prints what came of it. That the program fails is no error.
func (l *listen) hand(ctx context.Context, id string, repeated bool) error {
	ev, body, err := l.fetch(ctx, id)
	if ctx.Err() != nil {
		return nil
	}
	l.count++
	l.handed = append(l.handed, id)
	l.handed = l.handed[max(0, len(l.handed)-keptHanded):]
	h := handing{Number: l.count, EventID: id, Source: ev.Source, Type: ev.Type, Subject: ev.Subject, Repeated: repeated}
	if err != nil {
		h.Error = "the server does not give the event: " + err.Error()
		return l.print(h)
	}
	began := time.Now()
	h.Status, h.Error = l.post(ctx, ev, body)
	h.DurationMS = float64(time.Since(began).Microseconds()) / 1000
	return l.print(h)
}

// fetch returns an event with its body. While the server cannot be reached, it asks again each second.
func (l *listen) fetch(ctx context.Context, id string) (ev client.EventDetail, body []byte, err error) {
	for {
		ev, err = l.api.Event(ctx, id)
		if err == nil {
			body, _, err = l.api.EventBody(ctx, id)
		}
		var refused *client.Error
		if err == nil || errors.As(err, &refused) && refused.Status < 500 || ctx.Err() != nil {
			return ev, body, err
		}
		err = pauseFor(ctx, time.Second)
		if err != nil {
			return ev, nil, err
		}
	}
}

// post sends an event to the program, and returns the status of its answer, or why there is none.
func (l *listen) post(ctx context.Context, ev client.EventDetail, body []byte) (status int, failure string) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.forward, bytes.NewReader(body))
	if err != nil {
		return 0, "the URL cannot be read"
	}
	for name, values := range ev.Headers {
		if !bellhop.FramingHeader(name) {
			req.Header[name] = values
		}
	}
	if req.Header.Get("Content-Type") == "" && ev.ContentType != "" {
		req.Header.Set("Content-Type", ev.ContentType)
	}
	req.Header.Set("Bellhop-Event-Id", ev.ID)
	if bellhop.CheckHeader("X", ev.Type) == nil { // a stranger may have written anything
		req.Header.Set("Bellhop-Event-Type", ev.Type)
	}
	hops := bellhop.ParseHops(http.Header(ev.Headers).Get(bellhop.HopsHeader)) // so that a loop of gateways ends
	req.Header.Set(bellhop.HopsHeader, strconv.Itoa(min(hops+1, bellhop.MaxHops)))
	unlimited := *l.http
	unlimited.Timeout = 0 // that of ctx counts
	resp, err := unlimited.Do(req)
	if err != nil {
		failure, _ = egress.Unanswered(err)
		return 0, "the program " + failure
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxReplyBytes))
	return resp.StatusCode, ""
}

// print prints what came of an event as one line.
func (l *listen) print(h handing) error {
	if l.conn.json {
		return printData(l.e, h)
	}
	result := strconv.Itoa(h.Status)
	if h.Error != "" {
		result = h.Error
	}
	took := time.Duration(h.DurationMS * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
	words := []string{"#" + strconv.Itoa(h.Number), result, took, h.Source, h.Type, h.Subject, h.EventID}
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
