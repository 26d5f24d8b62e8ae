package sqlite

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// Old events go in steps that are each a small transaction, and leave no rows behind.
func TestRetainInSteps(t *testing.T) {
	const events = 3*sweepStep - 50
	now := epoch.AddDate(2, 0, 0)
	s := open(t, func(o *Options) { o.sync, o.Retain, o.Now = "off", time.Hour, func() time.Time { return now } })
	source, destination := populate(t, s)
	for range events {
		owed := []bellhop.NewDelivery{{DestinationID: destination, Leased: true}}
		if _, err := s.Accept(t.Context(), nil, []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: now}}, owed); err != nil {
			t.Fatal(err)
		}
		first, second := delivered(owed[0].DeliveryID), delivered(owed[0].DeliveryID)
		first.State, first.NextAt = bellhop.DeliveryPending, now
		second.Attempt.Number = 2
		if err := s.Record(first); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Claim(t.Context(), destination, 1, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.Record(second); err != nil {
			t.Fatal(err)
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
