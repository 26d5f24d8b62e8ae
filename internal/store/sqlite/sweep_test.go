package sqlite

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// TestRetainInSteps shows that old events are deleted in steps, each of them a small transaction, and leave no
// rows behind.
func TestRetainInSteps(t *testing.T) {
	t.Parallel()
	const events = 3*sweepStep - 50
	now := epoch.AddDate(2, 0, 0)
	s := open(t, func(o *Options) {
		o.sync, o.Retain, o.Now = "off", time.Hour, func() time.Time { return now }
		o.Elapsed = func() time.Duration { return now.Sub(epoch) }
	})
	source, destination := populate(t, s)
	owe(t, s, source, destination, events, func(int) int64 { return 0 })
	for i, state := range []bellhop.DeliveryState{bellhop.DeliveryPending, bellhop.DeliveryDelivered} {
		due := claimSome(t, s, destination, events)
		if len(due) != events {
			t.Fatalf("%d deliveries are due for attempt %d", len(due), i+1)
		}
		for _, d := range due {
			r := delivered(d.ID)
			r.Attempt.Number, r.Attempt.StartedAt, r.State = i+1, now, state
			if state == bellhop.DeliveryPending {
				r.NextAt = now
			}
			if err := s.Record(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func(table string) (n int) {
		t.Helper()
		err := s.do(func(c *conn) error {
			return c.query("SELECT count(*) FROM "+table, nil, func(row *sqlite3.Stmt) error {
				n = row.ColumnInt(0)
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	now = now.Add(2 * time.Hour)
	var left []int
	for last, more := int64(0), true; more; {
		var err error
		if last, more, err = s.deleteOld(last); err != nil {
			t.Fatal(err)
		}
		left = append(left, count("events"))
		for _, table := range []string{"deliveries", "attempts"} {
			if n := count(table); n != left[len(left)-1] {
				t.Errorf("%d events and %d rows of %s are left", left[len(left)-1], n, table)
			}
		}
	}
	if len(left) < 3 || left[0] != events-sweepStep || left[len(left)-1] != 0 {
		t.Errorf("events left after each step: %v", left)
	}
}
