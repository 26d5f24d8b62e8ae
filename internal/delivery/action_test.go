package delivery

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A chore is an action whose function a test sets. The zero chore is not permitted.
type chore struct {
	mu           sync.Mutex
	do           performance
	env          provider.ActionEnv
	active, most int // performances that run now, and the highest number so far
	made         []provider.AttemptInfo
}

// LeavesOut implements provider.Selector.
func (*chore) LeavesOut(ev *bellhop.Event) bool { return ev.Type == "chore.done" }

func (*chore) Info() provider.Info {
	return provider.Info{Name: "chore", SendSettings: []provider.Setting{}, Errors: []string{"exit"}}
}

func (c *chore) OpenAction(env provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.env = env
	if c.do == nil {
		return nil, bellhop.Invalid("type", "chore is off")
	}
	return c, provider.DecodeSettings(d.Settings, new(struct{}))
}

func (c *chore) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	c.mu.Lock()
	c.active++
	c.most = max(c.most, c.active)
	c.made = append(c.made, at)
	do := c.do
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.active--
		c.mu.Unlock()
	}()
	return do(ctx, ev, at)
}

// seen returns the performances so far, and how many ran at a time at most.
func (c *chore) seen() (made []provider.AttemptInfo, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.made), c.most
}

type performance = func(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult

// will sets the function that c performs from now on; nil means that c is not permitted.
func (c *chore) will(do performance) {
	c.mu.Lock()
	c.do = do
	c.mu.Unlock()
}

// newChoreRig returns a rig with the action c and one destination of its type.
func newChoreRig(t *testing.T, c *chore, change ...func(*bellhop.Destination)) *rig {
	r := newRig(t, func(r *rig) { r.actions = []provider.Action{c} })
	r.chore(change...)
	return r
}

func (r *rig) chore(change ...func(*bellhop.Destination)) bellhop.Destination {
	return r.destination(&receiver{name: "chore"}, append(change, func(d *bellhop.Destination) {
		d.Type, d.URL, d.Settings = "chore", "", []byte(`{}`)
	})...)
}

// until returns a function that waits for d, or until its context ends.
func until(d time.Duration) performance {
	return func(ctx context.Context, _ *bellhop.Event, _ provider.AttemptInfo) provider.ActionResult {
		select {
		case <-time.After(d):
			return provider.ActionResult{Reply: []byte("done")}
		case <-ctx.Done():
			return provider.ActionResult{Cut: true, Reply: []byte("half")}
		}
	}
}

// TestAction: the result of an action decides about its delivery.
func TestAction(t *testing.T) {
	long := strings.Repeat("x", bellhop.MaxReplyBytes+1)
	for name, c := range map[string]struct {
		done   provider.ActionResult
		state  bellhop.DeliveryState
		error  string
		detail string
	}{
		"done": {provider.ActionResult{Reply: []byte(long)}, bellhop.DeliveryDelivered, "", ""},
		"not done": {provider.ActionResult{Error: "exit", Detail: "exit status 3", Reply: []byte(long)},
			bellhop.DeliveryPending, "exit", "exit status 3"},
		"never to be": {provider.ActionResult{Error: "exit", Detail: "exit status 65", Final: true,
			Reply: []byte(long)},
			bellhop.DeliveryDead, "exit", "exit status 65"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newChoreRig(t, &chore{do: func(context.Context, *bellhop.Event,
					provider.AttemptInfo) provider.ActionResult {
					return c.done
				}})
				r.acceptMany(1)
				synctest.Wait()
				got := r.only()
				if got.State != c.state || got.Last.Error != c.error || got.Last.Detail != c.detail ||
					string(got.Last.Reply) != long[1:] || got.Last.Status != 0 {
					t.Errorf("%+v, %+v", got, got.Last)
				}
				r.wantIdle()
			})
		})
	}
}

