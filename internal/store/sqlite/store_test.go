package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/storetest"
	"pgregory.net/rapid"
)

// TestStore runs the suite of the contract.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opts store.Options) store.Store {
		return open(t, func(o *Options) { o.Options, o.sync, o.scanRows = opts, "off", 1 })
	})
}

// TestSameEventAtOnce shows that an event that many senders repeat at the same moment is stored once, and that
// all of them get the same id.
func TestSameEventAtOnce(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, _ := rig.live()
	defer s.Close()
	for _, providerID := range []string{"a", "b", "c"} {
		var duplicates, deliveries atomic.Int64
		var ids sync.Map
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				<-start
				events := []bellhop.Event{{SourceID: rig.ledger.source, Type: "x", ProviderID: providerID,
					ReceivedAt: time.Now(),
					SHA256:     sha256.Sum256(nil)}}
				owed := []bellhop.NewDelivery{{DestinationID: rig.ledger.destination}}
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

// TestCloseWhileBusy shows that a store that is closed under load answers all callers, and keeps everything
// that it acknowledged.
func TestCloseWhileBusy(t *testing.T) {
	t.Parallel()
	for round := range 3 {
		rig := newCrashRig(t, "")
		s, _ := rig.live()
		random := newRandom(uint64(round))
		var begun sync.WaitGroup
		var all sync.WaitGroup
		for i := range 16 {
			begun.Add(1)
			all.Go(func() {
				random := newRandom(uint64(i))
				for n := 0; ; n++ {
					err := rig.ledger.send(s, random)
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
		for what, err := range map[string]error{"accept": rig.ledger.send(s, random),
			"claim":  second(s.Claim(t.Context(), rig.ledger.destination, 1, 1)),
			"record": s.Record(delivered(s.ids.Delivery(1))), "read": second(s.Stats(t.Context())),
			"ready": s.Release(t.Context(), nil)} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("%s after Close: %v, want %v", what, err, store.ErrClosed)
			}
		}
		s = reopen(t, rig.dir)
		if lost, wrong := rig.ledger.check(s); len(lost)+len(wrong) > 0 {
			t.Errorf("lost %q, wrong %q", lost, wrong)
		}
	}
}

// TestReadEndsWithContext shows that a read ends with its context, and that the next read is not affected.
func TestReadEndsWithContext(t *testing.T) {
	t.Parallel()
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

// TestBodies shows that bodies and headers come back byte for byte: in a claimed event, in an event that is
// read, and after a restart.
func TestBodies(t *testing.T) {
	dir := t.TempDir()
	weak := func(o *Options) { o.sync = "off" }
	s := reopen(t, dir, weak)
	source, destination := populate(t, s)
	type sent struct {
		body   []byte
		header bellhop.Header
	}
	all := map[string]sent{}
	rapid.Check(t, func(r *rapid.T) {
		length := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 64), rapid.IntRange(0, 64<<10),
			rapid.SampledFrom([]int{4096, 8192, 16384, 64 << 10})).Draw(r, "length")
		body := make([]byte, length)
		if !rapid.Bool().Draw(r, "all NUL") {
			random := newRandom(rapid.Uint64().Draw(r, "seed"))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
		}
		if length == 0 && rapid.Bool().Draw(r, "nil") {
			body = nil
		}
		header := bellhop.Header(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(r, "header"))
		events := []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: epoch, Header: header, Body: body,
			SHA256: sha256.Sum256(body)}}
		if _, err := s.Accept(t.Context(), nil, events,
			[]bellhop.NewDelivery{{DestinationID: destination}}); err != nil {
			r.Fatal(err)
		}
		claimed, err := s.Claim(t.Context(), destination, 1, 1)
		if err != nil || len(claimed) != 1 {
			r.Fatalf("claimed %d, %v", len(claimed), err)
		}
		if ev := claimed[0].Event; ev.ID != events[0].ID || !bytes.Equal(ev.Body, body) ||
			!bytes.Equal(ev.Header, header) || sha256.Sum256(ev.Body) != ev.SHA256 {
			r.Fatalf("claimed %s with another body", ev.ID)
		}
		all[events[0].ID] = sent{body, header}
	})
	for range 2 {
		for id, want := range all {
			got, err := s.Event(t.Context(), id)
			if err != nil || !bytes.Equal(got.Body, want.body) || !bytes.Equal(got.Header, want.header) ||
				sha256.Sum256(got.Body) != got.SHA256 {
				t.Errorf("%s came back changed; %v", id, err)
			}
		}
		s.Close()
		s = reopen(t, dir, weak)
	}
}

// TestReopenFreesLeased shows that deliveries that a crash left leased are due once the store is opened.
func TestReopenFreesLeased(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, d := rig.live()
	leased, _, err := rig.acceptOne(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	finished, _, err := rig.acceptOne(s, "b")
	if err := errors.Join(err, s.Record(delivered(finished)), s.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.do(func(*conn) error { return nil }) // the result is written
	s = rig.restart(s, d)
	list, err := s.Claim(t.Context(), rig.ledger.destination, 10, 1<<20)
	if err != nil || len(list) != 1 || list[0].ID != leased || list[0].Attempts != 0 {
		t.Errorf("due after the crash: %+v, %v; want %s", list, err, leased)
	}
}

// TestReopenProgress shows that the progress of an action survives a crash.
func TestReopenProgress(t *testing.T) {
	t.Parallel()
	rig := newCrashRig(t, "")
	s, d := rig.live()
	id, _, err := rig.acceptOne(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	result := bellhop.Result{DeliveryID: id, State: bellhop.DeliveryPending, NextAt: time.Now(),
		Progress: []byte("offset 7"),
		Attempt:  bellhop.Attempt{Number: 1, StartedAt: time.Now(), Error: "timeout"}}
	if err := errors.Join(s.Record(result), s.do(func(*conn) error { return nil })); err != nil {
		t.Fatal(err)
	}
	s = rig.restart(s, d)
	list, err := s.Claim(t.Context(), rig.ledger.destination, 10, 1<<20)
	if err != nil || len(list) != 1 || string(list[0].Progress) != "offset 7" {
		t.Errorf("claimed after the crash: %+v, %v", list, err)
	}
}

// TestReopenNouns shows that the maps from ids to numbers are the same after a restart.
func TestReopenNouns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	source, gone := populate(t, s)
	event := []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: epoch}}
	if _, err := s.Accept(t.Context(), nil, event, []bellhop.NewDelivery{{DestinationID: gone}}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.DeleteDestination(t.Context(), gone), s.DeleteSource(t.Context(), source)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Claim(t.Context(), gone, 1, 1); bellhopCode(err) != bellhop.CodeNotFound {
			t.Errorf("claim for a deleted destination: %v", err)
		}
		list, _, err := s.Events(t.Context(), bellhop.EventFilter{SourceIDs: []string{source}}, bellhop.Page{})
		if err != nil || len(list) != 1 {
			t.Errorf("events of a deleted source: %d, %v", len(list), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, dir)
	}
}

// TestReopenIDs shows that ids go on growing after a restart, even if the clock went back meanwhile.
func TestReopenIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := epoch.AddDate(3, 0, 0)
	last := ""
	for range 5 {
		at = at.AddDate(0, -1, 0)
		s := reopen(t, dir, func(o *Options) { o.Now = func() time.Time { return at } })
		for range 3 {
			event := []bellhop.Event{{SourceID: "src_api", Type: "x", ReceivedAt: at}}
			if _, err := s.Accept(t.Context(), nil, event, nil); err != nil {
				t.Fatal(err)
			}
			if event[0].ID <= last {
				t.Errorf("%s comes after %s", event[0].ID, last)
			}
			last = event[0].ID
		}
		s.Close()
	}
}
