package subscription_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A subscription is validated at the door, hears with its own client state, and lives for as long as it is renewed.
func TestLife(t *testing.T) {
	bubble(t, func(r *rig) {
		sub := r.create("events", "/me/events", "created", "updated")
		if sub.State != bellhop.SubscriptionActive || sub.RemoteID == "" || !slices.Equal(r.remotes(),
			[]string{sub.RemoteID}) ||
			time.Until(sub.ExpiresAt) < 6*24*time.Hour {
			r.Fatalf("created %+v", sub)
		}
		if !sub.LastEventAt.IsZero() {
			r.Errorf("an event at %v", sub.LastEventAt)
		}
		calls, err := r.store.SubscriptionCalls(r.ctx, sub.ID)
		if err != nil || len(calls) != 1 || !calls[0].Done ||
			calls[0].Handshake != "2 handshakes, the last one answered 200" {
			r.Errorf("history %+v, %v", calls, err)
		}
		r.pass(time.Hour)
		if r.happen("graph", "/me/events") != 1 || r.refusals() != 0 {
			r.Errorf("refused: %v", r.refused)
		}
		if at := r.manager.LastEventAt(sub.ID); time.Since(at) > time.Minute {
			r.Errorf("last event at %v", at)
		}
		r.pass(30 * 24 * time.Hour)
		after := r.wantState("events", bellhop.SubscriptionActive)
		if after.RemoteID != sub.RemoteID || after.ExpiresAt.Before(time.Now().Add(24*time.Hour)) ||
			len(r.gaps("events")) > 0 {
			r.Errorf("after 30 days: %+v, %v", after, r.gaps("events"))
		}
		if n := strings.Count(r.history("events"), "renew"); n < 5 || n > 9 {
			r.Errorf("%d renewals in 30 days of a registration of a week: %s", n, r.history("events"))
		}
		if after.LastEventAt.IsZero() {
			r.Error("the time of the latest event is not stored")
		}
	}, calmly)
}

// The lifecycle events of Graph: a pause is answered, a removal makes a new registration and a gap, and what was
// missed is a gap.
func TestLifecycle(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.create("events", "/me/events", "created", "updated")
		r.pass(time.Hour)
		r.happenLifecycle(first.RemoteID, "reauthorizationRequired")
		if got := r.history("events"); got != "create reauthorize" {
			r.Errorf("after reauthorizationRequired: %s", got)
		}
		if r.happen("graph", "/me/events") != 1 {
			r.Error("the pause did not end")
		}
		r.fault("missed", "graph")
		r.pass(time.Second)
		gaps := r.gaps("events")
		if len(gaps) != 1 || !gaps[0].Announced || gaps[0].To.Sub(gaps[0].From) > time.Hour {
			r.Fatalf("after missed: %+v", gaps)
		}
		r.fault("revoke", "graph")
		r.pass(time.Minute)
		second := r.wantState("events", bellhop.SubscriptionActive)
		if second.RemoteID == first.RemoteID || !slices.Equal(r.remotes(), []string{second.RemoteID}) ||
			len(r.gaps("events")) != 2 {
			r.Errorf("after the removal: %+v, %v", second, r.gaps("events"))
		}
		if n := len(r.announced(bellhop.TypeSubscriptionGap)); n != 2 {
			r.Errorf("%d gaps were announced", n)
		}
		if second.Secrets.ClientState == "" || r.happen("graph", "/me/events") != 1 || r.refusals() != 0 {
			r.Errorf("the new registration does not speak: %v", r.refused)
		}
	})
}

func (r *rig) happenLifecycle(id, event string) {
	r.Helper()
	_, err := r.host.Happen(emulatorEvent("subscriptions/"+id, event))
	r.must(err)
	r.pass(time.Second)
}

// A registration that ends without a word is found by the daily comparison: its single GET says 404.
func TestSilentLoss(t *testing.T) {
	for name, resource := range map[string]string{"graph": "/me/events", "outlook": "me/events",
		"sharepoint": "Documents"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				changes := []string{"updated"}
				if name == "sharepoint" {
					changes = nil
				}
				first := r.create("watch", resource, changes...)
				r.wantState("watch", bellhop.SubscriptionActive)
				r.pass(time.Hour)
				r.fault("expire", name)
				r.pass(25 * time.Hour)
				second := r.wantState("watch", bellhop.SubscriptionActive)
				gaps := r.gaps("watch")
				if second.RemoteID == first.RemoteID || len(gaps) != 1 || gaps[0].To.Sub(gaps[0].From) > 26*time.Hour {
					r.Errorf("%+v, gaps %+v, history %s", second, gaps, r.history("watch"))
				}
				if n := len(r.announced(bellhop.TypeSubscriptionFailing)); n != 1 {
					r.Errorf("%d times announced as failing", n)
				}
			})
		})
	}
}

