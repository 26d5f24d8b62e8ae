package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// TestProviderPages holds that docs/providers says what the program does. "go test -update" writes it anew.
func TestProviderPages(t *testing.T) {
	const dir = "../../docs/providers"
	wanted := map[string]bool{"README.md": true}
	var index bytes.Buffer
	fmt.Fprint(&index, "<!-- Made by `go test ./cmd/bellhop -run TestProviderPages -update`. -->\n# Providers\n\n",
		"What each of them sends, how it proves it, how to set it up, and every setting. `bellhop providers NAME` shows the same.\n\n",
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
			t.Errorf("%s: its Guide has no ByHand, though there are others than the system who can send", info.Name)
		}
	}
	compareFile(t, filepath.Join(dir, "README.md"), index.Bytes())
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if !wanted[file.Name()] {
			t.Errorf("%s is the page of no provider", file.Name())
		}
	}
}

// compareFile compares what a file holds with what it is to hold, or writes it.
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
		t.Errorf("%s is not what the program says; write it with -update and read the diff", path)
	}
}
