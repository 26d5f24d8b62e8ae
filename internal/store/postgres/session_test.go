package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/bellhop-gateway/bellhop/internal/pgtest"
)

// pair opens two nodes on one new database. Their monotonic clocks stand still until the test moves them.
func pair(t *testing.T) (a, b *Store, clockA, clockB *clock) {
	t.Helper()
	database := pgtest.NewDatabase(t)
	one := func(name string) (*Store, *clock) {
		c := &clock{}
		opts := testOptions(t, database, name)
		opts.Elapsed = c.elapsed
		return open(t, opts), c
	}
	a, clockA = one("a")
	b, clockB = one("b")
	return a, b, clockA, clockB
}

// silence makes a node silent for longer than its lease, by the database's clock.
func silence(t testing.TB, s *Store) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), `UPDATE nodes SET beat_at = beat_at - make_interval(secs => $2)
		WHERE session = $1`, s.session.number, 2*s.opts.Lease.Seconds())
	if err != nil {
		t.Fatal(err)
	}
}

// settle lets a node beat for a lease, so that it may judge.
func settle(t testing.TB, s *Store, c *clock) {
	t.Helper()
	for range beatsPerLease + 1 {
		c.advance(s.opts.Lease / beatsPerLease)
		if err := s.session.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// write runs a statement behind the fence.
func write(ctx context.Context, s *Store, sql string, args ...any) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fence, s.session.number); err != nil {
			return fenced(err)
		}
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

func exists(t testing.TB, s *Store, session int64) bool {
	t.Helper()
	return get[bool](t, s.pool, "SELECT count(*) > 0 FROM nodes WHERE session = $1", session)
}

// TestJudged ends a node that is silent: what it writes afterwards is undone, and what it held is due again.
func TestJudged(t *testing.T) {
	t.Parallel()
	a, b, _, clockB := pair(t)
	if a.session.number >= b.session.number || a.session.slot == b.session.slot {
		t.Fatalf("the sessions are %d and %d, the slots %d and %d", a.session.number, b.session.number, a.session.slot,
			b.session.slot)
	}
	first := firstOf(a.session.now())
	const many = 2*freeStep + 7
	_, err := a.pool.Exec(t.Context(), `INSERT INTO deliveries (event, place, attempts, destination, holder, state)
		SELECT $1 + i, i % 3, 0, 1, CASE WHEN i % 2 = 0 THEN $2::bigint ELSE $3 END, 'leased'
		FROM generate_series(1, $4::bigint) i`, first, a.session.number, b.session.number, 2*many)
	if err != nil {
		t.Fatal(err)
	}
	// One that a lane has held for long, below the floor, and one that is finished.
	_, err = a.pool.Exec(t.Context(), `INSERT INTO deliveries (event, place, attempts, destination, holder, claimed_by,
		state) VALUES ($1, 0, 1, 1, $2, $2, 'leased'), ($1, 1, 1, 1, NULL, NULL, 'delivered')`,
		first-1, a.session.number)
	if err != nil {
		t.Fatal(err)
	}
	run(t, a.opts.URL, "INSERT INTO lanes VALUES (1, 1), (2, 2)", "INSERT INTO chores VALUES ('one', 1), ('two', 2)")
	if err := write(t.Context(), a, "UPDATE meta SET value = '7' WHERE name = 'config'"); err != nil {
		t.Fatal(err)
	}

	settle(t, b, clockB)
	if err := b.session.judge(t.Context()); err != nil || !exists(t, b, a.session.number) {
		t.Fatalf("a node that beats was ended: %v", err)
	}
	silence(t, a)
	if err := b.session.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = write(t.Context(), a, "UPDATE meta SET value = '8' WHERE name = 'config'")
	if !errors.Is(err, ErrFenced) {
		t.Errorf("a write of an ended session: %v", err)
	}
	if config := get[string](t, b.pool, "SELECT value FROM meta WHERE name = 'config'"); config != "7" {
		t.Errorf("a write of an ended session has set %s", config)
	}
	if err := a.session.beat(t.Context()); !errors.Is(err, ErrFenced) {
		t.Errorf("a beat of an ended session: %v", err)
	}
	if err := a.session.alive(); !errors.Is(err, ErrFenced) {
		t.Errorf("an ended session is alive: %v", err)
	}
	select {
	case <-a.session.ended:
	default:
		t.Error("the node does not know that its session has ended")
	}

	if n := get[int](t, b.pool, "SELECT count(*) FROM deliveries WHERE state = 'pending'"); n != many+1 {
		t.Errorf("%d deliveries are due, not %d", n, many+1)
	}
	if n := get[int](t, b.pool, "SELECT count(*) FROM deliveries WHERE holder = $1", b.session.number); n != many {
		t.Errorf("the other node holds %d deliveries, not %d", n, many)
	}
	if n := get[int](t, b.pool, "SELECT count(*) FROM deliveries WHERE state = 'delivered'"); n != 1 {
		t.Error("a finished delivery was changed")
	}
	owners := get[string](t, b.pool, `SELECT string_agg(coalesce(owner, 0)::text, ' ' ORDER BY destination) ||
		(SELECT string_agg(coalesce(session, 0)::text, ' ' ORDER BY name) FROM chores) FROM lanes`)
	if owners != "0 20 2" {
		t.Errorf("lanes and chores belong to %s", owners)
	}
	if exists(t, b, a.session.number) {
		t.Error("the session stays although it holds nothing")
	}

	// The slot is free again, and its next session makes other numbers, whatever the clock says.
	addEvent(t, b.pool, firstOf(time.Now().Add(time.Hour))|a.session.slot<<countBits|3, 0)
	c := open(t, testOptions(t, a.opts.URL, "c"))
	if c.session.slot != a.session.slot || c.session.number <= b.session.number {
		t.Errorf("the new session %d has the slot %d", c.session.number, c.session.slot)
	}
	q := sequence{slot: c.session.slot, last: c.session.after}
	if n := q.next(c.session.now()); n <= firstOf(time.Now().Add(59*time.Minute)) {
		t.Errorf("the number %d may be in use", n)
	}
}

// TestEndWaits ends a session whose transaction is under way: the end waits, and then closes its connections.
func TestEndWaits(t *testing.T) {
	t.Parallel()
	a, b, _, clockB := pair(t)
	settle(t, b, clockB)

	// It is committed in time.
	tx, err := a.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), fence, a.session.number); err != nil {
		t.Fatal(err)
	}
	if err := a.session.beat(t.Context()); err != nil {
		t.Fatalf("a beat beside a transaction: %v", err)
	}
	silence(t, a)
	var judging sync.WaitGroup
	judging.Go(func() {
		if err := b.session.judge(t.Context()); err != nil {
			t.Error(err)
		}
	})
	watcher := dial(t, a.opts.URL)
	waiter := applicationName(strconv.FormatInt(b.session.number, 10))
	until(t, func() bool {
		return get[bool](t, watcher, `SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
			AND application_name = $1`, waiter)
	})
	if _, err := tx.Exec(t.Context(), "UPDATE meta SET value = '5' WHERE name = 'config'"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	judging.Wait()
	config := get[string](t, b.pool, "SELECT value FROM meta WHERE name = 'config'")
	if exists(t, b, a.session.number) || config != "5" {
		t.Error("the end did not wait for the transaction under way")
	}

	// It never ends: the client froze.
	c := open(t, testOptions(t, a.opts.URL, "c"))
	tx, err = c.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), fence, c.session.number); err != nil {
		t.Fatal(err)
	}
	silence(t, c)
	if err := b.session.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exists(t, b, c.session.number) {
		t.Error("a session whose client froze has not been ended")
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("the connection of an ended session is still open")
	}
}

