package main

import (
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/spf13/cobra"
)

// An upgradeResult is an app.Upgrade for programs.
type upgradeResult struct {
	OK            bool        `json:"ok"`
	Running       bool        `json:"running"`
	Schema        int         `json:"schema"`
	Known         int         `json:"known_schema"`
	Migrations    []string    `json:"migrations"`
	DatabaseBytes int64       `json:"database_bytes"`
	NeedsBytes    int64       `json:"needs_bytes"`
	FreeBytes     *int64      `json:"free_bytes"` // null if the system does not say
	BackupAt      client.Time `json:"backup_at"`
	BackupTo      string      `json:"backup_to"`
	Standby       bool        `json:"standby"`
	Problems      []string    `json:"problems"`
	Advice        []string    `json:"advice"`
}

func newUpgradeCheckCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "upgrade-check",
		Short: "Say whether this program could take over a data folder, and what would happen",
		Long: `Say whether this program could take over a data folder from the one that serves it, and what its
first start there would do: the migrations that it would run and the room on the disk that they need,
how old the latest backup is, and what to do. Run it with the new program, beside the server or its
folder. Nothing is changed.

Exit status 1 says that it could not, and why.`,
		Example: "  bellhop upgrade-check --data /var/lib/bellhop\n  bellhop upgrade-check --json",
		Args:    noArguments,
	}
	var asJSON bool
	data := c.Flags().String("data", defaultData, "data folder of a server on this machine")
	c.Flags().SetAnnotation("data", ofTheServer, []string{})
	formatFlags(e, c.Flags(), &asJSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		u, err := app.CheckUpgrade(c.Context(), within(e.dir, *data))
		if err != nil {
			return err
		}
		if asJSON {
			err = printData(e, upgradeJSON(u))
		} else {
			err = e.printUpgrade(u)
		}
		if err == nil && len(u.Problems) > 0 {
			err = errReported
		}
		return err
	}
	return c
}

func upgradeJSON(u app.Upgrade) upgradeResult {
	r := upgradeResult{OK: len(u.Problems) == 0, Running: u.Running, Schema: u.Schema, Known: u.Known,
		Migrations: append([]string{}, u.Migrations...), DatabaseBytes: u.Database, NeedsBytes: u.Needs,
		BackupAt: client.Time{Time: u.BackupAt}, BackupTo: u.BackupTo, Standby: u.Standby,
		Problems: append([]string{}, u.Problems...), Advice: append([]string{}, u.Advice...)}
	if u.Free >= 0 {
		r.FreeBytes = &u.Free
	}
	return r
}

// printUpgrade prints what was found, and what to do.
func (e *env) printUpgrade(u app.Upgrade) error {
	verdict, server, migrations, backup := "yes", "none runs", "none", "none is noted"
	if len(u.Problems) > 0 {
		verdict = "no"
	}
	if u.Running {
		server = "runs"
	}
	if len(u.Migrations) > 0 {
		migrations = strings.Join(u.Migrations, ", ") + "; they may need " + sizeWords(u.Needs)
	}
	if !u.BackupAt.IsZero() {
		backup = moment(u.BackupAt) + " in " + u.BackupTo
	}
	fields := []field{{"this program can open it", verdict}, {"server", server},
		{"schema", fmt.Sprintf("%d; this program knows %d", u.Schema, u.Known)}, {"migrations", migrations},
		{"database", sizeWords(u.Database)}, {"latest backup", backup}}
	for _, p := range u.Problems {
		fields = append(fields, field{"problem", p})
	}
	for _, a := range u.Advice {
		fields = append(fields, field{"to do", a})
	}
	return printFields(e, fields)
}
