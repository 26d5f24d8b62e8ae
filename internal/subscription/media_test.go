package subscription_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Signing keys of the source "media".
const (
	firstKey  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	secondKey = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
)

// endpoints returns the ids and addresses of the notification endpoints at Media Services.
func (r *rig) endpoints() (ids, addresses []string) {
	r.Helper()
	answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodGet, Path: "/NotificationEndPoints"})
	r.must(err)
	var page struct {
		Value []struct {
			ID      string `json:"Id"`
			Address string `json:"EndPointAddress"`
		}
	}
	r.must(json.Unmarshal(answer.Body, &page))
	for _, e := range page.Value {
		ids, addresses = append(ids, e.ID), append(addresses, e.Address)
	}
	return ids, addresses
}

// finish lets a job finish, and returns how many events arrive.
func (r *rig) finish() int {
	r.Helper()
	count := func() (n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, ev := range r.arrived {
			if ev.Type == "ams.JobStateChange" {
				n++
			}
		}
		return n
	}
	before := count()
	_, err := r.host.Happen(emulator.Event{System: "ams", Resource: "jobs", ChangeType: "Finished"})
	r.must(err)
	r.pass(time.Second)
	return count() - before
}

// setSource changes a source as a user does.
func (r *rig) setSource(name string, change func(src *bellhop.Source)) {
	r.Helper()
	r.mu.Lock()
	i := slices.IndexFunc(r.sources, func(src bellhop.Source) bool { return src.ID == "src_"+name })
	r.sources = slices.Clone(r.sources)
	change(&r.sources[i])
	r.sources[i].UpdatedAt = time.Now()
	r.mu.Unlock()
	r.manager.SetSources(r.list())
	r.pass(10 * time.Second)
}

// TestMediaServices shows the life of a notification endpoint: it has no expiry and needs no renewal, a new key and a
// new address make another one in its place, and one that somebody deletes is made again.
func TestMediaServices(t *testing.T) {
	bubble(t, func(r *rig) {
		r.pass(time.Second)
		r.create("media", "Bellhop")
		made := r.wantState("media", bellhop.SubscriptionActive)
		ids, addresses := r.endpoints()
		if !slices.Equal(ids, []string{made.RemoteID}) || addresses[0] != r.public+"/in/media" ||
			!made.ExpiresAt.IsZero() ||
			!made.RenewAt.IsZero() {
			t.Fatalf("%+v; %v %v", made, ids, addresses)
		}
		if n := r.finish(); n != 1 || r.refusals() != 0 {
			t.Errorf("%d events; refused: %v", n, r.refused)
		}
		if r.pass(40 * 24 * time.Hour); r.history("media") != "create" {
			t.Errorf("after 40 days: %s", r.history("media"))
		}

		r.setSource("media", func(src *bellhop.Source) {
			src.Settings = []byte(`{"signing_key":["` + secondKey + `","` + firstKey + `"]}`)
		})
		second := r.wantState("media", bellhop.SubscriptionActive)
		if ids, _ = r.endpoints(); second.RemoteID == made.RemoteID || !slices.Equal(ids, []string{second.RemoteID}) {
			t.Fatalf("after a new key: %+v; %v", second, ids)
		}
		r.setSource("media", func(src *bellhop.Source) {
			src.Settings = []byte(`{"signing_key":"` + secondKey +
				`"}`)
		})
		if n := r.finish(); n != 1 || r.refusals() != 0 || r.show("media").RemoteID != second.RemoteID {
			t.Errorf("%d events after the old key is gone; refused: %v", n, r.refused)
		}
		if gaps := r.gaps("media"); len(gaps) != 1 {
			t.Errorf("%d gaps", len(gaps))
		}

		r.setSource("media", func(src *bellhop.Source) { src.Name = "video" })
		third := r.wantState("media", bellhop.SubscriptionActive)
		if ids, addresses = r.endpoints(); !slices.Equal(ids, []string{third.RemoteID}) ||
			addresses[0] != r.public+"/in/video" {
			t.Fatalf("after a new name: %+v; %v %v", third, ids, addresses)
		}

		// Deleted by somebody else: told by a notification, or found by the sweep.
		r.fault("revoke", "ams")
		r.pass(10 * time.Second)
		fourth := r.wantState("media", bellhop.SubscriptionActive)
		r.fault("expire", "ams")
		r.pass(25 * time.Hour)
		fifth := r.wantState("media", bellhop.SubscriptionActive)
		if third.RemoteID == fourth.RemoteID || fourth.RemoteID == fifth.RemoteID || len(r.gaps("media")) < 3 {
			t.Errorf("%s; %d gaps", r.history("media"), len(r.gaps("media")))
		}
		if n := r.finish(); n != 1 || r.refusals() != 0 {
			t.Errorf("%d events; refused: %v", n, r.refused)
		}
		r.must(r.manager.Delete(r.ctx, fifth.ID, false))
		if ids, _ = r.endpoints(); len(ids) != 0 {
			t.Errorf("%v are left", ids)
		}
		last := r.arrived[len(r.arrived)-1]
		if last.Type != "ams.NotificationEndPointUnregistration" {
			t.Errorf("the last event is %s", last.Type)
		}
	}, calmly)
}

