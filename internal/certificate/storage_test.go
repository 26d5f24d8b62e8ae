package certificate

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// memory is a Store in memory; what the store itself has to show is in internal/store/storetest.
type memory struct {
	sync.Mutex
	values map[string]string
	broken bool // every call fails
}

var errBroken = errors.New("the disk is broken")

func (m *memory) CertificateFile(_ context.Context, key string) ([]byte, time.Time, error) {
	m.Lock()
	defer m.Unlock()
	value, ok := m.values[key]
	switch {
	case m.broken:
		return nil, time.Time{}, errBroken
	case !ok:
		return nil, time.Time{}, bellhop.NotFound("certificate file", key)
	}
	return []byte(value), time.Unix(1_000_000_000, 0), nil
}

func (m *memory) SaveCertificateFile(_ context.Context, key string, value []byte, _ time.Time) error {
	m.Lock()
	defer m.Unlock()
	m.values[key] = string(value)
	return nil
}

func (m *memory) DeleteCertificateFiles(_ context.Context, key string) error {
	m.Lock()
	defer m.Unlock()
	for k := range m.values {
		if k == key || strings.HasPrefix(k, key+"/") {
			delete(m.values, k)
		}
	}
	return nil
}

func (m *memory) CertificateFiles(_ context.Context, key string) (keys []string, err error) {
	m.Lock()
	defer m.Unlock()
	for k := range m.values {
		if key == "" || strings.HasPrefix(k, key+"/") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if m.broken {
		return nil, errBroken
	}
	return keys, nil
}

// TestStorage: the contract of certmagic's storage, with its folders that are only there by what is below them.
func TestStorage(t *testing.T) {
	t.Parallel()
	m := &memory{values: map[string]string{}}
	s, ctx := newStorage(m, time.Now), t.Context()
	for _, key := range []string{"certificates/ca/a.example/a.example.crt", "certificates/ca/a.example/a.example.key",
		"certificates/ca/b.example/b.example.crt", "acme/ca/users/default.json"} {
		if err := s.Store(ctx, key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"": "acme certificates", "certificates": "certificates/ca",
		"certificates/ca":   "certificates/ca/a.example certificates/ca/b.example",
		"certificates/ca/":  "certificates/ca/a.example certificates/ca/b.example",
		"acme/ca/users":     "acme/ca/users/default.json",
		"certificates/ca/b": "!", "nothing": "!",
	} {
		keys, err := s.List(ctx, path, false)
		if got := strings.Join(keys, " "); got != want && (want != "!" || !errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%q: %q %v", path, got, err)
		}
	}
	if keys, err := s.List(ctx, "certificates", true); err != nil || len(keys) != 3 {
		t.Errorf("all below: %q %v", keys, err)
	}
	if info, err := s.Stat(ctx, "acme/ca/users/default.json"); err != nil || !info.IsTerminal || info.Size != 26 ||
		info.Modified.Unix() != 1_000_000_000 {
		t.Errorf("%+v %v", info, err)
	}
	if info, err := s.Stat(ctx, "acme/ca"); err != nil || info.IsTerminal || !s.Exists(ctx, "acme") {
		t.Errorf("a folder: %+v %v", info, err)
	}
	if _, err := s.Load(ctx, "acme/ca"); !errors.Is(err, fs.ErrNotExist) || s.Exists(ctx, "acm") {
		t.Errorf("what is not there: %v", err)
	}
	if err := s.Delete(ctx, "certificates/ca"); err != nil || s.Exists(ctx, "certificates") {
		t.Errorf("deleted: %v", err)
	}
	m.broken = true
	_, err := s.Load(ctx, "acme/ca/users/default.json")
	if !errors.Is(err, errBroken) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a broken disk: %v", err)
	}
}

// TestLocks: one holds a lock at a time, others wait until it is released or they give up.
func TestLocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(&memory{}, time.Now)
		if err := s.Lock(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := s.Lock(t.Context(), "b"); err != nil {
			t.Errorf("another lock: %v", err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Lock(impatient, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a held lock: %v", err)
		}
		got := make(chan error)
		go func() { got <- s.Lock(t.Context(), "a") }()
		synctest.Wait()
		if err := s.Unlock(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := <-got; err != nil {
			t.Errorf("after the release: %v", err)
		}
		if s.Unlock(t.Context(), "a") != nil || s.Unlock(t.Context(), "a") == nil {
			t.Error("a lock is released twice")
		}
	})
}
