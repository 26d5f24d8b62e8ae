package app

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/datadir"
)

// A sharedLog is a log that a test reads while the server writes it.
type sharedLog struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *sharedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestDataFolderTakenAway: once another folder has the name of the data folder, or another file that of the database,
// the door answers 503 and the server is not ready. The server says why, ends with that error, and leaves the files at
// those names alone. Everything that was answered 2xx is in the folder that was moved.
func TestDataFolderTakenAway(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"folder moved", "folder replaced", "database moved", "database replaced"} {
		for _, found := range []string{"by the door", "by readiness"} {
			t.Run(what+", found "+found, func(t *testing.T) {
				t.Parallel()
				log := &sharedLog{}
				opts := options(t, func(o *Options) {
					o.Config.ListenMetrics, o.Logger = "0", slog.New(slog.NewTextHandler(log, nil))
				})
				r := run(t, opts)
				r.source("src")
				if code, body := r.call("POST", "/in/src", "first"); code != 202 {
					t.Fatal(code, body)
				}
				dir := opts.Config.Data
				home := take(t, what, dir)
				// The server ends once any of its parts finds it out. A connection may be cut off, so this calls its
				// handlers.
				ask := func(handler http.Handler, method, path string) {
					t.Helper()
					answer := httptest.NewRecorder()
					handler.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader("second")))
					if answer.Code != http.StatusServiceUnavailable {
						t.Errorf("%s: %d %s, want 503", path, answer.Code, answer.Body)
					}
				}
				if found == "by the door" {
					ask(r.front.server.Handler, "POST", "/in/src")
				}
				ask(r.front.server.Handler, "GET", "/readyz")
				ask(r.metricsPort.server.Handler, "GET", "/readyz")
				ask(r.front.server.Handler, "POST", "/in/src")
				err := <-r.ended
				if err == nil || !strings.Contains(err.Error(), "is no longer the file that was opened") {
					t.Errorf("Run: %v", err)
				}
				if !strings.Contains(log.String(), "storage.failed") {
					t.Errorf("the log does not say why: %s", log)
				}
				if strings.HasSuffix(what, "replaced") {
					for _, name := range []string{"bellhop.db", "bellhop.db-wal", datadir.ServerFile} {
						text, err := os.ReadFile(filepath.Join(dir, name))
						if name == datadir.ServerFile && what == "database replaced" {
							continue // the folder is ours, and so is the file
						}
						if err != nil || string(text) != "of another server" {
							t.Errorf("%s: %q %v", name, text, err)
						}
					}
				}
				if home == "" {
					return
				}
				again := run(t, options(t, func(o *Options) { o.Config.Data = home }))
				code, body := again.call("GET", "/api/v1/events", "")
				if code != 200 || !strings.Contains(body, `"source":"src"`) {
					t.Errorf("after a start in the folder that was moved: %d %s", code, body)
				}
			})
		}
	}
}

// take takes the data folder or the database away. It returns where the folder is now; "" if its files were taken
// apart.
func take(t *testing.T, what, dir string) (home string) {
	t.Helper()
	write := func(name string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte("of another server"), 0o600)
	}
	path := filepath.Join(dir, "bellhop.db")
	var err error
	switch what {
	case "folder moved":
		home, err = dir+".moved", os.Rename(dir, dir+".moved")
	case "folder replaced":
		home = dir + ".moved"
		err = errors.Join(os.Rename(dir, home), os.Mkdir(dir, 0o700), write("bellhop.db"), write("bellhop.db-wal"),
			write(datadir.ServerFile))
	case "database moved":
		err = os.Rename(path, path+".moved")
	case "database replaced":
		err = errors.Join(os.Rename(path, path+".moved"), os.Rename(path+"-wal", path+".moved-wal"),
			write("bellhop.db"), write("bellhop.db-wal"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return home
}
