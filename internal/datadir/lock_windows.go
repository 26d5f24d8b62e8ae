package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lock takes dir for this process, until unlock or the end of the process.
func lock(dir string) (unlock func() error, err error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), exclusive, 0, 1, 0, new(windows.Overlapped)); err != nil {
		f.Close()
		if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, inUse(dir)
		}
		return nil, fmt.Errorf("data folder: lock %s: %w", path, err)
	}
	return f.Close, nil
}

// noFollow is nothing on Windows, where only administrators make symlinks.
const noFollow = 0

// ownerOf returns false: the modes and owners of Windows are not checked.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// HandOver does nothing: on Windows, what is made in a folder has its rights.
func HandOver(string) error { return nil }
