package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A crash leaves deliveries leased. Whoever opens the store finds them due.
func TestReopenFreesLeased(t *testing.T) {
	h := newHouse(t, "")
	s, d := h.live()
	leased, _, err := h.acceptOne(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	finished, _, err := h.acceptOne(s, "b")
	if err := errors.Join(err, s.Record(delivered(finished)), s.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.do(func(*conn) error { return nil }) // the result is written
	s = h.restart(s, d)
	list, err := s.Claim(t.Context(), h.ledger.destination, 10, 1<<20)
	if err != nil || len(list) != 1 || list[0].ID != leased || list[0].Attempts != 0 {
		t.Errorf("due after the crash: %+v, %v; want %s", list, err, leased)
	}
}

// What an action has told of its progress is there after a crash.
func TestReopenProgress(t *testing.T) {
	h := newHouse(t, "")
	s, d := h.live()
	id, _, err := h.acceptOne(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	result := bellhop.Result{DeliveryID: id, State: bellhop.DeliveryPending, NextAt: time.Now(), Progress: []byte("offset 7"),
		Attempt: bellhop.Attempt{Number: 1, StartedAt: time.Now(), Error: "timeout"}}
	if err := errors.Join(s.Record(result), s.do(func(*conn) error { return nil })); err != nil {
		t.Fatal(err)
	}
	s = h.restart(s, d)
	list, err := s.Claim(t.Context(), h.ledger.destination, 10, 1<<20)
	if err != nil || len(list) != 1 || string(list[0].Progress) != "offset 7" {
		t.Errorf("claimed after the crash: %+v, %v", list, err)
	}
}

// What is known of nouns is the same before and after.
func TestReopenNouns(t *testing.T) {
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
			t.Errorf("claim for a destination that was deleted: %v", err)
		}
		if list, _, err := s.Events(t.Context(), bellhop.EventFilter{SourceID: source}, bellhop.Page{}); err != nil || len(list) != 1 {
			t.Errorf("events of a source that was deleted: %d, %v", len(list), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, dir)
	}
}

// Ids go on growing after a restart, also where the clock went back meanwhile.
func TestReopenIDs(t *testing.T) {
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

func bellhopCode(err error) bellhop.Code {
	if e := (*bellhop.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}