// TestMediaServicesCrash shows that an endpoint whose creation has an unknown outcome is found by its name and
// adopted, also if the key changes meanwhile.
func TestMediaServicesCrash(t *testing.T) {
	for name, key := range map[string]string{"the same key": firstKey, "another key": secondKey} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.dropCreation("/NotificationEndPoints")
				r.create("watch", "Bellhop")
				made, _ := r.endpoints()
				if sub := r.wantState("watch", bellhop.SubscriptionPending); sub.RemoteID != "" || len(made) != 1 {
					t.Fatalf("%+v; %v", sub, made)
				}
				r.crash()
				r.mu.Lock()
				r.sources[3].Settings, r.sources[3].UpdatedAt = []byte(`{"signing_key":"`+key+`"}`), time.Now()
				r.mu.Unlock()
				r.start()
				r.pass(time.Minute)
				sub := r.wantState("watch", bellhop.SubscriptionActive)
				ids, _ := r.endpoints()
				if !slices.Equal(ids, []string{sub.RemoteID}) || (sub.RemoteID == made[0]) != (key == firstKey) {
					t.Errorf("made %v, now %v, history %s", made, ids, r.history("watch"))
				}
				if n := r.finish(); n != 1 || r.refusals() != 0 && key == firstKey {
					t.Errorf("%d events; refused: %v", n, r.refused)
				}
			})
		})
	}
}

// dropCreation has the next POST at a path take effect without an answer.
func (r *rig) dropCreation(path string) {
	r.Helper()
	r.mu.Lock()
	r.lost = path
	r.mu.Unlock()
}

// TestForeignEndpoint shows that an endpoint of the same name that this server did not make is left alone, and that
// the setting replace has it deleted.
func TestForeignEndpoint(t *testing.T) {
	bubble(t, func(r *rig) {
		body := `{"Name":"Bellhop","EndPointType":3,"EndPointAddress":"https://elsewhere.example.com/hook"}`
		_, err := r.Do(r.ctx, provider.Call{Method: http.MethodPost, Path: "/NotificationEndPoints",
			Body: []byte(body)})
		r.must(err)
		foreign, _ := r.endpoints()
		r.create("media", "Bellhop")
		sub := r.wantState("media", bellhop.SubscriptionFailed)
		ids, _ := r.endpoints()
		if !slices.Equal(ids, foreign) || !strings.Contains(sub.Reason, "with another address") ||
			!strings.Contains(sub.Reason, "--set replace=true") {
			t.Errorf("%s; %v", sub.Reason, ids)
		}
		_, err = r.manager.Update(r.ctx, sub.ID, func(s bellhop.Subscription) (bellhop.Subscription, error) {
			s.Settings = []byte(`{"replace":true}`)
			return s, nil
		})
		r.must(err)
		r.pass(10 * time.Second)
		sub = r.wantState("media", bellhop.SubscriptionActive)
		if ids, _ = r.endpoints(); !slices.Equal(ids, []string{sub.RemoteID}) {
			t.Errorf("%v are there, ours is %s", ids, sub.RemoteID)
		}
	})
}