// TestActionRetries: an attempt that exceeds its timeout is recorded so. The next attempt has the next number and the
// same ids.
func TestActionRetries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: until(time.Hour)}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Timeout = 2 * time.Second })
		r.acceptMany(1)
		time.Sleep(3 * time.Second)
		first := r.only()
		if first.State != bellhop.DeliveryPending || first.Last.Error != "timeout" ||
			first.Last.Detail != "not done within 2s" || first.Last.Duration != 2*time.Second ||
			string(first.Last.Reply) != "half" {
			t.Errorf("%+v, %+v", first, first.Last)
		}
		c.will(until(0))
		time.Sleep(time.Hour)
		if got := r.only(); got.State != bellhop.DeliveryDelivered || got.Attempts != 2 ||
			string(got.Last.Reply) != "done" {
			t.Errorf("%+v, %+v", got, got.Last)
		}
		if made, _ := c.seen(); len(made) != 2 || made[0].DeliveryID != first.ID || made[1].DeliveryID != first.ID ||
			made[0].Attempt != 1 || made[1].Attempt != 2 || made[1].Time.Equal(made[0].Time) {
			t.Errorf("%+v", made)
		}
		r.wantIdle()
	})
}

// TestActionOutcomes: a destination may give up a delivery whose action asks for a retry.
func TestActionOutcomes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t,
			&chore{do: func(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
				return provider.ActionResult{Error: "exit", Detail: "exit status 3"}
			}}, func(d *bellhop.Destination) { d.Retry.Outcomes = bellhop.Outcomes{"exit": bellhop.OutcomeDead} })
		r.acceptMany(1)
		synctest.Wait()
		if got := r.only(); got.State != bellhop.DeliveryDead || got.Attempts != 1 ||
			got.Last.Detail != "exit status 3" {
			t.Errorf("%+v, %+v", got, got.Last)
		}
	})
}

// TestActionConcurrency: an action runs at most as often at a time as the destination's concurrency, and once per
// attempt.
func TestActionConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: until(time.Second)}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Concurrency = 3 })
		r.acceptMany(30)
		time.Sleep(10500 * time.Millisecond)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 30})
		if made, most := c.seen(); most != 3 || len(made) != 30 {
			t.Errorf("%d at a time, %d made", most, len(made))
		}
		r.wantIdle()
	})
}

// TestActionStop: a stop waits for running attempts and cuts off attempts that take too long. Attempts that were
// cut off are not recorded, and the next process repeats them under the same number.
func TestActionStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: func(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
			return map[string]performance{
				"event 0": until(time.Second), "event 1": until(time.Hour),
				// returns its own error when its context ends
				"event 2": func(ctx context.Context, ev *bellhop.Event,
					at provider.AttemptInfo) provider.ActionResult {
					until(time.Hour)(ctx, ev, at)
					return provider.ActionResult{Error: "exit", Detail: "exit status 3"}
				},
			}[string(ev.Body)](ctx, ev, at)
		}}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Timeout = time.Minute })
		r.acceptMany(3)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		if err := r.stop(ctx); err == nil || !strings.Contains(err.Error(), "cut off") ||
			time.Since(begun) != 2*time.Second+stopGrace {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		c.will(until(0))
		r.open()
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 3})
		attempts := map[int]int{}
		for _, d := range r.deliveries() {
			attempts[d.Attempts]++
		}
		if want := map[int]int{1: 2, 2: 1}; !maps.Equal(attempts, want) {
			t.Errorf("attempts on record: %v, want %v", attempts, want)
		}
		r.wantIdle()
	})
}

// TestActionPanics: if an action panics, only the delivery of that event fails.
func TestActionPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t, &chore{do: func(_ context.Context, ev *bellhop.Event,
			_ provider.AttemptInfo) provider.ActionResult {
			if string(ev.Body) == "event 1" {
				panic("no")
			}
			return provider.ActionResult{}
		}})
		r.acceptMany(3)
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2, bellhop.DeliveryDead: 1})
		r.wantIdle()
	})
}

