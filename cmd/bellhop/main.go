// Command bellhop is a webhook gateway and the tools around it. One file holds one noun or tool.
//
// Results go to stdout; progress, warnings and errors go to stderr. Exit status 0 is done, 1 failed, 2 wrong
// usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	e := &env{getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(exitCode(run(context.Background(), e, os.Args[1:])))
}

// run is the whole program. It prints its error on stderr and returns it, for the exit status.
func run(ctx context.Context, e *env, args []string) error {
	root := newRootCommand(e)
	root.SetArgs(append([]string{}, args...))
	command, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, errReported):
	case errors.As(err, &usage):
		fmt.Fprintf(e.stderr, "bellhop: %s\nsee '%s --help'\n", clean(err.Error()), command.CommandPath())
	default:
		fmt.Fprintf(e.stderr, "bellhop: %s\n", clean(err.Error()))
	}
	return err
}

// exitCode returns the exit status for err, the result of run.
func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

// A usageError is a mistake in the command line or in the environment: a wrong flag, argument or value.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errReported makes a command fail after it has printed the reason on stdout. run prints nothing more.
var errReported = errors.New("failed")

// newRootCommand makes the command "bellhop" with all its sub-commands.
func newRootCommand(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "bellhop",
		Short: "A webhook gateway",
		Long: `A webhook gateway: it receives webhooks, checks who sent them, stores them, and delivers them with
retries.

'bellhop serve' runs the server. It needs no settings. The commands that ask or change a server use
the one that was started in the same data folder (--data, ./data by default); use --server and
--api-key to reach any other server. The tools need no server, except 'send', which posts to the URL
that you give.

Every flag can also be set in the environment, as BELLHOP_<FLAG>: --api-key is BELLHOP_API_KEY. The
flag wins.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bellhop serve
  bellhop sources create media --provider ams --set signing_key=@key.txt
  bellhop destinations create billing --url https://billing.example.com/hooks --types 'ams.*'
  bellhop events publish invoice.paid '{"id":17}'
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
	add("nouns", newSourcesCommand(e), newDestinationsCommand(e), newEventsCommand(e), newDeliveriesCommand(e),
		newReplayCommand(e), newRepairsCommand(e), newRequestsCommand(e))
	add("tools", newSendCommand(e), newVerifyCommand(e), newProvidersCommand(e), newBenchCommand(e), newVersionCommand(e))
	root.AddCommand(newBenchRelayCommand(e))

	addHiddenConnectionFlags(e, root)
	argumentErrorsAreUsage(root)
	return root
}

// argumentErrorsAreUsage makes a wrong number of arguments a usageError, for c and all commands below it.
func argumentErrorsAreUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		argumentErrorsAreUsage(sub)
	}
}

// unknownCommand returns the error for a sub-command that c does not have, with the nearest name that it has.
func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	hint := ""
	if meant := c.SuggestionsFor(name); len(meant) > 0 {
		hint = fmt.Sprintf("; did you mean '%s'?", meant[0])
	}
	return wrongUsage("no command '%s %s'%s", c.CommandPath(), name, hint)
}
