package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bellhop": main})
}

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands there are
//
//	serve [flag…]       a server on a free port in ./data, until the script ends; it may deliver to this machine;
//	                    $SERVER is its URL
//	                    in server.log is what it says
//	stop                ends that server cleanly; another may serve then
//	listen [NAME] PLAN BODY
//	                    a receiver that answers so (\x1b and its like are escapes); $RECEIVER is its URL, and each request
//	                    is kept in received/N.headers and received/N.body; with a name, in NAME/, and $NAME is its URL.
//	                    PLAN is a status, or several by commas: one for each request, the last for all that follow.
//	                    429/2 has Retry-After: 2, and hang answers nothing
//	                    A BODY in { } is JSON, and {n} in it the number of the request
//	certify NAME…       makes an authority, ca.pem, and by it NAME.pem and NAME.key of each, good for this machine
//	listen-tls NAME PLAN BODY
//	                    the same with server.pem, for those who show a certificate by ca.pem; its name is among the headers
//	await COMMAND       the command repeated until it succeeds
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Values[serverKey{}] = new(func() error)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": serveInScript, "stop": stopInScript, "listen": listenInScript, "await": await,
			"certify": certifyInScript, "listen-tls": listenTLSInScript,
		},
	})
}

// serverKey is under which a script has how its server is stopped.
type serverKey struct{}

const patience = 40 * time.Second

func serveInScript(ts *testscript.TestScript, _ bool, args []string) {
	environ := append(os.Environ(), "PATH="+ts.Getenv("PATH"), "BELLHOP_ADMIN_KEY="+ts.Getenv("BELLHOP_ADMIN_KEY"))
	url, stop, err := startServer(ts.MkAbs("."), environ, args...)
	stop = sync.OnceValue(stop)
	ts.Defer(func() {
		if err := stop(); err != nil {
			ts.Logf("the server: %v", err)
		}
	})
	ts.Check(err)
	*ts.Value(serverKey{}).(*func() error) = stop
	ts.Setenv("SERVER", url)
}

func stopInScript(ts *testscript.TestScript, _ bool, _ []string) {
	stop := *ts.Value(serverKey{}).(*func() error)
	if stop == nil {
		ts.Fatalf("no server was started")
	}
	ts.Check(stop())
}

// startServer serves on a free port, with its data in dir/data, until stop; it may deliver to this machine.
func startServer(dir string, environ []string, args ...string) (url string, stop func() error, err error) {
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return "", func() error { return nil }, err
	}
	defer log.Close()
	server := exec.Command("bellhop", append([]string{"serve", "--listen", "127.0.0.1:0", "--allow-private"}, args...)...)
	server.Dir, server.Env, server.Stderr = dir, environ, log
	if err := server.Start(); err != nil {
		return "", func() error { return nil }, err
	}
	stop = func() error {
		server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%w\n%s", err, said)
		}
		return nil
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var info struct{ URL string }
		text, err := os.ReadFile(filepath.Join(dir, "data", "server.json"))
		if err == nil && json.Unmarshal(text, &info) == nil {
			return info.URL, stop, nil
		}
		if time.Now().After(deadline) {
			return "", stop, errors.New("the server does not start")
		}
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it does not come to it: %v", err)
		}
	}
}

// command runs the program within the test.
func command(args ...string) (stdout, stderr string, err error) {
	var out, talk bytes.Buffer
	err = run(context.Background(), args, func(string) string { return "" }, strings.NewReader(""), &out, &talk)
	return out.String(), talk.String(), err
}

