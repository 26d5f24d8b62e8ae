package delivery

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// pulled creates a destination of type pull, and reloads.
func (r *rig) pulled(change ...func(*bellhop.Destination)) bellhop.Destination {
	r.t.Helper()
	now := time.Now()
	d := bellhop.Destination{ID: "dst_jobs", Name: "jobs", Type: bellhop.TypePull, Settings: []byte(`{}`),
		Timeout: bellhop.DefaultLease, Concurrency: bellhop.DefaultPullConcurrency,
		Retry: bellhop.Retry{Schedule: bellhop.ScheduleDefault}, Breaker: bellhop.DefaultBreaker,
		State: bellhop.DestinationActive, CreatedAt: now, UpdatedAt: now}
	for _, f := range change {
		f(&d)
	}
	err := r.store.CreateDestination(r.t.Context(), d)
	if err != nil {
		r.t.Fatal(err)
	}
	r.reload()
	synctest.Wait()
	return d
}

// pull pulls at most n deliveries.
func (r *rig) pull(n int, wait time.Duration) []bellhop.Lease {
	r.t.Helper()
	got, err := r.engine.Pull(r.t.Context(), "dst_jobs", bellhop.Pull{Max: n, Wait: wait})
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// pullOne pulls the one delivery that is due.
func (r *rig) pullOne() bellhop.Lease {
	r.t.Helper()
	got := r.pull(10, 0)
	if len(got) != 1 {
		r.t.Fatalf("%d deliveries, want 1", len(got))
	}
	return got[0]
}

func (r *rig) ack(x bellhop.Lease) error {
	return r.engine.Ack(r.t.Context(), "dst_jobs", x.DeliveryID, x.Token)
}

// nack gives an attempt up; a negative delay is that of the schedule.
func (r *rig) nack(x bellhop.Lease, delay time.Duration) error {
	n := bellhop.Nack{Delay: &delay, Detail: "no disk"}
	if delay < 0 {
		n.Delay = nil
	}
	return r.engine.Nack(r.t.Context(), "dst_jobs", x.DeliveryID, x.Token, n)
}

// leased is how many deliveries the lane has given out.
func (r *rig) leased() int {
	l := r.engine.lanes.Load().byID["dst_jobs"]
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pulls.leases)
}

// TestPull: while nobody pulls, nothing is attempted or kept in memory. A pull gets the form of each delivery, and an
// ack ends the attempt. An ack counts once, and only with its own token.
func TestPull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) {
			d.Settings = []byte(`{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","headers":{"X-Team":"a"}}`)
		})
		if got := r.pull(10, 0); len(got) != 0 {
			t.Errorf("%d deliveries of nothing", len(got))
		}
		r.accept(bellhop.Event{Type: "x.y", Subject: "s/1", ContentType: "text/plain", Body: []byte("one")})
		r.acceptMany(20)
		time.Sleep(time.Hour)
		r.wantIdle()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 21})

		got := r.pull(1, 0)
		if len(got) != 1 {
			t.Fatalf("%d deliveries", len(got))
		}
		x := got[0]
		h := x.Header
		if string(x.Body) != "one" || x.Attempt != 1 || x.Event.Type != "x.y" || x.Event.Subject != "s/1" ||
			x.Event.Source != "rig" || x.Event.Body != nil || !x.EndsAt.Equal(time.Now().Add(30*time.Second)) ||
			h.Get("webhook-id") != x.Event.ID || !strings.HasPrefix(h.Get("webhook-signature"), "v1,") ||
			h.Get("X-Team") != "a" || h.Get("Content-Type") != "text/plain" ||
			h.Get("Bellhop-Delivery-Id") != x.DeliveryID || h.Get("Bellhop-Attempt") != "1" {
			t.Errorf("%+v", x)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 20, bellhop.DeliveryLeased: 1})
		if d, _ := r.store.Delivery(t.Context(), x.DeliveryID); d.State != bellhop.DeliveryLeased {
			t.Errorf("%+v", d)
		}
		others := r.pull(100, 0)
		if len(others) != 20 {
			t.Fatalf("%d other deliveries", len(others))
		}
		if got := r.pull(10, 10*time.Second); len(got) != 0 {
			t.Errorf("%d deliveries are there twice", len(got))
		}
		wrong := x
		wrong.Token = others[0].Token
		if err := r.ack(wrong); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("the token of another lease: %v", err)
		}
		if err := r.ack(x); err != nil {
			t.Error(err)
		}
		// Durable before the answer: what a process that is killed now leaves.
		if d, err := r.store.Delivery(t.Context(), x.DeliveryID); err != nil || d.State != bellhop.DeliveryDelivered ||
			d.Attempts != 1 || d.Last.Error != "" || d.Last.Duration != 10*time.Second {
			t.Errorf("%+v %+v %v", d, d.Last, err)
		}
		for _, end := range []func() error{
			func() error { return r.ack(x) },
			func() error { return r.nack(x, 0) },
			func() error { _, err := r.engine.Extend("dst_jobs", x.DeliveryID, x.Token, 0); return err },
			func() error { return r.engine.Ack(t.Context(), "dst_none", x.DeliveryID, x.Token) },
		} {
			if err := end(); !errors.Is(err, bellhop.ErrNoLease) {
				t.Errorf("a lease that was acked: %v", err)
			}
		}
		for _, x := range others {
			if err := r.ack(x); err != nil {
				t.Error(err)
			}
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 21})
		r.wantIdle()
		if _, err := r.engine.Pull(t.Context(), "dst_none", bellhop.Pull{Max: 1}); err == nil {
			t.Error("a pull of no destination")
		}
	})
}

