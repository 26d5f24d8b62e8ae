package main

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newAuditCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "List who changed what",
		Long: `List who changed what: each change of a source, destination, connection, subscription, key or tenant,
each repair that was begun or cancelled, each replay, each retry or cancel of one delivery and each
file that was deleted, with the name of the key by which it was made. What the server changes by
itself is not listed. The latest 10,000 changes are kept; they have no value of a setting, and so no
secret.`,
		Example: `  bellhop audit --noun destination --name billing
  bellhop audit --by ada --since 2h`,
	}
	return newNounCommand(e, c,
		listVerb("changes", help{example: "  bellhop audit list --action deleted"}, auditColumns, addAuditFilter))
}

var auditColumns = []column[client.AuditEntry]{
	{title: "AT", at: func(a client.AuditEntry) time.Time { return a.At.Time }},
	{title: "KEY", cell: func(a client.AuditEntry) string { return a.Key }},
	{title: "ACTION", cell: func(a client.AuditEntry) string { return a.Action }},
	{title: "NOUN", cell: func(a client.AuditEntry) string { return a.Noun }},
	{title: "NAME", cell: func(a client.AuditEntry) string { return a.Name }},
	{title: "ID", cell: func(a client.AuditEntry) string { return a.NounID }},
	{title: "TENANT", cell: func(a client.AuditEntry) string { return a.Tenant }, wide: true},
}

func addAuditFilter(c *cobra.Command) listCall[client.AuditEntry] {
	var f client.AuditFilter
	// The flag of the name of a key is not --key, which is that of a secret elsewhere.
	c.Flags().StringVar(&f.Key, "by", "", "only changes by the key of this name")
	enumFlag(c, &f.Noun, "noun", "", []string{"source", "destination", "connection", "subscription", "key", "tenant",
		"portal_link", "repair", "event", "delivery", "file", "server"}, "only changes of such nouns")
	c.Flags().StringVar(&f.Name, "name", "", "only changes of the noun with this name or id")
	c.Flags().StringVar(&f.Action, "action", "", "only this, such as created, updated, deleted or paused")
	tenantFlag(c, &f.Tenant, "changes")
	sinceFlag(c, &f.Since, "since", "only changes of this time or later")
	sinceFlag(c, &f.Until, "until", "only changes before this time")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.AuditEntry], error) {
		return api.Audit(ctx, f, page)
	}
}
