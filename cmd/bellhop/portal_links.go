package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newPortalLinksCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "portal-links",
		Short: "Create, list and revoke links to the portals of tenants",
		Long: `Create, list, show and revoke links to the portals of tenants.

The portal is the pages for a tenant itself, at /ui/portal/ of the server: its destinations,
deliveries and events. Whoever has a link needs no key. A link is opened once, within 5 minutes, and
says what its visitor may do, and until when. Without a verb, links that have not ended are listed.`,
		Example: `  bellhop portal-links create --tenant acme --rights retry --expires-in 2h
  bellhop portal-links
  bellhop portal-links revoke plk_01h455vb4pex5vsknk08`,
	}
	revoke := deleteVerb("portal link", help{
		long: `Revoke a link to a portal, by its id: whoever has opened it is out. 'revoke' and 'delete' are the
same.`,
		example: "  bellhop portal-links revoke plk_01h455vb4pex5vsknk08",
	}, func(api *client.Client, ctx context.Context, id string) (string, error) {
		l, err := api.PortalLink(ctx, id)
		return l.ID, err
	}, (*client.Client).DeletePortalLink)
	return newNounCommand(e, c,
		listVerb("portal links", help{example: "  bellhop portal-links list --tenant acme"}, portalLinkColumns,
			func(c *cobra.Command) listCall[client.PortalLink] {
				var filter client.PortalLinkFilter
				tenantFlag(c, &filter.Tenant, "portal links")
				return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.PortalLink],
					error) {
					return api.PortalLinks(ctx, filter, page)
				}
			}),
		itemVerb("show ID", "portal link", help{
			short:   "Show one link to a portal, by its id",
			long:    "Show one link to a portal, by its id, without its URL.",
			example: "  bellhop portal-links show plk_01h455vb4pex5vsknk08",
		}, (*client.Client).PortalLink, showPortalLink),
		newPortalLinksCreateCommand,
		func(e *env, conn *connection) *cobra.Command {
			c := revoke(e, conn)
			c.Use, c.Short, c.Aliases = "delete ID", "Revoke a link to a portal", []string{"revoke"}
			return c
		})
}

var portalLinkColumns = []column[client.PortalLink]{
	{title: "ID", cell: func(l client.PortalLink) string { return l.ID }},
	{title: "TENANT", cell: func(l client.PortalLink) string { return l.Tenant }},
	{title: "RIGHTS", cell: func(l client.PortalLink) string { return l.Rights }},
	{title: "MADE BY", cell: func(l client.PortalLink) string { return l.Key }},
	{title: "CREATED AT", at: func(l client.PortalLink) time.Time { return l.CreatedAt.Time }},
	{title: "OPENED AT", at: func(l client.PortalLink) time.Time { return l.OpenedAt.Time }},
	{title: "EXPIRES AT", at: func(l client.PortalLink) time.Time { return l.ExpiresAt.Time }},
	{title: "FRAMES", cell: func(l client.PortalLink) string { return strings.Join(l.FrameAncestors, " ") },
		wide: true},
}

// showPortalLink prints a link.
func showPortalLink(e *env, conn *connection, l client.PortalLink) error {
	if conn.json {
		return printData(e, l)
	}
	return printFields(e, []field{
		{"id", l.ID}, {"tenant", l.Tenant}, {"rights", l.Rights}, {"made by", l.Key},
		{"created at", moment(l.CreatedAt.Time)}, {"open until", moment(l.OpenUntil.Time)},
		{"opened at", orNever(l.OpenedAt)}, {"expires at", moment(l.ExpiresAt.Time)},
		{"in frames of", strings.Join(l.FrameAncestors, ", ")},
	})
}

func newPortalLinksCreateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Create a link to the portal of a tenant, and print it",
		long: `Create a link to the portal of a tenant, and print it. It is not shown again.

The link is opened once, within 5 minutes; the page asks for a click on Open before. Its visitor may,
until the end of the link:

  read      look at destinations, deliveries and events
  retry     read, retry deliveries, replay events
  manage    retry, create, change, pause, test and delete destinations

With --frame-ancestor, pages of that host may show the portal in a frame.`,
		example: `  bellhop portal-links create --tenant acme --rights read
  bellhop portal-links create --tenant acme --rights manage --frame-ancestor app.example.com`,
	}.command("create --tenant TENANT --rights RIGHTS", noArguments)
	var asked client.NewPortalLink
	c.Flags().StringVar(&asked.Tenant, "tenant", "", "whose portal it is (default that of the key)")
	enumFlag(c, &asked.Rights, "rights", "", []string{"read", "retry", "manage"}, "what its visitor may do")
	lengthTextFlag(c, &asked.ExpiresIn, "expires-in", "when its visitor is out, from now on, 1m to 12h (default 12h)")
	c.Flags().StringSliceVar(&asked.FrameAncestors, "frame-ancestor", nil,
		"host or origin whose pages may show the portal in a frame (repeatable)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if asked.Rights == "" {
			return wrongUsage("missing --rights: read, retry, manage")
		}
		to, err := conn.choose()
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			l, err := api.CreatePortalLink(c.Context(), asked)
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, l)
			}
			url := l.URL
			if isLoopback(to.server) && l.LocalURL != "" && len(l.FrameAncestors) == 0 {
				url = l.LocalURL
			}
			fmt.Fprintf(e.stderr, "created %s for tenant %s; it is opened once, before %s:\n", clean(l.ID),
				clean(l.Tenant), moment(l.OpenUntil.Time))
			_, err = fmt.Fprintln(e.stdout, clean(url))
			return err
		})
	}
	return c
}
