package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file prints a list again and again, for --watch.

// watchPause is the time between two questions to the server.
const watchPause = 2 * time.Second

// watchFlag adds --watch.
func watchFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("watch", false,
		"show the list again every 2 seconds; without a terminal, print each new or changed item; Ctrl-C ends")
}

// tick returns a channel that receives once the next question to the server is due.
func (e *env) tick() <-chan time.Time {
	if e.ticks != nil {
		return e.ticks
	}
	return time.After(watchPause)
}

// A watch is one run of a list with --watch.
type watch[T any] struct {
	e       *env
	conn    *connection
	nouns   string
	columns []column[T]
	fetch   func(ctx context.Context, page client.Page) (client.List[T], error)
	limit   int
	shown   map[string]string // without a terminal: the line of each item of the page shown last, by id
	silent  bool              // the server did not answer the last question
}

// run shows the list until ctx ends or the user interrupts it, which is no error.
func (w *watch[T]) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	for first := true; ; first = false {
		err := w.show(ctx)
		var network *url.Error
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || !errors.As(err, &network)):
			return err
		case err != nil && !w.silent:
			fmt.Fprintln(w.e.stderr, "the server does not answer; it is asked again every 2 seconds")
		}
		w.silent = err != nil
		select {
		case <-w.e.tick():
		case <-ctx.Done():
			return nil
		}
	}
}

// show asks for the list once and prints it.
func (w *watch[T]) show(ctx context.Context) error {
	if w.e.columns() == 0 || w.conn.json {
		return w.showNew(ctx)
	}
	l, err := w.fetch(ctx, client.Page{Limit: w.limit})
	if err != nil {
		return err
	}
	var screen, talk bytes.Buffer
	e := *w.e
	e.stdout, e.stderr = &screen, &talk
	err = showList(&e, w.conn, client.List[T]{Data: l.Data}, w.nouns, w.columns)
	if err != nil {
		return err
	}
	const clear = "\x1b[H\x1b[2J"
	note := "every 2 seconds; Ctrl-C ends"
	if l.Incomplete {
		note += "; searched back to " + moment(l.SearchedTo)
	}
	text := fmt.Sprintf("%s\n\n%s%s", note, &screen, &talk)
	_, err = io.WriteString(w.e.stdout, clear+w.fit(text))
	return err
}

// fit returns the lines of text that the terminal has room for. What is new is at the top and would be moved out.
func (w *watch[T]) fit(text string) string {
	lines := strings.SplitAfter(text, "\n")
	if w.e.height == nil || w.e.height() < 4 || len(lines) <= w.e.height() {
		return text
	}
	room := w.e.height() - 2 // a line for the note, and the one of the cursor
	return strings.Join(lines[:room], "") + fmt.Sprintf("… and %d lines more\n", len(lines)-1-room)
}

// maxWatchPages bounds how many pages of new items are read for one question.
const maxWatchPages = 40

// showNew prints the items that are new or were changed, oldest first.
func (w *watch[T]) showNew(ctx context.Context) error {
	items, whole, err := w.pages(ctx)
	if err != nil {
		return err
	}
	shown := make(map[string]string, len(items))
	if !whole { // the next search may come to items again that this one did not
		maps.Copy(shown, w.shown)
	}
	var changed []T
	for _, item := range items {
		line, err := w.line(item)
		if err != nil {
			return err
		}
		id := w.columns[0].cell(item)
		shown[id] = line
		if w.shown[id] != line {
			changed = append(changed, item)
		}
	}
	slices.Reverse(changed)
	w.shown = shown
	for _, item := range changed {
		_, err := w.e.stdout.Write([]byte(shown[w.columns[0].cell(item)]))
		if err != nil {
			return err
		}
	}
	return nil
}

// pages returns the newest items: one page, and further pages until one has an item that was shown before. A search
// that the server ended has looked at far more than what came since the last question, and is not gone on with: then
// whole is false.
func (w *watch[T]) pages(ctx context.Context) (items []T, whole bool, err error) {
	page := client.Page{Limit: w.limit}
	for range maxWatchPages {
		l, err := w.fetch(ctx, page)
		if err != nil {
			return nil, false, err
		}
		items = append(items, l.Data...)
		known := slices.ContainsFunc(l.Data, func(item T) bool { return w.shown[w.columns[0].cell(item)] != "" })
		if w.shown == nil || known || l.Next == "" || l.Incomplete {
			return items, !l.Incomplete, nil
		}
		page.Cursor = l.Next
	}
	return items, true, nil
}

// line returns an item as one line: JSON, or its cells with two blanks between them.
func (w *watch[T]) line(item T) (string, error) {
	var line bytes.Buffer
	e := *w.e
	if w.conn.json {
		e.stdout = &line
		err := printData(&e, item)
		return line.String(), err
	}
	e.width = nil // a time is whole, as without a terminal
	for i, c := range listColumns(&e, w.columns) {
		if i > 0 {
			line.WriteString("  ")
		}
		text := c.text(&e, item)
		if text == "" {
			text = "-"
		}
		line.WriteString(text)
	}
	line.WriteString("\n")
	return line.String(), nil
}
