package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration brings the schema from the previous version to its own. Migrations go forward only, each in one
// transaction. They only add: nodes of the version before work on.
type migration struct {
	version int
	name    string
	sql     string
}

func migrations() ([]migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must begin with its number", name)
		}
		sql, err := migrationFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version, name, string(sql)})
	}
	slices.SortFunc(all, func(a, b migration) int { return cmp.Compare(a.version, b.version) })
	return all, nil
}

// The advisory locks of this database, which end with their transaction. All are of one class.
const (
	lockClass      = 0x62656c6c // "bell"
	lockMigrate    = 1
	lockPartitions = 2
	lockRegister   = 3
)

// lock takes an advisory lock until the end of tx.
func lock(ctx context.Context, tx pgx.Tx, which int) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, which)
	return err
}

// migrate brings the schema up to date. Of several nodes that start at once one makes each step, and the others wait
// for it. A database that a newer version of the program has changed is refused, and one with tables of something
// else.
func migrate(ctx context.Context, c *pgx.Conn, keys store.KeyRing, random io.Reader) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return migrateTo(ctx, c, all, keys, random)
}

func migrateTo(ctx context.Context, c *pgx.Conn, all []migration, keys store.KeyRing, random io.Reader) error {
	version, err := checkSchema(ctx, c, all)
	for err == nil && version < len(all) {
		m := all[version]
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if err := lock(ctx, tx, lockMigrate); err != nil {
				return err
			}
			if version, err = schemaVersion(ctx, tx); err != nil || version >= m.version {
				return err // another node was faster
			}
			return m.apply(ctx, tx, keys, random)
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		version, err = checkSchema(ctx, c, all)
	}
	return err
}

// apply makes the step. A statement may take longer than an administrator allows others.
func (m migration) apply(ctx context.Context, tx pgx.Tx, keys store.KeyRing, random io.Reader) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, m.sql); err != nil {
		return err
	}
	if m.version == 1 {
		if err := fillMeta(ctx, tx, keys, random); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2), ('schema', $3)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, madeBy(m), fingerprint(m), strconv.Itoa(m.version))
	return err
}

// checkSchema returns the version of the schema, or an error if this program cannot use it.
func checkSchema(ctx context.Context, c *pgx.Conn, all []migration) (version int, err error) {
	if version, err = schemaVersion(ctx, c); err != nil {
		return 0, err
	}
	if version > len(all) {
		return 0, fmt.Errorf("it has schema %d, this program knows %d: use the newer bellhop that wrote it", version,
			len(all))
	}
	for _, m := range all[:version] {
		made := ""
		err := c.QueryRow(ctx, "SELECT value FROM meta WHERE name = $1", madeBy(m)).Scan(&made)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return 0, err
		}
		if made != fingerprint(m) {
			return 0, fmt.Errorf("it was made by an unreleased bellhop with another schema (migration %s): use that "+
				"one, or a new database", m.name)
		}
	}
	return version, nil
}

// schemaVersion returns the version of the schema, 0 for an empty database. A database with tables, but not ours, is
// an error.
func schemaVersion(ctx context.Context, q querier) (version int, err error) {
	tables, err := tables(ctx, q)
	if err != nil || len(tables) == 0 {
		return 0, err
	}
	if slices.Contains(tables, "meta") && slices.Contains(tables, "sources") {
		err = q.QueryRow(ctx, "SELECT value::int FROM meta WHERE name = 'schema'").Scan(&version)
		if err == nil && version > 0 {
			return version, nil
		}
	}
	if len(tables) > 3 {
		tables = append(tables[:3], "…")
	}
	return 0, fmt.Errorf("it has tables of something else (%s): create a database for bellhop alone",
		strings.Join(tables, ", "))
}

// tables returns the tables where ours are, or would be, except those of extensions.
func tables(ctx context.Context, q querier) ([]string, error) {
	var schema *string
	if err := q.QueryRow(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return nil, err
	}
	if schema == nil {
		return nil, errors.New("search_path names no schema that exists: CREATE SCHEMA public, or give the user " +
			"another search_path")
	}
	rows, err := q.Query(ctx, `SELECT relname::text FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition
		AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY relname`, *schema)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// A querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// madeBy is the name in meta under which the fingerprint of a migration is stored.
func madeBy(m migration) string { return "migration " + m.name }

func fingerprint(m migration) string {
	sum := sha256.Sum256([]byte(m.sql))
	return hex.EncodeToString(sum[:])
}

// sealedRow is what the sealed word of meta belongs to.
const sealedRow = "the database"

// fillMeta gives a new database its tag, which makes its ids differ from those of other stores, a word that only
// nodes with its master key can open, and the two sources without a URL.
func fillMeta(ctx context.Context, tx pgx.Tx, keys store.KeyRing, random io.Reader) error {
	tag := store.NewTag(random)
	word, err := keys.Seal([]byte(tag), sealedRow, random)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES ('tag', $1), ('word', $2), ('config', '0')`, tag,
		base64.StdEncoding.EncodeToString(word))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sources (n, id, name, provider, settings, max_body_bytes, disabled, created_at,
		updated_at, secrets_at)
		VALUES (1, $1, $2, 'api', '', 0, 0, 0, 0, '{}'), (2, $3, $4, 'bellhop', '', 0, 0, 0, 0, '{}')`,
		bellhop.SourceAPIID, bellhop.SourceAPI, bellhop.SourceSelfID, bellhop.SourceSelf)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "ALTER TABLE sources ALTER COLUMN n RESTART WITH 3")
	return err
}

// readMeta returns the ids of the store. It refuses a database whose secrets the master keys do not open.
func readMeta(ctx context.Context, q querier, keys store.KeyRing) (ids, error) {
	var tag, word string
	err := q.QueryRow(ctx, `SELECT (SELECT value FROM meta WHERE name = 'tag'),
		(SELECT value FROM meta WHERE name = 'word')`).Scan(&tag, &word)
	if err != nil {
		return ids{}, fmt.Errorf("read meta: %w", err)
	}
	sealed, err := base64.StdEncoding.DecodeString(word)
	var opened []byte
	if err == nil {
		opened, err = keys.Open(sealed, sealedRow)
	}
	if err == nil && string(opened) != tag {
		err = errors.New("damaged")
	}
	if err != nil {
		return ids{}, fmt.Errorf("it belongs to a bellhop with another master key, and all nodes need the same: %w",
			err)
	}
	return newIDs(tag)
}
