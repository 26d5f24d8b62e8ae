package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of this program, and the version of Go that built it.",
		Example: "  bellhop version",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printData(e, map[string]string{"version": version(), "go": goVersion()})
			}
			_, err := fmt.Fprintln(e.stdout, "bellhop", version(), goVersion())
			return err
		},
	}
	formatFlags(e, c.Flags(), &asJSON)
	return c
}

// release is set at link time by a release build: -ldflags "-X main.release=v1.2.3".
var release string

// version returns the release, or else the version of the main module that the Go toolchain recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case release != "":
		return release
	case ok && info.Main.Version != "":
		return info.Main.Version
	}
	return "(devel)"
}

func goVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.GoVersion
	}
	return ""
}
