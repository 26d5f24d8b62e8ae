package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// tables is the schema of the store as SQLite has it.
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

// After a clean stop one file is everything, so that a copy of it is a backup.
func TestCloseLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir)
	populate(t, s)
	if _, err := s.Stats(t.Context()); err != nil { // which leaves a reader idle
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

// A program that is too old touches nothing.
func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir)
	populate(t, s)
	if err := errors.Join(s.do(func(c *conn) error { return c.db.Exec("PRAGMA user_version = 999") }), s.Close()); err != nil {
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
