package main

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
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

// runWith runs the program with variables of the environment.
func runWith(variables map[string]string, args ...string) (stdout, stderr string, err error) {
	var out, talk bytes.Buffer
	e := &env{getenv: func(name string) string { return variables[name] }, stdin: strings.NewReader(""), stdout: &out,
		stderr: &talk}
	err = run(context.Background(), e, args)
	return out.String(), talk.String(), err
}

// TestFormats: --output chooses the form, --json is one of them, and the flag wins over the environment.
func TestFormats(t *testing.T) {
	json, table := `{"name":"ams",`, "ams: Azure Media Services"
	yaml := "---\nname: ams\n"
	for _, c := range []struct {
		variables map[string]string
		args      string
		want      string // that stdout begins with; "" is wrong usage
	}{
		{nil, "providers ams", table},
		{nil, "providers ams --json", json},
		{nil, "providers ams --output json", json},
		{nil, "providers ams -o json", json},
		{nil, "-o json providers ams", json},
		{nil, "providers ams -oyaml", yaml},
		{nil, "providers ams --output=yaml", yaml},
		{nil, "providers ams --json=false", table},
		{nil, "providers ams -o table", table},
		{nil, "providers ams -o wide", table},
		{nil, "providers ams --json -o yaml", ""},
		{nil, "providers ams --json -o json", ""},
		{nil, "providers ams -o xml", ""},
		{nil, "providers ams --json=maybe", ""},
		{map[string]string{"BELLHOP_OUTPUT": "yaml"}, "providers ams", yaml},
		{map[string]string{"BELLHOP_OUTPUT": "yaml"}, "providers ams -o json", json},
		{map[string]string{"BELLHOP_OUTPUT": "yaml"}, "providers ams --json", json},
		{map[string]string{"BELLHOP_JSON": "true"}, "providers ams", json},
		{map[string]string{"BELLHOP_JSON": "true"}, "providers ams -o table", table},
		{map[string]string{"BELLHOP_OUTPUT": "xml"}, "providers ams", ""},
		{nil, "emulate graph -o json", ""},
	} {
		stdout, stderr, err := runWith(c.variables, strings.Fields(c.args)...)
		if c.want == "" && exitCode(err) != 2 || c.want != "" && (err != nil || !strings.HasPrefix(stdout, c.want)) {
			t.Errorf("%v %s: %v\n%.200s\n%s", c.variables, c.args, err, stdout, stderr)
		}
	}
}

// TestOutputIsNoFile: where --output is something else, BELLHOP_OUTPUT does not set it, and the name of a format is
// taken as a mistake.
func TestOutputIsNoFile(t *testing.T) {
	_, stderr, err := runWith(nil, "files", "get", "call.mp4", "--output", "json")
	if exitCode(err) != 2 ||
		!strings.Contains(stderr, "--output json: this is the file to write; --json prints JSON") {
		t.Errorf("%v %s", err, stderr)
	}
	_, stderr, err = runWith(map[string]string{"BELLHOP_OUTPUT": "json", "BELLHOP_DATA": t.TempDir()}, "files", "get",
		"call.mp4")
	if exitCode(err) != 1 || !strings.Contains(stderr, "no server") {
		t.Errorf("%v %s", err, stderr)
	}
}

// TestEveryNounHasOutput: each command that knows --json knows --output too, but for those that print a stream or a
// report, and those whose --output is something else.
func TestEveryNounHasOutput(t *testing.T) {
	without := map[string]bool{"bellhop emulate": true, "bellhop bench": true, "bellhop prove": true,
		"bellhop files get":  true,
		"bellhop ams submit": true}
	walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
		json := c.Flag("json")
		if json == nil || json.Hidden {
			return
		}
		output := c.Flag("output")
		has := isFormat(output) && output.Shorthand == "o" && !output.Hidden
		if has == without[c.CommandPath()] {
			t.Errorf("%s: has --output: %t", c.CommandPath(), has)
		}
	})
}
