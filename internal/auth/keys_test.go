package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A shelf is a Store in memory.
type shelf struct {
	keys []bellhop.Key

	mu     sync.Mutex // guards the fields below
	err    error
	stored []map[string]bellhop.KeyUse
}

// fail makes every call fail with err from now on, unless that is nil.
func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// writes returns the uses of each write so far.
func (s *shelf) writes() []map[string]bellhop.KeyUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// Keys returns one key in each page, so that Load has to read on.
func (s *shelf) Keys(_ context.Context, _ bellhop.KeyFilter, page bellhop.Page) ([]bellhop.Key, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(page.Cursor)
	if s.err != nil || at >= len(s.keys) {
		return nil, "", s.err
	}
	next := page.Cursor + "x"
	if at == len(s.keys)-1 {
		next = ""
	}
	return s.keys[at : at+1], next, nil
}

func (s *shelf) UseKeys(_ context.Context, used map[string]bellhop.KeyUse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, used)
	return s.err
}

// A desk is the Keys of a shelf, with a clock and a log.
type desk struct {
	*Keys
	*shelf
	t       *testing.T
	now     time.Time
	log     bytes.Buffer
	metrics *prometheus.Registry
}

func newDesk(t *testing.T, keys ...bellhop.Key) *desk {
	d := &desk{shelf: &shelf{keys: keys}, t: t, now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		metrics: prometheus.NewRegistry()}
	d.Keys = NewKeys(KeysOptions{Store: d.shelf, Admin: testKey, Now: func() time.Time { return d.now },
		Logger: slog.New(slog.NewTextHandler(&d.log, nil)), Metrics: d.metrics})
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// newKey returns a key and its text.
func newKey(t *testing.T, name string, scope bellhop.Scope) (bellhop.Key, string) {
	t.Helper()
	id := bellhop.NewID(bellhop.PrefixKey, rand.Reader)
	text, err := bellhop.NewKeyText(id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return bellhop.Key{ID: id, Name: name, Scope: scope, Hash: bellhop.HashKey(text)}, text
}

// try sends a key from an address.
func (d *desk) try(text, address string) (Principal, error) {
	return d.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + text}}, RemoteAddr: address})
}

// accepted checks that a key is accepted as that of a name.
func (d *desk) accepted(text, name string) {
	d.t.Helper()
	p, err := d.try(text, "192.0.2.7:1234")
	if err != nil || p.Name != name {
		d.t.Errorf("%s: %+v %v", name, p, err)
	}
}

// refused checks that a key is refused because of cause, in the words that every refused key gets.
func (d *desk) refused(text string, cause error) {
	d.t.Helper()
	p, err := d.try(text, "192.0.2.7:1234")
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeUnauthorized || !errors.Is(err, cause) || p != (Principal{}) ||
		e.Error() != "the API key is not accepted: it is wrong, has expired or was revoked" {
		d.t.Errorf("%+v %v, want %v", p, err, cause)
	}
}

// TestKeysAuthenticate: the admin key and each key of the store are accepted, whole and until their expiry, with their
// scope and tenant. Everything else is refused in the same words.
func TestKeysAuthenticate(t *testing.T) {
	t.Parallel()
	reader, readerText := newKey(t, "reader", bellhop.ScopeRead)
	reader.Tenant = "acme"
	ci, ciText := newKey(t, "ci", bellhop.ScopePublish)
	ci.ExpiresAt = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	d := newDesk(t, reader, ci)
	d.accepted(testKey, "admin")
	d.accepted(ciText, "ci")
	p, err := d.try(readerText, "192.0.2.7:1234")
	if want := (Principal{Name: "reader", KeyID: reader.ID, Scope: bellhop.ScopeRead, Tenant: "acme"}); err != nil ||
		p != want {
		t.Errorf("%+v %v, want %+v", p, err, want)
	}

	other, otherText := newKey(t, "other", bellhop.ScopeAdmin)
	stranger, err := bellhop.NewKeyText(reader.ID, rand.Reader) // the right id with another secret
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "bhk_", otherText, stranger, readerText + "0", readerText[:len(readerText)-1],
		reader.ID, readerText[:len("bhk_")+21], strings.ToUpper(readerText), " " + readerText} {
		d.refused(wrong, ErrWrongKey)
	}
	d.Put(other)
	d.accepted(otherText, "other")
	d.Remove(other.ID)
	d.refused(otherText, ErrWrongKey)

	d.now = ci.ExpiresAt.Add(-1)
	d.accepted(ciText, "ci")
	d.now = ci.ExpiresAt
	d.refused(ciText, ErrExpiredKey)
	if _, err := d.Authenticate(&http.Request{Header: http.Header{}}); !errors.Is(err, ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
}

// TestKeysLoadFails: an error of the store is returned, and the admin key works all the same.
func TestKeysLoadFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fail(io.ErrUnexpectedEOF)
	if err := d.Load(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	d.accepted(testKey, "admin")
}

