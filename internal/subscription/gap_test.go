package subscription_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// setRefusal has the connection refuse to read changes; nil lets it.
func (r *rig) setRefusal(refusal *provider.APIError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = func(call provider.Call) error {
		if refusal != nil && strings.Contains(call.Path, "delta") {
			return refusal
		}
		return nil
	}
}

// miss lets a message be created whose notification is lost, and the provider say that it lost some.
func (r *rig) miss(id string) {
	r.Helper()
	r.fault("silent=1", "graph")
	r.alter("graph", "/me/messages", "created", id)
	r.fault("missed", "graph")
	r.pass(time.Second)
}

var (
	signedOut = &provider.APIError{Kind: provider.APISignedOut, Message: "nobody is signed in"}
	away      = &provider.APIError{Kind: provider.APITemporary, Message: "away"}
)

// wantGaps compares the states and reasons of the gaps, oldest first.
func (r *rig) wantGaps(what string, want ...string) []bellhop.Gap {
	r.Helper()
	gaps := r.gaps("watch")
	var got []string
	for i := range gaps {
		gap := gaps[len(gaps)-1-i]
		got = append(got, string(gap.State)+": "+gap.Reason)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return gaps
}

// wantToldOnce shows that each change has one event, that each gap was filled once, and that the latest announcement
// of each gap, and that of its end, have the span that is on record.
func (r *rig) wantToldOnce(changes int) {
	r.Helper()
	told := map[string]int{}
	for _, ev := range r.stored("calendar") {
		if ev.Type != "graph.created" {
			continue
		}
		told[ev.Type+" "+ev.Subject]++
		if told[ev.Type+" "+ev.Subject] > 1 {
			r.Errorf("%s is told twice", ev.Subject)
		}
	}
	if len(told) != changes {
		r.Errorf("%d changes are told, want %d", len(told), changes)
	}
	for _, kind := range []string{bellhop.TypeSubscriptionGap, bellhop.TypeSubscriptionGapFilled} {
		type span struct {
			ID       string
			From, To time.Time
		}
		latest := map[string]span{}
		for _, ev := range r.announced(kind) {
			var body struct{ Gap span }
			r.must(json.Unmarshal(ev.Body, &body))
			latest[body.Gap.ID] = body.Gap
		}
		for _, gap := range r.gaps("watch") {
			got := latest[gap.ID]
			if gap.State != bellhop.GapFilled || !gap.Announced || !got.From.Equal(gap.From) || !got.To.Equal(gap.To) {
				r.Errorf("%s: %+v, announced %+v", kind, gap, got)
			}
		}
		if n := len(r.announced(bellhop.TypeSubscriptionGapFilled)); n != len(r.gaps("watch")) {
			r.Errorf("%d fills of %d gaps", n, len(r.gaps("watch")))
		}
	}
}

const (
	missed = "the provider says that notifications were lost"
	down   = "the gateway was not running for longer than the provider repeats notifications"
)

// TestJoinBurst shows that a burst of gaps is read twice at most, whether the first fill is over at once or takes
// long.
func TestJoinBurst(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]*provider.APIError{"a fast provider": nil, "a provider that is away": away} {
		t.Run(name, func(t *testing.T) {
			filling(t, func(r *rig) {
				r.create("watch", "/me/messages", "created")
				r.pass(time.Hour)
				r.setRefusal(refusal)
				for i := range 50 {
					r.miss(fmt.Sprint("m", i))
				}
				first := "filled"
				if refusal != nil {
					first = "filling"
				}
				gaps := r.wantGaps("in the burst", first+": "+missed, "open: "+missed)
				n := len(r.announced(bellhop.TypeSubscriptionGap))
				if n != 2 || gaps[0].To.Sub(gaps[0].From) < 48*time.Second {
					r.Errorf("%d announcements, %+v", n, gaps[0])
				}
				r.pass(6 * time.Minute)
				n = len(r.announced(bellhop.TypeSubscriptionGap))
				if n != 3 { // the second one at its new width
					r.Errorf("%d announcements", n)
				}
				r.setRefusal(nil)
				r.pass(20 * time.Minute)
				r.wantGaps("after it", "filled: "+missed, "filled: "+missed)
				r.wantToldOnce(50)
			})
		})
	}
}