// The provider's mistakes of a day do not end a registration, and no call follows another in a tight loop.
func TestFaultyProvider(t *testing.T) {
	bubble(t, func(r *rig) {
		r.create("events", "/me/events", "updated")
		r.fault("throttle=3:120", "graph")
		r.fault("error=3:503", "graph")
		r.fault("drop=2", "graph")
		before := len(r.host.Calls())
		r.pass(6 * 24 * time.Hour)
		sub := r.wantState("events", bellhop.SubscriptionActive)
		if len(r.gaps("events")) > 0 || sub.Failures != 0 || sub.Reason != "" {
			r.Errorf("%+v, %v", sub, r.gaps("events"))
		}
		if n := len(r.host.Calls()) - before; n > 40 {
			r.Errorf("%d calls in six days", n)
		}
		calls := r.host.Calls()
		for i := 1; i < len(calls); i++ {
			if calls[i].Direction == "in" && calls[i-1].Direction == "in" &&
				calls[i].At.Sub(calls[i-1].At) < time.Second &&
				calls[i].Method == calls[i-1].Method && calls[i].URL == calls[i-1].URL && calls[i-1].Status >= 400 {
				r.Errorf("a call %v after one that failed", calls[i].At.Sub(calls[i-1].At))
			}
		}
	}, calmly)
}

// Proxies and captive pages prove nothing: the registration stays as it is known.
func TestForeignAnswers(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.create("events", "/me/events", "updated")
		for _, mangle := range []func(provider.Answer) provider.Answer{
			func(a provider.Answer) provider.Answer { a.Body = []byte("<html>sign in</html>"); return a },
			func(a provider.Answer) provider.Answer { a.Body = a.Body[:len(a.Body)/2]; return a },
			func(a provider.Answer) provider.Answer {
				return provider.Answer{Status: 404, Body: []byte("<h1>not here</h1>")}
			},
			func(a provider.Answer) provider.Answer { return provider.Answer{Status: 302} },
		} {
			r.setMangle(mangle)
			_, err := r.manager.Renew(r.ctx, first.ID)
			r.must(err)
			if got := r.wantState("events", bellhop.SubscriptionRenewing); got.RemoteID != first.RemoteID ||
				got.Reason == "" {
				r.Errorf("%+v", got)
			}
		}
		r.setMangle(nil)
		r.pass(2 * time.Hour)
		if got := r.wantState("events", bellhop.SubscriptionActive); got.RemoteID != first.RemoteID ||
			len(r.gaps("events")) > 0 {
			r.Errorf("%+v", got)
		}
	})
}

func (r *rig) setMangle(mangle func(provider.Answer) provider.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mangle = mangle
}

// A creation that fails says what was expected and what came, and is made again once the cause is gone.
func TestHandshakeNeverArrives(t *testing.T) {
	bubble(t, func(r *rig) {
		r.setDown(true)
		sub := r.create("events", "/me/events", "updated")
		for _, word := range []string{"expected a POST at https://hooks.example.com/in/calendar?validationToken=",
			"within 10s",
			"none came here", "curl -i -X POST 'https://hooks.example.com/in/calendar?validationToken=ring'"} {
			if !strings.Contains(sub.Reason, word) {
				r.Errorf("the reason lacks %q: %s", word, sub.Reason)
			}
		}
		if sub.State != bellhop.SubscriptionFailed || len(r.remotes()) != 0 {
			r.Errorf("%+v", sub)
		}
		r.setDown(false)
		r.pass(10 * time.Minute)
		r.wantState("events", bellhop.SubscriptionActive)
		if len(r.announced(bellhop.TypeSubscriptionActive)) != 1 {
			r.Error("it was not announced as active")
		}
	})
}

// A handshake that the source itself refused is told as that, in the reason and in the history.
func TestHandshakeRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		r.refusal = "address"
		sub := r.create("events", "/me/events", "updated")
		const want = "answered 403 (address): the source refused it; see why with 'bellhop requests list --source " +
			"calendar'"
		if sub.State != bellhop.SubscriptionFailed || !strings.Contains(sub.Reason, want) {
			r.Errorf("%s: %s", sub.State, sub.Reason)
		}
		calls, err := r.store.SubscriptionCalls(r.ctx, sub.ID)
		r.must(err)
		if len(calls) == 0 || !strings.Contains(calls[0].Handshake, "answered 403 (address)") {
			r.Errorf("%+v", calls)
		}
	})
}

func (r *rig) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// A lifetime that the provider refuses is shortened, and that is remembered.
func TestShorterLifetime(t *testing.T) {
	bubble(t, func(r *rig) {
		r.setMangle(func(a provider.Answer) provider.Answer {
			if a.Status != 201 && a.Status != 200 || strings.Contains(string(a.Body), `"value"`) {
				return a
			}
			at := strings.Index(string(a.Body), `"expirationDateTime":"`)
			text := string(a.Body)[at+len(`"expirationDateTime":"`):]
			expires, err := time.Parse(time.RFC3339Nano, text[:strings.IndexByte(text, '"')])
			if err == nil && time.Until(expires) > 4230*time.Minute {
				return provider.Answer{Status: 400, Body: []byte(`{"error":{"code":"ExtensionError",
					"message":"Subscription expiration can only be 4230 minutes in the future."}}`)}
			}
			return a
		})
		sub := r.create("events", "/me/events", "updated")
		if sub.State != bellhop.SubscriptionActive || sub.Lifetime != 4200*time.Minute ||
			r.history("events") != "create! create" {
			r.Errorf("%+v, %s", sub, r.history("events"))
		}
		r.pass(10 * 24 * time.Hour)
		if strings.Contains(strings.TrimPrefix(r.history("events"), "create!"), "!") {
			r.Errorf("the shorter lifetime was forgotten: %s", r.history("events"))
		}
	}, calmly)
}