// TestNobodyJudgesAfterAnOutage checks that a node whose own beats were late condemns nobody.
func TestNobodyJudgesAfterAnOutage(t *testing.T) {
	t.Parallel()
	a, b, _, clockB := pair(t)
	silence(t, a)
	if err := b.session.judge(t.Context()); err != nil || !exists(t, b, a.session.number) {
		t.Fatalf("a node that has just started judges: %v", err)
	}
	settle(t, b, clockB)
	clockB.advance(b.opts.Lease) // an outage
	if err := b.session.judge(t.Context()); !errors.Is(err, ErrSilent) {
		t.Fatalf("a silent node judges: %v", err)
	}
	if err := b.session.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.session.judge(t.Context()); err != nil || !exists(t, b, a.session.number) {
		t.Fatalf("a node judges right after an outage: %v", err)
	}
	settle(t, b, clockB)
	if err := b.session.judge(t.Context()); err != nil || exists(t, b, a.session.number) {
		t.Errorf("a node that was silent all the time is still there: %v", err)
	}
}

// TestSelfFence moves the monotonic clock: a node stops by itself before another may end its session.
func TestSelfFence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &clock{}
		s := &session{opts: &Options{Lease: 5 * time.Second}, ended: make(chan struct{})}
		s.opts.Elapsed = c.elapsed
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "beats") {
				s.sentAt = c.elapsed()
			}
			c.advance(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "pause")))
			if err := s.alive(); (err != nil) != (c.elapsed()-s.sentAt >= 4*time.Second) ||
				err != nil && !errors.Is(err, ErrSilent) {
				t.Fatalf("%v after its last beat: %v", c.elapsed()-s.sentAt, err)
			}
		}
		s.fail()
		if err := s.alive(); !errors.Is(err, ErrFenced) {
			t.Fatalf("after its end: %v", err)
		}
	})
}

