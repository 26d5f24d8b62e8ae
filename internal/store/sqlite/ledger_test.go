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
	"github.com/ncruces/go-sqlite3"
)

// A ledger knows what was sent to a store and what the store acknowledged, across restarts. Each event has two
// deliveries: one leased, which is tried at once, and one pending.
type ledger struct {
	source, destination string

	mu       sync.Mutex
	sent     map[uint64]*entry // by the number at the beginning of the body
	recorded map[string]bool   // ids of deliveries with a result that was handed over
}

// An entry is one event that was sent.
type entry struct {
	sum        [32]byte
	id         string // "" until acknowledged
	deliveries [2]string
	refused    bool // the store promised that nothing of it is kept
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
		owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: l.destination, Leased: true},
			bellhop.NewDelivery{Event: i, DestinationID: l.destination})
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

// claim claims some due deliveries and records an attempt of each.
func (l *ledger) claim(s *Store, random *rand.Rand) error {
	due, err := s.Claim(context.Background(), l.destination, 4, 1<<20)
	for i := 0; err == nil && i < len(due); i++ {
		err = l.record(s, due[i].ID, due[i].Attempts+1, random)
	}
	return err
}

// load sends up to times requests from each of several senders, until the store takes nothing more.
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

// checkpointNow is an op that makes the writer move its log into the database after this batch, as it otherwise
// does only when the log is long.
type checkpointNow struct{ w *writer }

func (checkpointNow) apply(*conn) error { return nil }
func (checkpointNow) patient() bool     { return false }
func (o checkpointNow) done(error)      { o.w.pages = checkpointPages }

// check compares the store with the ledger. lost lists acknowledged events that the store does not have, wrong
// lists everything else that must not be. The store must just have been opened.
func (l *ledger) check(s *Store) (lost, wrong []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	complain := func(list *[]string, format string, args ...any) {
		*list = append(*list, fmt.Sprintf(format, args...))
	}
	deliveries := map[string]int{} // by event
	there := map[string]bool{}
	events := map[uint64]string{}
	err := s.read(context.Background(), func(c *conn) error {
		return errors.Join(
			c.query("PRAGMA integrity_check", nil, func(row *sqlite3.Stmt) error {
				if text := row.ColumnText(0); text != "ok" {
					complain(&wrong, "integrity: %s", text)
				}
				return nil
			}),
			c.query("SELECT n, state FROM deliveries", nil, func(row *sqlite3.Stmt) error {
				id := s.ids.Delivery(row.ColumnInt64(0))
				deliveries[s.ids.Event(row.ColumnInt64(0)>>placeBits)]++
				there[id] = true
				if state := row.ColumnText(1); state == "leased" || state != "pending" && !l.recorded[id] {
					complain(&wrong, "delivery %s is %s", id, state)
				}
				return nil
			}),
			c.query("SELECT n, body, sha256 FROM events", nil, func(row *sqlite3.Stmt) error {
				id, body := s.ids.Event(row.ColumnInt64(0)), row.ColumnRawBlob(1)
				if len(body) < 8 {
					complain(&wrong, "event %s is damaged", id)
					return nil
				}
				number := binary.LittleEndian.Uint64(body)
				events[number] = id
				switch e := l.sent[number]; {
				case e == nil || sha256.Sum256(body) != e.sum || string(row.ColumnRawBlob(2)) != string(e.sum[:]):
					complain(&wrong, "event %s was never sent", id)
				case e.refused:
					complain(&wrong, "event %s is kept, although its sender was told that it is not", id)
				case deliveries[id] != 2:
					complain(&wrong, "event %s has %d deliveries", id, deliveries[id])
				}
				delete(deliveries, id)
				return nil
			}))
	})
	if err != nil {
		complain(&wrong, "%v", err)
	}
	for id := range deliveries {
		complain(&wrong, "deliveries of event %s, which does not exist", id)
	}
	for number, e := range l.sent {
		if e.id != "" && (events[number] != e.id || !there[e.deliveries[0]] || !there[e.deliveries[1]]) {
			complain(&lost, "event %s", e.id)
		}
	}
	return lost, wrong
}
