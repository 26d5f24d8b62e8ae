package delivery

import (
	"bytes"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// shortage makes dialling fail with err for the first n connections.
func (r *rig) shortage(n int64, err error) (left *atomic.Int64) {
	left = new(atomic.Int64)
	left.Store(n)
	r.network.dialError = func() error {
		if left.Add(-1) >= 0 {
			return err
		}
		return nil
	}
	return left
}

// TestShortage: what this machine lacks is not the destination's fault. The destination stays active and is not held
// back, the attempts use up no try of a schedule that has a single one, and the events are delivered.
func TestShortage(t *testing.T) {
	for _, err := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL} {
		t.Run(err.Error(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				r.shortage(30, err)
				to := r.network.receiver("to")
				d := r.destination(to, func(d *bellhop.Destination) {
					d.Retry.Schedule = bellhop.ScheduleNone
					d.Breaker = bellhop.Breaker{Failures: 2, DisableAfter: time.Minute}
				})
				r.acceptMany(5)
				time.Sleep(time.Hour)
				to.wantOnce(t, 5)
				for _, got := range r.deliveries() {
					if got.State != bellhop.DeliveryDelivered || got.Attempts-got.Spared != 1 {
						t.Errorf("%s after %d attempts, %d of them spared", got.State, got.Attempts, got.Spared)
					}
				}
				stored, failure := r.store.Destination(t.Context(), d.ID)
				if failure != nil || stored.State != bellhop.DestinationActive || !stored.FailingSince.IsZero() {
					t.Errorf("the destination is %s, failing since %v, %v", stored.State, stored.FailingSince, failure)
				}
				r.wantIdle()
			})
		})
	}
}

// TestShortageOfToken: a token that this machine cannot fetch is not the destination's fault either.
func TestShortageOfToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, to, server, _ := tokenRig(t, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.ScheduleNone })
		r.shortage(5, syscall.EMFILE)
		r.acceptMany(1)
		time.Sleep(time.Hour)
		wantTokens(t, server, to, 1, "token-1")
		if got := r.only(); got.State != bellhop.DeliveryDelivered || got.Attempts-got.Spared != 1 || got.Spared == 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestLongShortage: a shortage without end uses up the schedule at last, and the attempts are not many.
func TestLongShortage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		left := r.shortage(1<<40, syscall.EMFILE)
		r.destination(r.network.receiver("to"), func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Hour}
		})
		r.acceptMany(1)
		time.Sleep(time.Minute)
		if made := 1<<40 - left.Load(); made > 10 {
			t.Errorf("%d attempts within a minute", made)
		}
		time.Sleep(12 * time.Hour)
		got := r.only()
		if got.State != bellhop.DeliveryDead || got.Spared != maxSpared || got.Last.Error != "local" ||
			!strings.Contains(got.Last.Detail, "not the destination's fault") {
			t.Errorf("got %+v, %+v", got, got.Last)
		}
	})
}

// TestShortageKeepsOutcomes: the outcomes of a destination cannot turn a shortage of this machine into a death.
func TestShortageKeepsOutcomes(t *testing.T) {
	retry := bellhop.Retry{Outcomes: bellhop.Outcomes{"local": bellhop.OutcomeDisable}}
	reply := outbound.Reply{Class: outbound.Short, Error: "local", Detail: "no more files"}
	d := decide(retry, reply, clockStart)
	got := d.result(retry, try{counted: 1, spared: 3, born: clockStart}, clockStart, 0.5)
	if d.disable || d.fails || d.alive() || !d.unsent || got.State != bellhop.DeliveryPending || !got.Spared ||
		!got.NextAt.Equal(clockStart.Add(8*time.Second)) || got.Attempt.Error != "local" {
		t.Errorf("got %+v, %+v", d, got)
	}
}

// TestShortageIsLoggedOnce: however many attempts lack something, one line a minute says so.
func TestShortageIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	e := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
	for n := range 1000 { // one each 100 ms
		e.warnShort("too many open files", clockStart.Add(time.Duration(n)*100*time.Millisecond))
	}
	if lines := strings.Count(log.String(), "machine.short"); lines != 2 {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
}
