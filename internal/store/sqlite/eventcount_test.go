package sqlite

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestEventCount: whenever somebody first asks how many events there are, the answer is right then and later, while
// events are stored and deleted.
func TestEventCount(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	for n := range uint64(6) {
		random := newRandom(seed + n)
		var mu sync.Mutex
		began := time.Now()
		now := began
		s := open(t, func(o *Options) {
			o.sync, o.Retain = "off", time.Hour
			o.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			}
			o.Elapsed = func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return now.Sub(began)
			}
		})
		source, _ := populate(t, s)
		const events = 200
		accept := func() error {
			list := slices.Repeat([]bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: began, Body: []byte("b"),
				SHA256: sha256.Sum256([]byte("b"))}}, 10)
			_, err := s.Accept(context.Background(), nil, list, nil)
			return err
		}
		var running sync.WaitGroup
		for range 4 {
			running.Go(func() {
				for range events / 10 {
					if err := accept(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		ask := random.IntN(4 * events / 2)
		for asked := int64(-1); asked < int64(ask); {
			var err error
			s.read(t.Context(), func(c *conn) error {
				asked, err = c.number("SELECT count(*) FROM events")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			got, err := s.countEvents(t.Context())
			if err != nil || got < int64(ask) || got > 4*events {
				t.Errorf("%d events of more than %d, %v", got, ask, err)
			}
		}
		running.Wait()
		compare := func(when string, want int64) {
			t.Helper()
			stats, err := s.Stats(t.Context())
			rows := int64(-1)
			s.read(t.Context(), func(c *conn) (err error) {
				rows, err = c.number("SELECT count(*) FROM events")
				return err
			})
			if err != nil || stats.Events != rows || want >= 0 && rows != want {
				t.Errorf("%s: %d events, and %d rows; %v", when, stats.Events, rows, err)
			}
		}
		compare("all stored", 4*events)
		mu.Lock()
		now = now.Add(3 * time.Hour)
		mu.Unlock()
		for from, more := int64(0), true; more; {
			var err error
			if from, more, err = s.deleteOld(from); err != nil {
				t.Fatal(err)
			}
			compare("half deleted", -1)
		}
		compare("deleted", 0)
	}
}
