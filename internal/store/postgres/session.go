package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Sessions. A node that starts registers: it gets a session, whose number only grows, and a slot, which is part of
// the numbers that it makes. Its beats keep the session alive. A session ends once and for all, when another node
// judges that it is silent, or when it leaves. The end waits for the transaction of the session that is under way,
// and every later one fails at the fence. Then what the session held is given back, by any node.
//
// Which session is silent depends on the database's clock and on lengths of time alone. A node's own clock is only
// used to measure how long ago something was.

var (
	// ErrFenced means that another node has ended the session of this one: the store has to be opened again.
	ErrFenced = errors.New("another node has ended the session of this one, because it was silent for too long")
	// ErrSilent means that the node has not reached the database for so long that another may have ended its session.
	ErrSilent = errors.New("the database has not answered for too long")
	// ErrNameTaken means that another living node has the name of this one.
	ErrNameTaken = errors.New("another node has this name")
)

// fence is the first statement of every transaction that writes for a session. It makes the end of the session wait
// for the transaction, and fails, with a division by zero that undoes all, once the session has ended.
const fence = `SELECT 1 / count(*) FROM
	(SELECT 1 FROM nodes WHERE session = $1 AND ended_at IS NULL FOR KEY SHARE) live`

// fenced returns err, or ErrFenced if it comes from the fence.
func fenced(err error) error {
	if codeOf(err) == codeDivisionByZero {
		return ErrFenced
	}
	return err
}

// Parts of a lease.
const (
	beatsPerLease  = 10
	judgesPerLease = 5
	// A node stops this part of a lease before its session can be ended.
	marginOfLease = 5
)

// endTimeout is how long the end of a session waits for a transaction of it. Then its connections are closed: its
// client may have frozen in the middle.
const endTimeout = 500 * time.Millisecond

// freeStep is how many deliveries are given back in one transaction.
const freeStep = 500

// A session is the session of this node. Fields without a guard never change once register has returned.
type session struct {
	opts   *Options
	pool   *pgxpool.Pool
	number int64
	slot   int64
	after  int64 // numbers of the slot up to this one are in use

	floor  atomic.Int64 // events below it have no lease of this session; the next beat says so
	offset atomic.Int64 // what the database's clock is ahead of this node's, in nanoseconds
	config atomic.Int64 // the configuration that the last beat saw

	end   sync.Once
	ended chan struct{} // closed once the session is known to have ended

	mu     sync.Mutex
	sentAt time.Duration // when the last good beat was sent
	steady time.Duration // since when no beat was late
}

// register makes a session for this node. If a node of this name has a session, it waits until that is silent for a
// whole lease, and refuses to start if it is not.
func register(ctx context.Context, c *pgx.Conn, opts *Options) (*session, error) {
	s := &session{opts: opts, ended: make(chan struct{})}
	var rival struct {
		session int64
		beat    time.Time
	}
	watched := opts.Elapsed()
	for {
		sent, local := opts.Elapsed(), opts.Now()
		var other int64
		var beat, now time.Time
		err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if err := lock(ctx, tx, lockRegister); err != nil {
				return err
			}
			err := tx.QueryRow(ctx, "SELECT session, beat_at FROM nodes WHERE name = $1 AND ended_at IS NULL",
				opts.Node).Scan(&other, &beat)
			if !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			return s.insert(ctx, tx, &now)
		})
		if err != nil {
			return nil, fmt.Errorf("register: %w", err)
		}
		if other == 0 {
			s.mu.Lock()
			s.sentAt, s.steady = sent, sent
			s.mu.Unlock()
			s.offset.Store(int64(now.Sub(local)))
			return s, nil
		}
		switch {
		case rival.session != other:
			rival.session, rival.beat, watched = other, beat, opts.Elapsed()
		case !beat.Equal(rival.beat):
			return nil, fmt.Errorf("%w: the node %s is alive, with session %d; give this one another name",
				ErrNameTaken, opts.Node, other)
		case opts.Elapsed()-watched >= opts.Lease:
			if _, err := endSession(ctx, c, other, opts.Lease); err != nil {
				return nil, fmt.Errorf("register: %w", err)
			}
			continue
		}
		pause := time.NewTimer(opts.Lease / beatsPerLease)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		case <-pause.C:
		}
	}
}

// insert writes the row of the session, with the lowest free slot. The number of an event must not be made twice,
// also if the slot was another session's a moment ago, or if the clock went back since.
func (s *session) insert(ctx context.Context, tx pgx.Tx, now *time.Time) error {
	err := tx.QueryRow(ctx, `SELECT clock_timestamp(), coalesce((SELECT min(s) FROM generate_series(1, $1) s
		WHERE NOT EXISTS (SELECT FROM nodes WHERE slot = s)), 0)`, maxSlot).Scan(now, &s.slot)
	if err != nil {
		return err
	}
	if s.slot == 0 {
		return fmt.Errorf("there are %d nodes, and no room for one more", maxSlot)
	}
	first := firstOf(*now)
	err = tx.QueryRow(ctx, `SELECT coalesce(max(n), 0) FROM (SELECT n FROM events WHERE n >= $1
		UNION ALL SELECT n FROM requests WHERE n >= $1) latest WHERE (n >> 10) & 4095 = $2`, first, s.slot).
		Scan(&s.after)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `INSERT INTO nodes (slot, name, version, floor, keys) VALUES ($1, $2, $3, $4, $5)
		RETURNING session`, s.slot, s.opts.Node, s.opts.Version, first, strings.Join(s.opts.Keys.IDs(), " ")).
		Scan(&s.number)
	s.floor.Store(first)
	return err
}