func TestEveryCommandExplainsItself(t *testing.T) {
	e := &env{getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}
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

// TestExamplesAreRightUsage runs each example of the help as far as the parsing of its flags.
func TestExamplesAreRightUsage(t *testing.T) {
	e := &env{getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}
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

// splitWords splits line as a shell does, up to a redirection.
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
		{}, {"nothing"}, {"--nothing"}, {"sources", "nothing"}, {"sources", "show"}, {"sources", "show", "a", "b"}, {"sources", "create", "x"},
		{"sources", "update", "x"}, {"sources", "create", "x", "--provider", "p", "--set", "novalue"}, {"sources", "list", "--limit", "x"},
		{"destinations", "create", "x"}, {"destinations", "create"}, {"destinations", "update", "x"},
		{"destinations", "create", "x", "--url", "http://x", "--access", "token"}, {"destinations", "create", "x", "--url", "http://x", "--access", "=a"},
		{"destinations", "create", "x", "--url", "http://x", "--access", "tokn=a"}, {"destinations", "update", "x", "--access", "token=a", "--access", "token=b"},
		{"destinations", "update", "x", "--access", "token=a", "--unset", "access.token"}, {"destinations", "update", "x", "--access", "scopes=[a"},
		{"destinations", "update", "x", "--access", "token=a", "--unset", "access"}, {"destinations", "preview"}, {"destinations", "preview", "x"},
		{"destinations", "preview", "x", "--event", "e", "--type", "t"}, {"destinations", "preview", "x", "1", "--type", "t", "--file", "-"}, {"destinations", "test"},
		{"destinations", "rotate-secret"}, {"events", "--since", "yesterday"},
		{"replay"}, {"replay", "--to", "x"},
		{"replay", "evt_1", "--all"}, {"replay", "--since", "-2h"}, {"replay", "--all", "--rate", "fast"}, {"repairs", "show"}, {"repairs", "end"},
		{"deliveries", "retry", "--state", "dead"}, {"deliveries", "retry", "a", "b"}, {"deliveries", "cancel", "dlv_1", "--all"},
		{"events", "publish"}, {"events", "publish", "t", "{"}, {"events", "publish", "t", "{}", "--file", "-"}, {"deliveries", "retry"},
		{"send"}, {"send", "nobody", "--to", "http://x"}, {"verify"}, {"verify", "x"}, {"version", "1"}, {"serve", "x"}, {"stats", "x"}, {"providers", "nobody"},
	} {
		stdout, stderr, err := command(args...)
		if exitCode(err) != 2 {
			t.Errorf("%q: %v is not wrong usage", args, err)
		}
		if !strings.HasPrefix(stderr, "bellhop: ") || !strings.Contains(stderr, "--help'\n") || len(args) > 0 && stdout != "" {
			t.Errorf("%q: says %q and %q", args, stdout, stderr)
		}
	}
}

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
	if err := printJSON(&line, "<a>\x1b\u009b\x7f\u202e\U000e0001"); err != nil || line.String() != `"<a>\u001b\u009b\u007f\u202e\udb40\udc01"`+"\n" {
		t.Errorf("%v %s", err, line.String())
	}
}

func TestEnvironmentIsForFlags(t *testing.T) {
	vars := map[string]string{"BELLHOP_JSON": "true", "BELLHOP_DATA": t.TempDir(), "BELLHOP_LIMIT": "many"}
	var out, talk bytes.Buffer
	getenv := func(name string) string { return vars[name] }
	err := run(context.Background(), []string{"sources"}, getenv, nil, &out, &talk)
	if exitCode(err) != 2 || !strings.Contains(talk.String(), "BELLHOP_LIMIT") {
		t.Errorf("%v %s", err, &talk)
	}
	talk.Reset()
	err = run(context.Background(), []string{"sources", "--limit", "3"}, getenv, nil, &out, &talk)
	if exitCode(err) != 1 || !strings.Contains(talk.String(), vars["BELLHOP_DATA"]) {
		t.Errorf("%v %s", err, &talk)
	}
}

func TestTheKeyOfADataFolderStaysHere(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "admin.key"), []byte("bhk_local\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "server.json"), []byte(`{"url":"http://192.0.2.7:8080"}`), 0o600)
	if _, err := (&connection{data: dir}).client(); err == nil {
		t.Error("the key goes to whoever is where a server was that died")
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for server, has := range map[string]bool{
		"": true, "http://192.0.2.7:8080": true, "http://127.0.0.1:1": true, "http://[::1]:1": true, "http://localhost:1": true,
		"http://192.0.2.8:8080": false, "https://example.com": false, "http://localhost.example.com": false,
	} {
		conn := &connection{server: server, data: dir}
		if _, err := conn.client(); (err == nil) != has {
			t.Errorf("%s: %v", server, err)
		}
	}
	if _, err := (&connection{data: t.TempDir()}).client(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("no server: %v", err)
	}
}