// TestActionOff: events for an action that is no longer permitted are stored for it.
func TestActionOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: until(0)}
		r := newChoreRig(t, c)
		list, _, err := r.store.Destinations(t.Context(), bellhop.DestinationFilter{}, bellhop.Page{})
		if err != nil {
			t.Fatal(err)
		}
		c.will(nil)
		list[0].UpdatedAt = list[0].UpdatedAt.Add(time.Second)
		if err := r.engine.SetDestinations(t.Context(), list); err == nil ||
			!strings.Contains(err.Error(), "dst_chore (chore): type: chore is off") {
			t.Errorf("reported: %v", err)
		}
		r.acceptMany(2)
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 2})
		c.will(until(0))
		r.reload()
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		r.wantIdle()
	})
}

// TestActionContinues: an action that continues is attempted again at the time that it asks for, with its progress,
// also by the next process. Such an attempt does not count towards the schedule or as a failure of the destination.
// The progress of a failed attempt is kept too.
func TestActionContinues(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const parts = 200 // more than the number of other attempts that do not count
		c := &chore{}
		c.will(func(_ context.Context, _ *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
			done := len(at.Progress)
			switch {
			case done == parts:
				return provider.ActionResult{Reply: []byte("done")}
			case done == parts/2 && at.Attempt == parts/2+1:
				return provider.ActionResult{Error: "exit", Detail: "exit status 3",
					Progress: append(at.Progress, '!')}
			}
			return provider.ActionResult{Continue: at.Time.Add(time.Minute), Progress: append(at.Progress, '.')}
		})
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.Schedule{time.Second} })
		r.acceptMany(1)
		time.Sleep(30*time.Minute + time.Second)
		got := r.only()
		if got.State != bellhop.DeliveryPending || got.Attempts != 31 || got.Spared != 31 || got.Last.Error != "" ||
			got.Last.Detail != "" {
			t.Errorf("after half an hour: %+v, %+v", got, got.Last)
		}
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.open()
		time.Sleep(24 * time.Hour)
		got = r.only()
		if got.State != bellhop.DeliveryDelivered || got.Attempts != parts+1 || got.Spared != parts-1 ||
			string(got.Last.Reply) != "done" {
			t.Errorf("in the end: %+v, %+v", got, got.Last)
		}
		if d := r.state("dst_chore"); !d.FailingSince.IsZero() || d.State != bellhop.DestinationActive {
			t.Errorf("the destination is %s, failing since %v", d.State, d.FailingSince)
		}
		r.wantIdle()
	})
}

// TestActionContinuesTooLong: a delivery is dead if its action would continue after retry.max_age.
func TestActionContinuesTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t, &chore{do: func(_ context.Context, _ *bellhop.Event,
			at provider.AttemptInfo) provider.ActionResult {
			return provider.ActionResult{Continue: at.Time.Add(time.Minute)}
		}}, func(d *bellhop.Destination) { d.Retry.MaxAge = 10 * time.Minute })
		r.acceptMany(1)
		time.Sleep(time.Hour)
		got := r.only()
		if got.State != bellhop.DeliveryDead || got.Attempts != 11 || got.Last.Error != "unfinished" ||
			!strings.Contains(got.Last.Detail, "older than 10m0s") {
			t.Errorf("%+v, %+v", got, got.Last)
		}
		r.wantIdle()
	})
}

// TestActionProgressIsBounded: an action that returns more progress than can be stored fails, and is not attempted
// again.
func TestActionProgressIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t, &chore{do: func(_ context.Context, _ *bellhop.Event,
			at provider.AttemptInfo) provider.ActionResult {
			return provider.ActionResult{Continue: at.Time, Progress: make([]byte, bellhop.MaxProgressBytes+1)}
		}})
		r.acceptMany(1)
		synctest.Wait()
		got := r.only()
		if got.State != bellhop.DeliveryDead || got.Attempts != 1 || got.Last.Error != "action" ||
			!strings.Contains(got.Last.Detail, "more than 65536 bytes") {
			t.Errorf("%+v, %+v", got, got.Last)
		}
	})
}

