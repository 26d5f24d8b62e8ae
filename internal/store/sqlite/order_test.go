package sqlite

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// owe accepts n events with a pending delivery each, whose keys are key(0) to key(n-1); 0 is no key.
func owe(t testing.TB, s *Store, source, destination string, n int, key func(i int) int64) {
	t.Helper()
	body := []byte("x")
	for from := 0; from < n; from += 500 {
		var events []bellhop.Event
		var owed []bellhop.NewDelivery
		for i := from; i < min(n, from+500); i++ {
			events = append(events, bellhop.Event{SourceID: source, Type: "x", ReceivedAt: s.opts.Now(), Body: body,
				SHA256: sha256.Sum256(body)})
			owed = append(owed, bellhop.NewDelivery{Event: i - from, DestinationID: destination, Key: key(i)})
		}
		if _, err := s.Accept(t.Context(), nil, events, owed); err != nil {
			t.Fatal(err)
		}
	}
}

func claimSome(t testing.TB, s *Store, destination string, limit int) []bellhop.Delivery {
	t.Helper()
	got, err := s.Claim(t.Context(), destination, limit, 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func execAll(t testing.TB, s *Store, sql string, args ...any) {
	t.Helper()
	if err := s.do(func(c *conn) error { return c.exec(sql, args...) }); err != nil {
		t.Fatal(err)
	}
}

// TestKeysTakeTurns shows that keys take turns, and that deliveries without a key take turns with them. It
// claims as a lane does: while there is room, and delivers first the deliveries that it has held longest.
func TestKeysTakeTurns(t *testing.T) {
	t.Parallel()
	const keys, each, unkeyed, room, batch = 40, 150, 100, 128, 16
	s := open(t)
	source, destination := populate(t, s)
	owe(t, s, source, destination, keys*each, func(i int) int64 { return int64(i%keys)*2 + 1 })
	owe(t, s, source, destination, unkeyed, func(int) int64 { return 0 })
	done := map[int64]int{}
	var held []bellhop.Delivery
	for range keys * each / 2 / batch {
		for len(held) <= room {
			held = append(held, claimSome(t, s, destination, room/2)...)
		}
		for _, d := range held[:batch] {
			done[d.Key]++
			if err := s.Record(delivered(d.ID)); err != nil {
				t.Fatal(err)
			}
		}
		held = held[batch:]
	}
	for i := range keys {
		if n := done[int64(i*2+1)]; n < each/8 {
			t.Errorf("half of all is delivered: %d of %d of key %d", n, each, i)
		}
	}
	if done[0] != unkeyed {
		t.Errorf("half of all is delivered: %d of %d without a key", done[0], unkeyed)
	}
}

// TestKeysThatWait shows that keys whose heads wait, with a delivery behind each that is due by its own time,
// do not hold back deliveries that are due. TestStressKeysThatWait has a hundred thousand keys and logs the
// times.
func TestKeysThatWait(t *testing.T) {
	t.Parallel()
	keysThatWait(t, 2000)
}

func keysThatWait(t *testing.T, keys int) {
	s := open(t)
	source, destination := populate(t, s)
	owe(t, s, source, destination, 2*keys, func(i int) int64 { return int64(i%keys)*2 + 1 })
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	execAll(t, s, `UPDATE deliveries SET next_at = ? WHERE n IN (SELECT min(n) FROM deliveries GROUP BY key)`, later)

	steps, longest := 0, time.Duration(0)
	for began := time.Now(); ; steps++ {
		at, ok, err := s.NextDue(t.Context(), destination)
		if err != nil || !ok {
			t.Fatal("nothing is due", err)
		}
		if at.Equal(later) {
			t.Logf("after a start, %d claims find in %v that all keys wait; the longest took %v", steps,
				time.Since(began), longest)
			break
		}
		if steps > keys {
			t.Fatal("the claims do not end")
		}
		start := time.Now()
		if got := claimSome(t, s, destination, 256); len(got) > 0 {
			t.Fatalf("%d claimed from behind a head that waits", len(got))
		}
		longest = max(longest, time.Since(start))
	}
	owe(t, s, source, destination, 1, func(int) int64 { return int64(keys) + 2 })
	start := time.Now()
	if _, _, err := s.NextDue(t.Context(), destination); err != nil {
		t.Fatal(err)
	}
	next := time.Since(start)
	if got := claimSome(t, s, destination, 256); len(got) != 1 {
		t.Fatalf("%d claimed, want the delivery of a new key at once", len(got))
	}
	t.Logf("NextDue takes %v, then the claim of a new key %v", next, time.Since(start)-next)
}

// TestKeysGoOn shows that the deliveries behind a head go on once a person or a repair has changed the head,
// although claims have passed them before.
func TestKeysGoOn(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, s *Store, head string) (want int){
		"cancelled": func(t *testing.T, s *Store, head string) int {
			if _, err := s.CancelDelivery(t.Context(), head); err != nil {
				t.Fatal(err)
			}
			return 1
		},
		"retried": func(t *testing.T, s *Store, head string) int {
			if _, err := s.RetryDelivery(t.Context(), head); err != nil {
				t.Fatal(err)
			}
			return 2
		},
		"cancelled by a repair": func(t *testing.T, s *Store, head string) int {
			return repairHead(t, s, head,
				bellhop.RepairCancel, 1)
		},
		"retried by a repair": func(t *testing.T, s *Store, head string) int {
			return repairHead(t, s, head,
				bellhop.RepairRetry, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			source, destination := populate(t, s)
			owe(t, s, source, destination, 1, func(int) int64 { return 7 })
			head := claimSome(t, s, destination, 10)[0].ID
			r := delivered(head)
			r.State, r.NextAt = bellhop.DeliveryPending, time.Now().Add(time.Hour)
			if err := s.Record(r); err != nil {
				t.Fatal(err)
			}
			owe(t, s, source, destination, 1, func(int) int64 { return 7 })
			for range 3 {
				if got := claimSome(t, s, destination, 10); len(got) > 0 {
					t.Fatalf("%d claimed from behind a head that waits", len(got))
				}
			}
			want := do(t, s, head)
			if at, ok, err := s.NextDue(t.Context(), destination); err != nil || !ok || at.After(time.Now()) {
				t.Errorf("next due: %v %t %v, want now", at, ok, err)
			}
			if got := claimSome(t, s, destination, 10); len(got) != want {
				t.Errorf("%d claimed, want %d", len(got), want)
			}
		})
	}
}

// TestNewKeyInBacklog shows that a new key does not wait until the claims have passed a long backlog.
func TestNewKeyInBacklog(t *testing.T) {
	t.Parallel()
	s := open(t)
	source, destination := populate(t, s)
	owe(t, s, source, destination, 10*maxLooked, func(int) int64 { return 7 })
	claimSome(t, s, destination, maxKeyRun) // the first of the key are leased
	claimSome(t, s, destination, 256)
	owe(t, s, source, destination, 1, func(int) int64 { return 9 })
	if got := claimSome(t, s, destination, 256); len(got) != 1 || got[0].Key != 9 {
		t.Errorf("%d claimed, want the delivery of the new key", len(got))
	}
}

// TestKeysAndClock shows that a clock that stands still or is set back hides no delivery that the cursor has passed.
func TestKeysAndClock(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	began := time.Now().UTC().Truncate(time.Second)
	now := began
	set := func(to time.Time) {
		mu.Lock()
		now = to
		mu.Unlock()
	}
	s := open(t, func(o *Options) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	source, destination := populate(t, s)
	owe(t, s, source, destination, 2, func(int) int64 { return 7 })
	got := claimSome(t, s, destination, 10)
	first, second := got[0].ID, got[1].ID
	if err := s.Release(t.Context(), []string{first, second}); err != nil {
		t.Fatal(err)
	}
	if got := claimSome(t, s, destination, 10); len(got) != 2 {
		t.Fatalf("%d claimed of two given back at the same moment", len(got))
	}

	ends := func(id string, number int, state bellhop.DeliveryState, next time.Time) {
		r := delivered(id)
		r.Attempt.Number, r.State, r.NextAt = number, state, next
		if err := s.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	retryAt := began.Add(30 * time.Minute)
	ends(first, 1, bellhop.DeliveryDead, time.Time{})
	ends(second, 1, bellhop.DeliveryPending, retryAt)
	if _, err := s.RetryDelivery(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	claimSome(t, s, destination, 10)
	set(began.Add(time.Hour))
	if got := claimSome(t, s, destination, 10); len(got) > 0 {
		t.Fatalf("%d claimed behind a leased one", len(got))
	}
	set(began)
	ends(first, 2, bellhop.DeliveryDelivered, time.Time{})
	if got := claimSome(t, s, destination, 10); len(got) > 0 {
		t.Fatalf("%d claimed before their time", len(got))
	}
	if at, ok, err := s.NextDue(t.Context(), destination); err != nil || !ok || !at.Equal(retryAt) {
		t.Errorf("next due %v %t %v, want %v", at, ok, err, retryAt)
	}
	set(retryAt)
	if got := claimSome(t, s, destination, 10); len(got) != 1 {
		t.Errorf("%d claimed at the time of the retry", len(got))
	}
}

// repairHead repairs the pending delivery of the event of head, and returns want.
func repairHead(t *testing.T, s *Store, head string, kind bellhop.RepairKind, want int) int {
	t.Helper()
	d, err := s.Delivery(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.CreateRepair(t.Context(), bellhop.Repair{ID: "rpr_1", Kind: kind, CreatedAt: time.Now().Add(time.Hour),
		Filter: bellhop.RepairFilter{State: bellhop.DeliveryPending, EventID: d.EventID,
			DestinationID: d.DestinationID}})
	if err != nil {
		t.Fatal(err)
	}
	step := bellhop.RepairStep{}
	if step.Chosen, step.To, err = s.Choose(t.Context(), r, 10, false); err != nil {
		t.Fatal(err)
	}
	if after, err := s.StepRepair(t.Context(), r, step); err != nil || after.Changed != 1 {
		t.Fatalf("%d changed, want 1; %v", after.Changed, err)
	}
	return want
}

// failing is an op that fails with an error of its own, so that the transaction that it shares with others is
// rolled back.
type failing struct{}

func (failing) apply(*conn) error { return errors.New("this op fails") }
func (failing) patient() bool     { return false }
func (failing) done(error)        {}

// TestClaimIsTriedAgain shows that a claim whose transaction is rolled back, because another op failed, claims
// when it is tried again.
func TestClaimIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	source, destination := populate(t, s)
	owe(t, s, source, destination, 1, func(int) int64 { return 7 })
	claimSome(t, s, destination, 1) // creates the cursor
	owe(t, s, source, destination, 3, func(i int) int64 { return int64(i)*2 + 9 })
	release, claimed := hold(t, s), make(chan int)
	go func() { claimed <- len(claimSome(t, s, destination, 10)) }()
	eventually(t, "the claim waits", func() bool {
		s.writer.mu.Lock()
		defer s.writer.mu.Unlock()
		return len(s.writer.waiting) == 1
	})
	if err := s.writer.submit(failing{}); err != nil {
		t.Fatal(err)
	}
	release()
	if n := <-claimed; n != 3 {
		t.Errorf("%d claimed, want 3", n)
	}
}

// TestMoreReadyKeysThanTheBound shows that the claims begin again at the start, and find every key, after more
// keys have become ready than a cursor may hold.
func TestMoreReadyKeysThanTheBound(t *testing.T) {
	t.Parallel()
	const bound, keys = 300, 400
	s := open(t)
	s.cursors.bound = bound
	source, destination := populate(t, s)
	owe(t, s, source, destination, 2*keys, func(i int) int64 { return int64(i%keys)*2 + 1 })
	n, _ := s.destinations.get(destination)
	execAll(t, s, `UPDATE deliveries SET next_at = ? WHERE n IN (SELECT min(n) FROM deliveries GROUP BY key)`,
		time.Now().Add(time.Hour))
	for isDue(t, s, destination) {
		claimSome(t, s, destination, 256)
	}
	err := s.do(func(c *conn) error {
		var heads []int64
		err := c.query(`SELECT min(n) FROM deliveries GROUP BY key`, nil, func(row *sqlite3.Stmt) error {
			heads = append(heads, row.ColumnInt64(0))
			return nil
		})
		for i := 0; err == nil && i < len(heads); i++ {
			if err = c.exec(makeCancelled, nil, time.Now(), heads[i]); err == nil {
				err = s.noteState(c, heads[i])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, kept := s.cursors.byDestination[n]; kept {
		t.Error("the cursor holds more ready keys than its bound")
	}
	claimed := 0
	for isDue(t, s, destination) {
		claimed += len(claimSome(t, s, destination, 256))
	}
	if claimed != keys {
		t.Errorf("%d claimed, want %d", claimed, keys)
	}
}

// isDue reports whether NextDue says that a delivery is due now.
func isDue(t *testing.T, s *Store, destination string) bool {
	t.Helper()
	at, ok, err := s.NextDue(t.Context(), destination)
	if err != nil {
		t.Fatal(err)
	}
	return ok && !at.After(time.Now())
}

// TestCursorOfDeleted shows that the cursor of a deleted destination is forgotten.
func TestCursorOfDeleted(t *testing.T) {
	t.Parallel()
	s := open(t)
	source, destination := populate(t, s)
	owe(t, s, source, destination, 1, func(int) int64 { return 7 })
	claimSome(t, s, destination, 10)
	if !hasCursors(s) {
		t.Fatal("there is no cursor to begin with")
	}
	if err := s.DeleteDestination(t.Context(), destination); err != nil {
		t.Fatal(err)
	}
	if hasCursors(s) {
		t.Error("its cursor is still there")
	}
}

// TestPlans shows that the statements that claim and that make due use an index, as far as it serves.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := open(t)
	for sql, want := range map[string]string{
		selectDue:         "deliveries_due (destination=? AND <expr>=? AND next_at<?)",
		selectNextUnkeyed: "deliveries_due (destination=? AND <expr>=?)",
		selectDueKeyed:    "deliveries_due (destination=? AND <expr>=? AND next_at>? AND next_at<?)",
		selectNextKeyed:   "deliveries_due (destination=? AND <expr>=? AND next_at>?)",
		selectHead:        "deliveries_order (destination=? AND line=?)",
		selectRun:         "deliveries_order (destination=? AND line=?)",
		makeDue:           "dst USING INTEGER PRIMARY KEY",
	} {
		var plan []string
		err := s.do(func(c *conn) error {
			return c.query("EXPLAIN QUERY PLAN "+sql, nil, func(row *sqlite3.Stmt) error {
				plan = append(plan, row.ColumnText(3))
				return nil
			})
		})
		all := strings.Join(plan, "\n")
		if err != nil || !strings.Contains(all, want) || strings.Contains(all, "B-TREE") ||
			strings.Contains(all, "SCAN d") {
			t.Errorf("%s\nplan:\n%s\nwant %s; %v", sql, all, want, err)
		}
	}
}

// hasCursors reports whether the cursor of any destination is kept.
func hasCursors(s *Store) bool {
	s.cursors.mu.Lock()
	defer s.cursors.mu.Unlock()
	return len(s.cursors.byDestination) > 0
}
