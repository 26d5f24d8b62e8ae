//go:build unix

package action

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestInput: the command reads exactly the bytes of the body, whatever they are.
func TestInput(t *testing.T) {
	mebibyte := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(mebibyte)
	dir := t.TempDir()
	for name, body := range map[string][]byte{"empty": nil, "text": []byte("text"),
		"every byte": {0, 1, '\r', '\n', 0x1a, 0x80, 0xff}, "a mebibyte": mebibyte} {
		p := shell(t, "cat >read", "dir", dir)
		if done := perform(t, p, string(body)); done.Error != "" || len(done.Reply) > 0 {
			t.Errorf("%s: %+v", name, done)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "read")); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: read %d bytes %x, %v, want %d", name, len(got), sha256.Sum256(got), err, len(body))
		}
	}
}

// TestInputUnread: it is not an error if the command does not read its input.
func TestInputUnread(t *testing.T) {
	for _, script := range []string{"exit 0", "exec <&-; sleep 0.05", "head -c 1 >/dev/null"} {
		if done := perform(t, shell(t, script), strings.Repeat("x", 1<<20)); done.Error != "" {
			t.Errorf("%s: %+v", script, done)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BELLHOP_ADMIN_KEY", "bhk_secret")
	t.Setenv("ANYTHING", "bhk_secret")
	at := time.Date(2026, 11, 22, 10, 0, 0, 5, time.UTC)
	ev := &bellhop.Event{
		ID:          "evt_1",
		Type:        "order.paid",
		Subject:     "orders/7\x00\n$(reboot)",
		Source:      "shop",
		Tenant:      "acme",
		ReceivedAt:  at.Add(time.Second),
		Time:        at,
		ContentType: "application/json",
		Header:      bellhop.Header("X-Header: bhk_secret\n"),
	}
	p := open(t, []string{"env", "-0"}, "env", map[string]string{"API_TOKEN": "a=b c", "TZ": "Europe/Paris"})
	done := p.Perform(t.Context(), ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 3})
	got := strings.Split(strings.TrimSuffix(string(done.Reply), "\x00"), "\x00")
	slices.Sort(got)
	want := []string{
		"API_TOKEN=a=b c", "BELLHOP_ATTEMPT=3", "BELLHOP_DELIVERY_ID=dlv_1",
		"BELLHOP_EVENT_CONTENT_TYPE=application/json",
		"BELLHOP_EVENT_ID=evt_1", "BELLHOP_EVENT_RECEIVED_AT=2026-11-22T10:00:01.000000005Z",
		"BELLHOP_EVENT_SOURCE=shop", "BELLHOP_EVENT_SUBJECT=orders/7\uFFFD\n$(reboot)", "BELLHOP_EVENT_TENANT=acme",
		"BELLHOP_EVENT_TIME=2026-11-22T10:00:00.000000005Z",
		"BELLHOP_EVENT_TYPE=order.paid", "HOME=/home/bell", "PATH=" + os.Getenv("PATH"), "TZ=Europe/Paris",
	}
	if !slices.Equal(got, want) || done.Error != "" {
		t.Errorf("%+v\n got %q\nwant %q", done, got, want)
	}
}

// TestArguments: the arguments arrive unchanged, and the program gets the name that the settings have for it.
func TestArguments(t *testing.T) {
	p := open(t, []string{"printf", "%s|", "a b", "$HOME", "*", "", "ü;`"})
	if done := perform(t, p, ""); string(done.Reply) != "a b|$HOME|*||ü;`|" {
		t.Errorf("%q %+v", done.Reply, done)
	}
	if done := perform(t, open(t, []string{"sh", "-c", "pwd"}, "dir", "/"), ""); string(done.Reply) != "/\n" {
		t.Errorf("%q", done.Reply)
	}
}

// TestOutcomes: the result of each exit status and signal, and which one is final.
func TestOutcomes(t *testing.T) {
	for script, want := range map[string]provider.ActionResult{
		"exit 0":            {},
		"exit 1":            {Error: "exit", Detail: "exit status 1"},
		"exit 3":            {Error: "exit", Detail: "exit status 3"},
		"exit 65":           {Error: "exit", Detail: "exit status 65", Final: true},
		"exit 69":           {Error: "exit", Detail: "exit status 69"},
		"exit 75":           {Error: "exit", Detail: "exit status 75"},
		"exit 255":          {Error: "exit", Detail: "exit status 255"},
		"kill -TERM $$":     {Error: "signal", Detail: "ended by signal: terminated"},
		"kill -KILL $$":     {Error: "signal", Detail: "ended by signal: killed"},
		"no-such-thing-243": {Error: "exit", Detail: "exit status 127"},
	} {
		done := perform(t, shell(t, "exec 2>/dev/null; "+script), "")
		done.Reply = nil
		if fmt.Sprint(done) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", script, done, want)
		}
	}
}