// now returns the time by the clock of the database, which all nodes share.
func (s *session) now() time.Time { return s.opts.Now().Add(time.Duration(s.offset.Load())) }

// fail notes that the session has ended.
func (s *session) fail() { s.end.Do(func() { close(s.ended) }) }

// alive returns nil while no other node can have ended the session, else ErrFenced or ErrSilent. It asks nobody.
func (s *session) alive() error {
	select {
	case <-s.ended:
		return ErrFenced
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Elapsed()-s.sentAt >= s.opts.Lease-s.opts.Lease/marginOfLease {
		return ErrSilent
	}
	return nil
}

// run beats and judges until ctx ends or the session does. It logs errors: the next beat may succeed.
func (s *session) run(ctx context.Context) error {
	beats := time.NewTicker(s.opts.Lease / beatsPerLease)
	defer beats.Stop()
	failing := false
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ended:
			return ErrFenced
		case <-beats.C:
		}
		err := s.beat(ctx)
		if err == nil && n%(beatsPerLease/judgesPerLease) == 0 {
			err = s.judge(ctx)
		}
		if errors.Is(err, ErrFenced) {
			return err
		}
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			if failed {
				s.opts.Logger.Warn("session.unsteady", "component", "store", "session", s.number, "error", err)
			} else {
				s.opts.Logger.Info("session.steady", "component", "store", "session", s.number)
			}
		}
	}
}

// beat tells the database that the node lives. It returns ErrFenced if the session has ended.
func (s *session) beat(ctx context.Context) error {
	// A beat that takes longer is of no use, and keeps the next one from being sent.
	ctx, cancel := context.WithTimeout(ctx, s.opts.Lease/marginOfLease)
	defer cancel()
	sent, local := s.opts.Elapsed(), s.opts.Now()
	var now time.Time
	var config int64
	err := s.pool.QueryRow(ctx, `UPDATE nodes SET beat_at = clock_timestamp(), floor = $2, seen_config = $3
		WHERE session = $1 AND ended_at IS NULL
		RETURNING beat_at, (SELECT value::bigint FROM meta WHERE name = 'config')`,
		s.number, s.floor.Load(), s.config.Load()).Scan(&now, &config)
	if errors.Is(err, pgx.ErrNoRows) {
		s.fail()
		return ErrFenced
	}
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	took := s.opts.Elapsed() - sent
	s.offset.Store(int64(now.Sub(local.Add(took / 2))))
	s.config.Store(config)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sent-s.sentAt > s.opts.Lease/2 {
		s.steady = sent
	}
	s.sentAt = sent
	return nil
}

// judge ends the sessions that are silent, and gives back what ended ones held. A node whose own beats were late
// within the last lease judges nobody: after an outage of the database the others could not beat either.
func (s *session) judge(ctx context.Context) error {
	s.mu.Lock()
	steady := s.sentAt-s.steady >= s.opts.Lease
	s.mu.Unlock()
	if err := s.alive(); err != nil || !steady {
		return err
	}
	rows, err := s.pool.Query(ctx, `SELECT session, name, ended_at IS NOT NULL FROM nodes WHERE session <> $1
		AND (ended_at IS NOT NULL OR beat_at < clock_timestamp() - make_interval(secs => $2))`,
		s.number, s.opts.Lease.Seconds())
	if err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	type node struct {
		Session int64
		Name    string
		Ended   bool
	}
	silent, err := pgx.CollectRows(rows, pgx.RowToStructByPos[node])
	if err != nil {
		return fmt.Errorf("judge: %w", err)
	}
	for _, n := range silent {
		if !n.Ended {
			ended, err := endSession(ctx, s.pool, n.Session, s.opts.Lease)
			if err != nil {
				return err
			}
			if !ended {
				continue
			}
			s.opts.Logger.Warn("session.ended", "component", "store", "node", n.Name, "session", n.Session, "meaning",
				"the node was silent: others make its attempts")
		}
		freed, err := s.free(ctx, n.Session)
		if err != nil {
			return err
		}
		if freed > 0 {
			s.opts.Logger.Info("lease.freed", "component", "store", "session", n.Session, "count", freed)
		}
	}
	return nil
}

