package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the generated pages and the golden parts of scripts")

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "bellhop" {
		main()
	}
	os.Exit(runTests(m))
}

// runTests runs the tests with a copy of this test binary as "bellhop" in the PATH. Under that name it is the
// program.
func runTests(m *testing.M) int {
	flag.Parse()
	bin, err := os.MkdirTemp("", "bellhop-test")
	if err == nil {
		defer os.RemoveAll(bin)
		err = copyProgram(filepath.Join(bin, "bellhop"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	// A race-built program sleeps for a second when it exits, unless told otherwise. The tests start dozens.
	os.Setenv("GORACE", strings.TrimSpace("atexit_sleep_ms=0 "+os.Getenv("GORACE")))
	// Scripts mostly wait for servers and schedules, so more of them run at a time than there are processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(strconv.Itoa(4 * runtime.GOMAXPROCS(0)))
	}
	return m.Run()
}

// copyProgram copies this binary. A link would not do: bench starts the path that the link leads to.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	program, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(program, from) // by the kernel, where it can
	return errors.Join(err, program.Close())
}

// noEnv is an environment without variables.
func noEnv(string) string { return "" }

// command runs the program within the test.
func command(args ...string) (stdout, stderr string, err error) {
	var out, talk bytes.Buffer
	e := &env{getenv: noEnv, stdin: strings.NewReader(""), stdout: &out, stderr: &talk}
	err = run(context.Background(), e, args)
	return out.String(), talk.String(), err
}

func TestEveryCommandHasHelp(t *testing.T) {
	e := &env{getenv: noEnv, stdout: io.Discard, stderr: io.Discard}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: has no short help, no long help or no example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help ends in a full stop", c.CommandPath())
		}
		for line := range strings.SplitSeq(c.Long, "\n") {
			if utf8.RuneCountInString(line) > 102 {
				t.Errorf("%s: a line of the long help has more than 102 columns: %q", c.CommandPath(), line)
			}
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if !strings.HasPrefix(line, "  bellhop ") || len(line) > 130 {
				t.Errorf("%s: example %q", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand(e))
}

// TestExamplesParse parses the arguments and flags of each example in the help.
func TestExamplesParse(t *testing.T) {
	e := &env{getenv: noEnv, stdout: io.Discard, stderr: io.Discard}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			words := splitWords(line)
			found, rest, err := newRootCommand(e).Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand(e))
}

// splitWords splits line into words as a shell does. It stops at a redirection.
func splitWords(line string) []string {
	var words []string
	line = strings.TrimSpace(line)
	for line != "" && line[0] != '>' && line[0] != '<' {
		var word strings.Builder
		for line != "" && line[0] != ' ' {
			if quote := line[0]; quote == '\'' || quote == '"' {
				text, rest, _ := strings.Cut(line[1:], string(quote))
				word.WriteString(text)
				line = rest
				continue
			}
			word.WriteByte(line[0])
			line = line[1:]
		}
		words = append(words, word.String())
		line = strings.TrimLeft(line, " ")
	}
	return words
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{{nil, 0}, {io.EOF, 1}, {errReported, 1}, {wrongUsage("x"), 2}, {fmt.Errorf("x: %w", wrongUsage("y")), 2}} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"nothing"}, {"--nothing"}, {"sources", "nothing"}, {"sources", "show"}, {"sources", "show", "a", "b"},
		{"sources", "create", "x"},
		{"sources", "update", "x"}, {"sources", "create", "x", "--provider", "p", "--set", "novalue"},
		{"sources", "list", "--limit", "x"},
		{"destinations", "create", "x"}, {"destinations", "create"}, {"destinations", "update", "x"},
		{"destinations", "create", "x", "--url", "http://x", "--access", "token"},
		{"destinations", "create", "x", "--url", "http://x", "--access", "=a"},
		{"destinations", "create", "x", "--url", "http://x", "--access", "tokn=a"},
		{"destinations", "update", "x", "--access", "token=a", "--access", "token=b"},
		{"destinations", "update", "x", "--access", "token=a", "--unset", "access.token"},
		{"destinations", "update", "x", "--access", "scopes=[a"},
		{"destinations", "update", "x", "--access", "token=a", "--unset", "access"}, {"destinations", "preview"},
		{"destinations", "preview", "x"},
		{"destinations", "preview", "x", "--event", "e", "--type", "t"},
		{"destinations", "preview", "x", "1", "--type", "t", "--file", "-"}, {"destinations", "test"},
		{"destinations", "rotate-secret"}, {"events", "--since", "yesterday"},
		{"replay"}, {"replay", "--to", "x"},
		{"replay", "evt_1", "--all"}, {"replay", "--since", "-2h"}, {"replay", "--all", "--rate", "fast"},
		{"repairs", "show"}, {"repairs", "end"},
		{"deliveries", "retry", "--state", "dead"}, {"deliveries", "retry", "a", "b"},
		{"deliveries", "cancel", "dlv_1", "--all"},
		{"events", "publish"}, {"events", "publish", "t", "{"}, {"events", "publish", "t", "{}", "--file", "-"},
		{"deliveries", "retry"},
		{"send"}, {"send", "nobody", "--to", "http://x"}, {"verify"}, {"verify", "x"}, {"version", "1"},
		{"serve", "x"},
		{"stats", "x"}, {"providers", "nobody"},
	} {
		stdout, stderr, err := command(args...)
		if exitCode(err) != 2 {
			t.Errorf("%q: %v is not wrong usage", args, err)
		}
		helps := strings.HasPrefix(stderr, "bellhop: ") && strings.Contains(stderr, "--help'\n")
		if !helps || len(args) > 0 && stdout != "" {
			t.Errorf("%q: stdout %q, stderr %q", args, stdout, stderr)
		}
	}
}

func TestEnvironmentSetsFlags(t *testing.T) {
	vars := map[string]string{"BELLHOP_JSON": "true", "BELLHOP_DATA": t.TempDir(), "BELLHOP_LIMIT": "many"}
	var out, talk bytes.Buffer
	e := &env{getenv: func(name string) string { return vars[name] }, stdout: &out, stderr: &talk}
	err := run(context.Background(), e, []string{"sources"})
	if exitCode(err) != 2 || !strings.Contains(talk.String(), "BELLHOP_LIMIT") {
		t.Errorf("%v %s", err, &talk)
	}
	talk.Reset()
	err = run(context.Background(), e, []string{"sources", "--limit", "3"})
	if exitCode(err) != 1 || !strings.Contains(talk.String(), vars["BELLHOP_DATA"]) {
		t.Errorf("%v %s", err, &talk)
	}
}
