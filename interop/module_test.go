package interop

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// module returns the path and version of a Go module as they stand in the table.
func module(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(path) + ` (\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("go.mod does not have %s", path)
	}
	return strings.TrimPrefix(path, "github.com/") + " " + string(found[1]) + " (Go)"
}
