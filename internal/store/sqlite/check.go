package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Check reads the whole database in the data folder dir of a server that does not run, and returns what SQLite finds
// damaged; "" if it finds nothing. It writes nothing. An error says that the database cannot be read, or is that of
// ctx. The caller holds the folder.
func Check(ctx context.Context, dir string) (damage string, err error) {
	path := filepath.Join(dir, store.FileName)
	query := "?mode=ro&immutable=1" // SQLite then needs no further file, and makes none
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		query = "?mode=ro" // a crash left a log, which has to be read too
		// SQLite needs this file too, and would make it for all to read.
		f, err := os.OpenFile(path+"-shm", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			defer os.Remove(f.Name())
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("read the log of %s: %w", path, err)
		}
	}
	db, err := sqlite3.Open("file:" + (&url.URL{Path: path}).EscapedPath() + query)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, err)
	}
	c := &conn{db: db, statements: map[string]*sqlite3.Stmt{}}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		return "", err
	}
	db.SetInterrupt(ctx)
	defer db.SetInterrupt(context.Background())
	_, _, err = checkSchema(c)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	var found []string
	err = c.query("PRAGMA quick_check(5)", nil, func(row *sqlite3.Stmt) error {
		if text := row.ColumnText(0); text != "ok" {
			found = append(found, text)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return strings.Join(found, "; "), nil
}
