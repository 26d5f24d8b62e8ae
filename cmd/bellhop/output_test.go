package main

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünï 🙂":      "plain ünï 🙂",
		"\x1b[31mred":      `\x1b[31mred`,
		"a\nb\tc\r\x00":    `a\nb\tc\r\x00`,
		"\u009b31m":        `\u009b31m`,
		"\u202eevil":       `\u202eevil`,
		"\xff\xfe":         `\xff\xfe`,
		"\u2028\ufeff":     `\u2028\ufeff`,
		"\uFFFD":           "\uFFFD",
		"\x7f":             `\x7f`,
		`"quoted" 'too' \`: `"quoted" 'too' \`,
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	var line bytes.Buffer
	want := `"<a>\u001b\u009b\u007f\u202e\udb40\udc01"` + "\n"
	if err := printJSON(&line, "<a>\x1b\u009b\x7f\u202e\U000e0001"); err != nil || line.String() != want {
		t.Errorf("%v %s", err, line.String())
	}
}

// TestWholePage: a search that the server ends for lack of time goes on from where it stopped, until the page is full.
func TestWholePage(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	// The pages that the server gives to the cursors "", "1", "2" and "3".
	pages := map[string]client.List[int]{
		"":  {Data: []int{1}, Next: "1", Incomplete: true, SearchedTo: at},
		"1": {Data: []int{}, Next: "2", Incomplete: true, SearchedTo: at},
		"2": {Data: []int{2, 3}, Next: "3", Incomplete: true, SearchedTo: at},
		"3": {Data: []int{4}},
	}
	failure := errors.New("no answer")
	for limit, want := range map[int]client.List[int]{
		1: {Data: []int{1}, Next: "1", Incomplete: true, SearchedTo: at},
		3: {Data: []int{1, 2, 3}, Next: "3", Incomplete: true, SearchedTo: at},
		9: {Data: []int{1, 2, 3, 4}},
	} {
		left := limit
		fetch := func(_ context.Context, page client.Page) (client.List[int], error) {
			if page.Limit != left {
				t.Errorf("limit %d: %d more are asked for, want %d", limit, page.Limit, left)
			}
			l := pages[page.Cursor]
			left -= len(l.Data)
			return l, nil
		}
		got, err := wholePage(t.Context(), &env{stderr: new(bytes.Buffer)}, fetch, client.Page{Limit: limit})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: %v: %+v, want %+v", limit, err, got, want)
		}
	}
	fails := func(_ context.Context, page client.Page) (client.List[int], error) {
		if page.Cursor != "" {
			return client.List[int]{}, failure
		}
		return pages[""], nil
	}
	_, err := wholePage(t.Context(), &env{stderr: new(bytes.Buffer)}, fails, client.Page{Limit: 9})
	if !errors.Is(err, failure) {
		t.Errorf("a search that fails: %v", err)
	}
}