// TestPullWaits: a pull that waits gets what is accepted meanwhile at once, without a claim, and ends when its time or
// its client is over.
func TestPullWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled()
		began := time.Now()
		if got := r.pull(1, 20*time.Second); len(got) != 0 || time.Since(began) != 20*time.Second {
			t.Errorf("%d deliveries after %v", len(got), time.Since(began))
		}
		time.AfterFunc(7*time.Second, func() { r.acceptMany(3) })
		began = time.Now()
		got := r.pull(1, 20*time.Second)
		if len(got) != 1 || time.Since(began) != 7*time.Second {
			t.Fatalf("%d deliveries after %v", len(got), time.Since(began))
		}
		if err := r.ack(got[0]); err != nil {
			t.Error(err)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 1, bellhop.DeliveryPending: 2})

		for _, x := range r.pull(2, 0) {
			if err := r.ack(x); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.engine.Pull(ctx, "dst_jobs", bellhop.Pull{Max: 1, Wait: time.Minute}); !errors.Is(err,
			context.DeadlineExceeded) {
			t.Errorf("a client that is gone: %v", err)
		}
		r.acceptMany(1)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 3, bellhop.DeliveryPending: 1})
		r.wantIdle()
	})
}

// TestPullShares: two who wait share what comes.
func TestPullShares(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled()
		r.acceptMany(10)
		r.update("dst_jobs", func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		counts := make(chan int, 2)
		for range 2 {
			go func() {
				got := r.pull(10, 20*time.Second)
				counts <- len(got)
				for _, x := range got {
					if err := r.ack(x); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 10})
		r.update("dst_jobs", func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
		if a, b := <-counts, <-counts; a != 5 || b != 5 {
			t.Errorf("they got %d and %d", a, b)
		}
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 10})
		r.wantIdle()
	})
}

// TestLeaseExpires: a lease that ends without an ack is a failed attempt by the schedule, and a delivery that nobody
// acks is dead in the end. An ack that comes too late does nothing.
func TestLeaseExpires(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.Schedule{time.Minute} })
		r.acceptMany(1)
		first := r.pullOne()
		time.Sleep(30*time.Second - 1)
		if n := r.leased(); n != 1 {
			t.Errorf("%d leases", n)
		}
		time.Sleep(time.Second)
		d := r.only()
		if d.State != bellhop.DeliveryPending || d.Attempts != 1 || d.Last.Error != "timeout" ||
			d.Last.Detail != "no ack within 30s, when the lease ended; whether it was taken is unknown" ||
			d.NextAt.Before(time.Now().Add(50*time.Second)) {
			t.Errorf("%+v, %+v", d, d.Last)
		}
		if err := r.ack(first); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("a late ack: %v", err)
		}
		second := r.pull(1, 30*time.Second)
		for range 4 {
			second = append(second, r.pull(1, 30*time.Second)...)
		}
		if len(second) != 1 || second[0].Attempt != 2 || second[0].Token == first.Token {
			t.Fatalf("%+v", second)
		}
		if err := r.ack(first); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("the ack of another lease: %v", err)
		}
		time.Sleep(time.Hour)
		if d := r.only(); d.State != bellhop.DeliveryDead || d.Attempts != 2 || d.Last.Error != "timeout" {
			t.Errorf("%+v, %+v", d, d.Last)
		}
		r.wantIdle()
	})
}

