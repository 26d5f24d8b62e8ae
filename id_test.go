package bellhop_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bellhop-gateway/bellhop"
)

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := bellhop.NewID(bellhop.PrefixSource, rand.Reader)
		rest, ok := strings.CutPrefix(id, "src_")
		if !ok || len(rest) != 20 || strings.Trim(rest, bellhop.IDAlphabet) != "" {
			t.Fatalf("%q is not an id", id)
		}
		if seen[id] {
			t.Fatalf("NewID returned %s twice", id)
		}
		seen[id] = true
	}
}

// TestNewIDBits: each of the 100 bits changes the id, and ids sort as the bits that they encode.
func TestNewIDBits(t *testing.T) {
	id := func(b []byte) string { return bellhop.NewID("x_", bytes.NewReader(b)) }
	zero := id(make([]byte, 13))
	if zero != "x_"+strings.Repeat("0", 20) {
		t.Errorf("all bits 0: %s", zero)
	}
	if got := id(bytes.Repeat([]byte{0xff}, 13)); got != "x_"+strings.Repeat("z", 20) {
		t.Errorf("all bits 1: %s", got)
	}
	var ids []string
	for bit := 99; bit >= 0; bit-- {
		b := make([]byte, 13)
		b[bit/8] = 0x80 >> (bit % 8)
		ids = append(ids, id(b))
	}
	if !slices.IsSorted(ids) || slices.Contains(ids, zero) || len(slices.Compact(ids)) != 100 {
		t.Errorf("not in order: %v", ids)
	}
}

func TestNewIDWithoutRandomness(t *testing.T) {
	for name, newID := range map[string]func() string{
		"reader fails":      func() string { return bellhop.NewID("x_", iotest.ErrReader(errors.New("broken"))) },
		"reader ends early": func() string { return bellhop.NewID("x_", bytes.NewReader(make([]byte, 12))) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			newID()
		}()
	}
}
