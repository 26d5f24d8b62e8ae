package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A listenRig is a desk with the Performer of the destination dst_1.
type listenRig struct {
	*Desk
	t *testing.T
	p provider.Performer

	mu   sync.Mutex // guards told
	told []string   // the destinations that back was told of
}

// inListenBubble runs f with a listenRig in a bubble of synctest.
func inListenBubble(t *testing.T, f func(t *testing.T, r *listenRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &listenRig{t: t}
		r.Desk = NewDesk(func(id string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, id)
		}, prometheus.NewRegistry())
		var err error
		r.p, err = Listen{Desk: r.Desk}.OpenAction(provider.ActionEnv{}, bellhop.Destination{ID: "dst_1", Name: "dev"})
		if err != nil {
			t.Fatal(err)
		}
		f(t, r)
	})
}

// backs returns which destinations back was told of, and forgets them.
func (r *listenRig) backs() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := strings.Join(r.told, " ")
	r.told = nil
	return told
}

// attach begins to listen to dst_1.
func (r *listenRig) attach() (next func() bellhop.Handing, leave func()) {
	r.t.Helper()
	wait, leave, err := r.Attach("dst_1")
	if err != nil {
		r.t.Fatal(err)
	}
	return func() bellhop.Handing {
		r.t.Helper()
		h, err := wait(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		return h
	}, leave
}

// try makes an attempt within 30 seconds. The channel gets its result in short.
func (r *listenRig) try(ctx context.Context, deliveryID string) <-chan string {
	done := make(chan string, 1)
	go func() {
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		d := r.p.Perform(limited, &bellhop.Event{ID: "evt_" + deliveryID},
			provider.AttemptInfo{DeliveryID: deliveryID, Attempt: 1})
		done <- fmt.Sprintf("%d %s %s%s parked=%s unmade=%t cut=%t", d.Status, d.RetryAfter, d.Error, d.Reply,
			d.Parked, d.Unmade, d.Cut)
	}()
	synctest.Wait()
	return done
}

const (
	nobody   = "0   parked=dst_1 unmade=true cut=false"
	goneAway = "0  listener_gone parked=dst_1 unmade=false cut=false"
	tooLate  = "0   parked= unmade=false cut=true"
)

// TestHanding: a delivery goes to who listens, and the answer is the result of the attempt. Without a listener there
// is no attempt.
func TestHanding(t *testing.T) {
	inListenBubble(t, func(t *testing.T, r *listenRig) {
		if got := <-r.try(t.Context(), "dlv_0"); got != nobody {
			t.Errorf("nobody listens: %s", got)
		}
		next, leave := r.attach()
		if got := r.backs(); got != "dst_1" {
			t.Errorf("back: %q", got)
		}
		for a, want := range map[*bellhop.Answer]string{
			{Status: 200, Body: []byte("ok")}:       "200  ok parked= unmade=false cut=false",
			{Status: 503, RetryAfter: "7"}:          "503 7  parked= unmade=false cut=false",
			{Detail: "the program cannot be there"}: "0  unanswered parked= unmade=false cut=false",
		} {
			done := r.try(t.Context(), "dlv_1")
			h := next()
			if h.DeliveryID != "dlv_1" || h.Attempt != 1 || h.Event.ID != "evt_dlv_1" || h.Token == "" ||
				!h.Until.Equal(time.Now().Add(30*time.Second)) {
				t.Errorf("%+v", h)
			}
			a.Token = h.Token
			if err := r.Answer("dlv_2", *a); !errors.Is(err, errNotInHand) {
				t.Errorf("the answer of another delivery: %v", err)
			}
			if err := r.Answer("dlv_1", *a); err != nil {
				t.Error(err)
			}
			if got := <-done; got != want {
				t.Errorf("%+v: %s, want %s", a, got, want)
			}
			if err := r.Answer("dlv_1", *a); !errors.Is(err, errNotInHand) {
				t.Errorf("a second answer: %v", err)
			}
		}
		leave()
		leave()
		if got := <-r.try(t.Context(), "dlv_3"); got != nobody {
			t.Errorf("nobody listens any more: %s", got)
		}
		if got := r.backs(); got != "" {
			t.Errorf("back: %q", got)
		}
		if n := testutil.ToFloat64(r.metrics.handed.WithLabelValues("answered")); n != 2 {
			t.Errorf("%v answered", n)
		}
	})
}

// TestHandingEnds: an attempt ends without an answer at its time, with its listener, and with the engine.
func TestHandingEnds(t *testing.T) {
	inListenBubble(t, func(t *testing.T, r *listenRig) {
		next, leave := r.attach()
		done := r.try(t.Context(), "dlv_1")
		h := next()
		time.Sleep(31 * time.Second)
		if got := <-done; got != tooLate {
			t.Errorf("after its time: %s", got)
		}
		if err := r.Answer("dlv_1", bellhop.Answer{Token: h.Token, Status: 200}); !errors.Is(err, errNotInHand) {
			t.Errorf("a late answer: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done = r.try(ctx, "dlv_2")
		cancel()
		if got := <-done; got != tooLate {
			t.Errorf("cut off: %s", got)
		}
		done = r.try(t.Context(), "dlv_3")
		if h := next(); h.DeliveryID != "dlv_3" { // not the one that was cut off before it was fetched
			t.Errorf("%+v", h)
		}
		leave()
		if got := <-done; got != goneAway {
			t.Errorf("its listener is gone: %s", got)
		}
		if len(r.inHand) > 0 || len(r.listeners) > 0 || r.count != 0 {
			t.Errorf("%v, %v and %d are left", r.inHand, r.listeners, r.count)
		}
	})
}

// TestListenersShare: several who listen share the deliveries. What is in the hands of one that leaves goes to another
// one, and the engine is told before the attempt ends.
func TestListenersShare(t *testing.T) {
	inListenBubble(t, func(t *testing.T, r *listenRig) {
		first, leaveFirst := r.attach()
		second, leaveSecond := r.attach()
		defer leaveSecond()
		var dones []<-chan string
		for n := range 4 {
			dones = append(dones, r.try(t.Context(), fmt.Sprintf("dlv_%d", n)))
		}
		for i, next := range []func() bellhop.Handing{first, second, first, second} {
			h := next()
			if h.DeliveryID != fmt.Sprintf("dlv_%d", i) {
				t.Errorf("%d: %+v", i, h)
			}
			if i%2 == 1 {
				if err := r.Answer(h.DeliveryID, bellhop.Answer{Token: h.Token, Status: 200}); err != nil {
					t.Error(err)
				}
			}
		}
		r.backs()
		leaveFirst()
		if got := r.backs(); got != "dst_1" {
			t.Errorf("back: %q", got)
		}
		for i, done := range dones {
			want := "200   parked= unmade=false cut=false"
			if i%2 == 0 {
				want = goneAway
			}
			if got := <-done; got != want {
				t.Errorf("%d: %s", i, got)
			}
		}
		r.try(t.Context(), "dlv_9")
		if h := second(); h.DeliveryID != "dlv_9" {
			t.Errorf("%+v", h)
		}
	})
}

// TestDeskStops: a stop waits for what is in somebody's hands, gives nothing further, and ends all listeners.
func TestDeskStops(t *testing.T) {
	for name, answered := range map[string]bool{"answered": true, "not answered in time": false} {
		t.Run(name, func(t *testing.T) {
			inListenBubble(t, func(t *testing.T, r *listenRig) {
				next, leave := r.attach()
				defer leave()
				done := r.try(t.Context(), "dlv_1")
				h := next()
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					r.Stop(ctx)
				}()
				synctest.Wait()
				select {
				case <-stopped:
					t.Fatal("the stop does not wait for the answer")
				default:
				}
				if got := <-r.try(t.Context(), "dlv_2"); got != nobody {
					t.Errorf("while it stops: %s", got)
				}
				want := goneAway
				if answered {
					want = "200   parked= unmade=false cut=false"
					if err := r.Answer("dlv_1", bellhop.Answer{Token: h.Token, Status: 200}); err != nil {
						t.Error(err)
					}
				}
				if got := <-done; got != want {
					t.Errorf("in hand: %s", got)
				}
				<-stopped
				r.Stop(t.Context())
				if _, _, err := r.Attach("dst_1"); err != io.EOF {
					t.Errorf("attach: %v", err)
				}
			})
		})
	}
}

// TestNextEnds: a listener that waits is told of the stop, and hears of the end of its context.
func TestNextEnds(t *testing.T) {
	inListenBubble(t, func(t *testing.T, r *listenRig) {
		wait, leave, err := r.Attach("dst_1")
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		ended := make(chan error)
		go func() {
			_, err := wait(t.Context())
			ended <- err
		}()
		synctest.Wait()
		r.Stop(t.Context())
		if err := <-ended; err != io.EOF {
			t.Error(err)
		}
	})
}

// TestListenSettings: there are none.
func TestListenSettings(t *testing.T) {
	_, err := Listen{}.OpenAction(provider.ActionEnv{}, bellhop.Destination{Settings: []byte(`{"url":"x"}`)})
	if err == nil || !strings.Contains(err.Error(), "settings.url") {
		t.Error(err)
	}
}
