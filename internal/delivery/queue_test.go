package delivery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// batched changes a destination to batches of envelopes.
func batched(events int, wait time.Duration) func(*bellhop.Destination) {
	return func(d *bellhop.Destination) {
		d.Settings = []byte(`{"format":"envelope","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`)
		d.Batch = bellhop.Batch{MaxEvents: events, MaxWait: wait}
	}
}

// sizes returns the number of events in each request.
func sizes(t testing.TB, calls []call) (list []int) {
	t.Helper()
	for _, c := range calls {
		if !strings.HasPrefix(c.body, "[") {
			list = append(list, 1)
			continue
		}
		var events []struct{ ID string }
		if err := json.Unmarshal([]byte(c.body), &events); err != nil {
			t.Fatalf("%v: %s", err, c.body)
		}
		list = append(list, len(events))
		if c.header.Get("Bellhop-Batch") != fmt.Sprint(len(events)) ||
			c.header.Get("Webhook-Id") != c.header.Get("Bellhop-Delivery-Id") {
			t.Errorf("%d events come with %v", len(events), c.header)
		}
		wantSigned(t, c, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	}
	return list
}

// TestBatch: deliveries that are due at the same time are sent in one request, up to the destination's maximum. An
// incomplete batch waits for the batch's maximum wait.
func TestBatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		r.destination(to, batched(10, 2*time.Second), func(d *bellhop.Destination) { d.Concurrency = 1 })
		r.acceptMany(25)
		synctest.Wait()
		if got := sizes(t, to.got()); fmt.Sprint(got) != "[10 10]" {
			t.Errorf("at once: %v", got)
		}
		time.Sleep(1900 * time.Millisecond)
		if n := len(to.got()); n != 2 {
			t.Errorf("%d requests before the wait is over", n)
		}
		time.Sleep(200 * time.Millisecond)
		if got := sizes(t, to.got()); fmt.Sprint(got) != "[10 10 5]" {
			t.Errorf("after the wait: %v", got)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 25})
		for _, d := range r.deliveries() {
			if d.Attempts != 1 || d.Last.Status != 200 {
				t.Errorf("%+v", d)
			}
		}
		r.wantIdle()
	})
}

// TestBatchWaitsForNobody: with a wait of zero, an incomplete batch is sent at once.
func TestBatchWaitsForNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		to.will(after(time.Second))
		r.destination(to, batched(100, 0), func(d *bellhop.Destination) { d.Concurrency = 1 })
		r.acceptMany(1)
		synctest.Wait()
		r.acceptMany(30)
		time.Sleep(1500 * time.Millisecond)
		if got := sizes(t, to.got()); fmt.Sprint(got) != "[1 30]" {
			t.Errorf("%v", got)
		}
	})
}

// TestBatchBytes: a request does not exceed the maximum of bytes, unless a single event does.
func TestBatchBytes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		r.destination(to, batched(100, time.Second), func(d *bellhop.Destination) { d.Concurrency = 1 })
		for range 5 {
			r.accept(bellhop.Event{Body: []byte(`"` + strings.Repeat("x", 400<<10) + `"`)})
		}
		r.accept(bellhop.Event{Body: []byte(`"` + strings.Repeat("x", 2<<20) + `"`)})
		time.Sleep(2 * time.Second)
		if got := sizes(t, to.got()); fmt.Sprint(got) != "[2 2 1 1]" {
			t.Errorf("%v", got)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 6})
	})
}