// TestJoinApart shows that gaps that are far apart stay apart, that each waits for the one before, and that a later
// gap joins the one that it is near.
func TestJoinApart(t *testing.T) {
	filling(t, func(r *rig) {
		r.create("watch", "/me/messages", "created")
		r.pass(time.Hour)
		r.setRefusal(signedOut)
		r.miss("a")
		r.miss("b")
		r.pass(time.Hour)
		r.alter("graph", "/me/messages", "created", "arrived")
		r.pass(time.Second)
		r.miss("c")
		r.miss("d")
		r.pass(11 * time.Minute) // within the margins
		r.alter("graph", "/me/messages", "created", "arrived too")
		r.miss("e")
		r.pass(40 * time.Hour)
		gaps := r.wantGaps("signed out", "filling: "+missed, "open: "+missed, "open: "+missed)
		if gaps[0].To.Sub(gaps[0].From) < 11*time.Minute || gaps[1].To.Sub(gaps[1].From) > time.Minute {
			r.Errorf("%+v", gaps)
		}
		r.setRefusal(nil)
		r.pass(time.Hour)
		r.wantToldOnce(7)
	})
}

// TestJoinDowntime shows that a start goes on with what was joined, and joins the downtime with it.
func TestJoinDowntime(t *testing.T) {
	filling(t, func(r *rig) {
		r.create("watch", "/me/messages", "created")
		r.pass(time.Hour)
		r.setRefusal(signedOut)
		for i := range 3 {
			r.miss(fmt.Sprint("m", i))
		}
		r.stop()
		r.start()
		r.pass(time.Minute)
		r.miss("m3")
		from := r.wantGaps("after a start", "filling: "+missed, "open: "+missed)[0].From
		r.away(9*time.Hour, func() {
			r.fault("silent=1", "graph") // nor is it repeated
			r.alter("graph", "/me/messages", "created", "m4")
		})
		r.miss("m5")
		gaps := r.wantGaps("after the downtime", "filling: "+missed, "open: "+missed+"; "+down)
		if !gaps[0].From.Equal(from) || gaps[0].To.Sub(from) < 9*time.Hour {
			r.Errorf("%+v", gaps[0])
		}
		r.setRefusal(nil)
		r.pass(20 * time.Minute)
		r.wantToldOnce(6)
	})
}

// TestJoinUnsaved shows what storage that cannot take a wider gap does: nothing is lost, even if the gateway ends
// after the gap was kept, or the fill has begun before the gap is stored again.
func TestJoinUnsaved(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for name, save := range map[string]func(store func() error) error{
		"fails":                      func(func() error) error { return full },
		"fails but is kept":          func(store func() error) error { return errors.Join(store(), full) },
		"kept, and the gateway ends": func(store func() error) error { return errors.Join(store(), full) },
		"fails until the fill ended": func(func() error) error { return full },
	} {
		t.Run(name, func(t *testing.T) {
			filling(t, func(r *rig) {
				r.create("watch", "/me/messages", "created")
				r.pass(time.Hour)
				r.setRefusal(signedOut)
				r.miss("a")
				r.miss("b")
				r.mu.Lock()
				r.saveNew = save
				r.mu.Unlock()
				r.miss("c")
				if name == "fails until the fill ended" {
					r.setRefusal(nil)
					r.pass(10 * time.Minute)
				}
				r.mu.Lock()
				r.saveNew = nil
				r.mu.Unlock()
				want := []string{"filled: " + missed, "filled: " + missed}
				switch name {
				case "kept, and the gateway ends":
					r.stop()
					r.start()
				case "fails until the fill ended":
					want = append(want, want[0]) // the change is told, and the gap is on record
				}
				r.pass(5 * time.Minute)
				r.setRefusal(nil)
				r.pass(20 * time.Minute)
				r.wantGaps("in the end", want...)
				r.wantToldOnce(3)
			})
		})
	}
}

