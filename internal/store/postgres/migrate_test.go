package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/ncruces/go-sqlite3"

	"github.com/bellhop-gateway/bellhop/internal/pgtest"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// TestMigrateAtOnce starts several nodes on an empty database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	const nodes = 4
	stores, errs := make([]*Store, nodes), make([]error, nodes)
	var starting sync.WaitGroup
	for i := range nodes {
		starting.Go(func() {
			stores[i], errs[i] = connect(t.Context(), testOptions(t, database, strconv.Itoa(i)))
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, s := range stores {
		defer s.pool.Close()
		if s.ids.tag != stores[0].ids.tag {
			t.Errorf("the nodes have the tags %s and %s", s.ids.tag, stores[0].ids.tag)
		}
	}
	c := dial(t, database)
	if n := get[int](t, c, "SELECT count(*) FROM nodes"); n != nodes {
		t.Errorf("%d nodes are registered", n)
	}
	if n := get[int](t, c, "SELECT count(DISTINCT slot) FROM nodes WHERE slot BETWEEN 1 AND $1", nodes); n != nodes {
		t.Errorf("the slots of the nodes are not 1 to %d", nodes)
	}
	if n := get[int](t, c, "SELECT count(*) FROM meta WHERE name ~ '^migration '"); n != 2 {
		t.Errorf("%d migrations were made", n)
	}
	// The sources without a URL have the numbers 1 and 2; the next source gets the next one.
	if n := get[int](t, c, `INSERT INTO sources (id, name, provider, settings, max_body_bytes, disabled, created_at,
		updated_at, secrets_at) VALUES ('src_x', 'x', 'generic', '', 0, 0, 0, 0, '{}') RETURNING n`); n != 3 {
		t.Errorf("the first source has the number %d", n)
	}
}

func TestRefusedDatabases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change []string // of a database that was used before; nil is a new one
		before []string // in a new database
		key    byte
		want   string
	}{
		"again": {change: []string{"SELECT 1"}},
		"newer": {change: []string{"UPDATE meta SET value = '3' WHERE name = 'schema'"},
			want: "schema 3, this program knows 2"},
		"other steps": {change: []string{"UPDATE meta SET value = 'x' WHERE name = 'migration 0001_nouns'"},
			want: "unreleased"},
		"another key": {change: []string{"SELECT 1"}, key: 2, want: "another master key"},
		"damaged word": {change: []string{"UPDATE meta SET value = '-' WHERE name = 'word'"},
			want: "another master key"},
		"of something else": {before: []string{"CREATE TABLE customers ()", "CREATE TABLE orders ()"},
			want: "tables of something else (customers, orders)"},
		"with its own meta": {before: []string{"CREATE TABLE meta (x int)", "CREATE TABLE sources ()"},
			want: "something else"},
		"with an extension": {before: []string{"CREATE EXTENSION citext"}},
		"no schema":         {before: []string{"DROP SCHEMA public"}, want: "search_path names no schema"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewDatabase(t)
			run(t, database, c.before...)
			if c.change != nil {
				open(t, testOptions(t, database, "before"))
				run(t, database, c.change...)
			}
			opts := testOptions(t, database, "a")
			if c.key != 0 {
				opts.Keys = testKeys(t, c.key)
			}
			s, err := connect(t.Context(), opts)
			if err == nil {
				s.pool.Close()
			}
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestMigrationFails checks that a step is made whole or not at all, and that a later start goes on.
func TestMigrationFails(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	c := dial(t, database)
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	broken := append(slices.Clone(all), migration{3, "0003_broken", "CREATE TABLE half (); SELECT 1 / 0"})
	err = migrateTo(t.Context(), c, broken, testKeys(t, 1), rand.Reader)
	if err == nil || !strings.Contains(err.Error(), "migration 0003_broken") {
		t.Fatalf("the error is %v", err)
	}
	if version, err := schemaVersion(t.Context(), c); err != nil || version != 2 {
		t.Errorf("the schema is %d, %v", version, err)
	}
	if get[int](t, c, "SELECT count(*) FROM pg_class WHERE relname = 'half'") != 0 {
		t.Error("half of a step was made")
	}
	mended := append(slices.Clone(all), migration{3, "0003_mended", "CREATE TABLE whole ()"})
	if err := migrateTo(t.Context(), c, mended, testKeys(t, 1), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, testKeys(t, 1), rand.Reader); err == nil ||
		!strings.Contains(err.Error(), "use the newer bellhop") {
		t.Errorf("the older program says %v", err)
	}
}

// apart are the tables of SQLite whose rows look different here.
var apart = []string{"events", "deliveries", "attempts", "requests"}

// TestColumns compares the tables of nouns with those of SQLite: statements are shared. Columns that are only here
// have a default.
func TestColumns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	local, err := sqlite.Open(sqlite.Options{Dir: dir, Options: store.Options{Keys: testKeys(t, 1), Now: time.Now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := local.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite3.Open("file:" + filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	types := map[string]string{"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea", "REAL": "double precision"}
	want := map[string]string{} // by table and column: the type, and whether it may be NULL
	stmt, _, err := db.Prepare(`SELECT m.name, c.name, c.type, c."notnull" OR c.pk > 0 FROM sqlite_schema m
		JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	for stmt.Step() {
		if table := stmt.ColumnText(0); !slices.Contains(apart, table) {
			want[table+"."+stmt.ColumnText(1)] = describe(types[stmt.ColumnText(2)], stmt.ColumnBool(3))
		}
	}
	if err := errors.Join(stmt.Err(), stmt.Close()); err != nil {
		t.Fatal(err)
	}
	if len(want) < 100 {
		t.Fatalf("SQLite has only %d columns", len(want))
	}
	var wantIndexes []string
	stmt, _, err = db.Prepare(`SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	for stmt.Step() {
		if !slices.Contains(apart, stmt.ColumnText(1)) {
			wantIndexes = append(wantIndexes, stmt.ColumnText(0))
		}
	}
	if err := errors.Join(stmt.Err(), stmt.Close()); err != nil {
		t.Fatal(err)
	}

	database := pgtest.NewDatabase(t)
	open(t, testOptions(t, database, "a"))
	c := dial(t, database)
	rows, err := c.Query(t.Context(), `SELECT table_name::text, column_name::text, data_type::text,
		is_nullable = 'NO', column_default IS NOT NULL OR is_identity = 'YES'
		FROM information_schema.columns WHERE table_schema = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	var table, column, typ string
	var notNull, filled bool
	tables := map[string]bool{}
	for name := range want {
		table, _, _ := strings.Cut(name, ".")
		tables[table] = true
	}
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &typ, &notNull, &filled}, func() error {
		name := table + "." + column
		expected, shared := want[name]
		delete(want, name)
		switch {
		case shared && expected != describe(typ, notNull):
			t.Errorf("%s is %s, and %s in SQLite", name, describe(typ, notNull), expected)
		case !shared && tables[table] && notNull && !filled:
			t.Errorf("%s is only here, and has no default", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is only in SQLite", name)
	}
	for _, name := range wantIndexes {
		if get[int](t, c, "SELECT count(*) FROM pg_indexes WHERE indexname = $1", name) != 1 {
			t.Errorf("the index %s is only in SQLite", name)
		}
	}
}

func describe(typ string, notNull bool) string {
	if notNull {
		return typ + " NOT NULL"
	}
	return typ
}

func TestMigrateEnds(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	c, holder := dial(t, database), dial(t, database)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if err := lock(t.Context(), tx, lockMigrate); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := migrate(ctx, c, testKeys(t, 1), rand.Reader); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another node migrates, the error is %v", err)
	}
}
