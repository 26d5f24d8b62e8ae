package delivery

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// wantOrder checks that the events of each subject were delivered once, in the order in which they were accepted. A
// body is the subject, a blank and the event's number.
func wantOrder(t testing.TB, taken []string, keys, each int) {
	t.Helper()
	last := map[string]int{}
	for _, body := range taken {
		var key string
		var n int
		fmt.Sscan(body, &key, &n)
		if n != last[key]+1 {
			t.Errorf("%s: %d after %d", key, n, last[key])
		}
		last[key] = n
	}
	if len(last) != keys {
		t.Errorf("%d keys, want %d", len(last), keys)
	}
	for key, n := range last {
		if n != each {
			t.Errorf("%s: %d arrived, want %d", key, n, each)
		}
	}
}

// TestOrder: a receiver that fails every fifth request, at random, gets the events of each subject in their order,
// one at a time. Events of different subjects are delivered at the same time.
func TestOrder(t *testing.T) { orderKept(t, 15, 15) }

// orderKept is the body of TestOrder for this number of subjects and of events of each subject.
func orderKept(t *testing.T, keys, each int) {
	for _, batch := range []int{0, 7} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("ordered")
				var mu sync.Mutex
				var taken []string
				under := map[string]int{}
				random := rand.New(rand.NewPCG(1, 1))
				to.will(func(w http.ResponseWriter, req *http.Request) {
					mu.Lock()
					bodies := lines(lastCall(to, req).body)
					for _, body := range bodies {
						var key string
						fmt.Sscan(body, &key)
						if under[key]++; under[key] > 1 && batch == 0 {
							t.Errorf("%s: %d at a time", key, under[key])
						}
					}
					fails := random.IntN(5) == 0
					mu.Unlock()
					time.Sleep(time.Duration(1+len(bodies)) * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					for _, body := range bodies {
						var key string
						fmt.Sscan(body, &key)
						under[key]--
					}
					if fails {
						w.WriteHeader(500)
						return
					}
					taken = append(taken, bodies...)
				})
				r.destination(to, func(d *bellhop.Destination) {
					d.Order, d.Retry.Schedule, d.Breaker = bellhop.OrderSubject,
						bellhop.Schedule{time.Second, time.Minute,
							time.Minute, time.Minute, time.Hour, time.Hour, time.Hour, time.Hour}, bellhop.Breaker{}
					if batch > 0 {
						d.Batch, d.Settings = bellhop.Batch{MaxEvents: batch, MaxWait: time.Second},
							[]byte(`{"format":"envelope"}`)
					}
				})
				for n := range each {
					var events []bellhop.Event
					for key := range keys {
						subject := fmt.Sprint("s", key)
						events = append(events, bellhop.Event{Subject: subject, ContentType: "application/json",
							Body: fmt.Appendf(nil, `"%s %d"`, subject, n+1)})
					}
					r.accept(events...)
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(24 * time.Hour)
				mu.Lock()
				wantOrder(t, taken, keys, each)
				mu.Unlock()
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: keys * each})
				r.wantIdle()
			})
		})
	}
}

// lines returns the bodies in a request: one, or the data of each envelope.
func lines(body string) []string {
	var envelopes []struct{ Data string }
	if json.Unmarshal([]byte(body), &envelopes) != nil {
		var one struct{ Data string }
		if json.Unmarshal([]byte(body), &one) == nil {
			return []string{one.Data}
		}
		return []string{strings.Trim(body, `"`)}
	}
	var list []string
	for _, e := range envelopes {
		list = append(list, e.Data)
	}
	return list
}

// lastCall returns the last recorded call with the delivery and the attempt of req.
func lastCall(to *receiver, req *http.Request) call {
	to.mu.Lock()
	defer to.mu.Unlock()
	id := req.Header.Get("Bellhop-Delivery-Id") + req.Header.Get("Bellhop-Attempt")
	for i := len(to.calls) - 1; i >= 0; i-- {
		if h := to.calls[i].header; h.Get("Bellhop-Delivery-Id")+h.Get("Bellhop-Attempt") == id {
			return to.calls[i]
		}
	}
	return call{}
}

// TestOrderBlocksOneKey: while a delivery waits for a retry, the later events of its subject wait, and events of
// other subjects do not.
func TestOrderBlocksOneKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("ordered")
		to.will(func(w http.ResponseWriter, req *http.Request) {
			if len(to.got()) == 1 {
				w.WriteHeader(500)
			}
		})
		r.destination(to, func(d *bellhop.Destination) {
			d.Order, d.Retry.Schedule = bellhop.OrderSubject, bellhop.Schedule{time.Hour}
		})
		events := func(from, to int, subjects ...string) (list []bellhop.Event) {
			for n := from; n <= to; n++ {
				for _, s := range subjects {
					list = append(list, bellhop.Event{Subject: s, Body: fmt.Appendf(nil, "%s %d", s, n)})
				}
			}
			return list
		}
		r.accept(events(1, 1, "bad")...)
		synctest.Wait()
		r.accept(events(2, 50, "bad")...)
		r.accept(events(1, 50, "good", "")...)
		time.Sleep(30 * time.Minute)
		if n := len(to.got()); n != 101 {
			t.Errorf("%d attempts while a subject waits, want 101", n)
		}
		time.Sleep(time.Hour)
		var taken []string
		for _, c := range to.got()[1:] {
			taken = append(taken, c.body)
		}
		if n := len(taken); n != 150 {
			t.Errorf("%d arrived", n)
		}
		for _, key := range []string{"bad", "good"} {
			n := 0
			for _, body := range taken {
				var got string
				var i int
				if fmt.Sscan(body, &got, &i); got == key {
					if n++; i != n {
						t.Errorf("%s: %d as the %d.", key, i, n)
					}
				}
			}
		}
		r.wantIdle()
	})
}

// TestOrderSurvives: a restart keeps the order when deliveries are being attempted, in the queue and in the table.
func TestOrderSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("ordered")
		to.will(after(100 * time.Millisecond))
		r.destination(to, func(d *bellhop.Destination) { d.Order, d.Concurrency = bellhop.OrderSource, 4 })
		for n := range 100 {
			r.accept(bellhop.Event{Body: fmt.Appendf(nil, "all %d", n+1)})
		}
		for range 5 {
			time.Sleep(1050 * time.Millisecond)
			if err := r.stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.open()
		}
		time.Sleep(time.Minute)
		var taken []string
		for _, c := range to.got() {
			taken = append(taken, c.body)
		}
		wantOrder(t, taken, 1, 100)
		if to.mostAtATime() != 1 {
			t.Errorf("%d at a time", to.mostAtATime())
		}
		r.wantIdle()
	})
}
