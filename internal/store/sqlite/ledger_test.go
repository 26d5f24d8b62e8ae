package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A ledger knows what was asked of a store and what the store answered, over all lives of the store. Each event has
// two deliveries: one leased, which is tried at once, and one pending.
type ledger struct {
	source, destination string

	mu       sync.Mutex
	sent     map[uint64]*entry // by the number that its body begins with
	recorded map[string]bool   // deliveries of which a result was handed over
}

// An entry is one event that was sent.
type entry struct {
	sum        [32]byte
	id         string // "" until acknowledged
	deliveries [2]string
	refused    bool // with the promise that nothing of it is kept
}

// body makes the body of the next event.
func (l *ledger) body(random *rand.Rand) ([]byte, *entry) {
	length := 8 + random.IntN(2000)
	if random.IntN(16) == 0 {
		length = random.IntN(60 << 10)
	}
	body := make([]byte, max(8, length))
	l.mu.Lock()
	defer l.mu.Unlock()
	number := uint64(len(l.sent) + 1)
	binary.LittleEndian.PutUint64(body, number)
	for i := 8; i+8 <= len(body); i += 8 {
		binary.LittleEndian.PutUint64(body[i:], random.Uint64())
	}
	e := &entry{sum: sha256.Sum256(body)}
	l.sent[number] = e
	return body, e
}

// send accepts a request of one or two events and records an attempt of each delivery that is leased.
func (l *ledger) send(s *Store, random *rand.Rand) error {
	var events []bellhop.Event
	var owed []bellhop.NewDelivery
	var entries []*entry
	for i := range 1 + random.IntN(2) {
		body, e := l.body(random)
		ev := bellhop.Event{SourceID: l.source, Type: "ams.Job", ReceivedAt: time.Now(), Body: body, SHA256: e.sum}
		if random.IntN(2) == 0 {
			ev.ProviderID = fmt.Sprint(binary.LittleEndian.Uint64(body))
		}
		events, entries = append(events, ev), append(entries, e)
		owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: l.destination, Leased: true}, bellhop.NewDelivery{Event: i, DestinationID: l.destination})
	}
	_, err := s.Accept(context.Background(), nil, events, owed)
	l.mu.Lock()
	for i, e := range entries {
		switch {
		case err == nil:
			e.id, e.deliveries = events[i].ID, [2]string{owed[2*i].DeliveryID, owed[2*i+1].DeliveryID}
		case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed):
			e.refused = true
		}
	}
	l.mu.Unlock()
	for i := 0; err == nil && i < len(owed); i += 2 {
		err = l.record(s, owed[i].DeliveryID, 1, random)
	}
	return err
}

func (l *ledger) record(s *Store, deliveryID string, number int, random *rand.Rand) error {
	l.mu.Lock()
	l.recorded[deliveryID] = true
	l.mu.Unlock()
	r := bellhop.Result{DeliveryID: deliveryID, DestinationID: l.destination, State: bellhop.DeliveryDelivered,
		Attempt: bellhop.Attempt{Number: number, StartedAt: time.Now(), Status: 200}}
	if random.IntN(2) == 0 {
		r.State, r.NextAt, r.Attempt.Status = bellhop.DeliveryPending, time.Now(), 503
	}
	return s.Record(r)
}

// claim claims some of what is due and records an attempt of each.
func (l *ledger) claim(s *Store, random *rand.Rand) error {
	due, err := s.Claim(context.Background(), l.destination, 4, 1<<20)
	for i := 0; err == nil && i < len(due); i++ {
		err = l.record(s, due[i].ID, due[i].Attempts+1, random)
	}
	return err
}

// load has senders each send up to times requests, until one is told that the store takes nothing more.
func (l *ledger) load(s *Store, seed uint64, senders, times int) {
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for range times {
				err := l.send(s, random)
				if err == nil && random.IntN(8) == 0 {
					err = l.claim(s, random)
				}
				if random.IntN(64) == 0 {
					s.writer.submit(checkpointNow{s.writer})
				}
				if errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrClosed) {
					return
				}
			}
		})
	}
	all.Wait()
}

// checkpointNow is an op that has the writer move its log into the database after this batch, as it does for itself
// only when the log is long.
type checkpointNow struct{ w *writer }

func (checkpointNow) apply(*conn) error { return nil }
func (checkpointNow) patient() bool     { return false }
func (o checkpointNow) done(error)      { o.w.pages = checkpointPages }
