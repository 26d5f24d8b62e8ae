package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop-gateway/bellhop/internal/pgtest"
)

// addEvent writes an event of the source without a URL, with one delivery, which is leased to holder, or finished if
// that is 0.
func addEvent(t testing.TB, q beginner, n, holder int64) {
	t.Helper()
	tx, err := q.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(t.Context(), `INSERT INTO events (n, source, received_at, variant, type, sha256, body)
		VALUES ($1, 1, 0, 0, 't', decode(repeat('00', 32), 'hex'), '')`, n)
	if err == nil {
		_, err = tx.Exec(t.Context(), `INSERT INTO deliveries (event, place, attempts, destination, holder, state)
			VALUES ($1, 0, 0, 1, nullif($2, 0), CASE WHEN $2 = 0 THEN 'delivered' ELSE 'leased' END)`, n, holder)
	}
	if err == nil {
		err = tx.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMissing changes the clock and the length of partitions at random: those that exist never overlap, and have
// every time that is needed.
func TestMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Store{}
		var have []partition
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		names := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "starts") {
			s.opts.Retain = time.Duration(rapid.IntRange(0, 3).Draw(t, "days")) * 24 * time.Hour
			now := start.Add(time.Duration(rapid.IntRange(-20000, 20000).Draw(t, "minutes")) * time.Minute)
			for _, p := range s.missing(have, now) {
				if names[p.Name] {
					t.Fatalf("there are two partitions %s", p.Name)
				}
				names[p.Name] = true
				have = append(have, p)
			}
			slices.SortFunc(have, func(a, b partition) int { return int(min(max(a.From-b.From, -1), 1)) })
			if more := s.missing(have, now); len(more) > 0 {
				t.Fatalf("%v is still missing", more)
			}
			for _, at := range []time.Time{now.Add(-clockSlack), now, now.Add(spansAhead * s.span())} {
				for _, parent := range byNumber {
					n := 0
					for _, p := range have {
						if p.Parent == parent && p.From <= firstOf(at) && firstOf(at) < p.To {
							n++
						}
					}
					if n != 1 {
						t.Fatalf("%d partitions of %s have the time %v", n, parent, at)
					}
				}
			}
		}
		for i, p := range have {
			for _, q := range have[:i] {
				if p.Parent == q.Parent && p.From < q.To && q.From < p.To {
					t.Fatalf("%v and %v overlap", p, q)
				}
			}
		}
	})
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	opts := testOptions(t, database, "a")
	now := time.Date(2026, 3, 1, 23, 55, 0, 0, time.UTC)
	opts.Now = func() time.Time { return now }
	s := open(t, opts)
	names := func() (list []string) {
		all, err := partitions(t.Context(), s.pool)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.Parent == "deliveries" || p.Parent == "seen" {
				list = append(list, p.Name)
			}
		}
		slices.Sort(list)
		return list
	}
	want := []string{"deliveries_20260301", "deliveries_20260302", "deliveries_20260303", "seen_20260301",
		"seen_20260302", "seen_20260303"}
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("the partitions are %v", got)
	}

	// Other nodes make the next ones at the same time, one with shorter ones.
	later := now.Add(10 * time.Minute)
	hourly := &Store{opts: opts}
	hourly.opts.Retain = time.Hour
	var making sync.WaitGroup
	for i := range 4 {
		making.Go(func() {
			node := s
			if i == 3 {
				node = hourly
			}
			if err := node.makePartitions(t.Context(), s.pool, later); err != nil {
				t.Error(err)
			}
		})
	}
	making.Wait()
	want = append(want, "deliveries_20260304", "seen_20260304")
	slices.Sort(want)
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("the partitions are %v", got)
	}
	if err := hourly.makePartitions(t.Context(), s.pool, later.Add(71*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want = append(want, "deliveries_2026030500", "deliveries_2026030501", "seen_20260305", "seen_20260306")
	slices.Sort(want)
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("the partitions are %v", got)
	}

	for _, at := range []time.Time{now, later, later.Add(72 * time.Hour)} {
		addEvent(t, s.pool, firstOf(at), 0)
	}
	options := get[string](t, s.pool, "SELECT reloptions::text FROM pg_class WHERE relname = 'deliveries_2026030500'")
	if options != "{fillfactor=50,autovacuum_vacuum_scale_factor=0.05}" {
		t.Errorf("a partition has the options %s", options)
	}
	storage := get[string](t, s.pool, `SELECT attstorage::text FROM pg_attribute
		WHERE attrelid = 'events_20260301'::regclass AND attname = 'body'`)
	if storage != "e" {
		t.Errorf("bodies are stored as %s", storage)
	}
	for _, index := range []string{"deliveries_due", "deliveries_claimed", "deliveries_dead", "deliveries_line"} {
		parts := get[int](t, s.pool, "SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass", index)
		if parts != 6 {
			t.Errorf("%s has %d parts", index, parts)
		}
	}

	// Those of the past get statistics, once.
	if n, err := s.analyzeFilled(t.Context(), later.Add(11*time.Minute)); err != nil || n != 5 {
		t.Errorf("%d partitions were analyzed: %v", n, err)
	}
	if rows := get[float64](t, s.pool, "SELECT reltuples FROM pg_class WHERE relname = 'events_20260301'"); rows != 1 {
		t.Errorf("the planner thinks that a partition has %v rows", rows)
	}
	if n, err := s.analyzeFilled(t.Context(), later.Add(12*time.Minute)); err != nil || n != 0 {
		t.Errorf("%d partitions were analyzed again: %v", n, err)
	}
}

