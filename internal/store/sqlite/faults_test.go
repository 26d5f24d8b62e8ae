package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// TestFaultsOfAccept shows what a fault in transaction 1 leaves behind. The sender sees an error, or no answer
// if power went before the answer, and repeats the event. After each fault power is cut and the store is opened
// again.
func TestFaultsOfAccept(t *testing.T) {
	failed := func(op diskOp, kept float64) fault { return fault{op: op, nth: 1, kept: kept} }
	power := func(kept float64) fault { return fault{op: opSync, nth: 1, kept: kept, power: true} }
	for _, c := range []struct {
		name   string
		fault  fault
		sees   error // of Accept
		stored bool
		due    bool // after the restart
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
			t.Parallel()
			rig := newCrashRig(t, "")
			s, d := rig.live()
			d.set(c.fault)
			_, _, err := rig.acceptOne(s, "a")
			if !errors.Is(err, c.sees) {
				t.Errorf("the sender sees %v, want %v", err, c.sees)
			}
			s = rig.restart(s, d)
			list, _, err := s.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{})
			if err != nil || (len(list) == 1) != c.stored {
				t.Errorf("stored %d events, want %t; %v", len(list), c.stored, err)
			}
			if due := rig.due(s); due != c.due {
				t.Errorf("due again: %t, want %t", due, c.due)
			}
			_, got, err := rig.acceptOne(s, "a")
			if err != nil || (got.Duplicates == 1) != (c.repeat == "folds") {
				t.Errorf("the repeat: %d duplicates, want that it %s; %v", got.Duplicates, c.repeat, err)
			}
		})
	}
}

// TestFaultsOfRecord shows what a fault in transaction 2 leaves behind. Nobody waits for that transaction, and
// an attempt whose result is lost is made again.
func TestFaultsOfRecord(t *testing.T) {
	failed := func(op diskOp, kept float64) fault { return fault{op: op, nth: 1, kept: kept} }
	power := func(kept float64) fault { return fault{op: opSync, nth: 1, kept: kept, power: true} }
	for _, c := range []struct {
		name  string
		fault fault
		after bellhop.DeliveryState // the state after the restart
		due   bool                  // after the restart
	}{
		{"the disk is full for a moment", fault{op: opWrite, nth: 1, err: errNoSpace}, "delivered", false},
		{"the disk is full until power goes", fault{op: opWrite, nth: 1, err: errNoSpace, lasts: true},
			"pending", true},
		{"a write fails and is not kept", failed(opWrite, 0), "pending", true},
		{"the sync fails and nothing is kept", failed(opSync, 0), "pending", true},
		{"the sync fails but all is kept", failed(opSync, 1), "delivered", false},
		{"power goes before the sync", power(0), "pending", true},
		{"power goes just after the sync", power(1), "delivered", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rig := newCrashRig(t, "")
			s, d := rig.live()
			id, _, err := rig.acceptOne(s, "a")
			if err != nil {
				t.Fatal(err)
			}
			fired := d.set(c.fault)
			if err := s.Record(delivered(id)); err != nil {
				t.Fatal(err)
			}
			<-fired
			s.do(func(*conn) error { return nil }) // by now the result has been tried
			s = rig.restart(s, d)
			if got, err := s.Delivery(t.Context(), id); err != nil || got.State != c.after {
				t.Errorf("after the restart it is %s, want %s; %v", got.State, c.after, err)
			}
			if due := rig.due(s); due != c.due {
				t.Errorf("due again: %t, want %t", due, c.due)
			}
		})
	}
}

// live opens the store of the rig on a disk of its own, and begins its log: from then on a commit is some
// writes and one sync.
func (rig *crashRig) live() (*Store, *disk) {
	rig.Helper()
	d := newDisk(rig, 0)
	s, err := rig.open(d)
	if err == nil {
		err = s.do(func(c *conn) error { return c.exec("UPDATE meta SET value = 'x' WHERE name = 'probed_at'") })
	}
	if err != nil {
		rig.Fatal(err)
	}
	return s, d
}

// restart cuts power, unless it has gone already, and opens the store that is left. Content that was not synced
// is lost.
func (rig *crashRig) restart(s *Store, d *disk) *Store {
	rig.Helper()
	rig.dir = d.powerCut(rig, rig.dir, 0)
	s.Close()
	after, _ := rig.live()
	rig.Cleanup(func() { after.Close() })
	return after
}

