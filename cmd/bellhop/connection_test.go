package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// startFolder makes a data folder whose server says that it listens at url, and takes its key from keyFrom.
func startFolder(t *testing.T, dir, url, keyFrom string) {
	t.Helper()
	f, err := datadir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.WriteServer(datadir.Server{URL: url, AdminKey: keyFrom}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, datadir.AdminKeyFile), []byte("bhk_folder\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKeysGoHome: the key of a folder goes to the server of the folder, BELLHOP_ADMIN_KEY also to a loopback address
// that the user names, and --api-key to the server that the user names.
func TestKeysGoHome(t *testing.T) {
	t.Parallel()
	const home = "http://127.0.0.1:8080"
	file, variable := datadir.AdminKeyFile, datadir.AdminKeyVariable
	for _, c := range []struct {
		keyFrom              string // of the folder's server
		server, key, env     string
		wantServer, wantKey  string
		wantErr, wantKeyFrom string
	}{
		{file, "", "", "", home, "bhk_folder", "", file},
		{file, home, "", "", home, "bhk_folder", "", file},
		{file, home + "/", "", "", home, "bhk_folder", "", file},
		{file, "http://localhost:8080", "", "", home, "bhk_folder", "", file}, // not where localhost may lead
		{file, "http://[::1]:8080", "", "", home, "bhk_folder", "", file},
		{file, "", "", "from-env", home, "bhk_folder", "", file}, // the server does not use the variable
		{file, "", "given", "from-env", home, "given", "", "--api-key"},
		{file, "http://127.0.0.1:8081", "", "", "", "", "no API key for http://127.0.0.1:8081", ""},
		{file, "https://127.0.0.1:8080", "", "", "", "", "no API key for", ""},
		{file, "https://example.com", "", "", "", "", "no API key for https://example.com", ""},
		{file, "http://example.com:8080", "", "", "", "", "no API key for", ""},
		{file, "http://localhost.example.com:8080", "", "", "", "", "no API key for", ""},
		{file, "http://example.com:8080", "", "from-env", "", "", "no API key for", ""},
		{file, "http://127.0.0.1:8081", "", "from-env", "http://127.0.0.1:8081", "from-env", "", variable},
		{file, "https://example.com", "given", "from-env", "https://example.com", "given", "", "--api-key"},
		{variable, "", "", "from-env", home, "from-env", "", variable},
		{variable, "", "", "", "", "", "takes its admin key from BELLHOP_ADMIN_KEY", ""},
		{file, "127.0.0.1:8080", "", "", "", "", "such as http://127.0.0.1:8080", ""},
		{file, "hooks.example.com", "given", "", "", "", "such as https://hooks.example.com", ""},
		{file, "localhost:8080", "given", "", "", "", "such as http://localhost:8080", ""},
		{file, "ftp://example.com", "given", "", "", "", "write it as http://HOST:PORT", ""},
		{file, "https://user:s3cret@example.com", "given", "", "", "", "leave user and password out", ""},
	} {
		dir := t.TempDir()
		startFolder(t, dir, home, c.keyFrom)
		conn := &connection{server: c.server, key: c.key, adminKey: c.env, data: dir}
		got, err := conn.choose()
		if c.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), c.wantErr) || strings.Contains(err.Error(), "s3cret") ||
				got.key != "" {
				t.Errorf("%+v: %+v %v", c, got, err)
			}
			continue
		}
		if err != nil || got.server != c.wantServer || got.key != c.wantKey || !strings.Contains(got.keyFrom,
			c.wantKeyFrom) {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
}

// TestHostileFolder: a folder that others may have prepared gets no key, not even from the environment. It does not
// matter to a user who gives both server and key.
func TestHostileFolder(t *testing.T) {
	t.Parallel()
	var asked []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	dir := t.TempDir()
	startFolder(t, filepath.Join(dir, "data"), thief.URL, "")
	if err := os.Chmod(filepath.Join(dir, "data"), 0o777); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"BELLHOP_API_KEY": "key-of-the-user", "BELLHOP_ADMIN_KEY": "admin-key-of-the-user"}
	var talk bytes.Buffer
	e := &env{getenv: func(name string) string { return vars[name] }, stdin: strings.NewReader(""), stdout: io.Discard,
		stderr: &talk, dir: dir}
	for _, args := range [][]string{{"events"}, {"stats"}, {"sources", "show", "x"}} {
		talk.Reset()
		if err := run(context.Background(), e, args); exitCode(err) != 1 ||
			!strings.Contains(talk.String(), "no key is sent to the server of data folder") ||
			!strings.Contains(talk.String(), "other users can write to") ||
			!strings.Contains(talk.String(), "--server") {
			t.Errorf("%q: %v %s", args, err, &talk)
		}
	}
	if len(asked) > 0 {
		t.Errorf("asked with %q", asked)
	}
	talk.Reset()
	if err := run(context.Background(), e, []string{"events", "--server", thief.URL}); err == nil ||
		!strings.Contains(talk.String(), "no Bellhop server") {
		t.Errorf("a server of the user's choice: %v %s", err, &talk)
	}
	if len(asked) != 1 || asked[0] != "Bearer key-of-the-user" {
		t.Errorf("asked with %q", asked)
	}
}

