package sqlite

import (
	"errors"
	"sync"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// fileLayerName is the name under which the file layer is registered.
const fileLayerName = "bellhop"

// A fileLayer is the driver's file layer, or that of a test, with two changes. A disk without room is reported as
// full instead of broken: the driver (v0.35.6) looks for the bare error number, which os.File has wrapped, and so
// reports an I/O error. And the log of a connection that is opened with gatherParameter gathers its writes.
type fileLayer struct{ vfs.VFSFilename }

// gatherParameter is the URI parameter of a connection that syncs the log in each commit.
const gatherParameter = "gather"

func registerFileLayer() {
	vfs.Register(fileLayerName, fileLayer{vfs.Find("os").(vfs.VFSFilename)})
	vfs.Register(copyLayerName, copyLayer{fileLayer{vfs.Find("os").(vfs.VFSFilename)}})
}

// copyLayerName is the name of the file layer of a copy of the database.
const copyLayerName = "bellhop-copy"

// A copyLayer is a fileLayer whose files are not synced: the writer's goroutine writes the copy, and would wait for a
// sync of the whole of it. After a crash there is no copy.
type copyLayer struct{ fileLayer }

func (l copyLayer) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := l.fileLayer.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return unsynced{f.(*file)}, flags, nil
}

type unsynced struct{ *file }

// Sync writes what waits, and does not sync it.
func (f unsynced) Sync(vfs.SyncFlag) error { return f.flush() }

func (l fileLayer) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := l.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	gathers := flags&vfs.OPEN_WAL != 0 && name.URIParameter(gatherParameter) != ""
	return &file{File: f, gathers: gathers}, flags, nil
}

// maxGathered bounds the bytes that a file gathers. A commit is rarely longer.
const maxGathered = 512 << 10

// gatherers are the buffers of files that gather. A file has one only while something waits, so that a buffer is made
// once and not for each database: the first commit, which makes the tables, fills a whole one.
var gatherers = sync.Pool{New: func() any { return new([maxGathered]byte) }}

// A file is an open file of one connection, which uses it from one goroutine at a time.
//
// If it gathers, writes that follow one another in the file wait until something other than a write is done with the
// file, and are then one write: SQLite writes each page of a commit to the log in two parts. Nothing sees the
// difference, because a commit syncs the log before the index of the log tells other connections to read there. The
// pages of a checkpoint are not gathered: SQLite does not always sync the database before others may read them.
type file struct {
	vfs.File
	gathers bool
	at      int64  // of waiting, in the file
	waiting []byte // not written yet, in a buffer of gatherers; nil if there is nothing
}

// WriteAt may copy b and write it later, in flush. If that fails, the sync fails that needed it, and so does the
// commit.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	if !f.gathers || len(b) > maxGathered {
		err := f.flush()
		if err != nil {
			return 0, err
		}
		return f.write(b, at)
	}
	if at != f.at+int64(len(f.waiting)) || len(f.waiting)+len(b) > maxGathered {
		err := f.flush()
		if err != nil {
			return 0, err
		}
	}
	if f.waiting == nil {
		f.at, f.waiting = at, gatherers.Get().(*[maxGathered]byte)[:0]
	}
	f.waiting = append(f.waiting, b...)
	return len(b), nil
}

// flush writes what waits. If that fails, the bytes are dropped, as SQLite drops the pages of a write that failed.
func (f *file) flush() error {
	if f.waiting == nil {
		return nil
	}
	_, err := f.write(f.waiting, f.at)
	gatherers.Put((*[maxGathered]byte)(f.waiting[:maxGathered]))
	f.waiting = nil
	return err
}

func (f *file) write(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = vfs.SystemError(err, sqlite3.FULL)
	}
	return n, err
}

func (f *file) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, at)
}

func (f *file) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *file) Size() (int64, error) {
	if err := f.flush(); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *file) Close() error {
	return errors.Join(f.flush(), f.File.Close())
}

// The driver looks for these optional methods, which embedding vfs.File would hide.

func (f *file) SharedMemory() vfs.SharedMemory {
	if f, ok := f.File.(vfs.FileSharedMemory); ok {
		return f.SharedMemory()
	}
	return nil
}

func (f *file) SizeHint(size int64) error {
	if f, ok := f.File.(vfs.FileSizeHint); ok {
		return f.SizeHint(size)
	}
	return nil
}
