package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// options returns the options of a store in dir, whose keys are created on first use.
func options(t testing.TB, dir string, change ...func(*Options)) Options {
	t.Helper()
	keys, err := store.LoadKeyRing(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, Options: store.Options{Keys: keys, Now: time.Now, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler)}}
	for _, f := range change {
		f(&o)
	}
	return o
}

// reopen opens the store in dir. It is closed when the test ends.
func reopen(t testing.TB, dir string, change ...func(*Options)) *Store {
	t.Helper()
	s, err := Open(options(t, dir, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newRandom(seed uint64) *mathrand.Rand { return mathrand.New(mathrand.NewPCG(seed, 0)) }

// readFolder returns the files of a folder.
func readFolder(t testing.TB, dir string) images {
	t.Helper()
	all := images{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// writeFolder writes files into a folder.
func writeFolder(t testing.TB, dir string, files images) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// open opens a store in a temporary folder. It is closed when the test ends.
func open(t testing.TB, change ...func(*Options)) *Store {
	t.Helper()
	opts := options(t, t.TempDir(), change...)
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// populate creates one source and one destination.
func populate(t testing.TB, s *Store) (source, destination string) {
	t.Helper()
	now := time.Now()
	src := bellhop.Source{ID: bellhop.NewID(bellhop.PrefixSource, rand.Reader), Name: "media", Provider: "ams",
		Settings: []byte(`{}`), CreatedAt: now, UpdatedAt: now}
	if err := s.CreateSource(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	dst := bellhop.Destination{ID: bellhop.NewID(bellhop.PrefixDestination, rand.Reader), Name: "billing",
		Type:     "http",
		URL:      "http://127.0.0.1:1/",
		Settings: []byte(`{}`), Timeout: time.Second, Concurrency: 16, State: bellhop.DestinationActive,
		Retry: bellhop.Retry{Schedule: bellhop.ScheduleDefault}, CreatedAt: now, UpdatedAt: now}
	if err := s.CreateDestination(t.Context(), dst); err != nil {
		t.Fatal(err)
	}
	return src.ID, dst.ID
}

// delivered returns the result of a first attempt that succeeded.
func delivered(deliveryID string) bellhop.Result {
	return bellhop.Result{DeliveryID: deliveryID, State: bellhop.DeliveryDelivered,
		Attempt: bellhop.Attempt{Number: 1, StartedAt: time.Now(), Duration: time.Millisecond, Status: 200}}
}

// eventually polls until done reports true, for changes that nothing announces.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for !done() {
		if !pause(ctx, time.Millisecond) {
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

func bellhopCode(err error) bellhop.Code {
	if e := (*bellhop.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