// endSession ends a session that has been silent for a lease, and reports whether it has ended: it may have beaten
// meanwhile. When it returns true, every transaction of the session has ended, and none can be committed any more.
func endSession(ctx context.Context, q beginner, number int64, lease time.Duration) (ended bool, err error) {
	for try := 0; ; try++ {
		err = pgx.BeginFunc(ctx, q, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", endTimeout.Milliseconds()))
			if err != nil {
				return err
			}
			var floor int64
			err = tx.QueryRow(ctx, `SELECT floor FROM nodes WHERE session = $1 AND ended_at IS NULL
				AND beat_at < clock_timestamp() - make_interval(secs => $2) FOR UPDATE`, number, lease.Seconds()).
				Scan(&floor)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			ended = true
			_, err = tx.Exec(ctx, "UPDATE nodes SET ended_at = clock_timestamp() WHERE session = $1", number)
			return err
		})
		if err == nil {
			return ended, nil
		}
		if codeOf(err) != codeLockNotAvailable || try == 2 {
			return false, fmt.Errorf("end session %d: %w", number, err)
		}
		if err := terminate(ctx, q, number); err != nil {
			return false, fmt.Errorf("end session %d: %w", number, err)
		}
	}
}

// terminate closes the connections of a session.
func terminate(ctx context.Context, q querier, number int64) error {
	var closed int
	err := q.QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()`,
		applicationName(strconv.FormatInt(number, 10))).Scan(&closed)
	if err != nil {
		return fmt.Errorf("close its connections, one of which holds a transaction open: %w", err)
	}
	return nil
}

// careful makes the planner use indexes: a new partition has no statistics, by which it would read whole tables.
const careful = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true)`

const (
	// freeHeld gives back deliveries from the floor of a session on. Their lease has been in the row since they were
	// accepted, and no index has it.
	freeHeld = `WITH held AS (SELECT event, place FROM deliveries WHERE event >= $2 AND holder = $1
			ORDER BY event, place LIMIT $4 FOR UPDATE),
		freed AS (UPDATE deliveries d SET state = 'pending', due_at = $3, holder = NULL, claimed_by = NULL
			FROM held WHERE d.event = held.event AND d.place = held.place RETURNING d.event)
		SELECT count(*), coalesce(max(event), $2) FROM freed`
	freeClaimed = `WITH held AS (SELECT event, place FROM deliveries WHERE claimed_by = $1 LIMIT $3 FOR UPDATE),
		freed AS (UPDATE deliveries d SET state = 'pending', due_at = $2, holder = NULL, claimed_by = NULL
			FROM held WHERE d.event = held.event AND d.place = held.place RETURNING d.event)
		SELECT count(*) FROM freed`
)

// free gives back what an ended session held, due now, and then forgets the session. It goes in steps, each of which
// keeps how far it came, so that any node can go on after a crash.
func (s *session) free(ctx context.Context, number int64) (freed int, err error) {
	for done := false; !done; {
		n := 0
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
			if number != s.number { // a node that was ended itself frees nobody
				if _, err := tx.Exec(ctx, fence, s.number); err != nil {
					return fenced(err)
				}
			}
			if _, err := tx.Exec(ctx, careful); err != nil {
				return err
			}
			n, done, err = s.freeOnce(ctx, tx, number)
			return err
		})
		if err != nil {
			return freed, fmt.Errorf("free the deliveries of session %d: %w", number, err)
		}
		freed += n
	}
	return freed, nil
}

// freeOnce makes one step of free. Steps of several nodes take turns by the lock of the session's row.
func (s *session) freeOnce(ctx context.Context, tx pgx.Tx, number int64) (freed int, done bool, err error) {
	var floor int64
	err = tx.QueryRow(ctx, "SELECT floor FROM nodes WHERE session = $1 AND ended_at IS NOT NULL FOR UPDATE", number).
		Scan(&floor)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, true, nil // another node has done it
	}
	if err != nil {
		return 0, false, err
	}
	now := s.now().UnixMicro()
	last := floor
	if err := tx.QueryRow(ctx, freeHeld, number, floor, now, freeStep).Scan(&freed, &last); err != nil {
		return 0, false, err
	}
	if freed == 0 {
		if err := tx.QueryRow(ctx, freeClaimed, number, now, freeStep).Scan(&freed); err != nil {
			return 0, false, err
		}
	}
	if freed > 0 {
		_, err = tx.Exec(ctx, "UPDATE nodes SET floor = $2 WHERE session = $1", number, last)
		return freed, false, err
	}
	for _, sql := range []string{"UPDATE lanes SET owner = NULL WHERE owner = $1",
		"UPDATE chores SET session = NULL WHERE session = $1", "UPDATE repairs SET runner = NULL WHERE runner = $1",
		"DELETE FROM nodes WHERE session = $1"} {
		if _, err := tx.Exec(ctx, sql, number); err != nil {
			return 0, false, err
		}
	}
	return 0, true, nil
}

// leave ends the session of this node and gives back what it still holds, so that nobody waits for a lease to end.
func (s *session) leave(ctx context.Context) error {
	s.fail()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// It waits for the transaction of the session that is under way.
		_, err := tx.Exec(ctx, "SELECT FROM nodes WHERE session = $1 FOR UPDATE", s.number)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE nodes SET ended_at = clock_timestamp()
				WHERE session = $1 AND ended_at IS NULL`, s.number)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	_, err = s.free(ctx, s.number)
	return err
}
