package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/pgtest"
)

// addDestination writes a destination, as another node would.
func addDestination(t testing.TB, s *Store, id string) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), `INSERT INTO destinations (id, name, type, url, settings, access, match, timeout,
		concurrency, order_by, retry, breaker, handshake, state, state_reason, created_at, updated_at, secrets_at)
		VALUES ($1, $1, 'http', '', '', '', '{}', 1, 1, 'none', '{}', '{}', '', 'active', '', 0, 0, '{}')`, id)
	if err != nil {
		t.Fatal(err)
	}
}

// newEvent returns an event of the source that the API has.
func newEvent(providerID, body string) bellhop.Event {
	return bellhop.Event{SourceID: bellhop.SourceAPIID, Type: "t", ProviderID: providerID,
		ReceivedAt: bellhop.StoredTime(time.Now()), Body: []byte(body), SHA256: sha256.Sum256([]byte(body))}
}

// acceptOne stores one event with a leased delivery to dst_a.
func acceptOne(t testing.TB, s *Store, providerID, body string) (bellhop.Event, bellhop.NewDelivery,
	bellhop.Accepted) {
	t.Helper()
	events := []bellhop.Event{newEvent(providerID, body)}
	owed := []bellhop.NewDelivery{{DestinationID: "dst_a", Leased: true}}
	got, err := s.Accept(t.Context(), nil, events, owed)
	if err != nil {
		t.Error(err)
	}
	return events[0], owed[0], got
}

// result returns the result of an attempt.
func result(delivery string, number int, state bellhop.DeliveryState) bellhop.Result {
	r := bellhop.Result{DeliveryID: delivery, DestinationID: "dst_a", State: state,
		Attempt: bellhop.Attempt{Number: number, StartedAt: bellhop.StoredTime(time.Now()), Duration: time.Millisecond,
			Status: 200, Error: "refused\x00", Reply: []byte("ok")}}
	if state == bellhop.DeliveryPending {
		r.NextAt = r.Attempt.StartedAt.Add(time.Hour)
	}
	return r
}

func settleResult(t testing.TB, s *Store, r bellhop.Result) bool {
	t.Helper()
	stored, err := s.Settle(t.Context(), r)
	if err != nil {
		t.Error(err)
	}
	return stored
}

func hasCode(err error, code bellhop.Code) bool {
	var e *bellhop.Error
	return errors.As(err, &e) && e.Code == code
}

// TestAcceptAndRecord accepts on many connections at once and records the results.
func TestAcceptAndRecord(t *testing.T) {
	t.Parallel()
	s := open(t, testOptions(t, pgtest.NewDatabase(t), "a"))
	addDestination(t, s, "dst_a")
	addDestination(t, s, "dst_b")
	const senders, each = 20, 10
	var sending sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for i := range senders {
		sending.Go(func() {
			for j := range each {
				events := []bellhop.Event{newEvent("", fmt.Sprint(i, j)), newEvent("", fmt.Sprint(i, j, "second"))}
				owed := []bellhop.NewDelivery{{Event: 0, DestinationID: "dst_a", Leased: true},
					{Event: 0, DestinationID: "dst_gone", Leased: true}, {Event: 0, DestinationID: "dst_b"},
					{Event: 1, DestinationID: "dst_b", Key: 7}}
				req := &bellhop.Request{SourceID: bellhop.SourceAPIID, Outcome: bellhop.RequestAccepted, Status: 200,
					ReceivedAt: events[0].ReceivedAt}
				got, err := s.Accept(t.Context(), req, events, owed)
				if err != nil || got.RequestID == "" || owed[1].DeliveryID != "" {
					t.Error(got, err)
					return
				}
				for _, id := range []string{events[0].ID, events[1].ID, owed[0].DeliveryID, owed[2].DeliveryID,
					owed[3].DeliveryID} {
					mu.Lock()
					if id == "" || seen[id] {
						t.Errorf("the id %q is given twice", id)
					}
					seen[id] = true
					mu.Unlock()
				}
				if !settleResult(t, s, result(owed[0].DeliveryID, 1, bellhop.DeliveryDelivered)) {
					t.Error("a result was dropped")
				}
			}
		})
	}
	sending.Wait()
	for sql, want := range map[string]int{
		"SELECT count(*) FROM events":                                                            2 * senders * each,
		"SELECT count(*) FROM requests WHERE outcome = 'accepted'":                               senders * each,
		"SELECT count(*) FROM deliveries WHERE state = 'delivered' AND attempts = 1":             senders * each,
		"SELECT count(*) FROM deliveries WHERE state = 'pending' AND line IS NULL AND place = 2": senders * each,
		"SELECT count(DISTINCT seat) FROM deliveries WHERE line = 7 AND key = 7":                 senders * each,
		"SELECT count(*) FROM deliveries WHERE error = E'refused\uFFFD' AND reply = 'ok'":        senders * each,
	} {
		if got := get[int](t, s.pool, sql); got != want {
			t.Errorf("%s: %d, not %d", sql, got, want)
		}
	}
	_, err := s.Accept(t.Context(), nil, []bellhop.Event{{SourceID: "src_none", Type: "t"}}, nil)
	if !hasCode(err, bellhop.CodeNotFound) {
		t.Errorf("an event of no source: %v", err)
	}
}

