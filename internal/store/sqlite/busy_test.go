package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Many senders repeat one event at the same moment: it is stored once, and all of them learn the same id.
func TestSameEventAtOnce(t *testing.T) {
	h := newHouse(t, "")
	s, _ := h.live()
	defer s.Close()
	for _, providerID := range []string{"a", "b", "c"} {
		var duplicates, deliveries atomic.Int64
		var ids sync.Map
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				<-start
				events := []bellhop.Event{{SourceID: h.ledger.source, Type: "x", ProviderID: providerID, ReceivedAt: time.Now(), SHA256: sha256.Sum256(nil)}}
				owed := []bellhop.NewDelivery{{DestinationID: h.ledger.destination}}
				got, err := s.Accept(t.Context(), nil, events, owed)
				if err != nil {
					t.Error(err)
				}
				duplicates.Add(int64(got.Duplicates))
				if owed[0].DeliveryID != "" {
					deliveries.Add(1)
				}
				ids.Store(events[0].ID, true)
			})
		}
		close(start)
		all.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if n != 1 || duplicates.Load() != 63 || deliveries.Load() != 1 {
			t.Errorf("%d ids, %d duplicates, %d deliveries; want 1, 63, 1", n, duplicates.Load(), deliveries.Load())
		}
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Events != 3 || st.Deliveries[bellhop.DeliveryPending] != 3 {
		t.Errorf("stored %+v, %v", st, err)
	}
}

// A store that is closed in the middle of work answers everybody, and has what it acknowledged.
func TestCloseWhileBusy(t *testing.T) {
	for round := range 5 {
		h := newHouse(t, "")
		s, _ := h.live()
		random := newRandom(uint64(round))
		var begun sync.WaitGroup
		var all sync.WaitGroup
		for i := range 16 {
			begun.Add(1)
			all.Go(func() {
				random := newRandom(uint64(i))
				for n := 0; ; n++ {
					err := h.ledger.send(s, random)
					if n == 0 {
						begun.Done()
					}
					if errors.Is(err, store.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("accept: %v", err)
						return
					}
				}
			})
		}
		begun.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		for what, err := range map[string]error{"accept": h.ledger.send(s, random), "claim": second(s.Claim(t.Context(), h.ledger.destination, 1, 1)),
			"record": s.Record(delivered(s.ids.Delivery(1))), "read": second(s.Stats(t.Context())), "ready": s.Release(t.Context(), nil)} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s after Close: %v, want %v", what, err, store.ErrClosed)
			}
		}
		s = reopen(t, h.dir)
		if lost, wrong := h.ledger.check(s); len(lost)+len(wrong) > 0 {
			t.Errorf("lost %q, wrong %q", lost, wrong)
		}
	}
}

// Who stops waiting for an answer to a question gets none, and the next one does.
func TestReadEndsWithContext(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stats(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stats: %v, want %v", err, context.Canceled)
	}
	for range 2 * maxReaders {
		if _, err := s.Stats(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