// acceptOne accepts one event with one delivery, leased.
func (rig *crashRig) acceptOne(s *Store, providerID string) (deliveryID string, got bellhop.Accepted, err error) {
	body := []byte("{}")
	owed := []bellhop.NewDelivery{{DestinationID: rig.ledger.destination, Leased: true}}
	got, err = s.Accept(context.Background(), nil, []bellhop.Event{{SourceID: rig.ledger.source, Type: "x",
		ProviderID: providerID,
		ReceivedAt: time.Now(), Body: body, SHA256: sha256.Sum256(body)}}, owed)
	return owed[0].DeliveryID, got, err
}

// due reports whether a delivery is due, and claims it.
func (rig *crashRig) due(s *Store) bool {
	rig.Helper()
	list, err := s.Claim(rig.Context(), rig.ledger.destination, 10, 1<<20)
	if err != nil {
		rig.Fatal(err)
	}
	return len(list) > 0
}

// TestDiskErrors shows that, whichever operation fails, the store acknowledges nothing more, names the file,
// and has lost nothing that it had acknowledged. TestStressDiskErrors fails every operation up to the 60th.
func TestDiskErrors(t *testing.T) {
	diskErrors(t, opSync, 1, 2, 3, 10, 30)
	diskErrors(t, opWrite, 1, 2, 3, 4, 5, 6, 20, 50)
	diskErrors(t, opTruncate, 1, 2)
}

// diskErrors runs diskError for operations that fail the nth time.
func diskErrors(t *testing.T, op diskOp, nth ...int) {
	seed := seed(t)
	for _, n := range nth {
		t.Run(fmt.Sprintf("%s %d", op, n), func(t *testing.T) {
			t.Parallel()
			diskError(t, seed+uint64(n), fault{op: op, nth: n, kept: float64(n%3) / 2})
		})
	}
}

func diskError(t *testing.T, seed uint64, f fault) {
	rig := newCrashRig(t, "")
	d := newDisk(t, seed)
	s, err := rig.open(d)
	if err != nil {
		t.Fatal(err)
	}
	d.set(f)
	rig.ledger.load(s, seed, 2, 2000)
	if !closed(s.Failed()) {
		t.Fatal("the senders have ended, but the store has not failed")
	}
	if err := s.Err(); !strings.Contains(fmt.Sprint(err), s.Path()) {
		t.Errorf("Err: %v, want the file's name", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("it is ready")
	}
	for range 3 {
		if err := rig.ledger.send(s, newRandom(seed)); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("accept: %v, want %v", err, store.ErrUnknown)
		}
	}
	s.Close()
	rig.examine(d, 0.5)
}

// TestDiskFullOnce shows that a disk without room for one write fails the operations in that transaction,
// whole, and nothing else. TestStressDiskFullOnce fails every write up to the 60th.
func TestDiskFullOnce(t *testing.T) {
	diskFullOnce(t, 1, 2, 3, 4, 5, 6, 21, 50)
}

// diskFullOnce runs fullOnce for writes that find no room the nth time.
func diskFullOnce(t *testing.T, nth ...int) {
	seed := seed(t)
	for _, n := range nth {
		var full error = sqlite3.FULL
		if n%2 == 0 {
			full = &fs.PathError{Op: "write", Path: store.FileName, Err: syscall.ENOSPC} // as os.File returns it
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			fullOnce(t, seed+uint64(n), fault{op: opWrite, nth: n, err: full})
		})
	}
}

func fullOnce(t *testing.T, seed uint64, f fault) {
	rig := newCrashRig(t, "")
	d := newDisk(t, seed)
	s, err := rig.open(d)
	if err != nil {
		t.Fatal(err)
	}
	fired := d.set(f)
	for !closed(fired) {
		rig.ledger.load(s, seed, 4, 10)
	}
	rig.ledger.load(s, seed, 4, 2)
	if err := s.Err(); err != nil {
		t.Errorf("a full disk was taken for a broken one: %v", err)
	}
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
	rig.examine(d, 0)
}

// TestDiskErrorOnOpen shows that opening fails as a whole, whichever operation fails, and succeeds the next
// time: in a new folder, and in one that a crash has left. TestStressDiskErrorOnOpen fails every operation.
func TestDiskErrorOnOpen(t *testing.T) {
	diskErrorOnOpen(t, 5)
}