// TestCannotStart: the attempt fails if the program was changed or removed after the destination was opened.
func TestCannotStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paid")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := open(t, []string{path}, "env", map[string]string{"TOKEN": "bhk_secret"})
	for name, c := range map[string]struct {
		change func() error
		detail string
	}{
		"not a program": {func() error { return os.WriteFile(path, []byte{0x7f, 'E', 'L', 'F'}, 0o700) },
			"the command cannot be started: exec format error"},
		"removed": {func() error {
			return os.Remove(path)
		}, "the command cannot be started: no such file or directory"},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if done := perform(t, p, ""); done.Error != "start" || done.Detail != c.detail || done.Cut || done.Final {
			t.Errorf("%s: %+v", name, done)
		}
	}
}

// TestOutput: the beginning of both streams is kept, in the order of writing. Further output does not block the
// command.
func TestOutput(t *testing.T) {
	done := perform(t, shell(t, "echo one; echo two >&2; echo three; exit 4"), "")
	if string(done.Reply) != "one\ntwo\nthree\n" || done.Error != "exit" {
		t.Errorf("%q %+v", done.Reply, done)
	}
	done = perform(t, shell(t, "yes | head -c 50000000; yes no | head -c 9 >&2"), "")
	if done.Error != "" || string(done.Reply) != strings.Repeat("y\n", bellhop.MaxReplyBytes/2) {
		t.Errorf("%+v: %d bytes", done.Error, len(done.Reply))
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := start(ctx, shell(t, "yes | head -c 1000000; echo x >written; sleep 300", "dir", dir))
	eventually(t, "the command has written", func() bool { return file(dir, "written") != "" })
	cancel()
	if result := resultFrom(t, endless); !result.Cut || len(result.Reply) != bellhop.MaxReplyBytes {
		t.Errorf("%+v: %d bytes", result.Cut, len(result.Reply))
	}
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long, _ := json.Marshal(strings.Repeat("x", maxTextBytes))
	for settings, want := range map[string]string{
		`{"command":["true"]}`: "",
		`{"command":["true"],"dir":"` + dir + `","env":{"A":"","_b1":"x"}}`: "",
		`{}`:                                        "settings.command: required",
		`{"command":[]}`:                            "settings.command: required",
		`{"command":[""]}`:                          "settings.command: required",
		`{"command":"true"}`:                        "settings.command: must be a list",
		`{"command":["true",1]}`:                    "settings.command: must be a text",
		`{"command":["true"],"shell":true}`:         "settings.shell: unknown setting",
		`{"command":["true","a\u0000b"]}`:           "settings.command[1]: must not contain a NUL",
		`{"command":["true",` + string(long) + `]}`: "settings.command: too long",
		`{"command":["true"` + strings.Repeat(`,""`, maxTexts) + `]}`: "settings.command: too long",
		`{"command":["./true"]}`:                       "settings.command[0]: must be an absolute path",
		`{"command":["bin/true"]}`:                     "settings.command[0]: must be an absolute path",
		`{"command":["no-such-thing-243"]}`:            "settings.command[0]: no program of that name",
		`{"command":["` + dir + `"]}`:                  "settings.command[0]: is a folder",
		`{"command":["` + plain + `"]}`:                "settings.command[0]: is not executable",
		`{"command":["` + plain + `x"]}`:               "settings.command[0]: the file does not exist",
		`{"command":["true"],"dir":"tmp"}`:             "settings.dir: must be an absolute path",
		`{"command":["true"],"dir":"` + plain + `"}`:   "settings.dir: the folder does not exist",
		`{"command":["true"],"env":{"A B":"x"}}`:       "settings.env: a variable's name",
		`{"command":["true"],"env":{"1":"x"}}`:         "settings.env: a variable's name",
		`{"command":["true"],"env":{"":"x"}}`:          "settings.env: a variable's name",
		`{"command":["true"],"env":{"BELLHOP_X":"x"}}`: "settings.env.BELLHOP_X: names that begin with",
		`{"command":["true"],"env":{"A":"x\u0000"}}`:   "settings.env.A: must not contain a NUL",
		`{"command":["./x"],"dir":"x","env":{"BELLHOP_X":"x"}}`: "settings.command[0]: must be an absolute path, " +
			"or a name to look up in PATH; settings.dir: must be an absolute path, such as /var/lib/paid; " +
			"settings.env.BELLHOP_X:",
		`{"command":["true"],"env":{"A":1}}`:                    "settings.env",
		`{"command":["true"],"env":{"A":` + string(long) + `}}`: "settings.env: too long",
	} {
		_, err := allowed.OpenAction(provider.ActionEnv{}, bellhop.Destination{Settings: json.RawMessage(settings)})
		var invalid *bellhop.Error
		if (err == nil) != (want == "") ||
			err != nil && (!errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.80s: %v, want %s", settings, err, want)
		}
	}
}

// TestNotAllowed: without permission no destination opens, and the error names the flag that permits it.
func TestNotAllowed(t *testing.T) {
	d := destination(t, map[string]any{"command": []string{"true"}})
	_, err := Exec{Lookup: os.LookupEnv}.OpenAction(provider.ActionEnv{}, d)
	if err == nil || !strings.HasPrefix(err.Error(), "type: ") || !strings.Contains(err.Error(), "--allow-exec") {
		t.Error(err)
	}
}

// TestProgramInWorkingFolder: a name without a path is not looked up in the folder in which the server runs.
func TestProgramInWorkingFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("paid", []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", ".")
	_, err := allowed.OpenAction(provider.ActionEnv{}, destination(t, map[string]any{"command": []string{"paid"}}))
	if err == nil || !strings.HasPrefix(err.Error(), "settings.command[0]: is found only in the folder") {
		t.Error(err)
	}
}

// TestTimeoutKillsGroup: when the context ends, the command and all its descendants are killed.
func TestTimeoutKillsGroup(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"waits for two children": `echo $$ >pid; (sleep 300 & sleep 300); echo late >late`,
		"ignores signals":        `trap '' TERM INT HUP; echo $$ >pid; sleep 300 & while :; do sleep 300; done`,
		"waits for one child":    `echo $$ >pid; sleep 300 & wait`,
		"replaces its shell":     `echo $$ >pid; (sleep 300; echo late >late) & exec sleep 300`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := start(ctx, shell(t, script, "dir", dir))
			eventually(t, "the command runs", func() bool { return file(dir, "pid") != "" })
			group, err := strconv.Atoi(file(dir, "pid"))
			if err != nil || group == syscall.Getpgrp() || syscall.Kill(-group, 0) != nil {
				t.Fatalf("%d is not a process group of the command: %v", group, err)
			}
			cancel()
			if result := resultFrom(t, ended); !result.Cut {
				t.Errorf("%+v", result)
			}
			eventually(t, "the group is gone", func() bool {
				return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH)
			})
			if file(dir, "late") != "" {
				t.Error("the command continued")
			}
		})
	}
}

