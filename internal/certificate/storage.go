package certificate

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/caddyserver/certmagic"
)

// A Store keeps what belongs to certificates by ACME, encrypted: accounts, keys, certificates. A key is a path with
// slashes. The error of one that does not exist is [bellhop.CodeNotFound].
type Store interface {
	CertificateFile(ctx context.Context, key string) (value []byte, savedAt time.Time, err error)
	SaveCertificateFile(ctx context.Context, key string, value []byte, at time.Time) error
	DeleteCertificateFiles(ctx context.Context, key string) error
	CertificateFiles(ctx context.Context, key string) (keys []string, err error)
}

// storage is a Store as certmagic asks for it. Its locks are in memory: one process owns the data folder, and locks
// that end with it need nobody who finds out which of them are stale.
type storage struct {
	store Store
	now   func() time.Time

	mu   sync.Mutex // guards held
	held map[string]chan struct{}
}

var _ certmagic.Storage = (*storage)(nil)

func newStorage(store Store, now func() time.Time) *storage {
	return &storage{store: store, now: now, held: map[string]chan struct{}{}}
}

// Lock implements [certmagic.Locker].
func (s *storage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		released, taken := s.held[name]
		if !taken {
			s.held[name] = make(chan struct{})
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock implements [certmagic.Locker].
func (s *storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	released, taken := s.held[name]
	if !taken {
		return errors.New("certificate: unlock " + name + ": it is not locked")
	}
	delete(s.held, name)
	close(released)
	return nil
}

// Store implements [certmagic.Storage].
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	return s.store.SaveCertificateFile(ctx, key, value, s.now())
}

// Load implements [certmagic.Storage].
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, _, err := s.store.CertificateFile(ctx, key)
	return value, notExist(key, err)
}

// Delete implements [certmagic.Storage].
func (s *storage) Delete(ctx context.Context, key string) error {
	return s.store.DeleteCertificateFiles(ctx, key)
}

// Exists implements [certmagic.Storage]. A key exists too if there are others below it.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements [certmagic.Storage].
func (s *storage) List(ctx context.Context, key string, recursive bool) ([]string, error) {
	key = strings.Trim(key, "/")
	keys, err := s.store.CertificateFiles(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, notExist(key, bellhop.NotFound("certificate file", key))
	case recursive:
		return keys, nil
	}
	below := len(key) + 1
	if key == "" {
		below = 0
	}
	for i, k := range keys {
		name, _, _ := strings.Cut(k[below:], "/")
		keys[i] = k[:below] + name
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// Stat implements [certmagic.Storage].
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, savedAt, err := s.store.CertificateFile(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: savedAt, Size: int64(len(value)), IsTerminal: true}, nil
	}
	below, listErr := s.store.CertificateFiles(ctx, key)
	if listErr != nil {
		return certmagic.KeyInfo{}, listErr
	}
	if len(below) > 0 {
		return certmagic.KeyInfo{Key: key}, nil
	}
	return certmagic.KeyInfo{}, notExist(key, err)
}

// notExist returns the error that certmagic knows in place of [bellhop.CodeNotFound].
func notExist(key string, err error) error {
	var e *bellhop.Error
	if errors.As(err, &e) && e.Code == bellhop.CodeNotFound {
		return &fs.PathError{Op: "load", Path: key, Err: fs.ErrNotExist}
	}
	return err
}