// TestWelcome: the commands that the first start prints run as they are printed, and are printed only while there is
// no source.
func TestWelcome(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "it's data")
	cfg, err := config.Load("", noEnv, map[string]string{"listen": "127.0.0.1:0", "data": dir})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), app.Options{Config: cfg, Providers: all.Providers(), Connectors: all.Connectors(),
		Version: "test",
		Logger:  slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var text bytes.Buffer
	welcome(&text, a, cfg, true)
	if !strings.Contains(text.String(), "created data folder") ||
		!strings.Contains(text.String(), a.URL()+"/metrics") {
		t.Error(text.String())
	}
	run := 0
	for line := range strings.Lines(text.String()) {
		words := splitShellWords(strings.TrimSpace(line))
		if !strings.HasPrefix(line, "  ") {
			continue
		}
		run++
		if words[0] == "curl" {
			name, value, _ := strings.Cut(words[2], ": ")
			req, err := http.NewRequestWithContext(t.Context(), "POST", words[5], strings.NewReader(words[4]))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(name, value)
			reply, err := http.DefaultClient.Do(req)
			if err != nil || reply.StatusCode != 202 {
				t.Fatalf("%s: %v %v", line, reply, err)
			}
			reply.Body.Close()
			continue
		}
		if out, talk, err := command(words[1:]...); err != nil || words[1] == "events" &&
			!strings.Contains(out, "hello") {
			t.Errorf("%s: %v %s %s", line, err, out, talk)
		}
	}
	if has, err := a.HasSources(t.Context()); run != 3 || err != nil || !has {
		t.Errorf("%d commands, sources: %v %v", run, has, err)
	}
	text.Reset()
	welcome(&text, a, cfg, false)
	if strings.Contains(text.String(), "next") {
		t.Error(text.String())
	}
}

// splitShellWords splits line as a shell does, with single quotes and backslashes.
func splitShellWords(line string) (words []string) {
	var word strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && !quoted:
			i++
			word.WriteByte(line[i])
		case c == ' ' && !quoted:
			words = append(words, word.String())
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	return append(words, word.String())
}

func TestDataFlag(t *testing.T) {
	for dir, want := range map[string]string{
		"./data": "", "data": "", "data/": "", "/var/lib/bellhop": " --data /var/lib/bellhop",
		"/a b":  " --data '/a b'",
		"/it's": ` --data '/it'\''s'`, "/$HOME": " --data '/$HOME'", "/größe": " --data /größe",
	} {
		if got := dataFlag(dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

// TestOnHangUp: SIGHUP and SIGPIPE do not end the process, and each SIGHUP is a line in the log.
func TestOnHangUp(t *testing.T) {
	lines := make(chan string, 16)
	undo := onHangUp(slog.New(slog.NewTextHandler(lineWriter(lines), nil)),
		new(atomic.Pointer[func(context.Context)]))
	defer undo()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// The signals are not taken up one by one, so that a SIGPIPE must not stand where a SIGHUP goes.
	for _, s := range []syscall.Signal{syscall.SIGPIPE, syscall.SIGPIPE, syscall.SIGHUP} {
		if err := self.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case line := <-lines:
		if !strings.Contains(line, "msg=signal.ignored") || !strings.Contains(line, "signal=SIGHUP") {
			t.Error(line)
		}
	case <-time.After(patience):
		t.Error("SIGHUP is not logged")
	}
}

// A lineWriter sends each line that is written.
type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
