package sqlite

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// hold keeps the writer busy until release is called, or the test ends.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	held, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	release = func() { once.Do(func() { close(end) }) }
	t.Cleanup(release)
	go s.do(func(*conn) error {
		close(held)
		<-end
		return nil
	})
	<-held
	return release
}

// offered is an op that counts its results.
type offered struct{ written, refused *atomic.Int64 }

func (o offered) apply(*conn) error { return nil }
func (o offered) patient() bool     { return false }

func (o offered) done(err error) {
	if err == nil {
		o.written.Add(1)
	} else if errors.Is(err, store.ErrFull) {
		o.refused.Add(1)
	}
}

// TestOfferNeverWaits has many callers offer an op at once while there is room for one: one op is queued, and
// no caller waits for the writer.
func TestOfferNeverWaits(t *testing.T) {
	t.Parallel()
	for range 5 {
		s := open(t)
		release := hold(t, s)
		var written, refused atomic.Int64
		for range maxWaiting - 1 {
			s.writer.offer(offered{&written, &refused})
		}
		const callers = 64
		var all sync.WaitGroup
		start := make(chan struct{})
		for range callers {
			all.Go(func() {
				<-start
				s.writer.offer(offered{&written, &refused})
			})
		}
		close(start)
		all.Wait()
		if refused.Load() != callers-1 {
			t.Errorf("%d of %d were refused", refused.Load(), callers)
		}
		release()
		if err := s.do(func(*conn) error { return nil }); err != nil || written.Load() != maxWaiting {
			t.Errorf("%d were written, %v; want %d", written.Load(), err, maxWaiting)
		}
	}
}

// TestNoteClonesItsBody shows that a queued note does not keep a large body in memory.
func TestNoteClonesItsBody(t *testing.T) {
	t.Parallel()
	s := open(t)
	source, _ := populate(t, s)
	hold(t, s)
	large := make([]byte, 32<<20)
	for _, length := range []int{len(large), bellhop.MaxRefusedBodyBytes + 1, bellhop.MaxRefusedBodyBytes, 1} {
		s.Note(bellhop.Request{SourceID: source, Outcome: bellhop.RequestRefused, Body: large[:length]})
		s.writer.mu.Lock()
		kept := s.writer.waiting[len(s.writer.waiting)-1].(*note).req.Body
		s.writer.mu.Unlock()
		if want := min(length, bellhop.MaxRefusedBodyBytes); len(kept) != want ||
			cap(kept) > 2*bellhop.MaxRefusedBodyBytes || &kept[0] == &large[0] {
			t.Errorf("of %d bytes %d are kept, in a slice of %d", length, len(kept), cap(kept))
		}
	}
}
