package app

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// FolderInUse reports whether a server owns the data folder at this moment.
func FolderInUse(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
		return false
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return true
	}
	unlock()
	return false
}

// AdminKeyFile is the file with the API's admin key, within the data folder.
const AdminKeyFile = "admin.key"

// MasterKeyFile is the file with the keys of secrets at rest, within the data folder.
const MasterKeyFile = store.KeyFileName

// adminKey returns the API's admin key: given, or what the folder's file holds, which is made on first use.
func adminKey(dir, given string, random io.Reader) (string, error) {
	if given != "" {
		return given, checkKey(given, "BELLHOP_ADMIN_KEY")
	}
	path := filepath.Join(dir, AdminKeyFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		b := make([]byte, 32)
		if _, err := io.ReadFull(random, b); err != nil {
			return "", err
		}
		key := "bhk_" + base64.RawURLEncoding.EncodeToString(b)
		return key, os.WriteFile(path, []byte(key+"\n"), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("admin key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" { // where modes say nothing of it
		return "", fmt.Errorf("admin key: %s can be read by others: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("admin key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	return key, checkKey(key, path)
}

func checkKey(key, where string) error {
	if len(key) < 16 {
		return fmt.Errorf("admin key: %s holds fewer than 16 characters: whoever guesses it owns the gateway; remove it to have one made", where)
	}
	return nil
}
