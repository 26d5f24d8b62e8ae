package interop

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// moduleVersion returns the path and the version of a Go module for the table. It reads the version from go.mod.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(path) + ` (\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("go.mod does not require %s", path)
	}
	return strings.TrimPrefix(path, "github.com/") + " " + string(found[1]) + " (Go)"
}
