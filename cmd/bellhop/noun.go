package main

import "github.com/spf13/cobra"

// A verb makes one command of a noun.
type verb func(e *env, conn *connection) *cobra.Command

// newNounCommand makes the command of a noun out of its verbs. Without a verb it does what the first one does: list.
func newNounCommand(e *env, c *cobra.Command, verbs ...verb) *cobra.Command {
	conn := newConnection(e, c.PersistentFlags())
	for i, make := range verbs {
		sub := make(e, conn)
		c.AddCommand(sub)
		if i == 0 {
			c.RunE = sub.RunE
			c.Flags().AddFlagSet(sub.Flags())
		}
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return nil
	}
	return c
}

// named says that a command takes one argument, and what it is called.
func named(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return wrongUsage("missing %s", what)
		case len(args) > 1:
			return wrongUsage("one %s at a time; do not know what '%s' is", what, args[1])
		}
		return nil
	}
}
