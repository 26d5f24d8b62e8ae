package subscription_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A creation whose outcome is not known is settled after a crash: the one registration that it made is adopted, by the
// provider's list or by the id that a conflict names.
func TestCrashAfterCreation(t *testing.T) {
	for name, resource := range map[string]string{"by the list": "/me/events", "by the conflict": "/drives/b1/root"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.fault("drop=1", "graph") // the registration is made, and nobody hears of it
				sub := r.create("watch", resource, "updated")
				if sub.State != bellhop.SubscriptionPending || sub.RemoteID != "" || sub.Secrets.Wish.IsZero() ||
					len(r.remotes()) != 1 {
					r.Fatalf("%+v, %v", sub, r.remotes())
				}
				made := r.remotes()
				if r.happen("graph", resource) != 1 || r.refusals() != 0 {
					r.Errorf("while the id is not known, its client state is not taken: %v", r.refused)
				}
				r.crash()
				if name == "by the conflict" {
					r.setMangle(refuseList)
				}
				r.start()
				r.pass(time.Minute)
				after := r.wantState("watch", bellhop.SubscriptionActive)
				r.setMangle(nil)
				if !slices.Equal(r.remotes(), made) || after.RemoteID != made[0] || !after.Secrets.Wish.IsZero() {
					r.Errorf("%+v; before %v, after %v", after, made, r.remotes())
				}
			})
		})
	}
}

// refuseList refuses lists, as a provider does without the permission.
func refuseList(a provider.Answer) provider.Answer {
	if strings.Contains(string(a.Body), `"value"`) {
		return provider.Answer{Status: 403, Body: []byte(`{"error":{"code":"accessDenied","message":"no"}}`)}
	}
	return a
}

// crash ends the Manager as kill -9 does: nothing of what it would write at its end is written.
func (r *rig) crash() {
	r.Helper()
	r.stop()
	calls, err := r.store.SubscriptionCalls(r.ctx, "sub_watch")
	r.must(err)
	if len(calls) > 0 { // the outcome of the latest call was not written
		last := calls[0]
		last.Outcome, last.Status, last.Done = "", 0, false
		r.must(r.store.SaveSubscription(r.ctx, r.show("sub_watch"), bellhop.SubscriptionNote{Call: &last}))
	}
}

// Outlook has no list, so a registration whose creation has an unknown outcome stays until it expires. The next one
// has another client state, so that nothing of the stray is taken; if it speaks, it is deleted.
func TestStrayOfOutlook(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fault("drop=1", "outlook")
		sub := r.create("watch", "me/events", "updated", "created")
		state := sub.Secrets.ClientState
		r.pass(time.Minute)
		after := r.wantState("watch", bellhop.SubscriptionActive)
		if after.Secrets.ClientState == state || state == "" {
			r.Error("the client state of the stray is used again")
		}
		if r.happen("outlook", "/me/events"); r.refusals() == 0 {
			r.Error("the stray was not refused")
		}
	})
}

// A renewal during which the gateway ended is made again.
func TestCrashDuringRenewal(t *testing.T) {
	bubble(t, func(r *rig) {
		sub := r.create("watch", "/me/events", "updated")
		sub = r.show("watch")
		r.stop()
		sub.State = bellhop.SubscriptionRenewing // the intent was stored, and nothing after it
		r.must(r.store.SaveSubscription(r.ctx, sub, bellhop.SubscriptionNote{
			Call: &bellhop.SubscriptionCall{SubscriptionID: sub.ID, At: time.Now(), What: "renew"}}))
		r.start()
		r.pass(time.Minute)
		after := r.wantState("watch", bellhop.SubscriptionActive)
		if after.RemoteID != sub.RemoteID || !strings.HasPrefix(r.history("watch"), "create renew! renew") {
			r.Errorf("%+v, %s", after, r.history("watch"))
		}
		calls, err := r.store.SubscriptionCalls(r.ctx, sub.ID)
		r.must(err)
		if !slices.ContainsFunc(calls,
			func(c bellhop.SubscriptionCall) bool { return strings.Contains(c.Outcome, "the gateway ended") }) {
			r.Errorf("%+v", calls)
		}
	})
}

// A deletion that was cut off is done after the start.
func TestCrashDuringDeletion(t *testing.T) {
	bubble(t, func(r *rig) {
		r.create("watch", "/me/events", "updated")
		sub := r.show("watch")
		r.stop()
		sub.Deleting, sub.RenewAt = true, time.Now()
		r.must(r.store.SaveSubscription(r.ctx, sub, bellhop.SubscriptionNote{}))
		r.start()
		r.pass(time.Minute)
		if _, err := r.store.Subscription(r.ctx, "watch"); err == nil || len(r.remotes()) != 0 {
			r.Errorf("%v, %v", err, r.remotes())
		}
	})
}

