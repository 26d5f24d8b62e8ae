package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A watched is the list that a test watches: the n-th question is answered with the n-th page, or with its error.
type watched struct {
	answers []client.List[thing]
	errs    []error
	asked   int
}

func (w *watched) fetch(_ context.Context, page client.Page) (client.List[thing], error) {
	n := w.asked
	w.asked++
	return w.answers[n], w.errs[n]
}

// runWatch watches until each answer was given, and returns what was printed.
func runWatch(t *testing.T, list *watched, width int, asJSON bool) (stdout, stderr string) {
	t.Helper()
	list.errs = append(list.errs, make([]error, len(list.answers)-len(list.errs))...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, talk bytes.Buffer
	e := &env{stdout: &out, stderr: &talk, ticks: make(chan time.Time), width: func() int { return width }}
	go func() {
		defer cancel()
		for range len(list.answers) {
			select {
			case e.ticks <- time.Time{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	fetch := func(ctx context.Context, page client.Page) (client.List[thing], error) {
		if list.asked == len(list.answers) { // the last tick came
			cancel()
			return client.List[thing]{}, ctx.Err()
		}
		return list.fetch(ctx, page)
	}
	w := watch[thing]{e: e, conn: &connection{json: asJSON}, nouns: "things", columns: thingColumns, fetch: fetch}
	err := w.run(ctx)
	if err != nil {
		t.Error(err)
	}
	return out.String(), talk.String()
}

func things(ids ...string) (l client.List[thing]) {
	for _, id := range ids {
		name, words, _ := strings.Cut(id, ":")
		l.Data = append(l.Data, thing{id: name, words: words})
	}
	return l
}

// TestWatchWithoutTerminal: each new or changed item is printed once, oldest first; an answer that fails is asked for
// again.
func TestWatchWithoutTerminal(t *testing.T) {
	down := &url.Error{Op: "Get", URL: "http://x", Err: context.DeadlineExceeded}
	list := &watched{
		answers: []client.List[thing]{things("b", "a"), things("b", "a"), {}, {}, things("d", "c", "b:changed", "a")},
		errs:    []error{nil, nil, down, down},
	}
	stdout, stderr := runWatch(t, list, 0, false)
	if stdout != "a  -  -\nb  -  -\nb  -  changed\nc  -  -\nd  -  -\n" {
		t.Errorf("%q", stdout)
	}
	if strings.Count(stderr, "the server does not answer") != 1 {
		t.Errorf("%q", stderr)
	}
}

// TestWatchReadsPages: more new items than a page has are all printed.
func TestWatchReadsPages(t *testing.T) {
	first := things("a")
	newest := things("e", "d")
	newest.Next = "more"
	list := &watched{answers: []client.List[thing]{first, newest, things("c", "b", "a")}}
	stdout, _ := runWatch(t, list, 0, false)
	if stdout != "a  -  -\nb  -  -\nc  -  -\nd  -  -\ne  -  -\n" {
		t.Errorf("%q", stdout)
	}
}

// TestWatchSearches: a search that the server ends is not gone on with, and what an earlier one found is printed once.
func TestWatchSearches(t *testing.T) {
	ended := func(l client.List[thing]) client.List[thing] {
		l.Next, l.Incomplete, l.SearchedTo = "more", true, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		return l
	}
	answers := []client.List[thing]{ended(things("b", "a")), ended(things()), ended(things("c")),
		ended(things("c", "b:changed", "a"))}
	list := &watched{answers: answers}
	stdout, _ := runWatch(t, list, 0, false)
	if stdout != "a  -  -\nb  -  -\nc  -  -\nb  -  changed\n" || list.asked != len(answers) {
		t.Errorf("%d questions: %q", list.asked, stdout)
	}
	stdout, _ = runWatch(t, &watched{answers: answers[:1]}, 80, false)
	if !strings.Contains(stdout, "; searched back to 2026-11-22T10:00:00.000Z\n") {
		t.Errorf("%q", stdout)
	}
}

// TestWatchOnTerminal: the whole list is drawn again on a cleared screen.
func TestWatchOnTerminal(t *testing.T) {
	list := &watched{answers: []client.List[thing]{things("a"), things("b", "a"), {}}}
	stdout, stderr := runWatch(t, list, 80, false)
	screens := strings.Split(stdout, "\x1b[H\x1b[2J")
	if len(screens) != 4 || strings.Contains(screens[1], "b") || !strings.Contains(screens[2], "\nb\na\n") ||
		!strings.Contains(screens[3], "no things") || stderr != "" {
		t.Errorf("%q %q", screens, stderr)
	}
}

// TestWatchFitsTheTerminal: of a list that is longer than the terminal, the newest items stay in sight.
func TestWatchFitsTheTerminal(t *testing.T) {
	var ids []string
	for n := range 40 {
		ids = append(ids, fmt.Sprintf("item%02d", n))
	}
	l := things(ids...)
	var out bytes.Buffer
	e := &env{stdout: &out, width: func() int { return 80 }, height: func() int { return 12 }, getenv: noEnv}
	fetch := func(context.Context, client.Page) (client.List[thing], error) { return l, nil }
	w := watch[thing]{e: e, conn: &connection{}, nouns: "things", columns: thingColumns, fetch: fetch}
	err := w.show(t.Context())
	text := strings.TrimPrefix(out.String(), "\x1b[H\x1b[2J")
	want := "every 2 seconds; Ctrl-C ends\n\nID\nitem00\nitem01\nitem02\nitem03\nitem04\nitem05\nitem06\n" +
		"… and 33 lines more\n"
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.Replace(line, "      AT  WORDS", "", 1), " ")
	}
	if got := strings.Join(lines, ""); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// TestWatchYAML: without a terminal, each new item is a document.
func TestWatchYAML(t *testing.T) {
	var out bytes.Buffer
	e := &env{stdout: &out, format: formatYAML}
	fetch := func(context.Context, client.Page) (client.List[map[string]string], error) {
		return client.List[map[string]string]{Data: []map[string]string{{"id": "b"}, {"id": "a"}}}, nil
	}
	id := func(item map[string]string) string { return item["id"] }
	w := watch[map[string]string]{e: e, conn: &connection{json: true}, fetch: fetch,
		columns: []column[map[string]string]{{title: "ID", cell: id}}}
	err := errors.Join(w.show(t.Context()), w.show(t.Context()))
	if err != nil || out.String() != "---\nid: a\n---\nid: b\n" {
		t.Errorf("%v\n%s", err, out.String())
	}
}