// TestExtend: an extension moves the end of a lease, further out or nearer, up to the longest lease.
func TestExtend(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled()
		r.acceptMany(1)
		began := time.Now()
		x := r.pullOne()
		extend := func(by time.Duration) time.Duration {
			end, err := r.engine.Extend("dst_jobs", x.DeliveryID, x.Token, by)
			if err != nil {
				t.Fatal(err)
			}
			return time.Until(end)
		}
		for range 5 {
			time.Sleep(29 * time.Second)
			if left := extend(0); left != 30*time.Second {
				t.Errorf("it ends in %v", left)
			}
		}
		if left := extend(24 * time.Hour); left != bellhop.MaxLease-time.Since(began) {
			t.Errorf("it ends in %v", left)
		}
		time.Sleep(11 * time.Hour)
		if left := extend(2 * time.Hour); left != bellhop.MaxLease-time.Since(began) {
			t.Errorf("it ends in %v", left)
		}
		if left := extend(time.Second); left != time.Second {
			t.Errorf("it ends in %v", left)
		}
		time.Sleep(time.Second + 1)
		if d := r.only(); d.Attempts != 1 || d.Last.Error != "timeout" {
			t.Errorf("%+v, %+v", d, d.Last)
		}
		r.wantIdle()
	})
}

// TestNack: a nack is a failed attempt. The next one is due after its delay or by the schedule, and after the last try
// the delivery is dead. The destination is not blamed. An outcome can be set for it.
func TestNack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Hour, time.Hour, time.Hour}
			d.Breaker = bellhop.Breaker{Failures: 1}
		})
		r.acceptMany(1)
		for i, delay := range []time.Duration{10 * time.Minute, -1, 0, 0} {
			x := r.pullOne()
			if err := r.nack(x, delay); err != nil {
				t.Fatal(err)
			}
			d := r.only()
			wait := time.Until(d.NextAt)
			if i < 3 && (d.State != bellhop.DeliveryPending || delay >= 0 && wait != delay ||
				delay < 0 && (wait < 54*time.Minute || wait > 66*time.Minute)) {
				t.Errorf("%d: %+v in %v", i, d, wait)
			}
			if d.Attempts != i+1 || d.Last.Error != bellhop.ErrorNacked ||
				!strings.HasPrefix(d.Last.Detail, "the program gave it up: no disk") {
				t.Errorf("%d: %+v %+v", i, d, d.Last)
			}
			if !r.state("dst_jobs").FailingSince.IsZero() {
				t.Error("the destination is blamed")
			}
			time.Sleep(max(0, wait))
		}
		if d := r.only(); d.State != bellhop.DeliveryDead {
			t.Errorf("%+v", d)
		}
		r.wantIdle()
		r.update("dst_jobs", func(d *bellhop.Destination) {
			d.Retry.Outcomes = bellhop.Outcomes{bellhop.ErrorNacked: bellhop.OutcomeDead}
		})
		r.acceptMany(1)
		if err := r.nack(r.pullOne(), 0); err != nil {
			t.Error(err)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 2})
	})
}

