package sqlite

import (
	"errors"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// fileLayerName is the name under which the file layer is registered.
const fileLayerName = "bellhop"

// A fileLayer is the driver's file layer, or that of a test, with one change: a disk without room is reported
// as full instead of broken. The driver (v0.35.6) looks for the bare error number, which os.File has wrapped,
// and so reports an I/O error.
type fileLayer struct{ vfs.VFSFilename }

func registerFileLayer() {
	vfs.Register(fileLayerName, fileLayer{vfs.Find("os").(vfs.VFSFilename)})
}

func (l fileLayer) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := l.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return file{f}, flags, nil
}

type file struct{ vfs.File }

func (f file) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = vfs.SystemError(err, sqlite3.FULL)
	}
	return n, err
}

// The driver looks for these optional methods, which embedding vfs.File would hide.

func (f file) SharedMemory() vfs.SharedMemory {
	if f, ok := f.File.(vfs.FileSharedMemory); ok {
		return f.SharedMemory()
	}
	return nil
}

func (f file) SizeHint(size int64) error {
	if f, ok := f.File.(vfs.FileSizeHint); ok {
		return f.SizeHint(size)
	}
	return nil
}
