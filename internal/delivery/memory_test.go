package delivery

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestMemory: however many destinations are owed large events, all lanes together hold what they may and a few bodies more; and each
// destination gets its own in the end.
func TestMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const lanes, body = 150, 1 << 20
		r := newRig(t)
		var all []*receiver
		for i := range lanes {
			to := r.network.receiver(fmt.Sprint("to", i))
			to.will(after(10 * time.Second))
			all = append(all, to)
			r.destination(to, func(d *bellhop.Destination) { d.Timeout, d.Concurrency = 20*time.Second, 1 })
		}
		for n := range 2 {
			r.accept(bellhop.Event{Body: append(make([]byte, body), byte(n))})
		}
		for range 100 {
			synctest.Wait()
			if n := r.engine.queuedBytes.Load(); n > maxQueuedBytes+maxBeyond*(body+4096) {
				t.Fatalf("%d MiB in memory", n>>20)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		for _, to := range all {
			to.wantOnce(t, 2)
		}
		if n := r.engine.beyond.Load(); n != 0 {
			t.Errorf("%d lanes are still counted as beyond", n)
		}
		r.wantIdle()
	})
}
