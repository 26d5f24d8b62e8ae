package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// This file keeps what is known of the whole server: its latest backup, where its files are, and whether it is in
// standby. Each is a value in meta, in JSON.

// The names in meta.
const (
	backupName  = "backup"
	standbyName = "standby"
	filesName   = "files"
)

// A storedBackup is the latest backup in meta.
type storedBackup struct {
	At    time.Time `json:"at"`
	Bytes int64     `json:"bytes"`
	To    string    `json:"to"`
}

// LatestBackup returns the backup that was noted last; the zero Backup if none was.
func (s *Store) LatestBackup(ctx context.Context) (b bellhop.Backup, err error) {
	err = s.read(ctx, func(c *conn) error {
		b, err = latestBackup(c)
		return err
	})
	return b, err
}

func latestBackup(c *conn) (bellhop.Backup, error) {
	var b storedBackup
	err := noteOf(c, backupName, &b)
	return bellhop.Backup(b), err
}

// NoteBackup notes a backup, unless a later one is noted.
func (s *Store) NoteBackup(ctx context.Context, b bellhop.Backup) error {
	return s.write(s.noted(ctx, "server", "", "backup noted")(write{
		apply: func(c *conn) error { return noteBackup(c, b) },
	}, nil))
}

func noteBackup(c *conn, b bellhop.Backup) error {
	before, err := latestBackup(c)
	if err != nil || before.At.After(b.At) {
		return err
	}
	return saveNote(c, backupName, storedBackup{b.At.UTC(), b.Bytes, b.To})
}

// A storedFilesPlace is where files are kept, in meta.
type storedFilesPlace struct {
	Folder string `json:"folder,omitempty"`
	Bucket string `json:"bucket,omitempty"`
}

// FilesPlace returns what NoteFilesPlace has noted.
func (s *Store) FilesPlace(ctx context.Context) (bellhop.FilesPlace, error) {
	var place storedFilesPlace
	err := s.read(ctx, func(c *conn) error { return noteOf(c, filesName, &place) })
	return bellhop.FilesPlace(place), err
}

// NoteFilesPlace implements [store.Store]. It writes only what is new.
func (s *Store) NoteFilesPlace(ctx context.Context, place bellhop.FilesPlace) error {
	before, err := s.FilesPlace(ctx)
	if err != nil || before == place {
		return err
	}
	return s.write(write{apply: func(c *conn) error { return saveNote(c, filesName, storedFilesPlace(place)) }}, nil)
}

// FolderFiles returns where the files of the data folder dir of a server that does not run are, and whether it has
// any. The caller holds the folder.
func FolderFiles(ctx context.Context, dir string) (place bellhop.FilesPlace, any bool, err error) {
	err = withFolder(ctx, dir, func(c *conn) error {
		var noted storedFilesPlace
		if err := noteOf(c, filesName, &noted); err != nil {
			return err
		}
		place = bellhop.FilesPlace(noted)
		return c.query("SELECT 1 FROM files WHERE state = 'whole' LIMIT 1", nil, func(*sqlite3.Stmt) error {
			any = true
			return nil
		})
	})
	return place, any, err
}

// A storedStandby is the standby in meta.
type storedStandby struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
}

// Standby returns whether the server is in standby.
func (s *Store) Standby(ctx context.Context) (bellhop.Standby, error) {
	var standby storedStandby
	err := s.read(ctx, func(c *conn) error { return noteOf(c, standbyName, &standby) })
	return bellhop.Standby(standby), err
}

// SetStandby begins a standby, or ends it if standby is the zero Standby.
func (s *Store) SetStandby(ctx context.Context, standby bellhop.Standby) error {
	action := "resumed"
	if standby.Is() {
		action = "put in standby"
	}
	return s.write(s.noted(ctx, "server", "", action)(write{
		apply: func(c *conn) error { return setStandby(c, standby) },
	}, nil))
}

func setStandby(c *conn, standby bellhop.Standby) error {
	if !standby.Is() {
		return c.exec("DELETE FROM meta WHERE name = ?", standbyName)
	}
	return saveNote(c, standbyName, storedStandby{standby.Since.UTC(), standby.Why})
}

// noteOf reads the JSON of a name in meta into v, which stays as it is if there is none.
func noteOf(c *conn, name string, v any) error {
	return c.query("SELECT value FROM meta WHERE name = ?", []any{name}, func(row *sqlite3.Stmt) error {
		if err := json.Unmarshal([]byte(row.ColumnText(0)), v); err != nil {
			return fmt.Errorf("read %s of the store: %w", name, err)
		}
		return nil
	})
}

func saveNote(c *conn, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.exec("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
		name, string(text))
}

// FolderNotes returns what is noted in the data folder dir of a server that may run.
func FolderNotes(ctx context.Context, dir string) (backup bellhop.Backup, standby bellhop.Standby, err error) {
	err = withFolder(ctx, dir, func(c *conn) error {
		var read storedStandby
		err := noteOf(c, standbyName, &read)
		if err != nil {
			return err
		}
		standby = bellhop.Standby(read)
		backup, err = latestBackup(c)
		return err
	})
	return backup, standby, err
}

// NoteBackupOf is [Store.NoteBackup] for the data folder dir of a server that does not run, and runs no migration. The
// caller holds the folder.
func NoteBackupOf(dir string, b bellhop.Backup) error {
	return changeFolder(dir, func(c *conn) error { return noteBackup(c, b) })
}

// SetStandbyOf is [Store.SetStandby] for the data folder dir of a server that does not run, and runs no migration. The
// caller holds the folder.
func SetStandbyOf(dir string, standby bellhop.Standby) error {
	return changeFolder(dir, func(c *conn) error { return setStandby(c, standby) })
}

// changeFolder runs f with a connection that writes to the database in the data folder dir of a server that does not
// run. The caller holds the folder.
func changeFolder(dir string, f func(c *conn) error) error {
	path := filepath.Join(dir, store.FileName)
	registerFileLayer()
	query := url.Values{"mode": {"rw"}, "vfs": {fileLayerName}, "modeof": {path}}
	db, err := sqlite3.Open("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode())
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	c := &conn{db: db, statements: map[string]*sqlite3.Stmt{}}
	err = db.Exec("PRAGMA synchronous = full; PRAGMA fullfsync = on; PRAGMA checkpoint_fullfsync = on;")
	if err == nil {
		_, _, err = checkSchema(c)
	}
	if err == nil {
		err = c.transaction(func() error { return f(c) })
	}
	if err = errors.Join(err, c.close()); err != nil {
		return fmt.Errorf("write to %s: %w", path, err)
	}
	return nil
}
