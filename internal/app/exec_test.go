//go:build unix

package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExecIsOff: a command runs only if the settings of the server permit it; the log says so.
func TestExecIsOff(t *testing.T) {
	t.Parallel()
	const destination = `{"name":"on-paid","type":"exec","settings":{"command":["true"]}}`
	var logged bytes.Buffer
	opts := options(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	off := run(t, opts)
	if code, body := off.call("POST", "/api/v1/destinations", destination); code != http.StatusUnprocessableEntity ||
		!strings.Contains(body, "--allow-exec") {
		t.Errorf("%d %s", code, body)
	}
	off.stop()
	if strings.Contains(logged.String(), "exec.opened") {
		t.Errorf("the log says %s", &logged)
	}
	opts.Config.AllowExec = true
	on := run(t, opts)
	if code, body := on.call("POST", "/api/v1/destinations", destination); code != http.StatusCreated {
		t.Errorf("%d %s", code, body)
	}
	on.stop()
	if text := logged.String(); !strings.Contains(text, "level=WARN msg=exec.opened") || strings.Contains(text,
		"msg=exec.root") != (os.Geteuid() == 0) {
		t.Errorf("the log says %s", text)
	}
	opts.Config.AllowExec = false
	logged.Reset()
	again := run(t, opts)
	if code, body := again.call("GET", "/api/v1/destinations/on-paid", ""); code != http.StatusOK {
		t.Errorf("what there was: %d %s", code, body)
	}
	again.stop()
	if text := logged.String(); !strings.Contains(text, "open.failed") || !strings.Contains(text,
		"(on-paid): type: exec is off") {
		t.Errorf("the log says %s", text)
	}
}

// TestOneLineForEachNoun: a start logs each noun that cannot be opened in a line of its own, and a later change of
// another noun logs none of them again.
func TestOneLineForEachNoun(t *testing.T) {
	t.Parallel()
	logged := &sharedLog{}
	opts := options(t, func(o *Options) {
		o.Config.AllowExec, o.Logger = true, slog.New(slog.NewJSONHandler(logged, nil))
	})
	on := run(t, opts)
	for _, name := range []string{"one", "two"} {
		if code, body := on.call("POST", "/api/v1/destinations",
			`{"name":"`+name+`","type":"exec","settings":{"command":["true"]}}`); code != http.StatusCreated {
			t.Fatalf("%d %s", code, body)
		}
	}
	on.stop()
	opts.Config.AllowExec = false
	off := run(t, opts)
	off.source("src") // a change, and so a reload
	if code, body := off.call("GET", "/api/v1/destinations", ""); code != 200 || strings.Count(body,
		`"closed":"type: exec is off`) != 2 {
		t.Errorf("the list does not say that they are closed: %d %s", code, body)
	}
	if code, body := off.call("POST", "/api/v1/destinations/one/test", ""); code != http.StatusConflict ||
		!strings.Contains(body, "destination one cannot be opened, so nothing is sent: type: exec is off") {
		t.Errorf("a test event: %d %s", code, body)
	}
	off.stop()
	var got []string
	for line := range strings.Lines(logged.String()) {
		if strings.Contains(line, `"open.failed"`) {
			got = append(got, line)
		}
	}
	slices.SortFunc(got, func(a, b string) int { return strings.Index(a, "(one)") - strings.Index(b, "(one)") })
	if len(got) != 2 || !strings.Contains(got[0], "(two): type: exec is off") ||
		!strings.Contains(got[1], "(one): type: exec is off") || strings.Contains(strings.Join(got, ""), `\n`) {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

// TestParts: what errors.Join has joined is taken apart, and nothing else is.
func TestParts(t *testing.T) {
	t.Parallel()
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	both := fmt.Errorf("%w and %w", a, b)
	for _, x := range []struct {
		err  error
		want []error
	}{
		{nil, nil}, {a, []error{a}}, {both, []error{both}}, {errors.Join(a, nil, errors.Join(both, c)),
			[]error{a, both, c}},
	} {
		if got := parts(x.err); !slices.Equal(got, x.want) {
			t.Errorf("%v: %v, want %v", x.err, got, x.want)
		}
	}
}

// TestExecStop: a stop ends a command that takes longer than the shutdown timeout. The next server runs it
// again, as the same attempt.
func TestExecStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := options(t, func(o *Options) { o.Config.AllowExec, o.Config.ShutdownTimeout = true, 300*time.Millisecond })
	first := run(t, opts)
	settings, _ := json.Marshal(map[string]any{"dir": dir,
		"command": []string{"sh", "-c",
			"echo $BELLHOP_ATTEMPT >>attempts; test -e pid && exit 0; echo $$ >pid; sleep 60 & wait"}})
	if code, body := first.call("POST", "/api/v1/destinations",
		`{"name":"slow","type":"exec","timeout":"1m","settings":`+string(settings)+`}`); code != http.StatusCreated {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := first.call("POST", "/api/v1/events",
		`{"type":"order.paid","data":{}}`); code != http.StatusCreated &&
		code != http.StatusAccepted {
		t.Fatalf("%d %s", code, body)
	}
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.Join(strings.Fields(string(b)), " ")
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it does not come to it: %s", what)
			}
		}
	}
	wait("it runs", func() bool { return read("pid") != "" })
	pid, err := strconv.Atoi(read("pid"))
	if err != nil {
		t.Fatal(err)
	}
	// A stop that waited for the command, which sleeps for a minute, would end without an error.
	if err := first.stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("stop: %v", err)
	}
	wait("its process group is gone", func() bool { return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) })

	second := run(t, opts)
	wait("it is delivered", func() bool {
		_, body := second.call("GET", "/api/v1/deliveries?state=delivered", "")
		return strings.Contains(body, `"attempts":1`)
	})
	if got := read("attempts"); got != "1 1" {
		t.Errorf("attempts: %s", got)
	}
}
