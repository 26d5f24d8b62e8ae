package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Check reads the whole database in the data folder dir of a server that does not run, and returns what SQLite finds
// damaged; "" if it finds nothing. It writes nothing. An error says that the database cannot be read, or is that of
// ctx. The caller holds the folder.
func Check(ctx context.Context, dir string) (damage string, err error) {
	return check(ctx, dir, "PRAGMA quick_check(5)")
}

// CheckWhole is Check that compares the indexes with the tables too, which takes several times as long.
func CheckWhole(ctx context.Context, dir string) (damage string, err error) {
	return check(ctx, dir, "PRAGMA integrity_check(5)")
}

func check(ctx context.Context, dir, pragma string) (damage string, err error) {
	path := filepath.Join(dir, store.FileName)
	var found []string
	err = withFolder(ctx, dir, func(c *conn) error {
		_, _, err := checkSchema(c)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		err = c.query(pragma, nil, func(row *sqlite3.Stmt) error {
			if text := row.ColumnText(0); text != "ok" {
				found = append(found, text)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return strings.Join(found, "; "), nil
}

// A Schema says how a database and this program fit together.
type Schema struct {
	Version int      // of the database; 0 of an empty one
	Known   int      // the newest that this program knows
	Missing []string // the migrations that this program would run, by their names, in order
	Tag     string   // which makes the ids of this store its own
}

// ReadSchema returns the schema of the database in the data folder dir. A server may run there: nothing is changed.
// The error says why this program cannot open the database.
func ReadSchema(ctx context.Context, dir string) (schema Schema, err error) {
	err = withFolder(ctx, dir, func(c *conn) error {
		all, version, err := checkSchema(c)
		schema.Version = version
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, store.FileName), err)
		}
		for _, m := range all {
			schema.Known = m.version
			if m.version > version {
				schema.Missing = append(schema.Missing, m.name)
			}
		}
		if version == 0 {
			return nil
		}
		return c.query("SELECT value FROM meta WHERE name = 'tag'", nil, func(row *sqlite3.Stmt) error {
			schema.Tag = row.ColumnText(0)
			return nil
		})
	})
	return schema, err
}
