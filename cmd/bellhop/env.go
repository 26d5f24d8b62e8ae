package main

import (
	"io"

	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An env is what a command has of the world around it.
type env struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// bind gives each flag of c that was not given the value that the environment has for it: --api-key is
// BELLHOP_API_KEY.
func (e *env) bind(c *cobra.Command) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := config.EnvName(f.Name)
		value := e.getenv(name)
		if err != nil || f.Changed || value == "" || f.Name == "help" || c.Name() == "serve" && isServerSetting(f.Name) {
			return
		}
		if setErr := c.Flags().Set(f.Name, value); setErr != nil {
			err = wrongUsage("%s: %w", name, setErr)
		}
	})
	return err
}

// isServerSetting reports whether serve finds the flag's value by itself, with config.Load.
func isServerSetting(name string) bool {
	for _, s := range config.Settings() {
		if s.Name == name {
			return true
		}
	}
	return false
}