// TestBatchFails: if a batch fails because of the receiver, the same batch is retried. If it may have failed
// because of an event, the events are retried one by one, so that the others are delivered.
func TestBatchFails(t *testing.T) {
	for status, want := range map[int]string{503: "[4 4]", 400: "[4 1 1 1 1]"} {
		inBubble(t, func(t *testing.T) {
			r := newRig(t)
			to := r.network.receiver("to")
			first := true
			to.will(func(w http.ResponseWriter, req *http.Request) {
				if first || status == 400 && strings.Contains(to.got()[len(to.got())-1].body, "event 2") {
					first = false
					w.WriteHeader(status)
				}
			})
			r.destination(to, batched(4, time.Second), func(d *bellhop.Destination) {
				d.Concurrency, d.Retry.Schedule = 1, bellhop.Schedule{time.Minute}
			})
			var events []bellhop.Event
			for i := range 4 {
				events = append(events, bellhop.Event{Body: fmt.Appendf(nil, `"event %d"`, i)})
			}
			r.accept(events...)
			time.Sleep(5 * time.Minute)
			if got := sizes(t, to.got()); fmt.Sprint(got) != want {
				t.Errorf("%d: requests of %v, want %s", status, got, want)
			}
			states := map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 4}
			if status == 400 {
				states = map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 3, bellhop.DeliveryDead: 1}
			}
			r.wantStates(states)
			r.wantIdle()
		})
	}
}

// TestBatchRate: a rate counts requests, not events.
func TestBatchRate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		r.destination(to, batched(10, time.Second), func(d *bellhop.Destination) { d.Rate = bellhop.PerSecond(1) })
		r.acceptMany(200)
		time.Sleep(30 * time.Second)
		wantRate(t, to.got(), bellhop.PerSecond(1))
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 200})
		if n := len(to.got()); n > 22 {
			t.Errorf("%d requests", n)
		}
	})
}

// headBehind creates an ordered destination with a first delivery that waits an hour for its next attempt, and a
// second delivery that waits for the first. It returns the first.
func (r *rig) headBehind(to *receiver) bellhop.NewDelivery {
	r.t.Helper()
	to.will(status(500))
	r.destination(to, func(d *bellhop.Destination) {
		d.Order, d.Retry.Schedule, d.Breaker = bellhop.OrderSource, bellhop.Schedule{time.Hour}, bellhop.Breaker{}
	})
	head := r.accept(bellhop.Event{Body: []byte("head")})[0]
	time.Sleep(time.Second)
	to.will(status(200))
	r.accept(bellhop.Event{Body: []byte("behind")})
	time.Sleep(time.Minute)
	if n := len(to.got()); n != 1 {
		r.t.Fatalf("%d attempts, want that of the head", n)
	}
	return head
}

// TestCancelByRepairLetsGo: when a repair cancels a delivery, the delivery that waits for it is sent at once.
func TestCancelByRepairLetsGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		head := r.headBehind(to)
		d, err := r.store.Delivery(t.Context(), head.DeliveryID)
		if err != nil {
			t.Fatal(err)
		}
		r.begin(r.repairer(), bellhop.RepairCancel, 0, bellhop.RepairFilter{State: bellhop.DeliveryPending,
			EventID: d.EventID})
		time.Sleep(time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryCancelled: 1, bellhop.DeliveryDelivered: 1})
	})
}

// A tooLong is a store that fails to record the first result, because it makes the reply too long.
type tooLong struct {
	Store
	done *bool
}

func (s tooLong) Record(r bellhop.Result) error {
	if !*s.done {
		*s.done = true
		r.Attempt.Reply = make([]byte, 5000)
	}
	return s.Store.Record(r)
}

// TestUnrecordedAlone: an attempt whose result could not be recorded is repeated after a minute, without another
// event.
func TestUnrecordedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.wrapStore = func(s Store) Store { return tooLong{s, new(bool)} } })
		to := r.network.receiver("to")
		r.destination(to)
		r.acceptMany(1)
		time.Sleep(59 * time.Second)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts before a minute is over", n)
		}
		time.Sleep(2 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 1})
	})
}

// TestUnrecorded: an attempt whose result could not be recorded delays its key by a minute at most.
func TestUnrecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.wrapStore = func(s Store) Store { return tooLong{s, new(bool)} } })
		to := r.network.receiver("to")
		r.destination(to, func(d *bellhop.Destination) { d.Order = bellhop.OrderSource })
		r.accept(bellhop.Event{Body: []byte("first")})
		time.Sleep(time.Second)
		r.accept(bellhop.Event{Body: []byte("second")})
		time.Sleep(50 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 2})
		time.Sleep(10 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		if got := to.got(); len(got) != 3 || got[1].body != "first" || got[2].body != "second" {
			t.Errorf("%d attempts: %+v", len(got), got)
		}
	})
}
