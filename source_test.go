package bellhop_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// paths returns the paths of err's field errors.
func paths(t testing.TB, err error) (list []string) {
	t.Helper()
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeInvalid {
		t.Fatalf("%v: want a CodeInvalid error", err)
	}
	for _, f := range e.Fields {
		if f.Message == "" {
			t.Errorf("%s: no message", f.Path)
		}
		list = append(list, f.Path)
	}
	return list
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "0", "media", "media-2", "a_b.c-d", "9lives", "api", "src", "dst", "src_",
		"srcx_1", strings.Repeat("n", bellhop.MaxNameLength)} {
		if err := bellhop.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", " ", "-a", ".a", "_a", ".", "..", "Media", "a b", "a/b", "a%2fb", "a;b", "a?b",
		"a\x00", "a\n", "münchen", "a\u200bb", "ａ",
		"src_1", "dst_x", "src_0123456789abcdefghjk", strings.Repeat("n", bellhop.MaxNameLength+1)} {
		if got := paths(t, bellhop.CheckName(name)); !slices.Equal(got, []string{"name"}) {
			t.Errorf("%q: paths %v", name, got)
		}
	}
}