// TestEscaped: Perform does not wait for a process that has left the command's group and keeps the output open.
func TestEscaped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		cut    bool
	}{
		"the command ended":      {`setsid sleep 300 & echo $! >pid`, false},
		"the command was killed": {`setsid sleep 300 & echo $! >pid; sleep 300`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := start(ctx, shell(t, c.script, "dir", dir))
			eventually(t, "the command runs", func() bool { return file(dir, "pid") != "" })
			pid, err := strconv.Atoi(file(dir, "pid"))
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Kill(pid, syscall.SIGKILL)
			if c.cut {
				cancel()
			}
			if result := resultFrom(t, ended); result.Cut != c.cut || (result.Error == "") == c.cut {
				t.Errorf("%+v", result)
			}
		})
	}
}

// TestContextEnded: Perform starts no command if its context has ended already.
func TestContextEnded(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done := shell(t, "echo x >ran", "dir", dir).Perform(ctx, new(bellhop.Event),
		provider.AttemptInfo{}); !done.Cut ||
		file(dir, "ran") != "" {
		t.Errorf("%+v", done)
	}
}

// TestConcurrent: one Performer makes many attempts at a time, each with its own input and output.
func TestConcurrent(t *testing.T) {
	p := shell(t, `read -r line; echo "$BELLHOP_DELIVERY_ID $line"`)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			done := p.Perform(t.Context(), &bellhop.Event{Body: fmt.Appendf(nil, "body %d\n", i)},
				provider.AttemptInfo{DeliveryID: fmt.Sprint("dlv_", i)})
			if want := fmt.Sprintf("dlv_%d body %d\n", i, i); string(done.Reply) != want {
				t.Errorf("%q, want %q: %+v", done.Reply, want, done)
			}
		})
	}
	all.Wait()
}

