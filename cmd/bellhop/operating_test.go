package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// operatingCommands are the commands of Bellhop in a page: those on a line of their own, and those in the text.
var operatingCommands = regexp.MustCompile("(?m)^    (bellhop [^#\n]+)|`(bellhop [^`]+)`")

// TestOperatingCommands: each command that docs/OPERATING.md shows exists, with its flags. The page is read in haste.
func TestOperatingCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	found := operatingCommands.FindAllStringSubmatch(string(page), -1)
	if len(found) < 20 {
		t.Errorf("%d commands", len(found))
	}
	for _, m := range found {
		line := strings.TrimSpace(m[1] + m[2])
		line, _, _ = strings.Cut(line, " | ")
		words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line))
		cmd, rest, err := newRootCommand(&env{getenv: noEnv}).Find(words[1:])
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if cmd.HasSubCommands() && len(rest) > 0 {
			t.Errorf("%s: %q has no such command", line, cmd.CommandPath())
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
