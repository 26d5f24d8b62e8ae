package sqlite

import (
	"maps"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A witness is an observer that keeps, of each call, the files that a power cut at that moment would leave.
type witness struct {
	disk   *disk
	images []images
}

func (w *witness) look() {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	w.images = append(w.images, w.disk.survivors(0))
}

func (w *witness) Accepted(*bellhop.Event, []bellhop.NewDelivery) { w.look() }
func (w *witness) Recorded(*bellhop.Result)                       { w.look() }
func (w *witness) Noted(*bellhop.Request)                         { w.look() }
func (w *witness) Observing() bool                                { return true }

// witnessed opens the store of the rig with an observer.
func (rig *crashRig) witnessed() (*Store, *witness) {
	rig.Helper()
	w := &witness{disk: newDisk(rig, 0)}
	s, err := Open(options(rig, rig.dir, func(o *Options) { o.fileLayer, o.Observer = w.disk.name, w }))
	if err != nil {
		rig.Fatal(err)
	}
	rig.Cleanup(func() { s.Close() })
	return s, w
}

// TestObserverIsToldAfterTheSync shows that everything the observer is told is on disk by then.
func TestObserverIsToldAfterTheSync(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, w := rig.witnessed()
	id, _, err := rig.acceptOne(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Record(delivered(id)); err != nil {
		t.Fatal(err)
	}
	if err := s.do(func(*conn) error { return nil }); err != nil { // the result is written
		t.Fatal(err)
	}
	if len(w.images) != 2 {
		t.Fatalf("the observer was told %d times, want once of an event and once of a result", len(w.images))
	}
	keys := readFolder(t, rig.dir)
	for i, want := range []bellhop.Delivery{{State: bellhop.DeliveryPending},
		{State: bellhop.DeliveryDelivered, Attempts: 1}} {
		after := maps.Clone(w.images[i])
		dir := t.TempDir()
		after[store.KeyFileName] = keys[store.KeyFileName]
		writeFolder(t, dir, after)
		got, err := reopen(t, dir).Delivery(t.Context(), id)
		if err != nil || got.State != want.State || got.Attempts != want.Attempts {
			t.Errorf("after a power cut during call %d of the observer: %+v, %v", i+1, got, err)
		}
	}
}

// TestObserverIsNotToldOfFailures shows that the observer is told nothing of operations that fail.
func TestObserverIsNotToldOfFailures(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"a full disk":             {op: opWrite, nth: 1, err: errNoSpace},
		"a write that fails":      {op: opWrite, nth: 1},
		"a sync that fails":       {op: opSync, nth: 1},
		"power gone at the sync":  {op: opSync, nth: 1, power: true},
		"power gone after a sync": {op: opSync, nth: 1, power: true, kept: 1},
	} {
		rig := newCrashRig(t, "")
		s, w := rig.witnessed()
		w.disk.set(f)
		if _, _, err := rig.acceptOne(s, "a"); err == nil {
			t.Errorf("%s: the event was accepted", name)
		}
		if len(w.images) != 0 {
			t.Errorf("%s: the observer was told", name)
		}
	}
}
