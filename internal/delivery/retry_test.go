package delivery

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestRetries: three days of the default schedule, for events that are accepted at different times.
func TestRetries(t *testing.T) {
	const events = 30
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("broken")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) { d.Breaker = bellhop.Breaker{} })
		for range events {
			r.acceptMany(1)
			time.Sleep(83 * time.Millisecond)
		}
		time.Sleep(4 * 24 * time.Hour)

		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: events})
		for _, d := range r.deliveries() {
			attempts, err := r.store.Attempts(t.Context(), d.ID)
			if err != nil || len(attempts) != 10 {
				t.Fatalf("%d attempts: %v", len(attempts), err)
			}
			for i := 1; i < len(attempts); i++ {
				wantWait(t, i, attempts[i].StartedAt.Sub(attempts[i-1].StartedAt))
			}
		}
		r.wantIdle()
	})
}

// TestRetriesOfTimeouts: a schedule counts from the end of an attempt, and an attempt ends with its timeout.
func TestRetriesOfTimeouts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("hanging")
		to.will(hang)
		r.destination(to, func(d *bellhop.Destination) { d.Timeout = 3 * time.Second })
		r.acceptMany(1)
		time.Sleep(4 * 24 * time.Hour)
		calls := to.got()
		if len(calls) != 10 {
			t.Fatalf("%d attempts", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			wantWait(t, i, calls[i].at.Sub(calls[i-1].at)-3*time.Second)
		}
		if got := r.only(); got.State != bellhop.DeliveryDead || got.Last.Error != "timeout" ||
			got.Last.Duration != 3*time.Second {
			t.Errorf("recorded: %+v, %+v", got, got.Last)
		}
	})
}

// TestRetryAfter: after a Retry-After, a destination gets no attempt before its end, and an attempt soon after it.
func TestRetryAfter(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("busy")
				until := clockStart.Add(7 * time.Hour)
				to.will(func(w http.ResponseWriter, _ *http.Request) {
					switch len(to.got()) {
					case 1:
						w.Header().Set("Retry-After", "600")
						w.WriteHeader(code)
					case 2:
						w.Header().Set("Retry-After", until.Format(http.TimeFormat))
						w.WriteHeader(code)
					}
				})
				r.destination(to)
				r.acceptMany(1)
				time.Sleep(24 * time.Hour)
				calls := to.got()
				if len(calls) != 3 {
					t.Fatalf("%d attempts", len(calls))
				}
				if wait := calls[1].at.Sub(calls[0].at); wait < 10*time.Minute ||
					wait > 10*time.Minute+time.Millisecond {
					t.Errorf("after 600 seconds: %v", wait)
				}
				if late := calls[2].at.Sub(until); late < 0 || late > time.Millisecond {
					t.Errorf("after a date: %v late", late)
				}
				if got := r.only(); got.State != bellhop.DeliveryDelivered || got.Attempts != 3 {
					t.Errorf("recorded: %+v", got)
				}
			})
		})
	}
}

// TestRetryByHand: a dead delivery that an operator retries is attempted once more, at once.
func TestRetryByHand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("broken")
		to.will(status(500))
		d := r.destination(to, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.ScheduleNone })
		r.acceptMany(1)
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 1})

		to.will(status(200))
		time.Sleep(time.Hour)
		if _, err := r.store.RetryDelivery(t.Context(), r.only().ID); err != nil {
			t.Fatal(err)
		}
		r.engine.Wake(d.ID)
		r.engine.Wake("dst_unknown")
		synctest.Wait()
		if got := r.only(); got.State != bellhop.DeliveryDelivered || got.Attempts != 2 ||
			!got.Last.StartedAt.Equal(clockStart.Add(time.Hour)) {
			t.Errorf("recorded: %+v, %+v", got, got.Last)
		}
		r.wantIdle()
	})
}

// TestRetriesAcrossRestarts: a schedule continues after a restart, also if a retry was due while no process ran.
func TestRetriesAcrossRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("broken")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Hour, time.Hour,
				time.Hour}
		})
		r.acceptMany(1)
		time.Sleep(10 * time.Minute)
		r.stop(t.Context()) // after the first attempt
		time.Sleep(10 * time.Minute)
		r.open()
		time.Sleep(time.Hour)
		r.stop(t.Context()) // after the second
		time.Sleep(10 * time.Hour)
		r.open() // the third is overdue
		restarted := time.Now()
		time.Sleep(10 * time.Hour)
		calls := to.got()
		if len(calls) != 4 || !calls[2].at.Equal(restarted) {
			t.Fatalf("attempts: %+v", calls)
		}
		if wait := calls[1].at.Sub(calls[0].at); wait < 54*time.Minute || wait > 66*time.Minute+time.Millisecond {
			t.Errorf("the second attempt after %v", wait)
		}
		if got := r.only(); got.State != bellhop.DeliveryDead || got.Attempts != 4 {
			t.Errorf("recorded: %+v", got)
		}
	})
}
