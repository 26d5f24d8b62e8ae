package subscription_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// blobs is a resource of Event Grid, where registrations have names of ours.
const blobs = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/blobs"

// named returns the names of the event subscriptions of blobs.
func (r *rig) named() string {
	r.Helper()
	answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodGet,
		Path: blobs + "/providers/Microsoft.EventGrid/eventSubscriptions?api-version=1"})
	r.must(err)
	var names []string
	for _, part := range strings.Split(string(answer.Body), `"name":"`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// A creation with an unknown outcome is repeated after a crash: the name is ours, so there is one registration.
func TestNamedCrash(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fault("drop=1", "eventgrid")
		sub := r.create("watch", blobs)
		made := r.named()
		if sub.State != bellhop.SubscriptionPending || sub.Secrets.Wish.IsZero() ||
			!strings.HasPrefix(made, "bellhop-") {
			r.Fatalf("%+v; at the provider %q", sub, made)
		}
		r.crash()
		r.start()
		r.pass(2 * time.Minute)
		after := r.wantState("watch", bellhop.SubscriptionActive)
		if r.named() != made || after.RemoteID != made || !after.Secrets.Wish.IsZero() || !after.ExpiresAt.IsZero() {
			r.Errorf("%+v; before %s, after %s", after, made, r.named())
		}
		r.must(r.manager.Delete(r.ctx, after.ID, false))
		if left := r.named(); left != "" {
			r.Errorf("after the deletion there is %s", left)
		}
	})
}

// A subscription that is deleted while the outcome of its creation is not known leaves no registration.
func TestNamedDeletedUnknown(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fault("drop=1", "eventgrid")
		sub := r.create("watch", blobs)
		if r.named() == "" {
			r.Fatal("nothing was made")
		}
		r.must(r.manager.Delete(r.ctx, sub.ID, false))
		if left := r.named(); left != "" {
			r.Errorf("there is %s", left)
		}
	})
}

// What differs from the wish is put right by the daily sweep, and after the secret of the source has changed.
func TestDrift(t *testing.T) {
	bubble(t, func(r *rig) {
		sub := r.create("watch", blobs)
		r.wantState("watch", bellhop.SubscriptionActive)
		at := blobs + "/providers/Microsoft.EventGrid/eventSubscriptions/" + sub.RemoteID
		url := func() string {
			answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodPost, Path: at + "/getFullUrl?api-version=1"})
			r.must(err)
			return string(answer.Body)
		}
		if got := url(); !strings.Contains(got, "https://hooks.example.com/in/grid?code=s3cret-of-the-url") {
			r.Errorf("the URL is %s", got)
		}
		answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodPatch, Path: at + "?api-version=1",
			Body: []byte(`{"filter":{"subjectBeginsWith":"elsewhere"},"retryPolicy":{"maxDeliveryAttempts":2}}`)})
		r.must(err)
		if answer.Status != 201 {
			r.Fatalf("%d %s", answer.Status, answer.Body)
		}
		r.pass(26 * time.Hour)
		got, err := r.Do(r.ctx, provider.Call{Method: http.MethodGet, Path: at + "?api-version=1"})
		r.must(err)
		if strings.Contains(string(got.Body), "elsewhere") ||
			!strings.Contains(string(got.Body), `"maxDeliveryAttempts":30`) {
			r.Errorf("after a day it is %s; history %s", got.Body, r.history("watch"))
		}
		r.mu.Lock()
		for i := range r.sources {
			if r.sources[i].Name == "grid" {
				r.sources[i].Settings = []byte(`{"query_secret":["another-s3cret","s3cret-of-the-url"]}`)
			}
		}
		r.mu.Unlock()
		r.manager.SetSources(r.list())
		r.pass(time.Minute)
		if got := url(); !strings.Contains(got, "?code=another-s3cret") {
			r.Errorf("the URL is %s; history %s", got, r.history("watch"))
		}
		r.wantState("watch", bellhop.SubscriptionActive)
		if gaps := r.gaps("watch"); len(gaps) != 0 {
			r.Errorf("there are gaps: %+v", gaps)
		}
	})
}

// TestMonthOfEventGrid has a registration with a lifetime renewed for thirty days, with a provider that fails one call
// in four.
func TestMonthOfEventGrid(t *testing.T) {
	bubble(t, func(r *rig) {
		got, err := r.manager.Create(r.ctx, bellhop.Subscription{ID: "sub_watch", Name: "watch", Provider: "eventgrid",
			SourceID: "src_grid", ConnectionID: "con_1", Resource: blobs, Settings: []byte(`{"expires":"48h"}`),
			CreatedAt: time.Now(), UpdatedAt: time.Now()})
		r.must(err)
		first := got.ExpiresAt
		for range 30 {
			r.fault("error=1:500", "eventgrid")
			r.fault("throttle=1:60", "eventgrid")
			r.pass(24 * time.Hour)
			if now := r.wantState("watch", bellhop.SubscriptionActive); !now.ExpiresAt.After(time.Now()) {
				r.Fatalf("it ended at %v", now.ExpiresAt)
			}
		}
		if last := r.show("watch").ExpiresAt; last.Sub(first) < 28*24*time.Hour || len(r.gaps("watch")) != 0 {
			r.Errorf("from %v to %v, gaps %v", first, last, r.gaps("watch"))
		}
	}, calmly)
}