// maxWait bounds how long a test waits for an event. It is far longer than the event takes, and far shorter than the
// commands of the tests sleep.
const maxWait = 30 * time.Second

// allowed is an Exec that may run commands. Its environment has the variables that commands get, and one secret.
var allowed = Exec{Allowed: true, Lookup: func(name string) (string, bool) {
	value, ok := map[string]string{"PATH": os.Getenv("PATH"), "HOME": "/home/bell", "BELLHOP_ADMIN_KEY": "bhk_secret",
		"TZ": "UTC"}[name]
	return value, ok
}}

// destination returns a destination with these settings, given as Go values.
func destination(t testing.TB, settings map[string]any) bellhop.Destination {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return bellhop.Destination{Name: "on-paid", Type: "exec", Settings: raw}
}

// open opens a destination that runs command, with more settings by name and value.
func open(t testing.TB, command []string, more ...any) provider.Performer {
	t.Helper()
	settings := map[string]any{"command": command}
	for i := 0; i < len(more); i += 2 {
		settings[more[i].(string)] = more[i+1]
	}
	p, err := allowed.OpenAction(provider.ActionEnv{}, destination(t, settings))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shell opens a destination that runs script with sh.
func shell(t testing.TB, script string, more ...any) provider.Performer {
	t.Helper()
	return open(t, []string{"sh", "-c", script}, more...)
}

// perform makes one attempt with an event of that body, within maxWait.
func perform(t testing.TB, p provider.Performer, body string) provider.ActionResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxWait)
	defer cancel()
	return p.Perform(ctx, &bellhop.Event{ID: "evt_1", Type: "order.paid", Body: []byte(body)},
		provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1})
}

// start makes an attempt in the background and returns the channel of its result.
func start(ctx context.Context, p provider.Performer) <-chan provider.ActionResult {
	ended := make(chan provider.ActionResult, 1)
	go func() { ended <- p.Perform(ctx, new(bellhop.Event), provider.AttemptInfo{}) }()
	return ended
}

// resultFrom returns the result that arrives in ended, and fails the test after maxWait.
func resultFrom(t testing.TB, ended <-chan provider.ActionResult) provider.ActionResult {
	t.Helper()
	select {
	case result := <-ended:
		return result
	case <-time.After(maxWait):
		t.Fatal("Perform has not returned")
		panic("unreachable")
	}
}

// eventually polls is until it reports true, and fails the test after maxWait.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(maxWait); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// file returns the content of a file in dir; "" if there is no such file.
func file(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}

// TestShortage: a command that this machine cannot start for lack of something is not at fault; any other is.
func TestShortage(t *testing.T) {
	for err, short := range map[error]bool{syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true,
		syscall.EAGAIN: true, syscall.ENOENT: false, syscall.EACCES: false, syscall.E2BIG: false} {
		got := resultOf(&exec.Cmd{}, &os.PathError{Op: "fork/exec", Path: "/secret/path", Err: err})
		if got.Short != short || (got.Error == "start") == short || strings.Contains(got.Detail, "secret") ||
			!strings.Contains(got.Detail, err.Error()) {
			t.Errorf("%v: %+v", err, got)
		}
	}
}
