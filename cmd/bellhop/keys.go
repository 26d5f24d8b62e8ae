package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/spf13/cobra"
)

func newKeysCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke keys of the API; replace the admin key",
		Long: `Create, list, show and revoke keys of the API, and replace the admin key.

A key has a scope: admin may do everything; operate may do all that needs no secret, such as pause,
replay and retry; read may look at everything but keys; publish may publish events and nothing else.
A key is shown once, when it is created. Without a verb, keys are listed.`,
		Example: `  bellhop keys create ci --scope publish --expires 90d
  bellhop keys
  bellhop keys revoke ci`,
	}
	revoke := deleteVerb("key", help{
		long: `Revoke a key, by name or id: requests with it are refused from then on. 'revoke' and 'delete' are the
same.`,
		example: "  bellhop keys revoke ci",
	}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
		k, err := api.Key(ctx, idOrName)
		return k.ID, err
	}, (*client.Client).DeleteKey)
	return newNounCommand(e, c,
		listVerb("keys", help{
			long: "List keys, newest first. The keys themselves are not shown.",
			example: `  bellhop keys list
  bellhop keys list --scope admin --json`,
		}, keyColumns, addKeyFilter),
		itemVerb("show NAME", "key", help{
			short: "Show one key, by name or id",
			long: `Show one key, by name or id: its scope, its expiry and its latest use. The key itself is not
shown.`,
			example: "  bellhop keys show ci",
		}, (*client.Client).Key, showKey),
		newKeysCreateCommand,
		func(e *env, conn *connection) *cobra.Command {
			c := revoke(e, conn)
			c.Short, c.Aliases = "Revoke a key", []string{"revoke"}
			return c
		},
		newKeysRotateAdminCommand)
}

var keyColumns = []column[client.Key]{
	{title: "ID", cell: func(k client.Key) string { return k.ID }},
	{title: "NAME", cell: func(k client.Key) string { return k.Name }},
	{title: "SCOPE", cell: func(k client.Key) string { return k.Scope }},
	{title: "TENANT", cell: func(k client.Key) string { return k.Tenant }},
	{title: "EXPIRES AT", at: func(k client.Key) time.Time { return k.ExpiresAt.Time }},
	{title: "LAST USED", at: func(k client.Key) time.Time { return k.LastUsedAt.Time }},
	{title: "FROM", cell: func(k client.Key) string { return k.LastAddress }},
}

// scopeNames are the scopes, for help and completion.
var scopeNames = []string{"admin", "operate", "read", "publish"}

func addKeyFilter(c *cobra.Command) listCall[client.Key] {
	var filter client.KeyFilter
	enumFlag(c, &filter.Scope, "scope", "", scopeNames, "only keys of this scope")
	tenantFlag(c, &filter.Tenant, "keys")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Key], error) {
		return api.Keys(ctx, filter, page)
	}
}

// showKey prints a key.
func showKey(e *env, conn *connection, k client.Key) error {
	if conn.json {
		return printData(e, k)
	}
	return printFields(e, []field{
		{"id", k.ID}, {"name", k.Name}, {"scope", k.Scope}, {"tenant", k.Tenant},
		{"created at", moment(k.CreatedAt.Time)}, {"expires at", orNever(k.ExpiresAt)},
		{"last used at", orNever(k.LastUsedAt)}, {"last used from", k.LastAddress}, etagField(k.ETag),
	})
}

// orNever formats t; the zero time is "never".
func orNever(t client.Time) string {
	if t.IsZero() {
		return "never"
	}
	return moment(t.Time)
}

func newKeysCreateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Create a key and print it",
		long: `Create a key and print it. It is not shown again: the server keeps a hash of it.

Programs send it as 'Authorization: Bearer KEY'. Commands take it from --api-key or BELLHOP_API_KEY.
Give a program the narrowest scope that does:

  publish   publish events
  read      look at everything but keys; read metrics
  operate   read, publish, pause, test, replay, retry, cancel, keep subscriptions: all that needs no
            secret
  admin     everything`,
		example: `  bellhop keys create ci --scope publish --expires 90d
  bellhop keys create prometheus --scope read > prometheus.key`,
	}.command("create NAME --scope SCOPE", oneArgument("name for the key"))
	scope := new(string)
	enumFlag(c, scope, "scope", "", scopeNames, "what the key may do")
	tenant := ownerFlag(c, "key")
	expires := c.Flags().String("expires", "never",
		"when the key ends: a time such as 2026-12-31 (UTC), a length of time from now such as 90d, or never")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *scope == "" {
			return wrongUsage("missing --scope: %s", strings.Join(scopeNames, ", "))
		}
		at, err := parseExpiry(*expires, e.clock())
		if err != nil {
			return wrongUsage("--expires %s: %w", quoted(*expires), err)
		}
		asked := client.NewKey{Name: args[0], Scope: *scope, Tenant: *tenant, ExpiresAt: client.Time{Time: at}}
		return conn.call(func(api *client.Client) error {
			k, err := api.CreateKey(c.Context(), asked)
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, k)
			}
			fmt.Fprintf(e.stderr, "created key %s (%s); keep it now, it is not shown again:\n", clean(k.Name),
				clean(k.Scope))
			_, err = fmt.Fprintln(e.stdout, clean(k.Text))
			return err
		})
	}
	return c
}

func newKeysRotateAdminCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Replace the admin key",
		long: `Replace the admin key of a server by a new one. The old one ends at once, or after --grace if programs
still have to learn the new one; a restart of the server ends it too. All other keys stay as they are.

The new key is written into the data folder of the server, where commands find it by themselves. For a
server elsewhere the new key is printed.

If BELLHOP_ADMIN_KEY sets the admin key of the server, set it to another key and restart the server.`,
		example: `  bellhop keys rotate-admin
  bellhop keys rotate-admin --grace 1h`,
	}.command("rotate-admin", noArguments)
	var grace string
	lengthTextFlag(c, &grace, "grace", "how long the old admin key still works, up to 24h (default 0s)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		to, err := conn.choose()
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			made, err := api.RotateAdminKey(c.Context(), client.AdminRotation{Grace: grace})
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, made)
			}
			ended := "the old one has ended"
			if !made.OldUntil.IsZero() {
				ended = "the old one works until " + moment(made.OldUntil.Time)
			}
			if to.local.AdminKey == datadir.AdminKeyFile {
				fmt.Fprintf(e.stderr, "the new admin key is in the file %s of %s; %s\n", datadir.AdminKeyFile,
					clean(conn.data), ended)
				return nil
			}
			fmt.Fprintf(e.stderr, "replaced the admin key; %s\n", ended)
			_, err = fmt.Fprintln(e.stdout, clean(made.Key))
			return err
		})
	}
	return c
}
