package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newTenantsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "tenants",
		Short: "Create, list, change and delete tenants",
		Long: `Create, list, show, change and delete tenants.

A tenant is one customer. Its sources, destinations, connections, events and files are kept apart from
those of all others: a key that is bound to it sees and touches nothing else, and no event of it goes
to a destination of another. Give nouns to it by --tenant when you create them, or create them with a
key of it. Without a verb, tenants are listed.`,
		Example: `  bellhop tenants create acme --events 100 --max-destinations 20
  bellhop keys create acme-admin --scope admin --tenant acme
  bellhop sources create orders --provider generic --set scheme=none --tenant acme`,
	}
	return newNounCommand(e, c,
		listVerb("tenants", help{example: "  bellhop tenants list"}, tenantColumns,
			unfiltered((*client.Client).Tenants)),
		itemVerb("show NAME", "tenant", help{
			short:   "Show one tenant, by name or id",
			example: "  bellhop tenants show acme",
		}, (*client.Client).Tenant, showTenant),
		newTenantsCreateCommand,
		newTenantsUpdateCommand,
		deleteVerb("tenant", help{
			long: `Delete a tenant, by name or id. Its sources, destinations, connections, subscriptions and keys
have to be deleted before. Its events stay until they are too old.`,
			example: "  bellhop tenants delete acme",
		}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
			t, err := api.Tenant(ctx, idOrName)
			return t.ID, err
		}, (*client.Client).DeleteTenant))
}

var tenantColumns = []column[client.Tenant]{
	{title: "ID", cell: func(t client.Tenant) string { return t.ID }},
	{title: "NAME", cell: func(t client.Tenant) string { return t.Name }},
	{title: "LIMITS", cell: func(t client.Tenant) string { return limitsText(t.Limits) }},
	{title: "CREATED AT", at: func(t client.Tenant) time.Time { return t.CreatedAt.Time }},
}

// limitsText says in words what a tenant may use; "" is everything.
func limitsText(l client.TenantLimits) string {
	var parts []string
	if l.Events != nil {
		parts = append(parts, fmt.Sprintf("%g events/s", l.Events.PerSecond))
	}
	if l.StoredBytes > 0 {
		parts = append(parts, count(l.StoredBytes)+" bytes")
	}
	if l.Destinations > 0 {
		parts = append(parts, bellhop.Count(l.Destinations, "destination"))
	}
	return strings.Join(parts, ", ")
}

// showTenant prints a tenant.
func showTenant(e *env, conn *connection, t client.Tenant) error {
	if conn.json {
		return printData(e, t)
	}
	limits := limitsText(t.Limits)
	if limits == "" {
		limits = "none"
	}
	return printFields(e, []field{
		{"id", t.ID}, {"name", t.Name}, {"limits", limits}, {"created at", moment(t.CreatedAt.Time)},
		{"updated at", moment(t.UpdatedAt.Time)}, etagField(t.ETag),
	})
}

// limitFlags hold the flags that set the limits of a tenant.
type limitFlags struct {
	events       float64
	bytes        int64
	destinations int
}

func addLimitFlags(c *cobra.Command) *limitFlags {
	f := &limitFlags{}
	rateFlag(c, &f.events, "events", "no limit",
		"events a second at the door, over all its sources, such as 100 or 600/m; 0 is no limit")
	sizeFlag(c, &f.bytes, "max-stored", "bytes of its stored events and files, such as 10GiB; 0 is no limit")
	c.Flags().IntVar(&f.destinations, "max-destinations", 0, "number of its destinations; 0 is no limit")
	return f
}

// changes returns the members of the limits for the flags that were given; nil removes a limit.
func (f *limitFlags) changes(c *cobra.Command) map[string]any {
	limits := map[string]any{}
	if c.Flags().Changed("events") {
		limits["events"] = nil
		if f.events > 0 {
			limits["events"] = client.Rate{PerSecond: f.events}
		}
	}
	if c.Flags().Changed("max-stored") {
		limits["stored_bytes"] = f.bytes
	}
	if c.Flags().Changed("max-destinations") {
		limits["destinations"] = f.destinations
	}
	return limits
}

func newTenantsCreateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Create a tenant",
		long: `Create a tenant. Its name cannot be changed later: nouns and events have it.

Events above the rate are answered 429, so that their senders repeat them. One destination more than
the limit is refused.`,
		example: `  bellhop tenants create acme
  bellhop tenants create acme --events 100 --max-stored 10GiB --max-destinations 20`,
	}.command("create NAME", oneArgument("name for the tenant"))
	limits := addLimitFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		asked := client.NewTenant{Name: args[0], Limits: client.TenantLimits{StoredBytes: limits.bytes,
			Destinations: limits.destinations}}
		if limits.events > 0 {
			asked.Limits.Events = &client.Rate{PerSecond: limits.events}
		}
		return conn.call(func(api *client.Client) error {
			t, err := api.CreateTenant(c.Context(), asked)
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, t)
			}
			fmt.Fprintf(e.stderr, "created tenant %s\n", clean(t.Name))
			_, err = fmt.Fprintln(e.stdout, clean(t.ID))
			return err
		})
	}
	return c
}

func newTenantsUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Change the limits of a tenant",
		long: `Change the limits of a tenant, by name or id. Limits that no flag names stay as they are. A limit
below what is used ends nothing: it refuses what comes.`,
		example: `  bellhop tenants update acme --events 500
  bellhop tenants update acme --max-destinations 0`,
	}.command("update NAME", oneArgument("tenant"))
	limits := addLimitFlags(c)
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		changes := limits.changes(c)
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		return conn.call(func(api *client.Client) error {
			t, err := api.IfMatch(*etag).UpdateTenant(c.Context(), args[0], map[string]any{"limits": changes})
			if err != nil {
				return err
			}
			return showTenant(e, conn, t)
		})
	}
	return c
}