// TestPullLimits: concurrency bounds the leases, the rate bounds how many begin, and the breaker lets one probe
// through after programs have died with each delivery.
func TestPullLimits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) { d.Concurrency = 3 })
		r.acceptMany(100)
		got := r.pull(10, 0)
		if len(got) != 3 || len(r.pull(10, 0)) != 0 {
			t.Fatalf("%d leases", len(got))
		}
		freed := make(chan []bellhop.Lease)
		go func() { freed <- r.pull(10, 20*time.Second) }()
		synctest.Wait()
		if err := r.ack(got[0]); err != nil {
			t.Error(err)
		}
		more := <-freed
		if len(more) != 1 {
			t.Errorf("%d after an ack", len(more))
		}
		for _, x := range append(more, got[1:]...) {
			if err := r.ack(x); err != nil {
				t.Error(err)
			}
		}
		r.update("dst_jobs", func(d *bellhop.Destination) {
			d.Concurrency, d.Rate = 100, bellhop.Rate{PerSecond: 1, Burst: 2}
		})
		n := 0
		for began := time.Now(); time.Since(began) < 10*time.Second-1; {
			for _, x := range r.pull(50, time.Second) {
				n++
				if err := r.ack(x); err != nil {
					t.Error(err)
				}
			}
		}
		if n < 11 || n > 12 {
			t.Errorf("%d in ten seconds at one a second", n)
		}
		r.update("dst_jobs", func(d *bellhop.Destination) {
			d.Rate, d.Breaker = bellhop.Rate{}, bellhop.Breaker{Failures: 5}
		})
		if n := len(r.pull(10, 0)); n != 10 {
			t.Errorf("%d leases", n)
		}
		time.Sleep(31 * time.Second)
		if r.state("dst_jobs").FailingSince.IsZero() {
			t.Error("the breaker is closed")
		}
		probe := r.pull(10, 20*time.Second)
		if len(probe) != 1 || len(r.pull(10, time.Second)) != 0 {
			t.Fatalf("%d probes", len(probe))
		}
		if err := r.ack(probe[0]); err != nil {
			t.Error(err)
		}
		if !r.state("dst_jobs").FailingSince.IsZero() {
			t.Error("the breaker is open")
		}
		r.wantIdle()
	})
}

// TestPullOrder: a key with a delivery in somebody's hands gives out no other one; other keys do. Deliveries of a key
// come in their order, also after a nack.
func TestPullOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) { d.Order = bellhop.OrderSubject })
		for i := range 30 {
			r.accept(bellhop.Event{Subject: fmt.Sprint("s", i%3), Body: fmt.Append(nil, i)})
		}
		next := map[string]int{"s0": 0, "s1": 1, "s2": 2}
		nacked := map[string]bool{}
		for range 100 {
			seen := map[string]bool{}
			got := r.pull(10, 0)
			for range 3 {
				got = append(got, r.pull(10, 0)...)
			}
			for _, x := range got {
				key := x.Event.Subject
				if seen[key] {
					t.Fatalf("%s is given out twice", key)
				}
				seen[key] = true
				if string(x.Body) != fmt.Sprint(next[key]) {
					t.Fatalf("%s of %s, want %d", x.Body, key, next[key])
				}
				err := error(nil)
				if !nacked[key+string(x.Body)] && next[key]%2 == 0 {
					nacked[key+string(x.Body)] = true
					err = r.nack(x, 0)
				} else {
					next[key] += 3
					err = r.ack(x)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 30})
		r.wantIdle()
	})
}

// TestPutBack: leases whose program was gone before it had them are due at once, and no attempt was made.
func TestPutBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) { d.Rate = bellhop.Rate{PerSecond: 0.001, Burst: 5} })
		r.acceptMany(5)
		got := r.pull(10, 0)
		if err := r.ack(got[4]); err != nil {
			t.Error(err)
		}
		r.engine.PutBack("dst_jobs", got)
		r.engine.PutBack("dst_jobs", got)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 4, bellhop.DeliveryDelivered: 1})
		r.wantIdle()
		again := r.pull(10, 0)
		if len(again) != 4 || again[0].Attempt != 1 {
			t.Errorf("%d again", len(again))
		}
		if err := r.ack(got[0]); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("the ack of a lease that was put back: %v", err)
		}
	})
}