// Two servers with one public URL: where the provider allows one registration, the second server leaves that of the
// first alone and says so.
func TestTwoServers(t *testing.T) {
	bubble(t, func(r *rig) {
		r.create("watch", "/drives/b1/root", "updated")
		other := newRig(r.T)
		defer func() { r.must(other.store.Close()) }()
		other.host.Close()
		other.host = r.host
		other.start()
		defer other.stop()
		second := other.create("watch", "/drives/b1/root", "updated")
		if second.State != bellhop.SubscriptionFailed || !strings.Contains(second.Reason,
			"another server with the same public URL") {
			r.Errorf("%+v", second)
		}
		r.pass(3 * 24 * time.Hour)
		if got := r.wantState("watch", bellhop.SubscriptionActive); !slices.Equal(
			r.remotes(), []string{got.RemoteID}) {
			r.Errorf("%v", r.remotes())
		}
		// Where it allows several, both live, and a comparison deletes neither.
		r.create("events", "/me/events", "updated")
		other.create("events", "/me/events", "updated")
		for _, server := range []*rig{r, other} {
			swept, err := server.manager.Sync(r.ctx)
			if err != nil || swept.Strays != 0 || len(swept.Doubted) != 0 {
				r.Errorf("%+v, %v", swept, err)
			}
		}
		r.pass(2 * 24 * time.Hour)
		if len(r.remotes()) != 3 {
			r.Errorf("%v", r.remotes())
		}
		remote, err := r.manager.Remote(r.ctx, "con_1", "graph", "")
		owners := map[bellhop.RemoteOwner]int{}
		for _, x := range remote {
			owners[x.Owner]++
		}
		if err != nil || owners[bellhop.RemoteOurs] != 2 || owners[bellhop.RemoteForeign] != 1 {
			r.Errorf("%+v, %v", remote, err)
		}
	}, calmly)
}

// SharePoint's list shows client states: a registration with our URL and state, but of no subscription, is deleted;
// those of others are left alone.
func TestStrayOfSharePoint(t *testing.T) {
	bubble(t, func(r *rig) {
		sub := r.create("watch", "Documents")
		full := r.show("watch")
		body := func(state, url string) []byte {
			return []byte(`{"resource":"x","notificationUrl":"` + url + `","clientState":"` + state + `"}`)
		}
		for state, url := range map[string]string{full.Secrets.ClientState: full.URL, "foreign": full.URL} {
			answer, err := r.Do(r.ctx,
				provider.Call{Method: "POST", Path: "/_api/web/lists/getByTitle('Documents')/subscriptions",
					Body: body(state, url)})
			if err != nil || state == "foreign" && answer.Status != 400 || state != "foreign" && answer.Status != 201 {
				r.Fatalf("%s: %d %s, %v", state, answer.Status, answer.Body, err)
			}
		}
		swept, err := r.manager.Sync(r.ctx)
		if err != nil || swept.Checked != 1 || swept.Found != 1 || swept.Strays != 1 {
			r.Errorf("%+v, %v", swept, err)
		}
		r.pass(time.Minute)
		remote, err := r.manager.Remote(r.ctx, "con_1", "sharepoint", "Documents")
		if err != nil || slices.ContainsFunc(remote,
			func(x bellhop.RemoteSubscription) bool { return x.Owner == bellhop.RemoteLost }) ||
			!slices.ContainsFunc(remote, func(x bellhop.RemoteSubscription) bool {
				return x.Owner == bellhop.RemoteOurs && x.RemoteID == sub.RemoteID
			}) {
			r.Errorf("%+v, %v", remote, err)
		}
		r.setMangle(refuseList)
		swept, err = r.manager.Sync(r.ctx)
		if err != nil || len(swept.Errors) != 1 || len(swept.Doubted) != 1 {
			r.Errorf("a refused list: %+v, %v", swept, err)
		}
		r.pass(time.Minute)
		if got := r.wantState("watch", bellhop.SubscriptionActive); got.RemoteID != sub.RemoteID {
			r.Errorf("%+v", got)
		}
	})
}

