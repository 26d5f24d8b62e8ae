package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// minVersion is the first release of SQLite without a known way to lose a commit in WAL mode.
const minVersion = "3.51.3"

// checkLibrary returns an error if the SQLite within the program is too old.
var checkLibrary = sync.OnceValue(func() error {
	c, err := sqlite3.Open(":memory:")
	if err != nil {
		return err
	}
	defer c.Close()
	stmt, _, err := c.Prepare("SELECT sqlite_version()")
	if err != nil {
		return err
	}
	defer stmt.Close()
	if !stmt.Step() {
		return stmt.Err()
	}
	if got := stmt.ColumnText(0); olderVersion(got, minVersion) {
		return fmt.Errorf("SQLite %s is too old: at least %s is needed", got, minVersion)
	}
	return nil
})

func olderVersion(a, b string) bool {
	var x, y [3]int
	fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

type mode string

const (
	writing mode = "rwc"
	reading mode = "ro"
)

// connect opens a connection. Pages are 8 KiB: a commit then writes a tenth less than with 4 KiB.
func (s *Store) connect(m mode) (*conn, error) {
	query := url.Values{"mode": {string(m)}, "vfs": {fileLayerName}, "modeof": {s.path}}
	if s.opts.fileLayer != "" {
		query.Set("vfs", s.opts.fileLayer)
	}
	durability := "full"
	if s.opts.sync != "" {
		durability = s.opts.sync
	}
	if m == writing && durability == "full" {
		query.Set(gatherParameter, "1")
	}
	db, err := sqlite3.Open("file:" + (&url.URL{Path: s.path}).EscapedPath() + "?" +
		strings.ReplaceAll(query.Encode(), "+", "%20")) // SQLite does not read + as a blank
	if err != nil {
		return nil, err
	}
	c := &conn{db: db, statements: map[string]*sqlite3.Stmt{}}
	pragmas := "PRAGMA busy_timeout = 1000; PRAGMA temp_store = memory; PRAGMA trusted_schema = off; " +
		"PRAGMA cell_size_check = on;"
	if m == writing {
		if info, err := os.Stat(s.path); err != nil || info.Size() == 0 {
			// Only before the first table is made; later auto_vacuum would write to the file. It writes the first
			// page, so the size of pages goes before it. giveBackSpace relies on it.
			pragmas += "PRAGMA page_size = 8192; PRAGMA auto_vacuum = incremental;"
		}
		pragmas += "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;" +
			// for macOS, whose plain sync stops at the drive's cache
			"PRAGMA fullfsync = on; PRAGMA checkpoint_fullfsync = on;" +
			"PRAGMA cache_size = -16384; PRAGMA synchronous = " + durability + ";"
	} else {
		pragmas += "PRAGMA cache_size = -4096; PRAGMA query_only = on;"
	}
	err = db.Exec(pragmas)
	if err == nil && m == reading { // the writer's connection alone moves the log and removes it: see closeConn
		_, err = db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

// A conn is one connection and the statements prepared on it. It belongs to one goroutine at a time.
type conn struct {
	db         *sqlite3.Conn
	statements map[string]*sqlite3.Stmt
}

func (c *conn) close() error {
	for _, s := range c.statements {
		s.Close()
	}
	return c.db.Close()
}

// prepare returns the statement for sql. A connection prepares each statement once.
func (c *conn) prepare(sql string) (*sqlite3.Stmt, error) {
	if s := c.statements[sql]; s != nil {
		return s, nil
	}
	s, rest, err := c.db.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(rest) != "" {
		return nil, errors.Join(fmt.Errorf("more than one statement: %s", sql), s.Close())
	}
	c.statements[sql] = s
	return s, nil
}

// exec runs one statement.
func (c *conn) exec(sql string, args ...any) error {
	return c.query(sql, args, nil)
}

// query runs one statement and calls row for each row of its result.
func (c *conn) query(sql string, args []any, row func(*sqlite3.Stmt) error) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	for i, arg := range args {
		if err := bind(s, i+1, arg); err != nil {
			return err
		}
	}
	for s.Step() {
		if row == nil {
			continue
		}
		if err := row(s); err != nil {
			return errors.Join(err, s.Reset())
		}
	}
	return errors.Join(s.Err(), s.Reset())
}

// exists reports whether the query has a row.
func (c *conn) exists(sql string, args ...any) (found bool, err error) {
	err = c.query(sql, args, func(*sqlite3.Stmt) error {
		found = true
		return nil
	})
	return found, err
}

// number runs a query whose one row has one number.
func (c *conn) number(sql string, args ...any) (n int64, err error) {
	err = c.query(sql, args, func(row *sqlite3.Stmt) error {
		n = row.ColumnInt64(0)
		return nil
	})
	return n, err
}

// transaction runs work in a transaction of its own. The writer has one of its own kind; this one is for migrations.
func (c *conn) transaction(work func() error) error {
	if err := c.db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := work()
	if err == nil {
		err = c.db.Exec("COMMIT")
	}
	if err != nil && !c.db.GetAutocommit() {
		err = errors.Join(err, c.db.Exec("ROLLBACK"))
	}
	return err
}

func bind(s *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return s.BindNull(i)
	case int:
		return s.BindInt64(i, int64(v))
	case float64:
		return s.BindFloat(i, v)
	case int64:
		return s.BindInt64(i, v)
	case bool:
		return s.BindBool(i, v)
	case string:
		return s.BindText(i, v)
	case []byte:
		return s.BindBlob(i, v)
	case time.Duration:
		return s.BindInt64(i, int64(v))
	case time.Time:
		if v.IsZero() {
			return s.BindNull(i)
		}
		return s.BindInt64(i, v.UnixMicro())
	}
	return fmt.Errorf("store: cannot bind a %T", arg)
}

// The following bind without an interface value, which would be allocated: they are for the statements of each event.

// bindText binds text, or NULL if it is empty.
func bindText(s *sqlite3.Stmt, i int, text string) {
	if text == "" {
		s.BindNull(i)
	} else {
		s.BindText(i, text)
	}
}

// bindBlob binds b, or NULL if it is empty.
func bindBlob(s *sqlite3.Stmt, i int, b []byte) {
	if len(b) == 0 {
		s.BindNull(i)
	} else {
		s.BindBlob(i, b)
	}
}

// bindNumber binds n, or NULL if it is zero.
func bindNumber(s *sqlite3.Stmt, i int, n int64) {
	if n == 0 {
		s.BindNull(i)
	} else {
		s.BindInt64(i, n)
	}
}

// bindTime binds t in microseconds, or NULL if it is zero.
func bindTime(s *sqlite3.Stmt, i int, t time.Time) {
	if t.IsZero() {
		s.BindNull(i)
	} else {
		s.BindInt64(i, t.UnixMicro())
	}
}

// timeAt reads a time column; NULL is the zero time.
func timeAt(s *sqlite3.Stmt, col int) time.Time {
	if s.ColumnType(col) == sqlite3.NULL {
		return time.Time{}
	}
	return time.UnixMicro(s.ColumnInt64(col)).UTC()
}

// isFull reports whether err means that the disk, or a quota on it, is full.
func isFull(err error) bool { return errors.Is(err, sqlite3.FULL) }

// isBusy reports whether err means that another program holds the database; this one never holds it twice.
func isBusy(err error) bool { return errors.Is(err, sqlite3.BUSY) }

// isTaken reports whether err means that a unique value exists already.
func isTaken(err error) bool { return errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) }

// isDamaged reports whether a read failed because of the file, and not because a resource was short or another
// program interfered.
func isDamaged(err error) bool {
	return errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) ||
		errors.Is(err, sqlite3.IOERR) && !errors.Is(err, sqlite3.IOERR_NOMEM)
}

// isFailure reports whether err means that the file can no longer be trusted: the pages that the system holds
// and the pages on disk may differ, and another try would hide that.
func isFailure(err error) bool {
	for _, code := range []sqlite3.ErrorCode{sqlite3.IOERR, sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.READONLY,
		sqlite3.CANTOPEN, sqlite3.PROTOCOL} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