// TestPullUnrendered: a delivery that cannot be rendered is dead at once, and the pull goes on with others. A large
// answer is cut.
func TestPullUnrendered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled(func(d *bellhop.Destination) {
			d.Settings = []byte(`{"format":"template","template":"data.a.b"}`)
		})
		r.accept(bellhop.Event{Body: []byte("{}"), ContentType: "application/json"},
			bellhop.Event{Body: []byte(`{"a":{"b":"bc"}}`), ContentType: "application/json"})
		got := r.pull(10, 0)
		if len(got) != 1 || string(got[0].Body) != "bc" {
			t.Fatalf("%+v", got)
		}
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 1, bellhop.DeliveryLeased: 1})
		if err := r.ack(got[0]); err != nil {
			t.Error(err)
		}
		r.update("dst_jobs", func(d *bellhop.Destination) { d.Settings = []byte(`{}`) })
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write(make([]byte, 3<<20))
		w.Close()
		for range 5 {
			r.accept(bellhop.Event{Body: packed.Bytes(), Header: bellhop.Header("Content-Encoding: gzip\n")})
		}
		var sizes []int
		for range 4 {
			sizes = append(sizes, len(r.pull(10, 0)))
		}
		if fmt.Sprint(sizes) != "[2 2 1 0]" {
			t.Errorf("answers of %v", sizes)
		}
		if n := r.engine.queuedBytes.Load(); n > 5*512 {
			t.Errorf("%d bytes are kept for 5 leases", n)
		}
	})
}

// TestPullStops: a halt ends the pulls that wait and gives out nothing more. What is in hand can be acked until the
// stop; the other deliveries are due for the next process, and their tokens count no more.
func TestPullStops(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.pulled()
		r.acceptMany(3)
		got := r.pull(3, 0)
		waits := make(chan int)
		go func() { waits <- len(r.pull(3, 30*time.Second)) }()
		synctest.Wait()
		began := time.Now()
		r.engine.Halt()
		if n := <-waits; n != 0 || !time.Now().Equal(began) {
			t.Errorf("%d after %v", n, time.Since(began))
		}
		r.acceptMany(1)
		if n := len(r.pull(3, time.Minute)); n != 0 || !time.Now().Equal(began) {
			t.Errorf("%d after %v", n, time.Since(began))
		}
		time.AfterFunc(time.Second, func() {
			if err := r.ack(got[0]); err != nil {
				t.Error(err)
			}
			if err := r.nack(got[1], 0); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		r.engine.EndLeases(ctx)
		if time.Since(began) != 2*time.Second {
			t.Errorf("it waited for %v", time.Since(began))
		}
		if err := r.stop(t.Context()); err != nil {
			t.Error(err)
		}
		r.open()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 3, bellhop.DeliveryDelivered: 1})
		synctest.Wait() // the deliveries of before the restart are loaded
		again := r.pull(10, 0)
		if len(again) != 3 {
			t.Fatalf("%d again", len(again))
		}
		for _, x := range again {
			if x.DeliveryID == got[2].DeliveryID && (x.Attempt != 1 || x.Token == got[2].Token) {
				t.Errorf("%+v", x)
			}
		}
		if err := r.ack(got[2]); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("a lease of before the restart: %v", err)
		}
		ended := make(chan struct{})
		go func() { r.engine.EndLeases(context.Background()); close(ended) }()
		synctest.Wait()
		for _, x := range again {
			if err := r.ack(x); err != nil {
				t.Error(err)
			}
		}
		<-ended
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 4})
	})
}

// TestPullDeleted: a destination that is deleted ends its leases.
func TestPullDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		d := r.pulled()
		r.acceptMany(2)
		got := r.pull(1, 0)
		if err := r.store.DeleteDestination(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
		r.reload()
		if err := r.ack(got[0]); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("an ack for a deleted destination: %v", err)
		}
		time.Sleep(time.Minute)
		if n := r.engine.queuedBytes.Load(); n != 0 {
			t.Errorf("%d bytes are kept", n)
		}
	})
}

// A settler is a store whose Settle keeps the result or not, and fails or not.
type settler struct {
	Store
	keeps, fails bool
}

func (s settler) Settle(ctx context.Context, r bellhop.Result) (stored bool, err error) {
	if s.keeps {
		stored, err = s.Store.Settle(ctx, r)
	}
	if s.fails {
		err = errors.Join(err, errors.New("the disk is gone"))
	}
	return stored, err
}

