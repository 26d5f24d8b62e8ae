package delivery

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// recorder is a store whose Record writes the result, returns an error, does both, or does neither. A result that
// is not written is lost with the process that is killed.
type recorder struct {
	Store
	keeps, fails bool
}

func (s recorder) Record(result bellhop.Result) (err error) {
	if s.keeps {
		err = s.Store.Record(result)
	}
	if s.fails {
		err = errors.Join(err, errors.New("the disk is gone"))
	}
	return err
}

// TestFaultsOfRecord: the write of a result fails, the process is killed, and another process starts. Only a delivery
// whose result is not on disk is sent again, as the same attempt.
func TestFaultsOfRecord(t *testing.T) {
	for _, c := range []struct {
		name         string
		keeps, fails bool
		status       int
		before       bellhop.DeliveryState // the state in the table at the kill
		again        []string              // attempts that arrive after the restart
		attempts     int                   // the recorded attempts in the end
	}{
		{"delivered: failed and not kept", false, true, 200, bellhop.DeliveryLeased, []string{"1"}, 1},
		{"delivered: failed but kept", true, true, 200, bellhop.DeliveryDelivered, nil, 1},
		{"delivered: killed just before", false, false, 200, bellhop.DeliveryLeased, []string{"1"}, 1},
		{"delivered: killed just after", true, false, 200, bellhop.DeliveryDelivered, nil, 1},
		{"to be tried again: failed and not kept", false, true, 500, bellhop.DeliveryLeased, []string{"1"}, 1},
		{"to be tried again: failed but kept", true, true, 500, bellhop.DeliveryPending, []string{"2"}, 2},
		{"to be tried again: killed just before", false, false, 500, bellhop.DeliveryLeased, []string{"1"}, 1},
		{"to be tried again: killed just after", true, false, 500, bellhop.DeliveryPending, []string{"2"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t, func(r *rig) {
					r.wrapStore = func(s Store) Store { return recorder{s, c.keeps, c.fails} }
				})
				to := r.network.receiver("billing")
				to.will(status(c.status))
				r.destination(to)
				r.acceptMany(1)
				synctest.Wait()
				r.wantStates(map[bellhop.DeliveryState]int{c.before: 1})
				to.wantOnce(t, 1)
				next, again := r.crash()
				time.Sleep(time.Hour)

				var got []string
				for _, call := range again.got() {
					got = append(got, call.header.Get("Bellhop-Attempt"))
					if id := call.header.Get("Webhook-Id"); id != to.got()[0].header.Get("Webhook-Id") {
						t.Errorf("it is %s now", id)
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(c.again) {
					t.Errorf("after the restart attempts %v arrive, want %v", got, c.again)
				}
				if d := next.only(); d.State != bellhop.DeliveryDelivered || d.Attempts != c.attempts {
					t.Errorf("in the end: %+v", d)
				}
				next.wantIdle()
			})
		})
	}
}