// TestDrop drops partitions while others read the table and write to it.
func TestDrop(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	opts := testOptions(t, database, "a")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	opts.Now = func() time.Time { return now }
	s := open(t, opts)
	tomorrow := now.Add(24 * time.Hour)
	addEvent(t, s.pool, firstOf(now), 0)
	addEvent(t, s.pool, firstOf(tomorrow), 0)
	find := func(name string) (found partition) {
		all, err := partitions(t.Context(), s.pool)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.Name == name {
				found = p
			}
		}
		return found
	}

	// A reader who has the table open holds the drop up, and nobody else.
	reader, err := dial(t, database).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback(context.Background())
	if n := get[int](t, reader, "SELECT count(*) FROM events"); n != 2 {
		t.Fatalf("there are %d events", n)
	}
	err = s.drop(t.Context(), find("events_20260301"))
	if codeOf(err) != codeLockNotAvailable {
		t.Fatalf("while the table is read, a drop says %v", err)
	}
	addEvent(t, s.pool, firstOf(tomorrow)+1, 0)
	half := find("events_20260301")
	if !half.Detaching {
		t.Errorf("the partition is %v, not half detached", half)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.drop(t.Context(), half); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, s.pool, "SELECT count(*) FROM events"); n != 2 {
		t.Errorf("%d events are left of two", n)
	}
	if timeout := get[string](t, s.pool, "SHOW lock_timeout"); timeout != "0" {
		t.Errorf("a connection of the pool keeps the lock_timeout %s", timeout)
	}

	// A node died between the two statements of a drop.
	p := find("deliveries_20260301")
	run(t, database, "ALTER TABLE deliveries DETACH PARTITION "+p.Name+" CONCURRENTLY")
	if err := s.dropDetached(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := get[int](t, s.pool, "SELECT count(*) FROM pg_class WHERE relname = ANY($1)",
		[]string{"events_20260301", "deliveries_20260301"})
	if left != 0 {
		t.Errorf("%d tables are left of two dropped ones", left)
	}
	if n := get[int](t, s.pool, "SELECT count(*) FROM deliveries"); n != 2 {
		t.Errorf("%d deliveries are left of two", n)
	}
}

// TestNoPartition shows the error of a row for which there is no partition.
func TestNoPartition(t *testing.T) {
	t.Parallel()
	s := open(t, testOptions(t, pgtest.NewDatabase(t), "a"))
	for _, parent := range byNumber {
		p := partition{Parent: parent, Name: fmt.Sprintf("%s_nowhere", parent)}
		if err := s.drop(t.Context(), p); codeOf(err) != codeUndefinedTable {
			t.Errorf("dropping no partition: %v", err)
		}
	}
	_, err := s.pool.Exec(t.Context(), `INSERT INTO seen (day, source, key, n, print)
		VALUES (1, 1, decode(repeat('00', 16), 'hex'), 1, 1)`)
	if codeOf(err) != codeCheck {
		t.Errorf("a row without a partition: %v", err)
	}
}
