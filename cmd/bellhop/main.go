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

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/release"
	"github.com/spf13/cobra"
)

func main() {
	e := &env{
		getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		width:     func() int { return terminalWidth(os.Stdout) },
		height:    func() int { return terminalHeight(os.Stdout) },
		talkWidth: func() int { return terminalWidth(os.Stderr) },
	}
	os.Exit(exitCode(run(context.Background(), e, os.Args[1:])))
}

// run is the whole program. It prints its error on stderr and returns it, for the exit status.
func run(ctx context.Context, e *env, args []string) error {
	root := newRootCommand(e)
	root.SetArgs(append([]string{}, args...))
	addCompletion(e, root, args)
	unknown := refuseHelpOfUnknown(root)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = *unknown
	}
	var usage *usageError
	var refused *client.Error
	switch {
	case err == nil, errors.Is(err, errReported):
	case errors.As(err, &usage): // a file of settings may have an error of several lines
		fmt.Fprintf(e.stderr, "%s %s\nsee '%s --help'\n", e.talk("bellhop:", red), cleanLines(err.Error()),
			command.CommandPath())
	case errors.As(err, &refused):
		fmt.Fprintf(e.stderr, "%s %s\n", e.talk("bellhop:", red), clean(inFlagWords(command, refused)))
	default:
		fmt.Fprintf(e.stderr, "%s %s\n", e.talk("bellhop:", red), clean(err.Error()))
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
flag wins. A terminal gets tables that fit it, with colours unless NO_COLOR is set; a pipe gets whole
values. --output chooses another form.

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
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			err := checkFormat(c)
			if err != nil {
				return err
			}
			return errors.Join(refuseEmpty(c), e.bind(c))
		},
		Version:       versionText(release.Read()),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("bellhop {{.Version}}\n")
	root.SetHelpCommand(newHelpCommand())

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
	add("server", newServeCommand(e), newConfigCommand(e), newStatsCommand(e), newSeriesCommand(e), newAuditCommand(e),
		newTailCommand(e), newUICommand(e), newSettingsCommand(e), newDoctorCommand(e), newReadyCommand(e),
		newBackupCommand(e), newRestoreCommand(e), newResumeCommand(e), newLogLevelCommand(e),
		newUpgradeCheckCommand(e))
	add("nouns", newSourcesCommand(e), newDestinationsCommand(e), newEventsCommand(e), newDeliveriesCommand(e),
		newReplayCommand(e), newRepairsCommand(e), newRequestsCommand(e), newConnectionsCommand(e),
		newSubscriptionsCommand(e), newFilesCommand(e), newKeysCommand(e), newTenantsCommand(e),
		newPortalLinksCommand(e), newAMSCommand(e))
	add("tools", newSendCommand(e), newVerifyCommand(e), newEmulateCommand(e), newProvidersCommand(e),
		newBenchCommand(e), newProveCommand(e), newDemoCommand(e), newListenCommand(e), newPullCommand(e),
		newCompletionCommand(e), newVersionCommand(e))
	root.AddCommand(newBenchRelayCommand(e))

	addHiddenConnectionFlags(e, root)
	return root
}

// newHelpCommand makes the command "help", which fails for a command that does not exist.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Long:    "Show the help of a command, as --help does.",
		Example: "  bellhop help sources create",
		// The library adds this command later than addCompletion could see it.
		ValidArgsFunction: completeCommands,
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			switch {
			case err != nil || found == c.Root() && len(args) > 0:
				return unknownCommand(c.Root(), args[0])
			case len(rest) > 0 && found.HasSubCommands():
				return unknownCommand(found, rest[0])
			}
			return found.Help()
		},
	}
}

// refuseHelpOfUnknown makes --help after the name of a command that does not exist set *unknown, in place of
// printing the help of its parent.
func refuseHelpOfUnknown(root *cobra.Command) (unknown *error) {
	unknown = new(error)
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		rest := c.Flags().Args()
		if c.HasSubCommands() && len(rest) > 0 {
			*unknown = unknownCommand(c, rest[0])
			return
		}
		help(c, args)
	})
	return unknown
}

func newVersionCommand(e *env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Print the version of this program and of the Go toolchain that built it, and the commit of its source
code: when that was made, and whether the source had further changes. A program that was built outside
the repository, or with -buildvcs=false, says that its commit is unknown.`,
		Example: `  bellhop version
  bellhop version --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			built := release.Read()
			if asJSON {
				return printData(e, built)
			}
			_, err := fmt.Fprintln(e.stdout, "bellhop "+versionText(built))
			return err
		},
	}
	formatFlags(e, c.Flags(), &asJSON)
	return c
}

// versionText returns what people see of a release: the version, the toolchain and, on a second line, the commit.
func versionText(r release.Release) string {
	return r.Version + " " + r.Go + " " + r.OS + "/" + r.Arch + "\n" + r.Words()
}

func version() string { return release.Read().Version }
