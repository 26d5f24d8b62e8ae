package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// testKeys returns a key ring whose key is 32 times b.
func testKeys(t testing.TB, b byte) store.KeyRing {
	t.Helper()
	keys, err := store.ParseKeyRing(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// testOptions returns the options of a node with a lease that no test waits for.
func testOptions(t testing.TB, url, node string) Options {
	t.Helper()
	return Options{
		Options: store.Options{Keys: testKeys(t, 1), Now: time.Now, Rand: rand.Reader,
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil))},
		URL: url, Node: node, Connections: 5, Lease: time.Hour,
	}
}

// open connects a node for the test.
func open(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := connect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.writer.close()
		s.pool.Close()
	})
	return s
}

// run runs statements as the administrator of a database would.
func run(t testing.TB, url string, statements ...string) {
	t.Helper()
	c := dial(t, url)
	for _, sql := range statements {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// dial returns a connection for the test, which is not one of a node.
func dial(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// get returns the one value that a query gives.
func get[T any](t testing.TB, q querier, sql string, args ...any) (value T) {
	t.Helper()
	if err := q.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// databaseOf returns the name of the database of a URL.
func databaseOf(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url[strings.LastIndexByte(url, '/')+1:]
}

// A lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A clock is a monotonic clock that a test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) elapsed() time.Duration { return time.Duration(c.at.Load()) }

func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// until returns once a condition holds.
func until(t testing.TB, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come to that")
		case <-tick.C:
		}
	}
}