// TestRecord takes a delivery through its states.
func TestRecord(t *testing.T) {
	t.Parallel()
	s := open(t, testOptions(t, pgtest.NewDatabase(t), "a"))
	addDestination(t, s, "dst_a")
	_, d, _ := acceptOne(t, s, "", "x")
	row := func() string {
		return get[string](t, s.pool, `SELECT concat_ws(' ', state, attempts, holder, due_at IS NOT NULL,
			died_at IS NOT NULL, spared, convert_from(progress, 'UTF8')) FROM deliveries`)
	}
	first := result(d.DeliveryID, 1, bellhop.DeliveryPending)
	first.Progress, first.Spared = []byte("half"), true
	if !settleResult(t, s, first) || row() != "pending 1 t f 1 half" {
		t.Fatalf("after the first attempt: %s", row())
	}
	for number := range 3 {
		if settleResult(t, s, result(d.DeliveryID, number, bellhop.DeliveryDelivered)) {
			t.Errorf("the result of attempt %d was stored without a lease", number)
		}
	}
	_, err := s.pool.Exec(t.Context(), `UPDATE deliveries SET state = 'leased', due_at = NULL, holder = $1,
		claimed_by = $1`, s.session.number) // as a claim does
	if err != nil {
		t.Fatal(err)
	}
	if settleResult(t, s, first) || settleResult(t, s, result(d.DeliveryID, 3, bellhop.DeliveryDead)) {
		t.Error("a result of another attempt was stored")
	}
	// Several results of one attempt come at once: one counts.
	var results sync.WaitGroup
	stored := make([]bool, 5)
	for i := range stored {
		results.Go(func() { stored[i] = settleResult(t, s, result(d.DeliveryID, 2, bellhop.DeliveryDead)) })
	}
	results.Wait()
	stored = slices.DeleteFunc(stored, func(b bool) bool { return !b })
	if len(stored) != 1 || row() != "dead 2 f t 1 half" {
		t.Errorf("%d results were stored; the delivery is %s", len(stored), row())
	}
	earlier := get[string](t, s.pool, `SELECT concat_ws(' ', number, status, convert_from(reply, 'UTF8'))
		FROM attempts`)
	if earlier != "1 200 ok" {
		t.Errorf("the first attempt is %s", earlier)
	}
	_, err = s.Settle(t.Context(), result("dlv_x", 1, bellhop.DeliveryDead))
	if !hasCode(err, bellhop.CodeNotFound) {
		t.Errorf("a result of no delivery: %v", err)
	}
}