// diskErrorOnOpen fails every step-th operation.
func diskErrorOnOpen(t *testing.T, step int) {
	seed := seed(t)
	crashedRig := newCrashRig(t, "")
	d := newDisk(t, seed)
	s, err := crashedRig.open(d)
	if err != nil {
		t.Fatal(err)
	}
	crashedRig.ledger.load(s, seed, 4, 10)
	crashed := readFolder(t, d.powerCut(t, crashedRig.dir, 1))
	s.Close()
	for name, files := range map[string]images{"new": nil, "crashed": crashed} {
		for _, op := range []diskOp{opSync, opWrite, opTruncate} {
			t.Run(name+" "+string(op), func(t *testing.T) {
				t.Parallel()
				for n := 1; failOpening(t, files, crashedRig.ledger,
					fault{op: op, nth: n, kept: float64(n%3) / 2}); n += step {
				}
			})
		}
	}
}

// failOpening opens the store of files with f, and again without it. It reports whether f struck.
func failOpening(t *testing.T, files images, l *ledger, f fault) bool {
	rig := &crashRig{T: t, dir: t.TempDir(), ledger: l}
	writeFolder(t, rig.dir, files)
	d := newDisk(t, uint64(f.nth))
	fired := d.set(f)
	s, err := rig.open(d)
	if err == nil {
		s.Close()
	} else if path := filepath.Join(rig.dir, store.FileName); !strings.Contains(err.Error(), path) {
		t.Errorf("%v: does not name %s", err, path)
	}
	if !closed(fired) {
		return false
	}
	if files == nil {
		rig.ledger = &ledger{}
	}
	rig.examine(d, 0.5)
	return true
}

// examine compares the store that is left after a power cut with the ledger.
func (rig *crashRig) examine(d *disk, kept float64) {
	rig.Helper()
	rig.dir = d.powerCut(rig, rig.dir, kept)
	s, err := rig.open(newDisk(rig, 0))
	if err != nil {
		rig.Fatal(err)
	}
	lost, wrong := rig.ledger.check(s)
	if len(lost)+len(wrong) > 0 {
		rig.Errorf("lost %d: %q; wrong: %q", len(lost), lost, wrong)
	}
	if err := s.Close(); err != nil {
		rig.Error(err)
	}
}

// errNoSpace is the error of os.File on a full disk.
var errNoSpace error = &fs.PathError{Op: "write", Path: store.FileName, Err: syscall.ENOSPC}

// TestFull shows that, while the disk is full, new operations fail and results wait, and that both go on once
// there is room.
func TestFull(t *testing.T) {
	for name, full := range map[string]error{"disk": errNoSpace, "quota": &fs.PathError{Op: "write",
		Err: syscall.EDQUOT}, "sqlite": sqlite3.FULL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newCrashRig(t, "")
			s, d := rig.live()
			defer s.Close()
			id, _, err := rig.acceptOne(s, "before")
			if err != nil {
				t.Fatal(err)
			}

			fired := d.set(fault{op: opWrite, nth: 1, err: full, lasts: true})
			if err := s.Record(delivered(id)); err != nil {
				t.Fatal(err)
			}
			<-fired
			for what, err := range map[string]error{"accept": third(rig.acceptOne(s, "while")),
				"ready": s.Ready(t.Context()),
				"pause": s.SetDestinationState(t.Context(), rig.ledger.destination, bellhop.DestinationPaused,
					"by hand")} {
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
			_, got, err := rig.acceptOne(s, "while")
			if err != nil || got.Duplicates != 0 {
				t.Errorf("with room again: %d duplicates, want that nothing was kept; %v", got.Duplicates, err)
			}
			if err := s.Err(); err != nil || s.writer.full.Load() {
				t.Errorf("with room again it still seems full: %t, %v", s.writer.full.Load(), err)
			}
		})
	}
}

// TestFullStaysFull shows that a transaction that writes nothing is not taken as a sign of room.
func TestFullStaysFull(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, d := rig.live()
	defer s.Close()
	d.set(fault{op: opWrite, nth: 1, err: errNoSpace, lasts: true})
	for range 2 {
		if _, _, err := rig.acceptOne(s, ""); !errors.Is(err, store.ErrFull) {
			t.Fatalf("accept: %v, want %v", err, store.ErrFull)
		}
		if rig.due(s) {
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

// TestFullRecovers shows that results that wait for room are written without another operation.
func TestFullRecovers(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, d := rig.live()
	defer s.Close()
	id, _, err := rig.acceptOne(s, "")
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