// TestActionPublishes: an event that an action publishes is stored, matched and delivered, and names its cause.
func TestActionPublishes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{}
		var id string
		c.will(func(ctx context.Context, ev *bellhop.Event, _ provider.AttemptInfo) (done provider.ActionResult) {
			var err error
			id, err = c.env.Publish(ctx, ev, bellhop.Event{Type: "recording.fetched", ContentType: "text/plain",
				Body: []byte("fetched")})
			if err != nil {
				done.Error, done.Detail = "exit", err.Error()
			}
			return done
		})
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Match.Types = []string{"job.finished"} })
		to := r.network.receiver("to")
		r.destination(to, func(d *bellhop.Destination) { d.Match.Types = []string{"recording.*"} })
		r.acceptMany(1)
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		if got := to.got(); len(got) != 1 || got[0].body != "fetched" || got[0].header.Get("Bellhop-Event-Id") != id {
			t.Errorf("arrived: %+v, want %s", got, id)
		}
		list, _, err := r.store.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{})
		if err != nil || len(list) != 2 || list[0].Subject != list[1].ID {
			t.Errorf("%+v %v", list, err)
		}
		r.wantIdle()
	})
}

// TestActionTakesLong: an attempt of an action may take longer than an attempt of a destination that sends. A stop
// cuts it off too.
func TestActionTakesLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: until(6 * time.Hour)}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Timeout = 8 * time.Hour })
		r.acceptMany(1)
		time.Sleep(7 * time.Hour)
		if got := r.only(); got.State != bellhop.DeliveryDelivered || got.Last.Duration != 6*time.Hour {
			t.Errorf("%+v, %+v", got, got.Last)
		}
		r.acceptMany(1)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := r.stop(ctx); err == nil || time.Since(begun) != time.Second+stopGrace {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestActionSaysCancelled: an error code "canceled" of the action itself is not mistaken for a stop that cut it off.
func TestActionSaysCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t, &chore{do: func(ctx context.Context, _ *bellhop.Event,
			_ provider.AttemptInfo) provider.ActionResult {
			<-ctx.Done()
			return provider.ActionResult{Error: "cancelled", Detail: "by the other side"}
		}}, func(d *bellhop.Destination) { d.Timeout = time.Minute })
		r.acceptMany(1)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.stop(ctx); err == nil {
			t.Error("the stop was not cut short")
		}
		r.open()
		if got := r.only(); got.Attempts != 1 || got.Last.Error != "cancelled" ||
			got.Last.Detail != "by the other side" {
			t.Errorf("%+v, %+v", got, got.Last)
		}
	})
}

// TestActionLeavesOut: a destination gets no delivery of an event that an action made and its own never works on. It
// gets those of other actions, what a sender calls by that type, and what somebody replays to it.
func TestActionLeavesOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t, &chore{do: until(0)})
		other := r.network.receiver("other")
		r.destination(other)
		made := bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_1"}}, nil)
		events := []bellhop.Event{{Type: "chore.done", Header: made}, {Type: "chore.begun", Header: made},
			{Type: "chore.done"}}
		for i := range events {
			events[i].ID, events[i].Source, events[i].SourceID = "evt_"+strconv.Itoa(i), "s", "src_1"
		}
		deliveries, err := r.engine.Match(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		defer r.engine.Unreserve(events, deliveries)
		got := map[string][]int{}
		for _, d := range deliveries {
			got[d.DestinationID] = append(got[d.DestinationID], d.Event)
		}
		if !slices.Equal(got["dst_chore"], []int{1, 2}) || !slices.Equal(got["dst_other"], []int{0, 1, 2}) {
			t.Errorf("%v", got)
		}
		if d := r.engine.AssignTo("dst_chore", 0, &events[0]); d.DestinationID != "dst_chore" {
			t.Errorf("a replay: %+v", d)
		}
	})
}
