package sqlite

import (
	"maps"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// A witness is an observer that looks, whenever it is told something, at what a power cut would leave on the disk.
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

// witnessed opens the house's store with an observer.
func (h *house) witnessed() (*Store, *witness) {
	h.Helper()
	w := &witness{disk: newDisk(h, 0)}
	s, err := Open(options(h, h.dir, func(o *Options) { o.fileLayer, o.Observer = w.disk.name, w }))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { s.Close() })
	return s, w
}

// What the observer is told is on the disk by then.
func TestObserverIsToldAfterTheSync(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	s, w := h.witnessed()
	id, _, err := h.acceptOne(s, "a")
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
		t.Fatalf("the observer was told %d times, want of an event and of a result", len(w.images))
	}
	keys := readFolder(t, h.dir)
	for i, want := range []bellhop.Delivery{{State: bellhop.DeliveryPending}, {State: bellhop.DeliveryDelivered, Attempts: 1}} {
		after := maps.Clone(w.images[i])
		dir := t.TempDir()
		after[store.KeyFileName] = keys[store.KeyFileName]
		writeFolder(t, dir, after)
		got, err := reopen(t, dir).Delivery(t.Context(), id)
		if err != nil || got.State != want.State || got.Attempts != want.Attempts {
			t.Errorf("after a power cut while the observer is told the %d. time: %+v, %v", i+1, got, err)
		}
	}
}

// Of what fails, the observer is told nothing.
func TestObserverIsNotToldOfFailures(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"a full disk":             {op: opWrite, nth: 1, err: errNoSpace},
		"a write that fails":      {op: opWrite, nth: 1},
		"a sync that fails":       {op: opSync, nth: 1},
		"power gone at the sync":  {op: opSync, nth: 1, power: true},
		"power gone after a sync": {op: opSync, nth: 1, power: true, kept: 1},
	} {
		h := newHouse(t, "")
		s, w := h.witnessed()
		w.disk.set(f)
		if _, _, err := h.acceptOne(s, "a"); err == nil {
			t.Errorf("%s: the event was accepted", name)
		}
		if len(w.images) != 0 {
			t.Errorf("%s: the observer was told", name)
		}
	}
}
