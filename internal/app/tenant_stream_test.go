package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/stream"
)

// TestStreamStaysWithinTenant: a key of a tenant follows what happens to that tenant alone, as it happens and from the
// store afterwards.
func TestStreamStaysWithinTenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	mark, err := h.store.NewestMark(ctx)
	h.must(err)
	begin := stream.Position{Mark: mark, At: time.Now()}.String()
	all, narrowed := h.follow(client.StreamFilter{}), h.followBy(h.globex, client.StreamFilter{}, "")

	for name, by := range map[string]*client.Client{"acme": h.acme, "globex": h.globex} {
		_, err := by.CreateDestination(ctx, client.NewDestination{Name: "live-" + name, URL: "http://127.0.0.1:9",
			Settings: client.Settings{"format": "raw"}})
		h.must(err)
	}
	publish := func(by *client.Client, name string) {
		t.Helper()
		_, _, err := by.Publish(ctx, client.NewEvent{Type: name, Data: json.RawMessage("1")}, "")
		h.must(err)
	}
	publish(h.acme, "by.acme")
	_, err = h.acme.UpdateSource(ctx, "orders", map[string]any{"expect_every": "24h"})
	h.must(err)
	reply, err := http.Get(h.URL() + "/in/orders") // refused: another method is expected
	h.must(err)
	reply.Body.Close()
	publish(h.globex, "by.globex")

	ofAcme := []string{"event.accepted by.acme", "source.changed orders", "request.refused orders",
		"destination.changed live-acme", "delivery.attempted live-acme"}
	ofGlobex := []string{"event.accepted by.globex", "destination.changed live-globex", "delivery.attempted " +
		"live-globex"}
	has := func(kept *followed, texts []string) func() bool {
		return func() bool {
			for _, text := range texts {
				if !strings.Contains(kept.String(), text) {
					return false
				}
			}
			return true
		}
	}
	poll(t, "what happens to acme", has(all, ofAcme))
	poll(t, "what happens to globex", has(narrowed, ofGlobex))
	// What came before the position is the refused request and the event of the house; they may not come either.
	again := h.followBy(h.globex, client.StreamFilter{Tenant: "acme"}, begin) // which does not widen what the key sees
	whole := h.followBy(h.admin, client.StreamFilter{}, begin)
	poll(t, "what happened to acme, from the store", has(whole, []string{ofAcme[0], ofAcme[2], ofAcme[4]}))
	poll(t, "what happened to globex, from the store", has(again, []string{ofGlobex[0], ofGlobex[2]}))
	for what, kept := range map[string]*followed{"live": narrowed, "from the store": again} {
		for _, foreign := range []string{"acme", "orders", "billing", "crm"} {
			if strings.Contains(kept.String(), foreign) {
				t.Errorf("%s, globex is told of %s:\n%s", what, foreign, kept)
			}
		}
	}
}