// TestRecordTouchesNoIndex shows that the usual life of a delivery changes no index.
func TestRecordTouchesNoIndex(t *testing.T) {
	t.Parallel()
	s := open(t, testOptions(t, pgtest.NewDatabase(t), "a"))
	addDestination(t, s, "dst_a")
	const many = 50
	for i := range many {
		_, d, _ := acceptOne(t, s, "", fmt.Sprint(i))
		settleResult(t, s, result(d.DeliveryID, 1, bellhop.DeliveryDelivered))
	}
	s.writer.close() // which gives its connection, and so its counts, back
	s.pool.Close()
	c := dial(t, s.opts.URL)
	changed, hot := 0, 0
	until(t, func() bool { // the server counts a moment later
		err := c.QueryRow(t.Context(), `SELECT sum(n_tup_upd), sum(n_tup_hot_upd) FROM pg_stat_user_tables
			WHERE relname ~ '^deliveries_'`).Scan(&changed, &hot)
		if err != nil {
			t.Fatal(err)
		}
		return changed >= many
	})
	if hot != changed {
		t.Errorf("%d of %d updates touched no index", hot, changed)
	}
}

// TestFold sends events again, at two nodes.
func TestFold(t *testing.T) {
	t.Parallel()
	a, b, _, _ := pair(t)
	addDestination(t, a, "dst_a")
	first, _, got := acceptOne(t, a, "id", "body")
	if got.Duplicates != 0 || got.Conflicts != 0 {
		t.Errorf("a new event is %+v", got)
	}
	for _, s := range []*Store{a, b} {
		again, d, got := acceptOne(t, s, "id", "body")
		if got.Duplicates != 1 || again.ID != first.ID || d.DeliveryID != "" {
			t.Errorf("a repeat is %+v, event %s with delivery %q", got, again.ID, d.DeliveryID)
		}
	}
	other, d, got := acceptOne(t, b, "id", "another body")
	if got.Conflicts != 1 || got.Duplicates != 0 || other.ConflictsWith != first.ID || d.DeliveryID == "" {
		t.Errorf("a conflict is %+v with %s", got, other.ConflictsWith)
	}
	again, _, got := acceptOne(t, a, "id", "another body")
	if got.Duplicates != 1 || got.Conflicts != 0 || again.ID != other.ID {
		t.Errorf("the repeat of a conflict is %+v, event %s", got, again.ID)
	}
	third, _, got := acceptOne(t, a, "id", "third body")
	if got.Conflicts != 1 || third.ConflictsWith != first.ID {
		t.Errorf("a second conflict is %+v with %s", got, third.ConflictsWith)
	}

	// In one request: two that are the same, one that conflicts, one of before, one without an id.
	events := []bellhop.Event{newEvent("new", "1"), newEvent("new", "1"), newEvent("new", "2"), newEvent("id", "body"),
		newEvent("", "1")}
	got, err := b.Accept(t.Context(), nil, events, nil)
	if err != nil || got.Duplicates != 2 || got.Conflicts != 1 || events[1].ID != events[0].ID ||
		events[2].ConflictsWith != events[0].ID || events[3].ID != first.ID || events[4].ID == "" {
		t.Errorf("several at once are %+v, %v", got, err)
	}

	// The same ids at once at both nodes.
	const ids, times = 20, 6
	var sending sync.WaitGroup
	var mu sync.Mutex
	found, stored := map[string]string{}, 0
	for i := range times {
		sending.Go(func() {
			for id := range ids {
				if i%3 == 0 {
					id = ids - 1 - id
				}
				name := fmt.Sprint("at once ", id)
				ev, _, got := acceptOne(t, []*Store{a, b}[i%2], name, name)
				mu.Lock()
				stored += 1 - got.Duplicates
				if found[name] != "" && found[name] != ev.ID {
					t.Errorf("%s is the event %s and %s", name, found[name], ev.ID)
				}
				found[name] = ev.ID
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	if stored != ids {
		t.Errorf("%d events were stored of %d", stored, ids)
	}
}

func TestFoldingDays(t *testing.T) {
	day := int32(dayOf(time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)))
	for _, c := range []struct {
		at              time.Time
		written, window []int32
	}{
		{time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC), []int32{day}, []int32{day - 3, day - 2, day - 1}},
		{time.Date(2026, 3, 5, 23, 59, 30, 0, time.UTC), []int32{day, day + 1}, []int32{day - 3, day - 2, day - 1}},
		{time.Date(2026, 3, 5, 0, 0, 30, 0, time.UTC), []int32{day - 1, day}, []int32{day - 4, day - 3, day - 2}},
	} {
		written, earlier := foldingDays(c.at)
		if !slices.Equal(written, c.written) || !slices.Equal(earlier, c.window) {
			t.Errorf("at %v, %v are written and %v looked at", c.at, written, earlier)
		}
	}
}

// TestFoldAcrossMidnight has two nodes whose clocks have different days, and a repeat days later.
func TestFoldAcrossMidnight(t *testing.T) {
	t.Parallel()
	a, b, _, _ := pair(t)
	addDestination(t, a, "dst_a")
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	at := func(s *Store, moment time.Time) { s.session.offset.Store(int64(time.Until(moment))) }
	at(a, midnight.Add(-10*time.Second))
	at(b, midnight.Add(10*time.Second))
	for i, s := range []*Store{a, b, b, a} {
		if _, _, got := acceptOne(t, s, fmt.Sprint(i/2), "x"); got.Duplicates != i%2 {
			t.Errorf("event %d is %+v", i, got)
		}
	}
	at(b, midnight.Add(48*time.Hour))
	if _, _, got := acceptOne(t, b, "0", "x"); got.Duplicates != 1 {
		t.Error("a repeat after two days is a new event")
	}
	at(b, midnight.Add(10*24*time.Hour)) // for this day there is no partition yet
	if ev, _, got := acceptOne(t, b, "0", "x"); got.Duplicates != 0 || ev.ID == "" {
		t.Error("a repeat after the window is not a new event")
	}
}

// TestFlushIsFenced checks that a node whose session has ended stores nothing.
func TestFlushIsFenced(t *testing.T) {
	t.Parallel()
	a, b, _, clockB := pair(t)
	addDestination(t, a, "dst_a")
	_, d, _ := acceptOne(t, a, "", "x")
	settle(t, b, clockB)
	silence(t, a)
	if err := b.session.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stored, err := a.Settle(t.Context(), result(d.DeliveryID, 1, bellhop.DeliveryDelivered)); stored || err == nil {
		t.Errorf("a result of an ended session: %t, %v", stored, err)
	}
	_, err := a.Accept(t.Context(), nil, []bellhop.Event{newEvent("", "y")}, nil)
	if !errors.Is(err, ErrFenced) || !hasCode(err, bellhop.CodeUnavailable) {
		t.Errorf("an accept of an ended session: %v", err)
	}
	if n := get[int](t, b.pool, "SELECT count(*) FROM events"); n != 1 {
		t.Errorf("there are %d events", n)
	}
	if state := get[string](t, b.pool, "SELECT state FROM deliveries"); state != "pending" {
		t.Errorf("the delivery is %s", state)
	}
}

// TestOneBadEvent accepts one that the database refuses beside others.
func TestOneBadEvent(t *testing.T) {
	t.Parallel()
	s := open(t, testOptions(t, pgtest.NewDatabase(t), "a"))
	good, bad := newEvent("", "good"), newEvent("", "bad")
	bad.Type, good.Subject, good.Type = "not good", "zero \x00 and \xff", "t\x00"
	run(t, s.opts.URL, "ALTER TABLE events ADD CHECK (type <> 'not good')")
	ops := []op{}
	for _, ev := range []bellhop.Event{good, bad, good} {
		a := &accept{store: s, events: []bellhop.Event{ev}, result: make(chan error, 1)}
		if err := a.resolve(t.Context()); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, a)
	}
	// The writer's goroutine waits, so this one may do its work.
	if again := s.writer.write(ops); len(again) > 0 {
		t.Errorf("%d ops wait", len(again))
	}
	for i, o := range ops {
		if err := <-o.(*accept).result; (err != nil) != (i == 1) || i == 1 && codeOf(err) != codeCheck {
			t.Errorf("event %d: %v", i, err)
		}
	}
	text := get[string](t, s.pool, "SELECT DISTINCT type || subject FROM events")
	if text != "t\uFFFDzero \uFFFD and \uFFFD" {
		t.Errorf("the stored text is %q", text)
	}
}

// TestUnknownOutcome loses the connection in a flush: before the database got it, and after it has written it.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	through, at := between(t, database)
	s := open(t, testOptions(t, at, "a"))
	addDestination(t, s, "dst_a")
	watcher := dial(t, database)
	_, last, _ := acceptOne(t, s, "", "x")
	// warm has the statements prepared on the writer's connection, so that the next flush is one pipeline.
	warm := func() {
		_, d, _ := acceptOne(t, s, "", "warm")
		settleResult(t, s, result(d.DeliveryID, 1, bellhop.DeliveryPending))
		run(t, database, `UPDATE deliveries SET state = 'leased', due_at = NULL, holder = 1
			WHERE state = 'pending' AND event = (SELECT max(event) FROM deliveries)`)
		settleResult(t, s, result(d.DeliveryID, 2, bellhop.DeliveryDelivered))
	}

	for _, c := range []struct {
		name string
		deaf bool
	}{{"lost", true}, {"written", false}} {
		warm()
		before := get[int](t, watcher, "SELECT count(*) FROM events")
		through.set(c.deaf, true)
		var sending sync.WaitGroup
		sending.Go(func() {
			if _, d, got := acceptOne(t, s, "", c.name); d.DeliveryID == "" || got.Duplicates != 0 {
				t.Errorf("%s: the delivery is %q, the event %+v", c.name, d.DeliveryID, got)
			}
		})
		until(t, func() bool {
			return through.sentBytes() > 0 &&
				(c.deaf || get[int](t, watcher, "SELECT count(*) FROM events") > before)
		})
		through.set(false, false)
		through.cut()
		sending.Wait()
		if n := get[int](t, watcher, "SELECT count(*) FROM events"); n != before+1 {
			t.Errorf("%s: there are %d events, not one more than %d", c.name, n, before)
		}
	}

	// The results of two attempts.
	for i, deaf := range []bool{true, false} {
		number := i + 1
		warm()
		if number > 1 {
			run(t, database, `UPDATE deliveries SET state = 'leased', due_at = NULL, holder = 1
				WHERE state = 'pending'`)
		}
		through.set(deaf, true)
		var settling sync.WaitGroup
		settling.Go(func() {
			if !settleResult(t, s, result(last.DeliveryID, number, bellhop.DeliveryPending)) {
				t.Errorf("result %d was dropped", number)
			}
		})
		stored := func() bool {
			return get[bool](t, watcher, `SELECT count(*) > 0 FROM deliveries
				WHERE state = 'pending' AND attempts = $1`, number)
		}
		until(t, func() bool { return through.sentBytes() > 0 && (deaf || stored()) })
		through.set(false, false)
		through.cut()
		settling.Wait()
		if !stored() {
			t.Errorf("result %d was not stored", number)
		}
	}
}

// TestDatabaseGone restarts the server: what was not written is written once it is back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	s := open(t, testOptions(t, server.NewDatabase(t), "a"))
	addDestination(t, s, "dst_a")
	_, d, _ := acceptOne(t, s, "", "x")
	server.Stop(t)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if !settleResult(t, s, result(d.DeliveryID, 1, bellhop.DeliveryDelivered)) {
			t.Error("the result was dropped")
		}
	})
	server.Start(t)
	waiting.Wait()
	acceptOne(t, s, "", "z")
	states := get[string](t, s.pool, "SELECT string_agg(state, ' ' ORDER BY event) FROM deliveries")
	if states != "delivered leased" {
		t.Errorf("the deliveries are %s", states)
	}
}
