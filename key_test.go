package bellhop

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestScopes: admin includes all scopes, operate includes read and publish, and these two include themselves alone. A
// text that is no scope includes nothing and is included by none.
func TestScopes(t *testing.T) {
	includes := map[Scope]string{
		ScopeAdmin: "admin operate read publish", ScopeOperate: "operate read publish",
		ScopeRead: "read", ScopePublish: "publish", "": "", "root": "",
	}
	for scope, want := range includes {
		for needed := range includes {
			wanted := needed != "" && strings.Contains(" "+want+" ", " "+string(needed)+" ")
			if got := scope.Includes(needed); got != wanted {
				t.Errorf("%q includes %q: %v", scope, needed, got)
			}
		}
	}
}

// TestKeyText: the text of a key has the id of the key in it and 256 random bits, and each text has a hash of its own.
func TestKeyText(t *testing.T) {
	id := NewID(PrefixKey, rand.Reader)
	text, err := NewKeyText(id, bytes.NewReader(bytes.Repeat([]byte{0xff}, 32)))
	if want := "bhk_" + id[4:] + "_" + strings.Repeat("z", 51) + "g"; err != nil || text != want {
		t.Fatalf("%q %v, want %q", text, err, want)
	}
	if got, ok := KeyID(text); !ok || got != id {
		t.Errorf("KeyID: %q %v, want %q", got, ok, id)
	}
	other, err := NewKeyText(id, rand.Reader)
	if err != nil || other == text || HashKey(other) == HashKey(text) {
		t.Errorf("another key of that id: %q %v", other, err)
	}
	if _, err := NewKeyText(id, iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a key was made without randomness")
	}
	for _, wrong := range []string{
		"", "bhk_", "bhk_right", text[1:], text + "0", text[:len(text)-1], strings.ToUpper(text),
		strings.Replace(text, "bhk_", "bhk-", 1), strings.Replace(text, "z", "u", 1),
		strings.Replace(text, "z", "ü", 1),
		"bhk_" + strings.Repeat("0", 73), id,
	} {
		if got, ok := KeyID(wrong); ok || got != "" {
			t.Errorf("KeyID(%q): %q %v", wrong, got, ok)
		}
	}
}

// FuzzKeyID: whatever a caller sends as a key, KeyID does not panic, and an id that it finds has the form of an id.
func FuzzKeyID(f *testing.F) {
	f.Add("bhk_" + strings.Repeat("0", 20) + "_" + strings.Repeat("z", 52))
	f.Add("bhk_right")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := KeyID(text)
		if ok != (id != "") || ok && (len(id) != len(PrefixKey)+20 || !strings.Contains(text, id[len(PrefixKey):])) {
			t.Errorf("KeyID(%q): %q %v", text, id, ok)
		}
	})
}

// TestKeyExpired: a key is refused from its expiry on, and never without one.
func TestKeyExpired(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		expires time.Time
		expired bool
	}{{time.Time{}, false}, {at.Add(1), false}, {at, true}, {at.Add(-1), true}} {
		k := Key{ExpiresAt: c.expires}
		if got := k.Expired(at); got != c.expired {
			t.Errorf("expires at %v: %v", c.expires, got)
		}
	}
}
