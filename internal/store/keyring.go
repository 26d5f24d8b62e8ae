package store

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/bellhop-gateway/bellhop"
)

// Secrets at rest. The settings of sources and destinations are sealed with XChaCha20-Poly1305 under a master
// key. A sealed value is a version byte, the id of the key (4 bytes), a nonce (24 bytes), the ciphertext and
// its tag (16 bytes). The row that it belongs to is authenticated with it, so that the secrets of one row
// cannot be moved to another.

// A KeyRing holds the master keys: the current one, which seals, and older ones, which still open.
type KeyRing struct {
	current keyID
	oldest  keyID // of the last line
	keys    map[keyID][]byte
}

type keyID [4]byte

const (
	sealVersion = 1
	sealHead    = 1 + len(keyID{}) + chacha20poly1305.NonceSizeX
)

// KeyFileName is the name of the file of master keys within the data folder: one Base64 key of 32 bytes on each
// line, the current one first. To rotate, put a new line on top: secrets saved from then on are sealed with it. Keep
// the last line while there are pending deliveries that have an order: see [KeyRing.OrderKey].
const KeyFileName = "master.key"

// FileName is the name of the SQLite database within the data folder.
const FileName = "bellhop.db"

// LoadKeyRing reads the master keys of a data folder, and creates the first one on first use. The file must not
// be readable by others.
func LoadKeyRing(dir string, random io.Reader) (KeyRing, error) {
	path := filepath.Join(dir, KeyFileName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKeyRing(dir, path, random)
	}
	if _, dbErr := os.Stat(filepath.Join(dir, FileName)); err == nil && info.Size() == 0 &&
		errors.Is(dbErr, fs.ErrNotExist) { // a power cut during the first start
		if err := os.Remove(path); err != nil {
			return KeyRing{}, fmt.Errorf("master key: %w", err)
		}
		return makeKeyRing(dir, path, random)
	}
	if err != nil {
		return KeyRing{}, fmt.Errorf("master key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // the modes of Windows do not show it
		return KeyRing{}, fmt.Errorf("master key: %s can be read by others: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return KeyRing{}, fmt.Errorf("master key: %w", err)
	}
	lines, err := bellhop.FileText(text)
	if err != nil {
		return KeyRing{}, fmt.Errorf("master key: %s: %w", path, err)
	}
	ring, err := ParseKeyRing(lines)
	if err != nil {
		return KeyRing{}, fmt.Errorf("master key: %s: %w", path, err)
	}
	return ring, nil
}

func makeKeyRing(dir, path string, random io.Reader) (KeyRing, error) {
	if _, err := os.Stat(filepath.Join(dir, FileName)); err == nil {
		return KeyRing{}, fmt.Errorf("master key: %s is missing, but there is a database: its secrets cannot be read "+
			"without it", path)
	}
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return KeyRing{}, fmt.Errorf("master key: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return KeyRing{}, fmt.Errorf("master key: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return KeyRing{}, fmt.Errorf("master key: %w", err)
	}
	return ParseKeyRing(text)
}

// ParseKeyRing parses the content of [KeyFileName]. Its errors do not show keys.
func ParseKeyRing(text string) (KeyRing, error) {
	ring := KeyRing{keys: map[keyID][]byte{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := bellhop.Pasted(lines.Text())
		if line == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(key) != chacha20poly1305.KeySize || bytes.Equal(key, make([]byte, len(key))) {
			return KeyRing{}, fmt.Errorf("line %d is not a Base64 key of %d bytes", n, chacha20poly1305.KeySize)
		}
		sum := sha256.Sum256(append([]byte("bellhop master key "), key...))
		id := keyID(sum[:4])
		if len(ring.keys) == 0 {
			ring.current = id
		}
		ring.oldest = id
		ring.keys[id] = key
	}
	if len(ring.keys) == 0 {
		return KeyRing{}, errors.New("holds no key")
	}
	return ring, nil
}

// IDs returns the ids of the keys, the current one first. They do not show the keys: each is 4 bytes of a hash, in
// hex.
func (r KeyRing) IDs() []string {
	ids := []string{hex.EncodeToString(r.current[:])}
	for id := range r.keys {
		if id != r.current {
			ids = append(ids, hex.EncodeToString(id[:]))
		}
	}
	slices.Sort(ids[1:])
	return ids
}

// OrderKey returns the secret from which the keys of ordered deliveries are made. It is derived from the oldest
// master key, so that a new one changes no order. If the oldest one is removed, the events accepted afterwards do not
// wait for those accepted before.
func (r KeyRing) OrderKey() (key [16]byte) {
	derived, err := hkdf.Key(sha256.New, r.keys[r.oldest], nil, "bellhop order key 1", len(key))
	if err != nil {
		panic(fmt.Sprintf("bellhop: derive the order key: %v", err)) // only a longer key than HKDF makes is an error
	}
	copy(key[:], derived)
	return key
}

// Seal encrypts plain for a row. Open needs the same name of the row.
func (r KeyRing) Seal(plain []byte, row string, random io.Reader) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(r.keys[r.current])
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	head := make([]byte, sealHead, sealHead+len(plain)+aead.Overhead())
	head[0] = sealVersion
	copy(head[1:], r.current[:])
	nonce := head[1+len(keyID{}):]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(head, nonce, plain, []byte(row)), nil
}

// Open decrypts the output of Seal for the same row. Its errors do not show secrets.
func (r KeyRing) Open(sealed []byte, row string) ([]byte, error) {
	if len(sealed) < sealHead+chacha20poly1305.Overhead || sealed[0] != sealVersion {
		return nil, fmt.Errorf("secrets of %s cannot be read: damaged", row)
	}
	id := keyID(sealed[1:])
	key, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("secrets of %s cannot be read: sealed with key %s, which is not in %s", row,
			hex.EncodeToString(id[:]), KeyFileName)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("secrets of %s: %w", row, err)
	}
	plain, err := aead.Open(nil, sealed[1+len(keyID{}):sealHead], sealed[sealHead:], []byte(row))
	if err != nil {
		return nil, fmt.Errorf("secrets of %s cannot be read: damaged, or not its own", row)
	}
	return plain, nil
}
