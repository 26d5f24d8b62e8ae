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

// batched makes a destination of envelopes in batches.
func batched(events int, wait time.Duration) func(*bellhop.Destination) {
	return func(d *bellhop.Destination) {
		d.Settings, d.Batch = []byte(`{"format":"envelope","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`), bellhop.Batch{MaxEvents: events, MaxWait: wait}
	}
}

// sizes are how many events each request had.
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
		if c.header.Get("Bellhop-Batch") != fmt.Sprint(len(events)) || c.header.Get("Webhook-Id") != c.header.Get("Bellhop-Delivery-Id") {
			t.Errorf("%d events come with %v", len(events), c.header)
		}
		wantSigned(t, c, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	}
	return list
}

// TestBatch: what comes together goes together, as many as the destination takes; what is fewer waits for as long as it
// may. Each delivery is recorded by itself.
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

// TestBatchWaitsForNobody: a wait of nothing sends what there is.
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

// TestBatchBytes: a request has no more bytes than it should, unless one event alone has.
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

// TestBatchFails: a batch that fails as a whole is tried again as one where the receiver is at fault, and apart where an
// event may be: then the others get through.
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

// TestBatchRate: a rate is of requests.
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

// TestBatchSettings: a batch is for formats and types that know such.
func TestBatchSettings(t *testing.T) {
	r := newRig(t, withPicky)
	for _, c := range []struct {
		kind, settings string
		ok             bool
	}{
		{"http", `{"format":"raw"}`, false}, {"http", `{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, false}, {"http", `{"format":"envelope"}`, true}, {"picky", `{}`, false},
	} {
		err := r.engine.CheckDestination(bellhop.Destination{Type: c.kind, URL: "https://x.example.com", Settings: []byte(c.settings), Batch: bellhop.Batch{MaxEvents: 2}})
		if (err == nil) != c.ok || err != nil && !strings.HasPrefix(err.Error(), "batch: ") {
			t.Errorf("%s %s: %v", c.kind, c.settings, err)
		}
	}
}