// TestFaultsOfAck: the process is killed before or after an ack is on disk, and another process starts. Only an ack
// that is on disk counts, whatever the program was told, and the old token never counts for the new lease.
func TestFaultsOfAck(t *testing.T) {
	const restarted, acked = "given back, or the gateway was restarted", "attempt 1 was acked already"
	for _, c := range []struct {
		name         string
		acks         bool
		keeps, fails bool
		told         bool // that the ack counts
		state        bellhop.DeliveryState
		over         string // what a later ack with the old token is told
	}{
		{"killed after the lease", false, false, false, false, bellhop.DeliveryPending, restarted},
		{"failed and not kept", true, false, true, false, bellhop.DeliveryPending, restarted},
		{"failed but kept", true, true, true, false, bellhop.DeliveryDelivered, acked},
		{"killed before the answer", true, true, false, true, bellhop.DeliveryDelivered, acked},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var dies *mortal
				r := newRig(t, func(r *rig) {
					r.wrapStore = func(kept Store) Store {
						dies = &mortal{Store: settler{kept, c.keeps, c.fails}}
						return dies
					}
				})
				r.pulled()
				r.acceptMany(1)
				x := r.pullOne()
				if c.acks {
					if err := r.ack(x); (err == nil) != c.told {
						t.Errorf("the ack: %v", err)
					}
				}
				dies.dead.Store(true)
				r.stop(t.Context())
				r.wrapStore = nil
				r.open()
				synctest.Wait()
				if d := r.only(); d.State != c.state {
					t.Errorf("%+v", d)
				}
				again := r.pull(10, 0)
				if (len(again) == 1) != (c.state == bellhop.DeliveryPending) {
					t.Fatalf("%d again", len(again))
				}
				if err := r.ack(x); !errors.Is(err, bellhop.ErrNoLease) {
					t.Errorf("the old token: %v", err)
				}
				d := r.only()
				attempts, err := r.store.Attempts(t.Context(), d.ID)
				if err != nil {
					t.Fatal(err)
				}
				if over := bellhop.LeaseOver(x.Token, &d, attempts); !strings.Contains(over.Error(), c.over) {
					t.Errorf("told: %v", over)
				}
				for _, y := range again {
					if err := r.ack(y); err != nil || y.Attempt != 1 || y.Token == x.Token {
						t.Errorf("%+v: %v", y, err)
					}
				}
			})
		})
	}
}

// TestAckOnFullDisk: an ack that the disk cannot take soon is told so, and counts once it is written.
func TestAckOnFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		room := make(chan struct{})
		r := newRig(t, func(r *rig) {
			r.wrapStore = func(kept Store) Store { return crowded{kept, room} }
		})
		r.pulled()
		r.acceptMany(1)
		x := r.pullOne()
		var refused *bellhop.Error
		done := make(chan error)
		go func() { done <- r.ack(x) }()
		synctest.Wait()
		if err := r.ack(x); !errors.As(err, &refused) || refused.Code != bellhop.CodeUnavailable {
			t.Errorf("an ack beside another: %v", err)
		}
		if _, err := r.engine.Extend("dst_jobs", x.DeliveryID, x.Token, 0); !errors.Is(err, bellhop.ErrNoLease) {
			t.Errorf("an extension beside an ack: %v", err)
		}
		if err := <-done; !errors.As(err, &refused) || refused.Code != bellhop.CodeUnavailable {
			t.Errorf("an ack without room: %v", err)
		}
		close(room)
		synctest.Wait()
		if d := r.only(); d.State != bellhop.DeliveryDelivered {
			t.Errorf("%+v", d)
		}
		r.wantIdle()
	})
}

// A crowded is a store whose Settle waits for room on the disk.
type crowded struct {
	Store
	room chan struct{}
}

func (s crowded) Settle(ctx context.Context, r bellhop.Result) (bool, error) {
	done := make(chan error, 1)
	go func() {
		<-s.room
		done <- s.Store.Record(r)
	}()
	select {
	case err := <-done:
		return true, err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
