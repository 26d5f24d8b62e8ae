package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandHasJSON: each command either does not know --json, or testdata/script/json.txtar runs it with
// --json. The comparison of bench and the kills of prove take too long for it; TestScripts/bench and TestStressProve
// run them.
func TestEveryCommandHasJSON(t *testing.T) {
	script, err := os.ReadFile("testdata/script/json.txtar")
	if err != nil {
		t.Fatal(err)
	}
	walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
		flag := c.Flag("json")
		if c.HasSubCommands() || c.Name() == "bench" || c.Name() == "prove" || flag == nil || flag.Hidden {
			return
		}
		for line := range strings.Lines(string(script)) {
			if strings.Contains(line, c.CommandPath()+" ") && strings.Contains(line, " --json") {
				return
			}
		}
		t.Errorf("%s: json.txtar does not run it with --json", c.CommandPath())
	})
}
