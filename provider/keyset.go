package provider

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How a KeySet fetches and keeps.
const (
	keySetTimeout  = 3 * time.Second
	maxKeySetBytes = 256 << 10
	keySetRefresh  = time.Hour        // keys older than this are fetched anew, and used meanwhile
	keySetUnknown  = 5 * time.Minute  // at the earliest after a fetch, a key that is not there causes another
	keySetRetry    = 10 * time.Second // at the earliest after a fetch that failed, there is another
	keySetKept     = 24 * time.Hour   // older keys than this are not used
)

// A KeySet is the set of public keys that an authority publishes at a URL (RFC 7517). It is fetched when a key is
// asked for, never in the background, and kept. While the authority does not answer, the keys of its last answer do
// for a day. It is safe for concurrent use: one caller fetches at a time, and those who cannot do without wait for it.
type KeySet struct {
	env Env
	url string

	mu        sync.Mutex
	keys      Keys
	fetchedAt time.Time     // of keys
	triedAt   time.Time     // of the last fetch, whatever came of it
	failure   error         // of the last fetch, or nil
	fetching  chan struct{} // closed when the fetch that is under way ends; nil if there is none
}

// NewKeySet returns the key set at url, of which nothing is fetched yet. It uses Now, Client and Logger of env.
func NewKeySet(env Env, url string) *KeySet { return &KeySet{env: env, url: url} }

// Key returns the key of that id, or nil without an error if the authority has none. Its error wraps
// [ErrUnavailable]: the keys could not be fetched, and there are none that are fresh enough.
func (s *KeySet) Key(ctx context.Context, id string) (*rsa.PublicKey, error) {
	fetch, underway := s.plan(id)
	switch {
	case fetch:
		s.settle(s.fetch(ctx))
	case underway != nil:
		select {
		case <-underway:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: key set: %w", ErrUnavailable, ctx.Err())
		}
	}
	return s.find(id)
}

// plan says that the caller is to fetch before it looks id up, or which fetch it is to wait for.
func (s *KeySet) plan(id string) (fetch bool, underway <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.keys[id] != nil && s.age() < keySetKept
	switch {
	case known && (s.fetching != nil || s.age() < keySetRefresh):
		return false, nil
	case s.fetching != nil:
		return false, s.fetching
	case s.paused():
		return false, nil
	}
	s.fetching = make(chan struct{})
	return true, nil
}

// find looks id up in what is there. That it is not means something only if the last fetch succeeded.
func (s *KeySet) find(id string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age() < keySetKept {
		if key := s.keys[id]; key != nil || s.failure == nil {
			return key, nil
		}
	}
	if s.failure == nil {
		return nil, fmt.Errorf("%w: key set too old", ErrUnavailable)
	}
	return nil, fmt.Errorf("%w: key set: %w", ErrUnavailable, s.failure)
}

// age is that of the keys; very old where there are none.
func (s *KeySet) age() time.Duration { return s.env.Now().Sub(s.fetchedAt) }

// paused reports whether the last fetch was so lately that there must not be another. A fetch that is still to come
// says that the clock was put back, and nothing else.
func (s *KeySet) paused() bool {
	ago := s.env.Now().Sub(s.triedAt)
	if s.failure != nil {
		return ago >= 0 && ago < keySetRetry
	}
	return ago >= 0 && ago < keySetUnknown
}

// settle puts what a fetch brought in place, and lets go who waits for it.
func (s *KeySet) settle(keys Keys, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triedAt, s.failure = s.env.Now(), err
	if err == nil {
		s.keys, s.fetchedAt = keys, s.triedAt
	} else if s.env.Logger != nil {
		s.env.Logger.Warn("keyset.failed", "component", "provider", "error", err, "age", s.triedAt.Sub(s.fetchedAt))
	}
	close(s.fetching)
	s.fetching = nil
}

// fetch does not end with the request that happens to need it: others wait for the same keys.
func (s *KeySet) fetch(ctx context.Context) (Keys, error) {
	if s.env.Client == nil {
		return nil, errors.New("there is no network here")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keySetTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("its URL is none")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := NoRedirects(s.env.Client).Do(req)
	if err != nil {
		return nil, errors.New("no answer") // the error has the URL in it
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer broke off")
	case len(body) > maxKeySetBytes:
		return nil, errors.New("longer than 256 KiB")
	}
	return ParseKeys(body)
}
