package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// A Restored says what a restore has made.
type Restored struct {
	backup.Manifest
	Bytes int64 // of all that was unpacked
	Kept  int   // files that actions keep
}

// restoreFolder is where an archive is unpacked and checked, within the new data folder: on one disk with it.
const restoreFolder = "restore.tmp"

// Restore makes the data folder dir of the archive that r reads. It unpacks the whole archive beside, checks
// everything there, and only then moves it to its place. So after an error there is nothing: not even dir, if
// Restore made it. The new server is in standby, because the original may still run. masterKey is the content of
// the key file for an archive without keys; nil is that of the archive. The caller closes r.
func Restore(ctx context.Context, dir string, r io.Reader, masterKey []byte) (done Restored, err error) {
	if datadir.InUse(dir) {
		return done, fmt.Errorf("a server runs in %s: restore into a new folder", dir)
	}
	if err := checkEmpty(dir); err != nil {
		return done, err
	}
	made := missingFolders(dir)
	folder, err := datadir.Open(dir)
	if err != nil {
		return done, err
	}
	work := filepath.Join(dir, restoreFolder)
	if err := os.RemoveAll(work); err != nil { // of a restore that was killed
		return done, errors.Join(fmt.Errorf("remove what an interrupted restore has left: %w", err), folder.Close())
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(work), folder.Close())
		if err == nil || len(made) == 0 {
			return
		}
		err = errors.Join(err, os.RemoveAll(dir)) // which this call has made, and which has nothing but the lock
		for _, parent := range made[1:] {
			os.Remove(parent) // it stays if somebody has put something there
		}
	}()
	if err := os.Mkdir(work, 0o700); err != nil {
		return done, fmt.Errorf("unpack the backup: %w", err)
	}
	if done, err = unpack(ctx, work, r, masterKey); err != nil {
		return done, err
	}
	if err = checkUnpacked(ctx, work, done.Manifest); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = datadir.HandOver(dir)
	}
	if err != nil {
		return done, err
	}
	return done, moveUp(work, dir)
}

// missingFolders returns dir and its parents that are not there, from dir on.
func missingFolders(dir string) (missing []string) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing = append(missing, at)
	}
}

// checkInterrupted returns an error for the data folder dir if a restore into it was killed: a server would begin anew
// there. The database is moved last; with it, everything is at its place, and what is left is an empty folder.
func checkInterrupted(dir string) error {
	work := filepath.Join(dir, restoreFolder)
	if _, err := os.Lstat(work); err != nil {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(dir, store.FileName)); err == nil {
		os.Remove(work)
		return nil
	}
	return fmt.Errorf("a restore into %s was interrupted, and nothing is there yet: run 'bellhop restore' again, or "+
		"remove %s to begin with an empty folder", dir, work)
}

// checkEmpty returns an error unless dir is empty or not there. The lock of a server that has ended does not count,
// nor does what a restore that was killed has left.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); err == nil {
			return fmt.Errorf("%s is a symlink to nothing: remove it, or name the folder itself", dir)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Lstat(filepath.Join(dir, restoreFolder)); err == nil && e.Name() != store.FileName &&
			e.Name() != "lock" && e.Name() != restoreFolder {
			return fmt.Errorf("%s has %s and %s, as after a restore that was interrupted: empty the folder if "+
				"nothing else is in it, and restore again", dir, e.Name(), restoreFolder)
		}
		if e.Name() != "lock" && e.Name() != restoreFolder {
			return fmt.Errorf("%s is not empty: it has %s; restore into a new folder, and nothing is overwritten", dir,
				e.Name())
		}
	}
	return nil
}

