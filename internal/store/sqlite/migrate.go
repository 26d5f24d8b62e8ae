package sqlite

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration brings the schema from the previous version to its own. Migrations go forward only, each in one
// transaction.
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
		name := strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".sql")
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

// migrate brings the schema up to date. It refuses a database that a newer version of the program has written.
func migrate(c *conn, random io.Reader) error {
	all, version, err := checkSchema(c)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.version <= version {
			continue
		}
		err := c.transaction(func() error {
			if err := c.db.Exec(m.sql); err != nil {
				return err
			}
			if m.version == 1 {
				if err := fillMeta(c, random); err != nil {
					return err
				}
			}
			if err := c.exec("INSERT INTO meta (name, value) VALUES (?, ?)", madeBy(m), fingerprint(m)); err != nil {
				return err
			}
			return c.db.Exec("PRAGMA user_version = " + strconv.Itoa(m.version))
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// checkMade returns an error unless the database was made by exactly these migrations. Before the first release
// they are changed in place, and a folder made before such a change cannot be used any more.
func checkMade(c *conn, applied []migration) error {
	for _, m := range applied {
		made := ""
		err := c.query("SELECT value FROM meta WHERE name = ?", []any{madeBy(m)}, func(row *sqlite3.Stmt) error {
			made = row.ColumnText(0)
			return nil
		})
		if err != nil {
			return err
		}
		if made != fingerprint(m) {
			return fmt.Errorf("the database was made by an unreleased bellhop with another schema (migration %s): "+
				"use that one, or a new data folder", m.name)
		}
	}
	return nil
}

// madeBy is the name in meta under which the fingerprint of a migration is stored.
func madeBy(m migration) string { return "migration " + m.name }

func fingerprint(m migration) string {
	sum := sha256.Sum256([]byte(m.sql))
	return hex.EncodeToString(sum[:])
}

// fillMeta gives a new store its tag, which makes its ids differ from those of other stores, and the two
// sources without a URL.
func fillMeta(c *conn, random io.Reader) error {
	tag := store.NewTag(random)
	if err := c.exec("INSERT INTO meta (name, value) VALUES ('tag', ?), ('probed_at', '')", tag); err != nil {
		return err
	}
	return c.exec(`INSERT INTO sources (n, id, name, provider, settings, max_body_bytes, disabled, created_at,
		updated_at, secrets_at)
		VALUES (1, ?, ?, 'api', x'', 0, 0, 0, 0, '{}'), (2, ?, ?, 'bellhop', x'', 0, 0, 0, 0, '{}')`,
		bellhop.SourceAPIID, bellhop.SourceAPI, bellhop.SourceSelfID, bellhop.SourceSelf)
}

// checkSchema returns the migrations and the version of a database, or an error if this program cannot read it.
func checkSchema(c *conn) (all []migration, version int, err error) {
	all, err = migrations()
	if err != nil {
		return nil, 0, err
	}
	version, err = schemaVersion(c)
	if err != nil {
		return nil, 0, err
	}
	if newest := all[len(all)-1].version; version > newest {
		return nil, 0, fmt.Errorf("the database has schema %d, this program knows %d: use the newer bellhop that "+
			"wrote it", version, newest)
	}
	if version > 0 {
		err = checkMade(c, all[:version])
	}
	return all, version, err
}

func schemaVersion(c *conn) (version int, err error) {
	err = c.query("PRAGMA user_version", nil, func(s *sqlite3.Stmt) error {
		version = s.ColumnInt(0)
		return nil
	})
	return version, err
}

// KnownSchema returns the newest schema that this program knows.
func KnownSchema() (int, error) {
	all, err := migrations()
	if err != nil {
		return 0, err
	}
	return all[len(all)-1].version, nil
}
