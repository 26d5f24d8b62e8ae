package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// This file decides whether a folder may be used. A server trusts the keys in its folder, and clients send the key of
// a folder to the server that the folder names. So nobody else may write into the folder, and its files may not lead
// elsewhere. Windows has neither these modes nor these owners; there only the kind of the files is checked.

// ownFiles are the files that must be regular files if they exist.
var ownFiles = []string{AdminKeyFile, MasterKeyFile, ServerFile, lockFile, "bellhop.db", "bellhop.db-wal",
	"bellhop.db-shm"}

// checkForServer returns nil if a server of the user uid may keep its data in dir, or why not and what to do. Root may
// use a folder of any user.
func checkForServer(dir string, uid int) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if openToOthers(info) {
		return fmt.Errorf("other users can write to %s, and could replace the keys in it: chmod 700 it, "+
			"or use --data with a folder below it, which is then made for its owner alone", dir)
	}
	if owner, ok := ownerOf(info); ok && owner != uid && uid != 0 {
		return fmt.Errorf("%s belongs to user %d, but the server runs as user %d: run it as the owner, "+
			"or choose another folder with --data", dir, owner, uid)
	}
	return checkFiles(dir)
}

// Check returns nil if a server of this user may keep its data in the folder dir, and its keys and its database are
// for their owner alone; or what is wrong, and after a colon what to do.
func Check(dir string) error {
	err := checkForServer(dir, os.Geteuid())
	for _, name := range ownFiles {
		if err != nil || runtime.GOOS == "windows" { // whose modes do not show it
			return err
		}
		path := filepath.Join(dir, name)
		info, statErr := os.Lstat(path)
		if statErr == nil && name != ServerFile && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s can be read or written by other users: chmod 600 it", path)
		}
	}
	return err
}

// checkForClient returns nil if a client of the user uid may believe the files in dir, or why not. They must belong to
// that user or to root. If the user is root and has named the folder, it may belong to any user.
func checkForClient(dir string, uid int, named bool) error {
	trusted := func(path string, info fs.FileInfo) error {
		owner, ok := ownerOf(info)
		if ok && owner != uid && owner != 0 && (uid != 0 || !named) {
			return fmt.Errorf("%s belongs to another user (%d)", path, owner)
		}
		if openToOthers(info) {
			return fmt.Errorf("other users can write to %s", path)
		}
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, ServerFile)
	file, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return errors.Join(trusted(dir, info), trusted(path, file), checkFiles(dir))
}

// openToOthers reports whether users other than the owner may write to a file or into a folder.
func openToOthers(info fs.FileInfo) bool {
	return info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows"
}

// checkFiles returns an error if one of the files of a folder is a symlink, or another thing than a file.
func checkFiles(dir string) error {
	for _, name := range ownFiles {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a symlink, which could lead to another file: put the file "+
				"itself there, or remove it",
				path)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is not a file: remove it", path)
		}
	}
	return nil
}

// checkURL returns an error unless rawURL is the URL of a server on this machine.
func checkURL(rawURL string, local func() ([]net.Addr, error)) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" {
		return fmt.Errorf("%s does not name a server", ServerFile)
	}
	at, err := netip.ParseAddr(u.Hostname())
	if err == nil && at.IsLoopback() {
		return nil
	}
	interfaces, listErr := local()
	if err == nil && listErr == nil && slices.ContainsFunc(interfaces, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == at.Unmap().WithZone("")
	}) {
		return nil
	}
	return fmt.Errorf("%s names a server that is not on this machine", ServerFile)
}

// writeFile writes a file of dir that only its owner can read. It replaces the file at once: after a crash there is
// the old file or the new one, whole.
func writeFile(dir, name, text string) error {
	temporary := filepath.Join(dir, name+".new")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncFolder(dir)
}

// readFile reads a file of dir, and fails if it is a symlink.
func readFile(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Size() > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	if err != nil {
		return nil, err
	}
	text := make([]byte, info.Size())
	n, err := f.ReadAt(text, 0)
	if n == len(text) {
		err = nil
	}
	return text[:n], err
}

// maxFileBytes is the size of the largest key or server file that is read.
const maxFileBytes = 64 << 10
