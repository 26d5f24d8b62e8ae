package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// tables returns the schema of the store, from SQLite.
func tables(t testing.TB, s *Store) (sql string) {
	t.Helper()
	err := s.read(t.Context(), func(c *conn) error {
		return c.query("SELECT sql FROM sqlite_schema ORDER BY name", nil, func(row *sqlite3.Stmt) error {
			sql += row.ColumnText(0) + "\n"
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return sql
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	fresh, ids := tables(t, s), s.ids
	for _, table := range []string{"events", "deliveries", "attempts", "requests", "sources", "destinations", "meta"} {
		if !strings.Contains(fresh, "CREATE TABLE "+table+" (") {
			t.Errorf("there is no table %s", table)
		}
	}
	info, err := os.Stat(s.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v; %v", info.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, dir)
	if again := tables(t, s); again != fresh || s.ids != ids {
		t.Errorf("opening it again changed the schema or the tag: %s", again)
	}
	if other := open(t); other.ids == ids {
		t.Error("two stores have the same tag")
	}
}

// TestCloseLeavesOneFile shows that after a clean stop one file holds everything, so that a copy of it is a backup.
func TestCloseLeavesOneFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	populate(t, s)
	if _, err := s.Stats(t.Context()); err != nil { // leaves an idle reader
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := readFolder(t, dir)
	delete(files, store.FileName)
	delete(files, store.KeyFileName)
	for name := range files {
		t.Errorf("%s is left", name)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestNewerSchema shows that a program that is too old for the database changes nothing.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := reopen(t, dir)
	populate(t, s)
	if err := errors.Join(s.do(func(c *conn) error { return c.db.Exec("PRAGMA user_version = 999") }),
		s.Close()); err != nil {
		t.Fatal(err)
	}
	before := readFolder(t, dir)
	_, err := Open(options(t, dir))
	for _, want := range []string{filepath.Join(dir, store.FileName), "schema 999", "use the newer bellhop"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Open: %v, want something about %q", err, want)
		}
	}
	if !maps.EqualFunc(before, readFolder(t, dir), func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Error("the folder changed")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content []byte
		change  func(*Options)
	}{
		"not a database": {content: []byte(strings.Repeat("this is not a database. ", 100))},
		"no clock":       {change: func(o *Options) { o.Now = nil }},
		"no folder":      {change: func(o *Options) { o.Dir = filepath.Join(o.Dir, "missing") }},
	} {
		dir := t.TempDir()
		o := options(t, dir)
		if c.content != nil {
			writeFolder(t, dir, images{store.FileName: c.content})
		}
		if c.change != nil {
			c.change(&o)
		}
		if s, err := Open(o); err == nil {
			s.Close()
			t.Errorf("%s: it was opened", name)
		}
		if c.content != nil && string(readFolder(t, dir)[store.FileName]) != string(c.content) {
			t.Errorf("%s: the file changed", name)
		}
	}
}

// TestSchema shows that the constraints refuse rows that no reader expects.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := open(t)
	const (
		source = `INSERT INTO sources (id, name, provider, settings, max_body_bytes, disabled, created_at, updated_at,
			secrets_at) VALUES `
		destination = `INSERT INTO destinations (id, name, type, url, settings, match, timeout, concurrency, retry,
			handshake, state, state_reason, created_at, updated_at, secrets_at, access, order_by, breaker) VALUES `
		event    = `INSERT INTO events (n, source, type, provider_id, received_at, sha256, body, variant) VALUES `
		delivery = `INSERT INTO deliveries (n, destination, state, attempts, next_at, reply) VALUES `
		attempt  = `INSERT INTO attempts (delivery, number, started_at, duration, status, error, detail, reply) VALUES `
		request  = `INSERT INTO requests (n, source, outcome, status, reason, detail, method, target, remote_addr,
			body_bytes, events, received_at) VALUES `
	)
	for _, good := range []string{
		source + `('src_1', 'a', 'ams', x'', 0, 0, 1, 1, 1)`,
		destination + `('dst_1', 'a', 'http', x'75', x'', '{}', 1, 1024, '[]', '', 'active', '', 1, 1, 1, x'', 'none',
			'{}')`,
		event + `(1, 2, 'x', 'p', 1, zeroblob(32), x'', 0)`,
		event + `(2, 2, 'x', NULL, 1, zeroblob(32), x'', 0)`,
		event + `(5, 2, 'x', 'p', 1, zeroblob(32), x'', 7)`,
		event + `(3, 2, 'x', NULL, 1, zeroblob(32), x'', 0)`,
		delivery + `(1, 1, 'pending', 0, 1, zeroblob(4096))`,
		delivery + `(2, 1, 'delivered', 1, NULL, NULL)`,
		attempt + `(1, 1, 1, 1, 200, '', '', NULL)`,
		request + `(1, 2, 'refused', 401, '', '', 'POST', '/', '', 0, 0, 1)`,
		`INSERT INTO requests (n, request_name, outcome, status, reason, detail, method, target, remote_addr,
			body_bytes, events, received_at) VALUES (3, 'medai', 'refused', 404, '', '', 'POST', '/', '', 0, 0, 1)`,
	} {
		if err := s.do(func(c *conn) error { return c.exec(good) }); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		source + `('src_2', 'a', 'ams', x'', 0, 0, 1, 1, 1)`,            // the name is taken
		source + `('src_1', 'b', 'ams', x'', 0, 0, 1, 1, 1)`,            // the id is taken
		source + `('src_2', '', 'ams', x'', 0, 0, 1, 1, 1)`,             // no name
		source + `('src_2', 'b', '', x'', 0, 0, 1, 1, 1)`,               // no provider
		source + `('src_2', 'b', 'ams', NULL, 0, 0, 1, 1, 1)`,           // no settings
		source + `('src_2', 'b', 'ams', 'plain', 0, 0, 1, 1, 1)`,        // text is never sealed
		source + `('src_2', 'b', 'ams', x'', -1, 0, 1, 1, 1)`,           // a negative size
		source + `('src_2', 'b', 'ams', x'', 0, 2, 1, 1, 1)`,            // half disabled
		source + `('src_2', 'b', 'ams', x'', 0, 0, '2026-01-01', 1, 1)`, // a time in words
		destination +
			`('dst_2', 'a', 'http', x'75', x'', '{}', 1, 1, '[]', '', 'active', '', 1, 1, 1, x'', 'none', '{}')`,
		destination + `('dst_2', 'b', '', 'u', x'', '{}', 1, 1, '[]', '', 'active', '', 1, 1, 1, x'', 'none', '{}')`,
		destination +
			`('dst_2', 'b', 'http', x'75', x'', '{}', 0, 1, '[]', '', 'active', '', 1, 1, 1, x'', 'none', '{}')`,
		destination +
			`('dst_2', 'b', 'http', x'75', x'', '{}', 1, 0, '[]', '', 'active', '', 1, 1, 1, x'', 'none', '{}')`,
		destination + `('dst_2', 'b', 'http', x'75', x'', '{}', 1, 1025, '[]', '', 'active', '', 1, 1, 1, x'', 'none',
			'{}')`,
		destination +
			`('dst_2', 'b', 'http', x'75', x'', '{}', 1, 1, '[]', '', 'asleep', '', 1, 1, 1, x'', 'none', '{}')`,
		// no such order
		destination +
			`('dst_2', 'b', 'http', x'75', x'', '{}', 1, 1, '[]', '', 'active', '', 1, 1, 1, x'', 'key', '{}')`,
		// the number is taken
		event + `(1, 2, 'x', NULL, 1, zeroblob(32), x'', 0)`,
		// the source has it
		event + `(4, 2, 'x', 'p', 1, zeroblob(32), x'', 0)`,
		// no type
		event + `(4, 2, '', NULL, 1, zeroblob(32), x'', 0)`,
		// no SHA-256
		event + `(4, 2, 'x', NULL, 1, zeroblob(31), x'', 0)`,
		// no body
		event + `(4, 2, 'x', NULL, 1, zeroblob(32), NULL, 0)`,
		// never received
		event + `(4, 2, 'x', NULL, NULL, zeroblob(32), x'', 0)`,
		// the number is taken
		delivery + `(1, 1, 'delivered', 0, NULL, NULL)`,
		delivery + `(3, 1, 'lost', 0, NULL, NULL)`,
		delivery + `(3, 1, 'pending', 0, NULL, NULL)`, // when?
		delivery + `(3, 1, 'leased', 0, 1, NULL)`,
		delivery + `(3, 1, 'dead', 1, 1, NULL)`,
		delivery + `(3, 1, 'delivered', -1, NULL, NULL)`,
		delivery + `(3, 1, 'delivered', 1, NULL, zeroblob(4097))`,
		attempt + `(1, 1, 1, 1, 200, '', '', NULL)`, // it was made already
		attempt + `(1, 0, 1, 1, 200, '', '', NULL)`,
		attempt + `(1, 2, 1, 1, 200, '', '', zeroblob(4097))`,
		`UPDATE deliveries SET progress = zeroblob(65537) WHERE n = 1`,
		`UPDATE sources SET tenant = printf('%256d', 1)`,
		`UPDATE destinations SET tenant = NULL`,
		request + `(2, 2, 'ignored', 401, '', '', 'POST', '/', '', 0, 0, 1)`,
		`UPDATE deliveries SET state = 'leased' WHERE n = 1`, // and still due
		`INSERT INTO meta (name, value) VALUES ('tag', 'again')`,
	} {
		if err := s.do(func(c *conn) error { return c.exec(bad) }); !errors.Is(err, sqlite3.CONSTRAINT) {
			t.Errorf("%s: %v, want it refused", bad, err)
		}
	}
	if _, err := s.Stats(t.Context()); err != nil || s.Err() != nil {
		t.Errorf("afterwards: %v, %v", err, s.Err())
	}
}

// TestTenantListPlans shows that a list of one tenant scans the rows from the newest down, as a list of all
// does, and sorts nothing.
func TestTenantListPlans(t *testing.T) {
	t.Parallel()
	s := open(t)
	for query, column := range map[string]string{
		selectListedEvent + ` WHERE (src.tenant = 'a' OR src.tenant = '' AND e.tenant = 'a')`: "e",
		selectDelivery + ` WHERE dst.tenant = 'a'`:                                            "d",
		selectRequest + ` WHERE src.tenant = 'a'`:                                             "r",
	} {
		var plan []string
		err := s.read(t.Context(), func(c *conn) error {
			return c.query("EXPLAIN QUERY PLAN "+query+" ORDER BY "+column+".n DESC LIMIT 51", nil,
				func(row *sqlite3.Stmt) error {
					plan = append(plan, row.ColumnText(3))
					return nil
				})
		})
		if err != nil || len(plan) == 0 || plan[0] != "SCAN "+column || slices.Contains(plan,
			"USE TEMP B-TREE FOR ORDER BY") {
			t.Errorf("%s: %q, %v", query, plan, err)
		}
	}
}
