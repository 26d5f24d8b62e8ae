package delivery

import (
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestOwe: what one destination is owed goes there whatever it matches, and nowhere else.
func TestOwe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("tested"), r.network.receiver("other")
		d := r.destination(to, func(d *bellhop.Destination) { d.Match.Types = []string{"nothing"} })
		r.destination(other)
		body := []byte("a test")
		events := []bellhop.Event{{Type: "bellhop.test", SourceID: r.source.ID, Source: r.source.Name, ReceivedAt: time.Now(), Body: body, SHA256: sha256.Sum256(body)}}
		if owed := r.engine.Owe(events, "dst_none"); len(owed) != 0 {
			t.Errorf("owed to nobody: %+v", owed)
		}
		owed := r.engine.Owe(events, d.ID)
		if _, err := r.store.Accept(t.Context(), nil, events, owed); err != nil {
			t.Fatal(err)
		}
		r.engine.Deliver(events, owed)
		synctest.Wait()
		if len(to.got()) != 1 || len(other.got()) != 0 || r.only().State != bellhop.DeliveryDelivered {
			t.Errorf("%d and %d arrived", len(to.got()), len(other.got()))
		}
		r.engine.Forget(events, r.engine.Owe(events, d.ID))
		r.wantIdle()
	})
}