// TestUnsavedGap shows that a gap that could not be stored is not forgotten because something else is stored first.
func TestUnsavedGap(t *testing.T) {
	filling(t, func(r *rig) {
		r.create("watch", "/me/messages", "created")
		r.pass(time.Hour)
		r.mu.Lock()
		r.saveNew = func(func() error) error { return errors.New("disk full") }
		r.mu.Unlock()
		r.miss("a")
		r.wantGaps("while nothing can be stored")
		r.mu.Lock()
		r.saveNew = nil
		r.mu.Unlock()
		_, err := r.manager.Update(r.ctx, "sub_watch", func(sub bellhop.Subscription) (bellhop.Subscription, error) {
			sub.ExpectEvery = 24 * time.Hour
			return sub, nil
		})
		r.must(err)
		r.pass(20 * time.Minute)
		r.wantGaps("in the end", "filled: "+missed)
		r.wantToldOnce(1)
	})
}

// TestJoinByHand shows that a gap that a user asks for, and a pause, stay as they are.
func TestJoinByHand(t *testing.T) {
	const asked, paused = "a user asked for what changed", "a user paused the subscription"
	filling(t, func(r *rig) {
		r.create("watch", "/me/messages", "created")
		r.pass(time.Hour)
		r.setRefusal(signedOut)
		_, err := r.manager.Pause(r.ctx, "sub_watch")
		r.must(err)
		r.pass(time.Minute)
		_, err = r.manager.Resume(r.ctx, "sub_watch")
		r.must(err)
		r.miss("a")
		r.miss("b")
		r.wantGaps("after the pause", "unknown: "+paused, "filling: "+missed, "open: "+missed)
		since := bellhop.StoredTime(time.Now().Add(-3 * time.Hour))
		mine, err := r.manager.Fill(r.ctx, "sub_watch", since)
		r.must(err)
		if len(mine) != 1 || !mine[0].From.Equal(since) || mine[0].Reason != asked {
			r.Errorf("%+v", mine)
		}
		r.miss("c")
		r.wantGaps("by hand", "unknown: "+paused, "filling: "+missed, "open: "+missed, "filling: "+asked)
		_, err = r.manager.Fill(r.ctx, "sub_watch", time.Time{})
		r.must(err)
		r.miss("d")
		r.wantGaps("with the pause", "filling: "+paused, "filling: "+missed, "open: "+missed, "filling: "+asked)
		r.setRefusal(nil)
		r.pass(20 * time.Minute)
		r.wantToldOnce(4)
		for _, gap := range r.gaps("watch") {
			if gap.ID == mine[0].ID && (!gap.From.Equal(since) || !gap.To.Equal(mine[0].To)) {
				r.Errorf("%+v, and was %+v", gap, mine[0])
			}
		}
		started := time.Now()
		again, err := r.manager.Fill(r.ctx, "sub_watch", since)
		r.must(err)
		if len(again) != 1 || again[0].State != bellhop.GapFilled || time.Since(started) > 10*time.Second {
			r.Errorf("after %v: %+v", time.Since(started), again)
		}
	})
}

// TestJoinPatience shows that a fill that fails for hours does not hold back the next one for ever.
func TestJoinPatience(t *testing.T) {
	filling(t, func(r *rig) {
		r.create("watch", "/me/messages", "created")
		r.pass(time.Hour)
		r.setRefusal(away)
		r.miss("a")
		r.miss("b")
		r.pass(2 * time.Hour)
		r.wantGaps("after two hours", "filling: "+missed, "open: "+missed)
		r.pass(6 * time.Hour)
		r.wantGaps("after eight hours", "filling: "+missed, "filling: "+missed)
		r.setRefusal(nil)
		r.pass(time.Hour)
		r.wantToldOnce(2)
	})
}
