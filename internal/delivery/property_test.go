package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestAnyStream: destinations answer at random, and are paused and changed, while the process is restarted and
// killed. In the end each delivery is delivered, dead with a reason, or pending with a known time. A delivered
// event was answered 2xx once, except for repeats after a kill. At an ordered destination, the new events of a key
// are delivered in their order.
func TestAnyStream(t *testing.T) {
	anyStream(t, 2)
}

// anyStream is the body of TestAnyStream for this number of histories.
func anyStream(t *testing.T, seeds uint64) {
	for seed := range seeds {
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
	well   bool           // all requests are answered 200 from now on
	passed map[string]int // by delivery id: how often it was answered 200
	last   map[string]int // by destination and key: the last event that was answered 200 for the first time
	kills  int
	mortal *mortal
}

// A mortal is a store whose process can be killed. After the kill it discards all writes.
type mortal struct {
	Store
	dead atomic.Bool
}

func (m *mortal) Record(r bellhop.Result) error {
	if m.dead.Load() {
		return nil
	}
	return m.Store.Record(r)
}

func (m *mortal) Settle(ctx context.Context, r bellhop.Result) (bool, error) {
	if m.dead.Load() {
		return false, errors.New("killed")
	}
	return m.Store.Settle(ctx, r)
}

func (m *mortal) Release(ctx context.Context, ids []string) error {
	if m.dead.Load() {
		return nil
	}
	return m.Store.Release(ctx, ids)
}

func (m *mortal) Claim(ctx context.Context, id string, limit int, maxBytes int64) ([]bellhop.Delivery, error) {
	if m.dead.Load() {
		return nil, errors.New("killed")
	}
	return m.Store.Claim(ctx, id, limit, maxBytes)
}

// orders are the orders of the destinations.
var orders = [...]bellhop.Order{bellhop.OrderNone, bellhop.OrderSubject, bellhop.OrderSource}

func newStream(t *testing.T, seed uint64) *stream {
	s := &stream{random: rand.New(rand.NewPCG(seed, 1)), passed: map[string]int{}, last: map[string]int{}}
	s.rig = newRig(t, func(r *rig) {
		r.wrapStore = func(kept Store) Store {
			s.mortal = &mortal{Store: kept}
			return s.mortal
		}
	})
	for i := range 3 {
		to := s.network.receiver(fmt.Sprint("r", i))
		to.will(func(w http.ResponseWriter, req *http.Request) { s.answer(i, w, req) })
		s.receivers = append(s.receivers, to)
		s.destinations = append(s.destinations, s.destination(to, func(d *bellhop.Destination) {
			d.Concurrency, d.Timeout, d.Retry.Schedule = 1+s.roll(20), time.Duration(1+s.roll(10))*time.Second, nil
			d.Order = orders[i]
			d.Breaker = bellhop.Breaker{Failures: s.roll(30)}
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

// answer answers one request as the i-th destination.
func (s *stream) answer(i int, w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	roll, after := s.random.IntN(100), fmt.Sprint(s.random.IntN(7200))
	if s.well {
		roll = 0
	}
	if roll < 60 {
		s.pass(i, req)
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
		panic(http.ErrAbortHandler) // closes the connection
	case roll < 91:
		w.WriteHeader(410)
	default:
		hang(w, req)
	}
}

// pass records a request that the i-th destination answers 200. The body has the number of the event and its subject.
// The caller holds mu.
func (s *stream) pass(i int, req *http.Request) {
	id := req.Header.Get("Bellhop-Delivery-Id")
	s.passed[id]++
	var number int
	var subject string
	if _, err := fmt.Sscan(lastCall(s.receivers[i], req).body, &number, &subject); err != nil {
		s.t.Errorf("a request without a number: %v", err)
	}
	key := fmt.Sprint(i)
	if orders[i] == bellhop.OrderSubject {
		key += subject
	}
	if s.passed[id] == 1 && orders[i] != bellhop.OrderNone {
		if number <= s.last[key] {
			s.t.Errorf("%s: event %d was taken after %d", key, number, s.last[key])
		}
		s.last[key] = number
	}
}

// kill kills the process and starts another one.
func (s *stream) kill() {
	s.kills++
	s.mortal.dead.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.stop(ctx)
	s.open()
}

// step makes one random change and lets time pass.
func (s *stream) step() {
	d := s.destinations[s.roll(len(s.destinations))]
	switch s.roll(11) {
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
	case 6:
		s.kill()
	default:
		for range 1 + s.roll(20) {
			s.sent++
			subject := fmt.Sprint("s", s.roll(5))
			body := fmt.Appendf(nil, "%d %s %s", s.sent, subject, strings.Repeat(".", s.roll(2000)))
			s.accept(bellhop.Event{ProviderID: fmt.Sprint(s.sent), Subject: subject, Body: body},
				bellhop.Event{ProviderID: fmt.Sprint(s.sent), Subject: subject, Body: body})
		}
	}
	time.Sleep(time.Duration(s.roll(600_000)) * time.Millisecond)
}

// settle lets all requests succeed and checks the end of all deliveries.
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
		case d.State == bellhop.DeliveryDelivered && (s.passed[d.ID] == 1 || s.passed[d.ID] > 1 && s.kills > 0):
		case d.State == bellhop.DeliveryDead && (s.passed[d.ID] == 0 || s.kills > 0) && d.Last.Error != "" &&
			d.Last.Detail != "":
		default:
			s.t.Errorf("%s after %d attempts, answered 200 %d times: %+v", d.State, d.Attempts, s.passed[d.ID], d.Last)
		}
	}
	s.wantIdle()
}
