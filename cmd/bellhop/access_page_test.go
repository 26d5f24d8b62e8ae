package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/access"
)

// TestAccessPage holds that docs/ACCESS.md has each member of an access as the program tells it. "go test -update" writes them anew.
func TestAccessPage(t *testing.T) {
	const path, head = "../../docs/ACCESS.md", "| member | secret | |\n|---|---|---|\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), head)
	_, after, ends := strings.Cut("\n"+rest, "\n\n")
	if !ok || !ends {
		t.Fatalf("%s has no table of members", path)
	}
	var rows strings.Builder
	for _, s := range access.Settings {
		secret := ""
		if s.Secret {
			secret = "yes"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", s.Name, secret, s.Doc)
	}
	compareFile(t, path, []byte(before+head+rows.String()+"\n"+after))
}
