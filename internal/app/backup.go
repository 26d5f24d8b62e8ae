package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// This file makes backups, of a running server and of the data folder of a stopped one. The database is copied into a
// file beside it, because it goes on changing and an archive must not; that file is removed once it was sent.

// copyName begins the names of the copies of the database in the data folder, and copyMargin is the room that a copy
// leaves on its disk.
const (
	copyName   = "backup-"
	copyMargin = 64 << 20
)

// filesIncluded is what a manifest says of files that are in the archive.
const filesIncluded = "included"

// A backupJob is one backup.
type backupJob struct {
	dir     string // the data folder
	version string
	keys    bool   // with the key files
	files   string // the folder of the files; "" is without
	noFiles string // why there are none, in words
	copy    func(ctx context.Context, path string) error
}

// startBackup checks that a backup can be made, and returns the function that writes its archive.
func (j *backupJob) start(ctx context.Context) (write func(ctx context.Context, w io.Writer) error, err error) {
	needed := databaseBytes(j.dir)
	if free, err := doctor.FreeBytes(j.dir); err == nil && free < uint64(needed)+copyMargin {
		return nil, &bellhop.Error{Code: bellhop.CodeUnavailable, Message: fmt.Sprintf("a backup needs %s on the "+
			"disk of the data folder while it is made, for a copy of the database; %s are free: make room",
			doctor.SizeText(needed+copyMargin), doctor.SizeText(int64(free)))}
	}
	schema, err := sqlite.ReadSchema(ctx, j.dir)
	if err != nil {
		return nil, err
	}
	manifest := backup.Manifest{Bellhop: j.version, Schema: schema.Version, Store: schema.Tag,
		At: time.Now().UTC().Truncate(time.Second), DatabaseBytes: needed, Keys: j.keys, Files: j.noFiles}
	if j.files != "" {
		manifest.Files = filesIncluded
	}
	return func(ctx context.Context, w io.Writer) error { return j.write(ctx, w, manifest) }, nil
}

