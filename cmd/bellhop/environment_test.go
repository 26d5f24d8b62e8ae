package main

import (
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestVariablesOfTheServer: a variable that sets a setting of the server, such as BELLHOP_DATA, sets the flag of
// another command only if it means the same. A person who has set it for the server can use every command.
func TestVariablesOfTheServer(t *testing.T) {
	settings := map[string]string{}
	for _, s := range config.Settings() {
		settings[config.EnvName(s.Name)] = s.Name
	}
	e := &env{getenv: func(name string) string {
		if settings[name] != "" {
			return "/from/the/environment"
		}
		return ""
	}}
	folders := 0
	walkCommands(newRootCommand(e), func(c *cobra.Command) {
		c.InheritedFlags() // adds those of the parents
		if err := e.bind(c); err != nil {
			t.Errorf("%s: %v", c.CommandPath(), err)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			folder := f.Name == "data" && f.Usage == "data folder of a server on this machine"
			if folder {
				folders++
			}
			if settings[config.EnvName(f.Name)] != "" && f.Changed != folder {
				t.Errorf("%s --%s is set from the environment: %v", c.CommandPath(), f.Name, f.Changed)
			}
		})
	})
	if folders < 20 {
		t.Errorf("%d commands find a server by its folder, which is too few: what is checked?", folders)
	}
}

// TestDataIsTheFolder: on every command --data is the data folder, but for those of stand-ins, which call no
// server, and for restore, which makes a folder.
func TestDataIsTheFolder(t *testing.T) {
	walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
		f := c.Flags().Lookup("data")
		if f != nil && f.Annotations[ofTheServer] == nil && c.Parent().Name() != "emulate" &&
			!slices.Contains([]string{"serve", "restore"}, c.Name()) {
			t.Errorf("%s --data: %s", c.CommandPath(), f.Usage)
		}
	})
}
