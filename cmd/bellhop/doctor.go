package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/spf13/cobra"
)

func newDoctorCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check how well a server is, or the data folder of one that is stopped",
		Long: `Check how well a server is: its clock, data folder, disk and the speed of its syncs, open files,
whether it reaches itself at its public URL and when the certificate there ends, keys and secrets that
end, connections, subscriptions, silent sources, destinations, deliveries and repairs. Each finding
says what to do. That takes some seconds, and needs an API key of the scope admin, for all tenants.

If no server runs in the data folder, the folder itself is checked: whether it and its keys are for
their owner alone, the disk, its syncs, and whether SQLite finds damage in the database. Nothing in it
is changed, and no server can start meanwhile.

Exit status 1 says that something needs a person: a check that failed, or a warning. A check that is
skipped says why.`,
		Example: `  bellhop doctor
  bellhop doctor --data /var/lib/bellhop
  bellhop doctor --server https://hooks.example.com --api-key bhk_… --json`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dir := within(conn.dir, conn.data); conn.server == "" && app.IsStopped(dir) {
			fmt.Fprintf(e.stderr, "no server runs in %s: checking the folder itself\n", clean(conn.data))
			checkup, err := app.CheckFolder(c.Context(), app.Options{Version: version(),
				AdminKey: e.getenv(datadir.AdminKeyVariable), Logger: slog.New(slog.DiscardHandler)}, dir)
			if err != nil {
				return err
			}
			return e.showCheckup(conn, checkup)
		}
		return conn.call(func(api *client.Client) error {
			checkup, err := api.Doctor(c.Context())
			if err != nil {
				return err
			}
			return e.showCheckup(conn, checkup)
		})
	}
	return c
}

// stateColours are the colours of the states of a check.
var stateColours = map[string]colour{"ok": green, "warning": yellow, "failed": red}

// showCheckup prints what was found. Its error is errReported if something needs a person.
func (e *env) showCheckup(conn *connection, checkup client.Checkup) error {
	if conn.json {
		if err := printData(e, checkup); err != nil {
			return err
		}
	} else {
		e.printCheckup(checkup)
	}
	if checkup.State != "ok" {
		return errReported
	}
	return nil
}

// printCheckup prints each check on a line, with what it is about and what to do below it.
func (e *env) printCheckup(checkup client.Checkup) {
	width, needing := 0, 0
	for _, c := range checkup.Checks {
		width = max(width, len(clean(c.Title)))
	}
	for _, c := range checkup.Checks {
		state := fmt.Sprintf("%-8s", clean(c.State))
		if e.coloured() {
			state = paint(state, stateColours[c.State])
		}
		fmt.Fprintf(e.stdout, "%s %-*s  %s\n", state, width, clean(c.Title), clean(c.Message))
		indent := strings.Repeat(" ", width+11)
		for _, n := range c.Nouns {
			fmt.Fprintf(e.stdout, "%s%s %s: %s\n", indent, clean(n.Noun), clean(n.Name), clean(n.Message))
		}
		if c.Remedy != "" {
			fmt.Fprintf(e.stdout, "%s→ %s\n", indent, clean(c.Remedy))
		}
		if c.State == "warning" || c.State == "failed" {
			needing++
		}
	}
	if needing == 0 {
		fmt.Fprintln(e.stderr, "nothing needs you")
		return
	}
	fmt.Fprintf(e.stderr, "%s of %d found what needs you\n", bellhop.Count(needing, "check"), len(checkup.Checks))
}