// unpack unpacks an archive into the folder work.
func unpack(ctx context.Context, work string, r io.Reader, masterKey []byte) (done Restored, err error) {
	known, err := sqlite.KnownSchema()
	if err != nil {
		return done, err
	}
	check := func(m backup.Manifest) error {
		switch {
		case m.Schema > known:
			return fmt.Errorf("it has schema %d, written by Bellhop %s, and this program knows %d: restore it with "+
				"that version, or a later one", m.Schema, m.Bellhop, known)
		case !m.Keys && masterKey == nil:
			return errors.New("it was taken without keys: name the file with the master key of its server with " +
				"--master-key")
		case m.Keys && masterKey != nil:
			return errors.New("it has the master key of its server: leave out --master-key")
		}
		return nil
	}
	done.Manifest, err = backup.Extract(ctx, r, check, func(name string, size int64) (io.WriteCloser, error) {
		switch kept, isFile := strings.CutPrefix(name, backup.FilesPrefix); {
		case isFile:
			if err := blob.CheckName(kept); err != nil {
				return nil, fmt.Errorf("it has the file %q, which cannot be kept: %w", kept, err)
			}
			done.Kept++
		case name != store.FileName && name != datadir.MasterKeyFile && name != datadir.AdminKeyFile:
			return nil, fmt.Errorf("it has %q, which no Bellhop of this version puts into a backup", name)
		}
		done.Bytes += size
		return createIn(work, name)
	})
	switch {
	case errors.Is(err, backup.ErrShort), errors.Is(err, backup.ErrChanged), errors.Is(err, backup.ErrLonger):
		return done, fmt.Errorf("the backup cannot be restored: %w: use another copy of it, or an older backup", err)
	case err != nil:
		return done, fmt.Errorf("the backup cannot be restored: %w", err)
	}
	if masterKey != nil {
		err = os.WriteFile(filepath.Join(work, datadir.MasterKeyFile), masterKey, 0o600)
	}
	for _, name := range []string{store.FileName, datadir.MasterKeyFile} {
		if _, statErr := os.Stat(filepath.Join(work, name)); err == nil && statErr != nil {
			err = fmt.Errorf("the backup cannot be restored: it has no %s", name)
		}
	}
	return done, err
}

// createIn creates the file of a member, for its owner alone. Close syncs it.
func createIn(work, name string) (io.WriteCloser, error) {
	path := filepath.Join(work, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return syncedFile{f}, nil
}

type syncedFile struct{ *os.File }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// checkUnpacked checks the database in the folder work, brings it to the schema of this program, and puts it in
// standby.
func checkUnpacked(ctx context.Context, work string, m backup.Manifest) error {
	fault := func(err error) error {
		// SQLite tells the same twice, and the folder is gone once a person reads it.
		text, _, _ := strings.Cut(err.Error(), "\n")
		text = strings.ReplaceAll(text, work+string(filepath.Separator), "")
		return errors.New("the backup cannot be restored: " + text)
	}
	schema, err := sqlite.ReadSchema(ctx, work)
	switch {
	case err != nil:
		return fault(fmt.Errorf("its database cannot be read: %w", err))
	case schema.Version == 0:
		return fault(errors.New("its database is none of Bellhop"))
	case schema.Version != m.Schema || schema.Tag != m.Store:
		return fault(fmt.Errorf("its database is another one than it says: %q with schema %d, not %q with schema %d",
			schema.Tag, schema.Version, m.Store, m.Schema))
	}
	damage, err := sqlite.CheckWhole(ctx, work)
	if err != nil {
		return fault(fmt.Errorf("its database cannot be read: %w", err))
	}
	if damage != "" {
		return fault(errors.New("its database is damaged: " + damage))
	}
	keys, err := store.LoadKeyRing(work, rand.Reader)
	if err != nil {
		return fault(err)
	}
	s, err := sqlite.Open(sqlite.Options{Dir: work, Options: store.Options{Keys: keys, Now: time.Now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		return fault(err)
	}
	err = s.CheckSecrets(ctx)
	if err != nil {
		err = fmt.Errorf("its master key does not open its secrets: %w", err)
	} else {
		err = s.SetStandby(ctx, bellhop.Standby{Since: time.Now(), Why: "it was restored from a backup"})
		if err == nil && m.Files == filesIncluded {
			err = s.NoteFilesPlace(ctx, bellhop.FilesPlace{}) // they are in the new folder
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return fault(err)
	}
	return nil
}

// moveUp moves everything from the folder work into dir, around it. The database comes last: until then, no server
// takes dir for a data folder with content.
func moveUp(work, dir string) error {
	entries, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	var moved []string
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if (e.Name() == store.FileName) != last {
				continue
			}
			to := filepath.Join(dir, e.Name())
			if err := os.Rename(filepath.Join(work, e.Name()), to); err != nil {
				for _, name := range moved {
					err = errors.Join(err, os.RemoveAll(name))
				}
				return err
			}
			moved = append(moved, to)
		}
	}
	return datadir.Sync(dir)
}
