package bellhop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
)

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
		if got := errortest.InvalidPaths(t, bellhop.CheckName(name)); !slices.Equal(got, []string{"name"}) {
			t.Errorf("%q: paths %v", name, got)
		}
	}
}
