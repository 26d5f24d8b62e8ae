package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestAnyStream: whatever destinations do, and whoever pauses, changes or restarts in between, every delivery ends
// delivered, or dead with a reason, or waits for a time that is known; and what is delivered was answered 2xx once.
func TestAnyStream(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newStream(t, seed)
				for range 40 {
					s.step()
				}
				s.settle()
			})
		})
	}
}

// A stream is a random history of a rig.
type stream struct {
	*rig
	receivers    []*receiver
	destinations []bellhop.Destination
	sent         int

	mu     sync.Mutex
	random *rand.Rand
	well   bool           // everything is answered 200 from now on
	passed map[string]int // delivery id → how often it was answered 200
}

func newStream(t *testing.T, seed uint64) *stream {
	s := &stream{rig: newRig(t), random: rand.New(rand.NewPCG(seed, 1)), passed: map[string]int{}}
	for i := range 3 {
		to := s.network.receiver(fmt.Sprint("r", i))
		to.will(s.answer)
		s.receivers = append(s.receivers, to)
		s.destinations = append(s.destinations, s.destination(to, func(d *bellhop.Destination) {
			d.Concurrency, d.Timeout, d.Retry.Schedule = 1+s.roll(20), time.Duration(1+s.roll(10))*time.Second, nil
			for range s.roll(5) {
				d.Retry.Schedule = append(d.Retry.Schedule, time.Duration(s.roll(3600))*time.Second)
			}
		}))
	}
	return s
}

func (s *stream) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// answer is what a destination does with one request.
func (s *stream) answer(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	roll, after := s.random.IntN(100), fmt.Sprint(s.random.IntN(7200))
	if s.well {
		roll = 0
	}
	if roll < 60 {
		s.passed[req.Header.Get("Bellhop-Delivery-Id")]++
	}
	s.mu.Unlock()
	switch {
	case roll < 60:
	case roll < 75:
		w.WriteHeader(500)
	case roll < 80:
		w.Header().Set("Retry-After", after)
		w.WriteHeader(429)
	case roll < 85:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
	case roll < 90:
		panic(http.ErrAbortHandler) // hangs up
	case roll < 91:
		w.WriteHeader(410)
	default:
		hang(w, req)
	}
}

// step lets something happen, and time pass.
func (s *stream) step() {
	d := s.destinations[s.roll(len(s.destinations))]
	switch s.roll(10) {
	case 0:
		s.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
	case 1, 2:
		s.resume(d.ID)
	case 3:
		s.update(d.ID, func(d *bellhop.Destination) { d.Concurrency = 1 + s.roll(20) })
	case 4:
		s.receivers[s.roll(len(s.receivers))].refuse(s.roll(2) == 0)
	case 5:
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(s.roll(20))*time.Second)
		defer cancel()
		if err := s.stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.t.Fatal(err)
		}
		s.open()
	default:
		for range 1 + s.roll(20) {
			s.sent++
			s.accept(bellhop.Event{ProviderID: fmt.Sprint(s.sent), Body: make([]byte, s.roll(2000))}, bellhop.Event{ProviderID: fmt.Sprint(s.sent)})
		}
	}
	time.Sleep(time.Duration(s.roll(600_000)) * time.Millisecond)
}

func (s *stream) resume(id string) {
	s.update(id, func(d *bellhop.Destination) { d.State, d.StateReason = bellhop.DestinationActive, "" })
}

// settle lets everything end well, and checks that it did.
func (s *stream) settle() {
	synctest.Wait()
	for _, d := range s.deliveries() {
		if (d.State == bellhop.DeliveryPending) != !d.NextAt.IsZero() {
			s.t.Errorf("%s: %s, due at %v", d.ID, d.State, d.NextAt)
		}
	}
	s.mu.Lock()
	s.well = true
	s.mu.Unlock()
	for _, to := range s.receivers {
		to.refuse(false)
	}
	for _, d := range s.destinations {
		s.resume(d.ID)
	}
	time.Sleep(3 * 24 * time.Hour)

	list := s.deliveries()
	if len(list) != s.sent*len(s.destinations) {
		s.t.Errorf("%d deliveries of %d events for %d destinations", len(list), s.sent, len(s.destinations))
	}
	for _, d := range list {
		switch {
		case d.State == bellhop.DeliveryDelivered && s.passed[d.ID] == 1:
		case d.State == bellhop.DeliveryDead && s.passed[d.ID] == 0 && d.Last.Error != "" && d.Last.Detail != "":
		default:
			s.t.Errorf("%s after %d attempts, answered 200 %d times: %+v", d.State, d.Attempts, s.passed[d.ID], d.Last)
		}
	}
	s.wantIdle()
}
