package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newRootCommand(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "bellhop",
		Short: "A webhook gateway",
		Long: `A webhook gateway: it receives webhooks, checks who sent them, keeps them, and delivers them with retries.

'bellhop serve' runs the server; it needs nothing. The other commands talk to a server: they find one that was
started in the same data folder by themselves, and any other with --server and --api-key.

Every flag is also BELLHOP_<FLAG> in the environment: --api-key is BELLHOP_API_KEY. The flag wins.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bellhop serve
  bellhop sources create media --provider ams --set signing_key=@key.txt
  bellhop destinations create billing --url https://billing.example.com/hooks --types 'ams.*'
  bellhop deliveries --state dead`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				c.Help()
				return wrongUsage("missing command")
			}
			return unknownCommand(c, args[0])
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return e.bind(c) },
		SilenceErrors:     true,
		SilenceUsage:      true,
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })

	root.AddGroup(
		&cobra.Group{ID: "server", Title: "Server:"},
		&cobra.Group{ID: "nouns", Title: "What a server holds:"},
		&cobra.Group{ID: "tools", Title: "Tools:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("server", newServeCommand(e), newStatsCommand(e))
	add("nouns", newSourcesCommand(e), newDestinationsCommand(e), newEventsCommand(e), newDeliveriesCommand(e), newReplayCommand(e),
		newRepairsCommand(e), newRequestsCommand(e))
	add("tools", newSendCommand(e), newVerifyCommand(e), newProvidersCommand(e), newBenchCommand(e), newVersionCommand(e))
	root.AddCommand(newBenchRelayCommand(e))

	hideConnection(e, root)
	checkArgs(root)
	return root
}

// checkArgs makes wrong numbers of arguments wrong usage, for c and all below it.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// unknownCommand says that c has no command of this name, and which may have been meant.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	hint := ""
	if meant := c.SuggestionsFor(name); len(meant) > 0 {
		hint = fmt.Sprintf("; did you mean '%s'?", meant[0])
	}
	return wrongUsage("no command '%s %s'%s", c.CommandPath(), name, hint)
}
