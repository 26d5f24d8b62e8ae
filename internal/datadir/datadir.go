// Package datadir keeps the data folder of a server: one process owns it, its key files can be read by their
// owner alone, and a file says where the server listens. The store keeps the database and the master keys in
// the folder by itself.
package datadir

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/bellhop-gateway/bellhop"
)

// The files of a data folder.
const (
	AdminKeyFile  = "admin.key"   // the admin key of the API
	MasterKeyFile = "master.key"  // the keys that encrypt secrets at rest; the store reads it
	ServerFile    = "server.json" // where the server listens, while it runs
	lockFile      = "lock"        // locked while a server owns the folder
)

// A Folder is a data folder that this process owns.
type Folder struct {
	dir     string
	root    *os.Root // the folder that Open found: another one may have its name by now
	created bool
	unlock  func() error
}

// Open creates the folder dir if there is none, and takes it for this process until Close or the end of the
// process. It fails if another process owns the folder, if other users may write to it, or if one of its files is a
// symlink.
func Open(dir string) (*Folder, error) {
	created, err := create(dir, syncFolder)
	if err == nil {
		err = checkForServer(dir, os.Geteuid())
	}
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), unlock())
	}
	return &Folder{dir, root, created, unlock}, nil
}

// Hold takes the folder dir of a server that does not run, until release: no server starts meanwhile. It fails if a
// process owns the folder.
func Hold(dir string) (release func() error, err error) { return lock(dir) }

// create creates dir and its missing parents, and reports whether it created dir. It calls sync for the parent
// of each folder that it created: until a folder is synced, a power cut may lose the names in it, and
// everything below them.
func create(dir string, sync func(dir string) error) (created bool, err error) {
	var missing []string // dir first
	for parent := filepath.Clean(dir); ; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) {
			break // it exists, or MkdirAll says why it cannot be used
		}
		missing = append(missing, parent)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	for _, folder := range slices.Backward(missing) {
		if err := sync(filepath.Dir(folder)); err != nil {
			return false, err
		}
	}
	return len(missing) > 0, nil
}

// syncFolder makes the names in dir survive a power cut. It does nothing on Windows, which has no such call,
// and in a folder that this user may not read, because only readable folders can be opened.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Created reports whether Open created the folder.
func (f *Folder) Created() bool { return f.created }

// Close gives the folder up.
func (f *Folder) Close() error { return errors.Join(f.root.Close(), f.unlock()) }

// InUse reports whether a process owns the folder dir at this moment.
func InUse(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, lockFile)); err != nil {
		return false
	}
	unlock, err := lock(dir)
	if err != nil {
		return true
	}
	unlock()
	return false
}

// inUse returns the error of a folder that another process owns.
func inUse(dir string) error {
	return fmt.Errorf("data folder: %s is in use by another bellhop: stop the other one, "+
		"or choose another folder with --data", dir)
}

// minKeyLength is the length of the shortest admin key.
const minKeyLength = 16

// AdminKeyVariable is the variable of the environment that sets the admin key of the API in place of AdminKeyFile.
const AdminKeyVariable = "BELLHOP_ADMIN_KEY"

// AdminKey returns the admin key of the API: given, or the key in the folder, which is made on first use.
func (f *Folder) AdminKey(given string, random io.Reader) (string, error) {
	if given != "" {
		given = bellhop.Pasted(given)
		return given, checkKey(given, AdminKeyVariable)
	}
	path := filepath.Join(f.dir, AdminKeyFile)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		var made string
		err := f.ReplaceAdminKey(random, func(key string) { made = key })
		return made, err
	}
	if err != nil {
		return "", fmt.Errorf("admin key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // the modes of Windows do not show it
		return "", fmt.Errorf("admin key: %s can be read by others: chmod 600 it", path)
	}
	key, err := ReadAdminKey(f.dir)
	if err != nil {
		return "", err
	}
	return key, checkKey(key, path)
}

// ReplaceAdminKey makes an admin key and writes it into the folder, in place of the one that may be there: after a
// crash there is one of the two, whole. It calls accept with the new key before that, so that the server accepts it
// by the time that a command reads it.
func (f *Folder) ReplaceAdminKey(random io.Reader, accept func(key string)) error {
	b := make([]byte, 32)
	if _, err := io.ReadFull(random, b); err != nil {
		return fmt.Errorf("admin key: %w", err)
	}
	key := "bhk_" + base64.RawURLEncoding.EncodeToString(b)
	accept(key)
	if err := writeFile(f.dir, AdminKeyFile, key+"\n"); err != nil {
		return fmt.Errorf("admin key: %w", err)
	}
	return nil
}

func checkKey(key, where string) error {
	if fault := bellhop.SecretFault(key); key != "" && fault != "" {
		return fmt.Errorf("admin key: %s: the key %s", where, fault)
	}
	if len(key) < minKeyLength {
		return fmt.Errorf("admin key: %s holds fewer than %d characters, so that it could be guessed; "+
			"remove it to have a key made", where, minKeyLength)
	}
	return nil
}

// ReadAdminKey returns the admin key in the folder dir, or "" if there is none. The file may be in UTF-16, and white
// space and a byte order mark around the key are removed: see [bellhop.FileText] and [bellhop.Pasted].
func ReadAdminKey(dir string) (string, error) {
	text, err := readFile(dir, AdminKeyFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("admin key: %w", err)
	}
	key, err := bellhop.FileText(text)
	if err != nil {
		return "", fmt.Errorf("admin key: %s: %w", filepath.Join(dir, AdminKeyFile), err)
	}
	return bellhop.Pasted(key), nil
}

// A Server says where the server of a data folder listens.
type Server struct {
	URL      string `json:"url"` // "http://127.0.0.1:8080"
	PID      int    `json:"pid"`
	AdminKey string `json:"admin_key,omitempty"` // where its admin key comes from: AdminKeyFile or AdminKeyVariable
}

// WriteServer tells the commands that use this folder where the server is.
func (f *Folder) WriteServer(s Server) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(f.dir, ServerFile, string(text)+"\n")
}

// RemoveServer removes what WriteServer wrote. If the folder was moved and another one has its name now, that one
// keeps its file, which may be that of another server.
func (f *Folder) RemoveServer() error {
	if err := f.root.Remove(ServerFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ReadServer returns the server that runs in the folder dir, and the zero Server if none does. A server that
// died left its file behind; another process may listen at its address by now, and must not get the key.
//
// The caller is about to send a key to the server. So it is an error, which wraps ErrUntrusted, if others than the
// user of this process and root may have written the file, or if it names a server elsewhere. named says that the
// user named the folder and did not just run a command beside it: then root believes the folder of any user.
func ReadServer(dir string, named bool) (s Server, err error) {
	text, err := readFile(dir, ServerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if trustErr := checkForClient(dir, os.Geteuid(), named); trustErr != nil {
		return s, fmt.Errorf("%w %s: %w", ErrUntrusted, dir, trustErr)
	}
	if err != nil {
		return s, fmt.Errorf("data folder: %w", err)
	}
	if !InUse(dir) {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return Server{}, fmt.Errorf("data folder: %s: %w", ServerFile, err)
	}
	if err := checkURL(s.URL, net.InterfaceAddrs); err != nil {
		return Server{}, fmt.Errorf("%w %s: %w", ErrUntrusted, dir, err)
	}
	return s, nil
}

// ErrUntrusted says that a folder may have been prepared by somebody else.
var ErrUntrusted = errors.New("no key is sent to the server of data folder")

// Sync makes the names in the folder dir survive a power cut.
func Sync(dir string) error { return syncFolder(dir) }