// TestName starts a second node with the name of another one.
func TestName(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	opts := testOptions(t, database, "a")
	opts.Lease = 300 * time.Millisecond
	first := open(t, opts)
	beating, stop := context.WithCancel(t.Context())
	var beats sync.WaitGroup
	beats.Go(func() {
		if err := first.session.run(beating); err != nil {
			t.Error(err)
		}
	})
	_, err := connect(t.Context(), opts)
	if !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "the node a is alive, with session 1") {
		t.Errorf("the error is %v", err)
	}
	stop()
	beats.Wait()

	// The first one was killed: the next waits until that is certain.
	second := open(t, opts)
	if second.session.number == first.session.number {
		t.Error("both nodes have one session")
	}
	if err := first.session.beat(t.Context()); !errors.Is(err, ErrFenced) {
		t.Errorf("the first node beats: %v", err)
	}
	// A clean stop leaves nothing to wait for.
	opts.Lease = time.Hour
	if err := second.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, opts)
}

// TestLeave stops a node that still holds something.
func TestLeave(t *testing.T) {
	t.Parallel()
	a, b, _, _ := pair(t)
	addEvent(t, a.pool, firstOf(a.session.now()), a.session.number)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exists(t, b, a.session.number) {
		t.Error("the session stays")
	}
	if n := get[int](t, b.pool, "SELECT count(*) FROM deliveries WHERE state = 'pending'"); n != 1 {
		t.Errorf("%d deliveries were given back", n)
	}
	if err := a.session.alive(); !errors.Is(err, ErrFenced) {
		t.Errorf("the session that left is alive: %v", err)
	}
}

// TestFreeTakesTurns has several nodes give back what one held.
func TestFreeTakesTurns(t *testing.T) {
	t.Parallel()
	a, b, _, clockB := pair(t)
	c := open(t, testOptions(t, a.opts.URL, "c"))
	first := firstOf(a.session.now())
	const many = 3 * freeStep
	_, err := a.pool.Exec(t.Context(), `INSERT INTO deliveries (event, place, attempts, destination, holder, state)
		SELECT $1 + i / 4, i % 4, 0, 1, $2, 'leased' FROM generate_series(0, $3::bigint - 1) i`, first,
		a.session.number, many)
	if err != nil {
		t.Fatal(err)
	}
	settle(t, b, clockB)
	silence(t, a)
	if ended, err := endSession(t.Context(), b.pool, a.session.number, b.opts.Lease); err != nil || !ended {
		t.Fatal(ended, err)
	}
	var freeing sync.WaitGroup
	var freed [2]int
	for i, s := range []*Store{b, c} {
		freeing.Go(func() {
			n, err := s.session.free(t.Context(), a.session.number)
			if err != nil {
				t.Error(err)
			}
			freed[i] = n
		})
	}
	freeing.Wait()
	if freed[0]+freed[1] != many {
		t.Errorf("%v of %d were given back", freed, many)
	}
	if n := get[int](t, b.pool, "SELECT count(*) FROM deliveries WHERE state = 'pending'"); n != many {
		t.Errorf("%d of %d are due", n, many)
	}
	// A node that was ended itself gives nothing back.
	silence(t, c)
	if ended, err := endSession(t.Context(), b.pool, c.session.number, b.opts.Lease); err != nil || !ended {
		t.Fatal(ended, err)
	}
	if _, err := c.session.free(t.Context(), b.session.number); !errors.Is(err, ErrFenced) {
		t.Errorf("an ended node frees: %v", err)
	}
}

// TestOffset opens a node whose clock is an hour behind.
func TestOffset(t *testing.T) {
	t.Parallel()
	opts := testOptions(t, pgtest.NewDatabase(t), "a")
	opts.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	s := open(t, opts)
	near := func() {
		t.Helper()
		if off := time.Since(s.session.now()).Abs(); off > time.Minute {
			t.Errorf("the corrected clock is off by %v", off)
		}
	}
	near()
	s.session.offset.Store(0)
	if err := s.session.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	near()
	run(t, opts.URL, "UPDATE meta SET value = '12' WHERE name = 'config'")
	if err := s.session.beat(t.Context()); err != nil || s.session.config.Load() != 12 {
		t.Errorf("the beat saw the configuration %d, %v", s.session.config.Load(), err)
	}
}
