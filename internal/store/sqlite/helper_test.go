package sqlite

import (
	"crypto/rand"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// options are those of a store in dir, whose keys are made on first use.
func options(t testing.TB, dir string, change ...func(*Options)) Options {
	t.Helper()
	keys, err := store.LoadKeyRing(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, Options: store.Options{Keys: keys, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}}
	for _, f := range change {
		f(&o)
	}
	return o
}

// reopen opens the store in dir, closed when the test ends.
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
