package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// errNoSpace is what os.File says on a full disk.
var errNoSpace error = &fs.PathError{Op: "write", Path: store.FileName, Err: syscall.ENOSPC}

// While the disk is full, what is new fails and results wait; both go on by themselves once there is room.
func TestFull(t *testing.T) {
	for name, full := range map[string]error{"disk": errNoSpace, "quota": &fs.PathError{Op: "write", Err: syscall.EDQUOT}, "sqlite": sqlite3.FULL} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "")
			s, d := h.live()
			defer s.Close()
			id, _, err := h.acceptOne(s, "before")
			if err != nil {
				t.Fatal(err)
			}

			fired := d.set(fault{op: opWrite, nth: 1, err: full, lasts: true})
			if err := s.Record(delivered(id)); err != nil {
				t.Fatal(err)
			}
			<-fired
			for what, err := range map[string]error{"accept": third(h.acceptOne(s, "while")), "ready": s.Ready(t.Context()),
				"pause": s.SetDestinationState(t.Context(), h.ledger.destination, bellhop.DestinationPaused, "by hand")} {
				if !errors.Is(err, store.ErrFull) {
					t.Errorf("%s: %v, want %v", what, err, store.ErrFull)
				}
			}
			if got, err := s.Delivery(t.Context(), id); err != nil || got.State != bellhop.DeliveryLeased {
				t.Errorf("while full it is %s, want leased; %v", got.State, err)
			}

			d.mend()
			if err := s.Ready(t.Context()); err != nil {
				t.Errorf("with room again: %v", err)
			}
			if got, err := s.Delivery(t.Context(), id); err != nil || got.State != bellhop.DeliveryDelivered {
				t.Errorf("with room again it is %s, want delivered; %v", got.State, err)
			}
			_, got, err := h.acceptOne(s, "while")
			if err != nil || got.Duplicates != 0 {
				t.Errorf("with room again: %d duplicates, want that nothing was kept; %v", got.Duplicates, err)
			}
			if err := s.Err(); err != nil || s.writer.full.Load() {
				t.Errorf("with room again it still seems full: %t, %v", s.writer.full.Load(), err)
			}
		})
	}
}

// What writes nothing says nothing of whether there is room.
func TestFullStaysFull(t *testing.T) {
	h := newHouse(t, "")
	s, d := h.live()
	defer s.Close()
	d.set(fault{op: opWrite, nth: 1, err: errNoSpace, lasts: true})
	for range 2 {
		if _, _, err := h.acceptOne(s, ""); !errors.Is(err, store.ErrFull) {
			t.Fatalf("accept: %v, want %v", err, store.ErrFull)
		}
		if h.due(s) {
			t.Error("something is due")
		}
		if err := s.Ready(t.Context()); !errors.Is(err, store.ErrFull) {
			t.Errorf("ready after a claim that found nothing: %v, want %v", err, store.ErrFull)
		}
	}
	d.mend()
	for range 2 {
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
}

// Results that wait for room are written without anybody asking for it.
func TestFullRecovers(t *testing.T) {
	h := newHouse(t, "")
	s, d := h.live()
	defer s.Close()
	id, _, err := h.acceptOne(s, "")
	if err != nil {
		t.Fatal(err)
	}
	fired := d.set(fault{op: opWrite, nth: 1, err: errNoSpace})
	if err := s.Record(delivered(id)); err != nil {
		t.Fatal(err)
	}
	<-fired
	eventually(t, "the result is written", func() bool {
		got, err := s.Delivery(t.Context(), id)
		return err == nil && got.State == bellhop.DeliveryDelivered
	})
}

// delivered is the result of a delivery's first attempt.
func delivered(deliveryID string) bellhop.Result {
	return bellhop.Result{DeliveryID: deliveryID, State: bellhop.DeliveryDelivered,
		Attempt: bellhop.Attempt{Number: 1, StartedAt: time.Now(), Duration: time.Millisecond, Status: 200}}
}

// eventually waits until done reports true, for what nobody tells us of.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for !done() {
		if !pause(ctx, time.Millisecond) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }
