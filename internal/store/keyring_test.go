package store

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// newKey returns a line of the file of master keys.
func newKey(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) + "\n"
}

func newKeyRing(t testing.TB, text string) KeyRing {
	t.Helper()
	ring, err := ParseKeyRing(text)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestSealRoundTrip(t *testing.T) {
	ring := newKeyRing(t, newKey(1))
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		row, other := rapid.String().Draw(t, "row"), rapid.String().Draw(t, "other row")
		sealed, err := ring.Seal(plain, row, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ring.Open(sealed, row); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%q came back as %q; %v", plain, got, err)
		}
		if _, err := ring.Open(sealed, other); (err == nil) != (row == other) {
			t.Fatalf("opened for %q what is %q's: %v", other, row, err)
		}
		if len(plain) >= 4 && bytes.Contains(sealed, plain) {
			t.Fatal("the secret can be read")
		}
		again, err := ring.Seal(plain, row, rand.Reader)
		if err != nil || bytes.Equal(sealed, again) {
			t.Fatalf("sealed the same twice: %v", err)
		}
	})
}

// TestKeyRingFile: the file of master keys is read as editors of every system save it, and refused in words otherwise.
// The words show nothing of the keys.
func TestKeyRingFile(t *testing.T) {
	text := strings.ReplaceAll(newKey(2)+newKey(1), "\n", "\r\n")
	utf16 := func(bigEndian bool) string {
		var b strings.Builder
		for _, c := range "\ufeff" + text {
			pair := [2]byte{byte(c), byte(c >> 8)}
			if bigEndian {
				pair[0], pair[1] = pair[1], pair[0]
			}
			b.Write(pair[:])
		}
		return b.String()
	}
	want := newKeyRing(t, newKey(2)+newKey(1))
	for what, c := range map[string]struct{ content, err string }{
		"as it is":              {newKey(2) + newKey(1), ""},
		"with CR LF":            {text, ""},
		"with a mark":           {"\ufeff" + text, ""},
		"a mark and blanks":     {"\ufeff \r\n " + text + "\r\n\t", ""},
		"UTF-16, little endian": {utf16(false), ""},
		"UTF-16, big endian":    {utf16(true), ""},
		"UTF-16 without a mark": {utf16(false)[2:], "save it as UTF-8"},
		"a binary file":         {"\x80\xff\x01", "save it as UTF-8"},
		"a file of zeros":       {strings.Repeat("\x00", 45), "save it as UTF-8"},
		"another text":          {"hunter2\n", "line 1 is not a Base64 key of 32 bytes"},
		"an empty file":         {"\ufeff\r\n", "holds no key"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, KeyFileName), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		ring, err := LoadKeyRing(dir, rand.Reader)
		if c.err == "" && (err != nil || ring.OrderKey() != want.OrderKey() || ring.current != want.current) {
			t.Errorf("%s: %v", what, err)
		}
		if c.err != "" &&
			(err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hunter2") ||
				!strings.Contains(err.Error(), KeyFileName)) {
			t.Errorf("%s: %v, want %q", what, err, c.err)
		}
	}
}

// TestSealDamaged shows that every damaged value is refused, and that nothing panics.
func TestSealDamaged(t *testing.T) {
	ring := newKeyRing(t, newKey(1))
	sealed, err := ring.Seal([]byte("hunter2"), "src_1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, damaged []byte) {
		t.Helper()
		got, err := ring.Open(damaged, "src_1")
		if err == nil || got != nil {
			t.Errorf("%s: opened as %q", what, got)
		} else if !strings.HasPrefix(err.Error(), "secrets of src_1 cannot be read: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range sealed {
		refused(fmt.Sprintf("cut to %d bytes", n), sealed[:n])
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[n] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d flipped", bit, n), flipped)
		}
	}
	refused("longer", append(bytes.Clone(sealed), 0))
	refused("nothing", nil)
}

// TestKeyRotation shows that a new key on top seals new values, while the old key still opens old ones.
func TestKeyRotation(t *testing.T) {
	older, newer := newKeyRing(t, newKey(1)), newKeyRing(t, newKey(2)+"\n"+newKey(1))
	before, err := older.Seal([]byte("before"), "src_1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	after, err := newer.Seal([]byte("after"), "src_1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, sealed := range map[string][]byte{"before": before, "after": after} {
		if got, err := newer.Open(sealed, "src_1"); err != nil || string(got) != want {
			t.Errorf("with both keys: %q, %v; want %q", got, err, want)
		}
	}
	_, err = older.Open(after, "src_1")
	if want := hex.EncodeToString(newer.current[:]); err == nil || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), KeyFileName) {
		t.Errorf("with the old key alone: %v; want that key %s is not in %s", err, want, KeyFileName)
	}
}

func TestLoadKeyRing(t *testing.T) {
	for name, c := range map[string]struct {
		key, database string
		mode          os.FileMode
		want          string // of the error, all of it after the path
	}{
		"first use":       {want: ""},
		"kept":            {key: newKey(1), mode: 0o600, want: ""},
		"kept, read only": {key: newKey(1), mode: 0o400, want: ""},
		"others read":     {key: newKey(1), mode: 0o644, want: "can be read by others: chmod 600 it"},
		"the group reads": {key: newKey(1), mode: 0o640, want: "can be read by others: chmod 600 it"},
		"gone": {database: "x",
			want: "is missing, but there is a database: its secrets cannot be read without it"},
		"empty":     {key: "\n", mode: 0o600, want: "holds no key"},
		"too short": {key: "c2hvcnQ=\n", mode: 0o600, want: "line 1 is not a Base64 key of 32 bytes"},
		"second is not a key": {key: newKey(1) + "hunter2\n", mode: 0o600, want: "line 2 is not a Base64 key of 32 " +
			"bytes"},
		"all zeros": {key: newKey(0), mode: 0o600, want: "line 1 is not a Base64 key of 32 bytes"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, KeyFileName)
		for file, content := range map[string]string{path: c.key, filepath.Join(dir, FileName): c.database} {
			if content != "" {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if c.key != "" {
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		ring, err := LoadKeyRing(dir, rand.Reader)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), path) || !strings.HasSuffix(err.Error(), c.want) ||
				strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v; want the path and %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := LoadKeyRing(dir, rand.Reader)
		if info, statErr := os.Stat(path); err != nil || again.current != ring.current || statErr != nil ||
			info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: read again: %v, %v", name, err, statErr)
		}
	}
}

// TestOrderKey: a new master key on top keeps the order key, another store has another one, and the order key is none
// of the master keys.
func TestOrderKey(t *testing.T) {
	first := newKeyRing(t, newKey(1)).OrderKey()
	if rotated := newKeyRing(t, newKey(3)+newKey(2)+newKey(1)).OrderKey(); rotated != first {
		t.Error("a new master key changes the order key")
	}
	if first == newKeyRing(t, newKey(2)).OrderKey() {
		t.Error("two stores have one order key")
	}
	if first == [16]byte(bytes.Repeat([]byte{1}, 16)) || first == [16]byte{} {
		t.Errorf("%x", first)
	}
}

func TestKeyRingIDs(t *testing.T) {
	const a, b = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	first, err := ParseKeyRing(a + "\n" + b)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ParseKeyRing(b + "\n" + a)
	if err != nil {
		t.Fatal(err)
	}
	one, other := first.IDs(), second.IDs()
	if len(one) != 2 || len(other) != 2 || one[0] != other[1] || one[1] != other[0] || one[0] == one[1] {
		t.Errorf("the ids are %v, and with the other key first %v", one, other)
	}
}
