package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// A copy of the database is made while it is written to, by SQLite's backup. The writer's own connection makes it, in
// steps between its transactions: SQLite then puts each later change of a page that was copied into the copy too, so
// that the copy is what was on disk at its end, and never begins anew. A reader that saw one state for as long would
// keep the log from being emptied, and the checkpoint that follows would hold up all events.
const (
	copyStep  = 64                   // pages of one step: 512 KiB
	copyPause = 2 * time.Millisecond // between steps
)

// CopyTo writes a copy of the database into a new file at path, for its owner alone, and tells progress how many bytes
// of all are copied. Everything that was on disk when CopyTo began is in the copy. The file is not synced. One copy is
// made at a time: a second one is a conflict. After an error there is no file.
func (s *Store) CopyTo(ctx context.Context, path string, progress func(done, all int64)) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	err = f.Close()
	began := false
	if err == nil {
		err = s.writer.atRest(ctx, func() (err error) {
			if s.writer.copying != nil {
				return store.ErrCopying
			}
			s.writer.copying, err = beginCopy(s.writer.c, path)
			began = err == nil
			return err
		})
	}
	for done := false; err == nil && !done; {
		var left, pages int
		err = s.writer.atRest(ctx, func() (err error) {
			b := s.writer.copying
			done, err = b.Step(copyStep)
			left, pages = b.Remaining(), b.PageCount()
			return err
		})
		if err == nil && progress != nil {
			progress(int64(pages-left)*copiedPage, int64(pages)*copiedPage)
		}
		if err == nil && !done && !pause(ctx, copyPause) {
			err = ctx.Err()
		}
	}
	if began {
		err = errors.Join(err, s.writer.atRest(context.WithoutCancel(ctx), func() error {
			b := s.writer.copying
			s.writer.copying = nil
			return b.Close()
		}))
	}
	if err != nil {
		return fmt.Errorf("copy the database: %w", errors.Join(err, removeCopy(path)))
	}
	return nil
}

// copiedPage is the size of a page of the database.
const copiedPage = 8192

// removeCopy removes a copy that failed, with the journal that SQLite made for it.
func removeCopy(path string) error {
	err := os.Remove(path + "-journal")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(path))
}

func beginCopy(c *conn, path string) (*sqlite3.Backup, error) {
	query := url.Values{"vfs": {copyLayerName}, "modeof": {path}}
	return c.db.BackupInit("main", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
}

// atRest runs f in the goroutine of the writer, between two transactions, and returns its error. f may use the
// connection and the fields of the writer. Once the store is closing or has failed, f is not run. If ctx ends before f
// begins, it is not run either.
func (w *writer) atRest(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	run := func() {
		if err := w.store.Err(); err != nil {
			result <- err
			return
		}
		result <- f()
	}
	select {
	case w.between <- run:
		return <-result
	case <-w.finished:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CopyFolder is [Store.CopyTo] for the database in the data folder dir of a server that does not run. It changes
// nothing there. The caller holds the folder.
func CopyFolder(ctx context.Context, dir, path string) (err error) {
	registerFileLayer()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	err = withFolder(ctx, dir, func(c *conn) error {
		b, err := beginCopy(c, path)
		if err != nil {
			return err
		}
		for done := false; err == nil && !done; {
			done, err = b.Step(16 * copyStep)
			if err == nil {
				err = ctx.Err()
			}
		}
		return errors.Join(err, b.Close())
	})
	if err != nil {
		return fmt.Errorf("copy the database: %w", errors.Join(err, removeCopy(path)))
	}
	return nil
}

// withFolder runs f with a connection that reads the database in the data folder dir of a server that does not run.
// It writes nothing. The caller holds the folder.
func withFolder(ctx context.Context, dir string, f func(c *conn) error) (err error) {
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
			return fmt.Errorf("read the log of %s: %w", path, err)
		}
	}
	db, err := sqlite3.Open("file:" + (&url.URL{Path: path}).EscapedPath() + query)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	c := &conn{db: db, statements: map[string]*sqlite3.Stmt{}}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		return err
	}
	db.SetInterrupt(ctx)
	defer db.SetInterrupt(context.Background())
	return f(c)
}