// What users do: pause, resume, change, rename the source, delete it, delete.
func TestUser(t *testing.T) {
	bubble(t, func(r *rig) {
		first := r.create("watch", "/me/events", "updated")
		paused, err := r.manager.Pause(r.ctx, first.ID)
		if err != nil || paused.State != bellhop.SubscriptionPaused || len(r.remotes()) != 0 {
			r.Fatalf("%+v, %v, %v", paused, err, r.remotes())
		}
		if _, err := r.manager.Renew(r.ctx, first.ID); err == nil {
			r.Error("a paused subscription was renewed")
		}
		r.pass(30 * 24 * time.Hour)
		r.wantState("watch", bellhop.SubscriptionPaused)
		resumed, err := r.manager.Resume(r.ctx, first.ID)
		if gaps := r.gaps("watch"); err != nil || resumed.State != bellhop.SubscriptionActive || len(gaps) != 1 ||
			gaps[0].To.Sub(gaps[0].From) < 30*24*time.Hour {
			r.Errorf("%+v, %v, %v", resumed, err, gaps)
		}
		changed, err := r.manager.Update(r.ctx, first.ID, func(s bellhop.Subscription) (bellhop.Subscription, error) {
			s.ChangeTypes, s.Name = []string{"created"}, "other"
			return s, nil
		})
		if err != nil || changed.State != bellhop.SubscriptionActive || changed.RemoteID == resumed.RemoteID ||
			!slices.Equal(r.remotes(), []string{changed.RemoteID}) || len(r.gaps("other")) != 1 {
			r.Errorf("%+v, %v, %v", changed, err, r.remotes())
		}
		_, err = r.manager.Update(r.ctx, first.ID, func(s bellhop.Subscription) (bellhop.Subscription, error) {
			s.Resource = "https://graph.microsoft.com/v1.0/me"
			return s, nil
		})
		if err == nil || r.show("other").Resource != "/me/events" {
			r.Errorf("%v", err)
		}
		r.renameSource("src_calendar", "agenda")
		r.pass(time.Minute)
		moved := r.wantState("other", bellhop.SubscriptionActive)
		if moved.URL != "https://hooks.example.com/in/agenda" || !slices.Equal(r.remotes(), []string{moved.RemoteID}) {
			r.Errorf("%+v, %v", moved, r.remotes())
		}
		r.fault("error=2:503", "graph")
		if err := r.manager.Delete(r.ctx, first.ID, false); err == nil ||
			!strings.Contains(err.Error(), "keep_remote") {
			r.Errorf("deleted although the provider failed: %v", err)
		}
		r.pass(5 * time.Minute)
		if _, err := r.store.Subscription(r.ctx, first.ID); err == nil || len(r.remotes()) != 0 {
			r.Errorf("%v, %v", err, r.remotes())
		}
		kept := r.create("watch", "/me/events", "updated")
		if err := r.manager.Delete(r.ctx, kept.ID, true); err != nil || len(r.remotes()) != 1 {
			r.Errorf("%v, %v", err, r.remotes())
		}
		last := r.create("last", "/me/messages", "updated")
		r.renameSource("src_calendar", "")
		r.pass(time.Minute)
		if got := r.wantState("last", bellhop.SubscriptionFailed); !strings.Contains(
			got.Reason, "source was deleted") ||
			len(r.remotes()) != 1 {
			r.Errorf("%+v, %v", got, r.remotes())
		}
		if err := r.manager.Delete(r.ctx, last.ID, false); err != nil {
			r.Error(err)
		}
	}, calmly)
}

// renameSource renames a source, or deletes it if the name is "".
func (r *rig) renameSource(id, name string) {
	r.Helper()
	r.mu.Lock()
	i := slices.IndexFunc(r.sources, func(s bellhop.Source) bool { return s.ID == id })
	if name == "" {
		r.sources = slices.Delete(r.sources, i, i+1)
	} else {
		r.sources[i].Name = name
	}
	r.mu.Unlock()
	r.manager.SetSources(r.list())
}

// A permission that is missing is named.
func TestPermission(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fault("error=1:403", "graph")
		sub := r.create("watch", "/me/events", "updated")
		if sub.State != bellhop.SubscriptionFailed || !strings.Contains(sub.Reason, "Calendars.Read") {
			r.Errorf("%+v", sub)
		}
		r.pass(time.Hour)
		r.wantState("watch", bellhop.SubscriptionActive)
	})
}

// The wrong connection, a source of another provider and a bad resource are said at once, and nothing is stored.
func TestCreateRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		good := bellhop.Subscription{ID: "sub_x", Name: "x", Provider: "graph", SourceID: "src_calendar",
			ConnectionID: "con_1",
			Resource:     "/me/events", ChangeTypes: []string{"created"}, Settings: []byte("{}"),
			CreatedAt: time.Now(),
			UpdatedAt: time.Now()}
		for path, change := range map[string]func(s *bellhop.Subscription){
			"source":          func(s *bellhop.Subscription) { s.SourceID = "src_mailbox" },
			"provider":        func(s *bellhop.Subscription) { s.Provider = "github" },
			"resource":        func(s *bellhop.Subscription) { s.Resource = "" },
			"change_types[0]": func(s *bellhop.Subscription) { s.ChangeTypes = []string{"moved"} },
			"expect_every":    func(s *bellhop.Subscription) { s.ExpectEvery = time.Second },
			"settings.x":      func(s *bellhop.Subscription) { s.Settings = []byte(`{"x":1}`) },
		} {
			sub := good
			change(&sub)
			if _, err := r.manager.Create(r.ctx, sub); err == nil || !strings.Contains(err.Error(), path+":") {
				r.Errorf("%s: %v", path, err)
			}
		}
		list, _, err := r.store.Subscriptions(r.ctx, bellhop.SubscriptionFilter{}, bellhop.Page{})
		if err != nil || len(list) != 0 {
			r.Errorf("%v, %v", list, err)
		}
		good.ConnectionID = "con_deleted"
		sub, err := r.manager.Create(r.ctx, good)
		if err != nil || sub.State != bellhop.SubscriptionFailed ||
			!strings.Contains(sub.Reason, "connection was deleted") {
			r.Errorf("%+v, %v", sub, err)
		}
		if err := r.manager.Delete(r.ctx, sub.ID, false); err != nil {
			r.Error(err)
		}
	})
}