// TestLatestUse: the latest use shows at once, with the address and without the port.
func TestLatestUse(t *testing.T) {
	t.Parallel()
	key, text := newKey(t, "reader", bellhop.ScopeRead)
	key.LastUsedAt, key.LastAddress = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "198.51.100.1"
	d := newDesk(t, key)
	if got := d.Latest(bellhop.Key{ID: key.ID}); !got.LastUsedAt.Equal(key.LastUsedAt) ||
		got.LastAddress != key.LastAddress {
		t.Errorf("before a use: %+v", got)
	}
	for remote, want := range map[string]string{"192.0.2.7:1234": "192.0.2.7", "[2001:db8::1]:80": "2001:db8::1",
		"[::ffff:192.0.2.8]:80": "192.0.2.8", "@": ""} {
		d.now = d.now.Add(time.Hour)
		if _, err := d.try(text, remote); err != nil {
			t.Fatal(err)
		}
		if got := d.Latest(key); !got.LastUsedAt.Equal(d.now) || got.LastAddress != want {
			t.Errorf("%s: %+v", remote, got)
		}
	}
	before := d.Latest(key)
	d.now = d.now.Add(time.Hour)
	d.refused(text[:len(text)-1]+"x", ErrWrongKey)
	if got := d.Latest(key); got != before {
		t.Errorf("a wrong key was noted as a use: %+v", got)
	}
	if got := d.Latest(bellhop.Key{ID: "key_unknown", LastAddress: "kept"}); got.LastAddress != "kept" {
		t.Errorf("an unknown key: %+v", got)
	}
}

// TestUsesAreStored: the uses of a minute are one write, with the latest use of each key. A minute without a use
// writes nothing, a failed write is made again, and the last uses are stored at the stop.
func TestUsesAreStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, oneText := newKey(t, "one", bellhop.ScopeRead)
		two, twoText := newKey(t, "two", bellhop.ScopeRead)
		s := &shelf{keys: []bellhop.Key{one, two}}
		k := NewKeys(KeysOptions{Store: s, Admin: testKey, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err := k.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := &desk{Keys: k, shelf: s, t: t}
		ctx, stop := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { k.Run(ctx) })
		stored := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := s.writes(); len(got) != want {
				t.Fatalf("%d writes, want %d: %v", len(got), want, got)
			}
		}
		for range 1000 {
			d.accepted(oneText, "one")
		}
		time.Sleep(30 * time.Second)
		d.accepted(twoText, "two")
		at := bellhop.StoredTime(time.Now())
		stored(0)
		time.Sleep(30 * time.Second)
		stored(1)
		if got := s.writes()[0]; len(got) != 2 || got[two.ID] != (bellhop.KeyUse{At: at, Address: "192.0.2.7"}) {
			t.Errorf("stored: %v", got)
		}
		time.Sleep(10 * UseInterval)
		stored(1)

		s.fail(io.ErrUnexpectedEOF)
		d.accepted(oneText, "one")
		time.Sleep(UseInterval)
		stored(2)
		s.fail(nil)
		time.Sleep(UseInterval)
		stored(3)
		if got := s.writes(); len(got[2]) != 1 || got[2][one.ID] != got[1][one.ID] {
			t.Errorf("after a failure: %v", got[1:])
		}
		d.accepted(twoText, "two")
		stop()
		ended.Wait()
		stored(4)
	})
}

// TestKeysConcurrent: Keys are safe for concurrent use.
func TestKeysConcurrent(t *testing.T) {
	t.Parallel()
	key, text := newKey(t, "reader", bellhop.ScopeRead)
	d := newDesk(t, key)
	var group sync.WaitGroup
	for i := range 8 {
		other, _ := newKey(t, fmt.Sprint("other", i), bellhop.ScopeRead)
		group.Go(func() {
			for range 100 {
				d.accepted(text, "reader")
				d.Put(other)
				d.Latest(other)
				d.storeUses(t.Context())
				d.Remove(other.ID)
			}
		})
	}
	group.Wait()
}

// TestKeyMetrics: the keys are counted by scope and state, and so are the requests that a scope did not allow.
func TestKeyMetrics(t *testing.T) {
	t.Parallel()
	old, _ := newKey(t, "old", bellhop.ScopeRead)
	soon, _ := newKey(t, "soon", bellhop.ScopeRead)
	later, _ := newKey(t, "later", bellhop.ScopePublish)
	always, _ := newKey(t, "always", bellhop.ScopePublish)
	d := newDesk(t, always)
	old.ExpiresAt, soon.ExpiresAt, later.ExpiresAt = d.now, time.Unix(2e9, 0), time.Unix(3e9, 0)
	for _, key := range []bellhop.Key{later, old, soon} {
		d.Put(key)
	}
	d.Forbidden(bellhop.ScopeAdmin)
	err := testutil.GatherAndCompare(d.metrics, strings.NewReader(`
# HELP bellhop_api_forbidden_total Requests with a key of too narrow a scope, by the scope that they need.
# TYPE bellhop_api_forbidden_total counter
bellhop_api_forbidden_total{needed="admin"} 1
bellhop_api_forbidden_total{needed="operate"} 0
bellhop_api_forbidden_total{needed="publish"} 0
bellhop_api_forbidden_total{needed="read"} 0
# HELP bellhop_keys Keys of the API besides the admin key, by scope and state (valid, expired).
# TYPE bellhop_keys gauge
bellhop_keys{scope="admin",state="expired"} 0
bellhop_keys{scope="admin",state="valid"} 0
bellhop_keys{scope="operate",state="expired"} 0
bellhop_keys{scope="operate",state="valid"} 0
bellhop_keys{scope="publish",state="expired"} 0
bellhop_keys{scope="publish",state="valid"} 2
bellhop_keys{scope="read",state="expired"} 1
bellhop_keys{scope="read",state="valid"} 1
# HELP bellhop_keys_next_expiry_timestamp_seconds When the next valid key expires; 0 if none does.
# TYPE bellhop_keys_next_expiry_timestamp_seconds gauge
bellhop_keys_next_expiry_timestamp_seconds 2e+09
`))
	if err != nil {
		t.Error(err)
	}
}
