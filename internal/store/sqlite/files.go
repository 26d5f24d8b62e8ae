package sqlite

import (
	"errors"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// filesName is what the file layer is called.
const filesName = "bellhop"

// files is the driver's file layer, or one beneath in tests, but for one thing: a disk without room is full rather
// than broken. The driver (v0.35.6) looks for the bare error number that os.File has wrapped, does not find it, and
// tells SQLite of an I/O error.
type files struct{ vfs.VFSFilename }

func registerFiles() {
	vfs.Register(filesName, files{vfs.Find("os").(vfs.VFSFilename)})
}

func (l files) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
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

// What the driver looks for behind a file is handed on as far as the store needs it.

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