// Silence is announced once, and again only after something was heard.
func TestSilence(t *testing.T) {
	bubble(t, func(r *rig) {
		r.create("events", "/me/events", "updated")
		_, err := r.manager.Update(r.ctx, "sub_events", func(s bellhop.Subscription) (bellhop.Subscription, error) {
			s.ExpectEvery = 6 * time.Hour
			return s, nil
		})
		r.must(err)
		r.mu.Lock()
		for i := range r.sources {
			if r.sources[i].Name == "calendar" {
				r.sources[i].ExpectEvery = 12 * time.Hour
				_, err := r.store.UpdateSource(r.ctx, r.sources[i])
				r.must(err)
			}
		}
		r.mu.Unlock()
		r.manager.SetSources(r.list())
		count := func(want int) {
			r.Helper()
			if got := len(r.announced(bellhop.TypeSourceSilent)); got != want {
				r.Errorf("%d silences announced after %v, want %d", got, time.Now(), want)
			}
		}
		r.pass(5 * time.Hour)
		count(0)
		r.pass(2 * time.Hour) // the subscription
		count(1)
		r.stop()
		r.start()
		r.pass(5 * time.Hour)
		count(1)
		r.pass(8 * time.Hour) // the source
		count(2)
		r.happen("graph", "/me/events")
		r.pass(5 * time.Hour)
		count(2)
		r.pass(8 * time.Hour)
		count(4)
		var bodies []string
		for _, ev := range r.announced(bellhop.TypeSourceSilent) {
			bodies = append(bodies, string(ev.Body))
		}
		if !strings.Contains(bodies[0], `"subscription":{"id":"sub_events","name":"events"`) ||
			!strings.Contains(bodies[1], `"source":{"id":"src_calendar"`) {
			r.Errorf("%v", bodies)
		}
	})
}

// TestClockSet: whether the wall clock of the server jumps a month ahead or back, and when it is right again, there is
// one registration, it is active, and its next renewal comes before its end.
func TestClockSet(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": 30 * 24 * time.Hour, "back": -30 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.create("events", "/me/events", "updated")
				r.pass(10 * time.Minute)
				r.skew.Store(int64(skew))
				r.pass(2 * time.Hour)
				if n := len(r.remotes()); n != 1 {
					r.Errorf("%d registrations while the clock is wrong", n)
				}
				if r.happen("graph", "/me/events") != 1 || r.refusals() != 0 {
					r.Errorf("while the clock is wrong, a notification is refused: %v", r.refused)
				}
				r.skew.Store(0)
				r.pass(2 * time.Hour)
				sub := r.wantState("events", bellhop.SubscriptionActive)
				if n := len(r.remotes()); n != 1 {
					r.Errorf("%d registrations", n)
				}
				if !sub.RenewAt.After(time.Now()) || !sub.RenewAt.Before(sub.ExpiresAt) {
					r.Errorf("now %s: renewed at %s, expires at %s", time.Now(), sub.RenewAt, sub.ExpiresAt)
				}
				r.pass(30 * 24 * time.Hour)
				r.wantState("events", bellhop.SubscriptionActive)
			}, calmly)
		})
	}
}

// The gateway's own downtime is a gap if it was longer than the provider repeats, and only then.
func TestDowntime(t *testing.T) {
	bubble(t, func(r *rig) {
		r.create("events", "/me/events", "updated")
		r.pass(10 * time.Minute)
		r.stop()
		r.pass(3 * time.Hour)
		r.start()
		if gaps := r.gaps("events"); len(gaps) != 0 {
			r.Errorf("after three hours: %+v", gaps)
		}
		r.pass(10 * time.Minute)
		r.stop()
		r.pass(5 * time.Hour)
		r.start()
		r.pass(2 * time.Minute)
		gaps := r.gaps("events")
		if len(gaps) != 1 || gaps[0].To.Sub(gaps[0].From) < 5*time.Hour ||
			gaps[0].To.Sub(gaps[0].From) > 5*time.Hour+2*time.Minute {
			r.Fatalf("after five hours: %+v", gaps)
		}
		if len(r.announced(bellhop.TypeSubscriptionGap)) != 1 {
			r.Error("the gap was not announced")
		}
		r.stop()
		r.pass(8 * 24 * time.Hour) // it expires meanwhile
		r.start()
		r.pass(5 * time.Minute)
		r.wantState("events", bellhop.SubscriptionActive)
		if gaps := r.gaps("events"); len(gaps) != 3 {
			r.Errorf("after the expiry: %+v", gaps)
		}
	})
}
