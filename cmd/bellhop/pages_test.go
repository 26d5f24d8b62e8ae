package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// TestProviderPages compares docs/providers with the pages that the program prints. "-update" writes them anew.
func TestProviderPages(t *testing.T) {
	const dir = "../../docs/providers"
	wanted := map[string]bool{"README.md": true}
	var index bytes.Buffer
	fmt.Fprint(&index, "<!-- Made by `go test ./cmd/bellhop -run TestProviderPages -update`. -->\n# Providers\n\n",
		"Each page says what the provider sends, how its requests are authenticated, how to set "+
			"it up, and what each\n",
		"setting means. `bellhop providers NAME` shows the same.\n\n",
		"| provider | | receives | sends |\n|---|---|---|---|\n")
	for _, p := range all.Providers() {
		info, guide := p.Info(), provider.GuideOf(p)
		sends := "no"
		if _, ok := p.(provider.Sender); ok {
			sends = "yes"
		}
		fmt.Fprintf(&index, "| [%s](%s.md) | %s | yes | %s |\n", info.Name, info.Name, info.Title, sends)
		var page bytes.Buffer
		if err := writePage(&page, p); err != nil {
			t.Fatal(err)
		}
		compareFile(t, filepath.Join(dir, info.Name+".md"), page.Bytes())
		wanted[info.Name+".md"] = true
		for what, list := range map[string][]string{"Setup": guide.Setup, "Notes": guide.Notes} {
			if len(list) == 0 {
				t.Errorf("%s: its Guide has no %s", info.Name, what)
			}
		}
		if sends == "yes" && guide.ByHand == "" {
			t.Errorf("%s: its Guide has no ByHand, although other senders than the provider are possible", info.Name)
		}
	}
	compareFile(t, filepath.Join(dir, "README.md"), index.Bytes())
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if !wanted[file.Name()] {
			t.Errorf("%s: there is no such provider", file.Name())
		}
	}
}

// TestAccessPage compares the table of docs/ACCESS.md with the members of an access that the program knows.
// "go test -update" writes it anew.
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

// compareFile compares the content of a file with want. With -update it writes the file.
func compareFile(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs from what the program prints; write it with -update and read the diff", path)
	}
}
