package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// What a fault at either write of the corridor leaves behind. After each, power is cut and the store opened again.

// Transaction 1. The sender is answered with the error, or with nothing when power went before the answer; then it
// repeats the event.
func TestFaultsOfAccept(t *testing.T) {
	failed := func(op diskOp, kept float64) fault { return fault{op: op, nth: 1, kept: kept} }
	power := func(kept float64) fault { return fault{op: opSync, nth: 1, kept: kept, power: true} }
	for _, c := range []struct {
		name   string
		fault  fault
		sees   error // the sender
		stored bool
		due    bool // again, after the restart
		repeat string
	}{
		{"the disk is full", fault{op: opWrite, nth: 1, err: errNoSpace}, store.ErrFull, false, false, "is new"},
		{"a write fails and is not kept", failed(opWrite, 0), store.ErrUnknown, false, false, "is new"},
		{"the sync fails and nothing is kept", failed(opSync, 0), store.ErrUnknown, false, false, "is new"},
		{"the sync fails but all is kept", failed(opSync, 1), store.ErrUnknown, true, true, "folds"},
		{"power goes before the sync", power(0), store.ErrUnknown, false, false, "is new"},
		{"power goes after the sync, before the answer", power(1), store.ErrUnknown, true, true, "folds"},
		{"power goes after the answer", fault{nth: -1}, nil, true, true, "folds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, "")
			s, d := h.live()
			d.set(c.fault)
			_, _, err := h.acceptOne(s, "a")
			if !errors.Is(err, c.sees) {
				t.Errorf("the sender sees %v, want %v", err, c.sees)
			}
			s = h.restart(s, d)
			list, _, err := s.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{})
			if err != nil || (len(list) == 1) != c.stored {
				t.Errorf("stored %d events, want %t; %v", len(list), c.stored, err)
			}
			if due := h.due(s); due != c.due {
				t.Errorf("due again: %t, want %t", due, c.due)
			}
			_, got, err := h.acceptOne(s, "a")
			if err != nil || (got.Duplicates == 1) != (c.repeat == "folds") {
				t.Errorf("the repeat: %d duplicates, want that it %s; %v", got.Duplicates, c.repeat, err)
			}
		})
	}
}

// Transaction 2. Nobody waits for it; what of it is lost is made again.
func TestFaultsOfRecord(t *testing.T) {
	failed := func(op diskOp, kept float64) fault { return fault{op: op, nth: 1, kept: kept} }
	power := func(kept float64) fault { return fault{op: opSync, nth: 1, kept: kept, power: true} }
	for _, c := range []struct {
		name  string
		fault fault
		after bellhop.DeliveryState // the restart
		due   bool                  // again
	}{
		{"the disk is full for a moment", fault{op: opWrite, nth: 1, err: errNoSpace}, "delivered", false},
		{"the disk is full until power goes", fault{op: opWrite, nth: 1, err: errNoSpace, lasts: true}, "pending", true},
		{"a write fails and is not kept", failed(opWrite, 0), "pending", true},
		{"the sync fails and nothing is kept", failed(opSync, 0), "pending", true},
		{"the sync fails but all is kept", failed(opSync, 1), "delivered", false},
		{"power goes before the sync", power(0), "pending", true},
		{"power goes just after the sync", power(1), "delivered", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, "")
			s, d := h.live()
			id, _, err := h.acceptOne(s, "a")
			if err != nil {
				t.Fatal(err)
			}
			fired := d.set(c.fault)
			if err := s.Record(delivered(id)); err != nil {
				t.Fatal(err)
			}
			<-fired
			s.do(func(*conn) error { return nil }) // what was handed over before has been tried
			s = h.restart(s, d)
			if got, err := s.Delivery(t.Context(), id); err != nil || got.State != c.after {
				t.Errorf("after the restart it is %s, want %s; %v", got.State, c.after, err)
			}
			if due := h.due(s); due != c.due {
				t.Errorf("due again: %t, want %t", due, c.due)
			}
		})
	}
}

// live opens the house's store on a disk of its own, and begins its log: from then on a commit is some writes and
// one sync.
func (h *house) live() (*Store, *disk) {
	h.Helper()
	d := newDisk(h, 0)
	s, err := h.open(d)
	if err == nil {
		err = s.do(func(c *conn) error { return c.exec("UPDATE meta SET value = 'x' WHERE name = 'probed_at'") })
	}
	if err != nil {
		h.Fatal(err)
	}
	return s, d
}

// restart cuts power, if it has not gone yet, and opens what is left; nothing gets to the disk that was not synced.
func (h *house) restart(s *Store, d *disk) *Store {
	h.Helper()
	h.dir = d.powerCut(h, h.dir, 0)
	s.Close()
	after, _ := h.live()
	h.Cleanup(func() { after.Close() })
	return after
}

// acceptOne accepts one event with one delivery, leased.
func (h *house) acceptOne(s *Store, providerID string) (deliveryID string, got bellhop.Accepted, err error) {
	body := []byte("{}")
	owed := []bellhop.NewDelivery{{DestinationID: h.ledger.destination, Leased: true}}
	got, err = s.Accept(context.Background(), nil, []bellhop.Event{{SourceID: h.ledger.source, Type: "x", ProviderID: providerID,
		ReceivedAt: time.Now(), Body: body, SHA256: sha256.Sum256(body)}}, owed)
	return owed[0].DeliveryID, got, err
}

// due reports whether something is due.
func (h *house) due(s *Store) bool {
	h.Helper()
	list, err := s.Claim(h.Context(), h.ledger.destination, 10, 1<<20)
	if err != nil {
		h.Fatal(err)
	}
	return len(list) > 0
}