func (j *backupJob) write(ctx context.Context, w io.Writer, manifest backup.Manifest) (err error) {
	archive, err := backup.NewWriter(w, manifest)
	if err == nil {
		err = archive.Flush() // the client learns that it has begun, while the database is copied
	}
	if err != nil {
		return err
	}
	name := make([]byte, 8)
	rand.Read(name)
	copied := filepath.Join(j.dir, copyName+hex.EncodeToString(name)+".tmp")
	if err := j.copy(ctx, copied); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(copied)) }()
	if err := j.addFile(ctx, archive, store.FileName, copied); err != nil {
		return err
	}
	if j.keys {
		for _, name := range []string{datadir.MasterKeyFile, datadir.AdminKeyFile} {
			err := j.addFile(ctx, archive, name, filepath.Join(j.dir, name))
			if err != nil && !(name == datadir.AdminKeyFile && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
	}
	if j.files != "" {
		if err := j.addFiles(ctx, archive); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (j *backupJob) addFile(ctx context.Context, archive *backup.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return addOpened(ctx, archive, name, f)
}

// addOpened adds the bytes that f has at this moment. It ends with ctx.
func addOpened(ctx context.Context, archive *backup.Writer, name string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return archive.Add(name, info.Size(), info.ModTime(), readerUntil{ctx, f})
}

// readerUntil reads until ctx ends.
type readerUntil struct {
	ctx context.Context
	io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// addFiles adds the whole files that actions keep, which do not change any more. One that is deleted meanwhile is left
// out. Partial files begin with a dot: their downloads begin anew after a restore.
func (j *backupJob) addFiles(ctx context.Context, archive *backup.Writer) error {
	root, err := os.OpenRoot(j.files)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		f, err := root.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		return addOpened(ctx, archive, backup.FilesPrefix+name, f)
	})
}

// operations are what an operator does to the running server, for the API.
type operations struct{ *App }

// Backup implements [api.Operations].
func (o operations) Backup(ctx context.Context, keys, files bool) (func(ctx context.Context, w io.Writer) error,
	error) {
	began := time.Now()
	for !o.backingUp.CompareAndSwap(nil, &began) {
		if other := o.backingUp.Load(); other != nil {
			return nil, bellhop.Conflict(fmt.Sprintf("another backup is under way, since %s: wait until it has ended",
				other.UTC().Format(time.RFC3339)))
		}
	}
	job := backupJob{dir: o.opts.Config.Data, version: o.opts.Version, keys: keys,
		copy: func(ctx context.Context, path string) error { return o.store.CopyTo(ctx, path, nil) }}
	job.files, job.noFiles = o.filesFolder()
	if !files {
		job.files, job.noFiles = "", "left out"
	}
	write, err := job.start(ctx)
	if err != nil {
		o.backingUp.Store(nil)
		return nil, err
	}
	return func(ctx context.Context, w io.Writer) error {
		defer o.backingUp.Store(nil)
		err := write(ctx, w)
		if err != nil {
			o.log.Warn("backup.failed", "error", err)
			return err
		}
		o.log.Info("backup.sent", "duration", time.Since(began).Round(time.Millisecond).String())
		return nil
	}, nil
}

// filesFolder returns the folder of the files that actions keep; "" if they are in a bucket, and then the words.
func (a *App) filesFolder() (dir, otherwise string) {
	if bucket, _, ok := a.opts.Config.FilesBucket(); ok {
		return "", "in the bucket " + bucket + ", which keeps them"
	}
	if a.opts.Config.Files != "" {
		return a.opts.Config.Files, ""
	}
	return filepath.Join(a.opts.Config.Data, filesFolder), ""
}

// filesPlace returns where the files are, for the backup of the folder once this server has stopped.
func (a *App) filesPlace() (place bellhop.FilesPlace) {
	if bucket, _, ok := a.opts.Config.FilesBucket(); ok {
		place.Bucket = bucket
	} else if given := a.opts.Config.Files; given != "" {
		place.Folder = given
		if whole, err := filepath.Abs(given); err == nil {
			place.Folder = whole
		}
	}
	return place
}

// filesOfFolder is filesFolder for the data folder dir of a server that does not run.
func filesOfFolder(ctx context.Context, dir string) (folder, otherwise string, err error) {
	place, any, err := sqlite.FolderFiles(ctx, dir)
	if err != nil {
		return "", "", err
	}
	if place.Bucket != "" {
		return "", "in the bucket " + place.Bucket + ", which keeps them", nil
	}
	folder = cmp.Or(place.Folder, filepath.Join(dir, filesFolder))
	if _, err := os.Stat(folder); any && err != nil {
		return "", "their folder cannot be used: " + err.Error(), nil
	}
	return folder, "", nil
}

// LatestBackup implements [api.Operations].
func (o operations) LatestBackup(ctx context.Context) (bellhop.Backup, error) {
	return o.store.LatestBackup(ctx)
}

// NoteBackup implements [api.Operations].
func (o operations) NoteBackup(ctx context.Context, b bellhop.Backup) error {
	err := o.store.NoteBackup(ctx, b)
	if err == nil && b.At.Unix() > o.backedUp.Load() {
		o.backedUp.Store(b.At.Unix())
	}
	return err
}

// removeCopies removes the copies of the database that a crash left in the data folder dir.
func removeCopies(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, copyName+"*.tmp*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// BackupFolder writes a backup of the data folder dir of a server that does not run to w. It changes nothing there but
// for the copy of the database, which it removes again. A folder that a server uses by now is an error.
func BackupFolder(ctx context.Context, version, dir string, o client.BackupOptions, w io.Writer) (err error) {
	release, err := datadir.Hold(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	job := backupJob{dir: dir, version: version, keys: !o.WithoutKeys,
		copy: func(ctx context.Context, path string) error { return sqlite.CopyFolder(ctx, dir, path) }}
	if o.WithoutFiles {
		job.noFiles = "left out"
	} else if job.files, job.noFiles, err = filesOfFolder(ctx, dir); err != nil {
		return err
	}
	write, err := job.start(ctx)
	if err != nil {
		return err
	}
	return write(ctx, w)
}

// NoteBackupOf notes a backup of the data folder dir of a server that does not run.
func NoteBackupOf(dir string, b bellhop.Backup) error {
	release, err := datadir.Hold(dir)
	if err != nil {
		return err
	}
	return errors.Join(sqlite.NoteBackupOf(dir, b), release())
}
