package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSubscriptionsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "subscriptions",
		Short: "List, show, create, update, renew, pause, resume, fill and delete subscriptions at providers",
		Long: `List, show, create, update, renew, pause, resume, fill and delete subscriptions at providers.

A subscription is a registration of this server at a provider: it asks the provider to call a source.
Most registrations expire. The server renews them in time, makes a new one when one was lost, and
keeps on record when notifications may have been missed, and asks the provider what that was. Without
a verb, subscriptions are listed.`,
		Example: `  bellhop subscriptions
  bellhop subscriptions create events --source calendar --connection work --resource /me/events --change-type created
  bellhop subscriptions show calendar
  bellhop subscriptions sync`,
	}
	return newNounCommand(e, c,
		listVerb("subscriptions", help{example: "  bellhop subscriptions list --state failed"}, subscriptionColumns,
			subscriptionFilter),
		newSubscriptionsShowCommand, newSubscriptionsCreateCommand, newSubscriptionsUpdateCommand,
		itemVerb("renew NAME", "subscription", help{
			short:   "Renew a registration now, or try again to make it",
			example: "  bellhop subscriptions renew calendar",
		}, (*client.Client).RenewSubscription, (*env).madeSubscription),
		itemVerb("pause NAME", "subscription", help{
			short: "End a registration at the provider until it is resumed",
			long: `End a registration at the provider until it is resumed. Nothing comes from it meanwhile; the pause is
on record as a gap.`,
			example: "  bellhop subscriptions pause calendar",
		}, (*client.Client).PauseSubscription, showSubscription),
		itemVerb("resume NAME", "subscription", help{
			short:   "Make the registration of a paused subscription again",
			example: "  bellhop subscriptions resume calendar",
		}, (*client.Client).ResumeSubscription, (*env).madeSubscription),
		newSubscriptionsFillCommand, newSubscriptionsDeleteCommand, newSubscriptionsSyncCommand,
		newSubscriptionsRemoteCommand)
}

var subscriptionColumns = []column[client.Subscription]{
	{title: "ID", cell: func(s client.Subscription) string { return s.ID }},
	{title: "NAME", cell: func(s client.Subscription) string { return s.Name }},
	{title: "PROVIDER", cell: func(s client.Subscription) string { return s.Provider }},
	{title: "RESOURCE", cell: func(s client.Subscription) string { return s.Resource }},
	{title: "STATE", cell: func(s client.Subscription) string { return s.State }},
	{title: "EXPIRES AT", at: func(s client.Subscription) time.Time { return s.ExpiresAt.Time }},
	{title: "LAST EVENT", at: func(s client.Subscription) time.Time { return s.LastEventAt.Time }},
	{title: "SOURCE", cell: func(s client.Subscription) string { return s.Source }, wide: true},
	{title: "CONNECTION", cell: func(s client.Subscription) string { return s.Connection }, wide: true},
	{title: "REMOTE ID", cell: func(s client.Subscription) string { return s.RemoteID }, wide: true},
	{title: "REASON", cell: func(s client.Subscription) string { return s.Reason }, wide: true},
}

// subscriptionFilter adds the flags that narrow a list of subscriptions.
func subscriptionFilter(c *cobra.Command) listCall[client.Subscription] {
	var f client.SubscriptionFilter
	c.Flags().StringVar(&f.Source, "source", "", "only those that call this source (name or id)")
	c.Flags().StringVar(&f.Connection, "connection", "", "only those of this connection (name or id)")
	states := []string{"pending", "active", "renewing", "paused", "expired", "removed", "failed"}
	enumFlag(c, &f.State, "state", "", states, "only those in this state")
	c.Flags().StringVar(&f.Provider, "provider", "", "only those at this provider")
	tenantFlag(c, &f.Tenant, "subscriptions")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Subscription], error) {
		return api.Subscriptions(ctx, f, page)
	}
}

// showSubscription prints s.
func showSubscription(e *env, conn *connection, s client.Subscription) error {
	if conn.json {
		return printData(e, s)
	}
	return printFields(e, subscriptionFields(s))
}

func subscriptionFields(s client.Subscription) []field {
	fields := []field{{"id", s.ID}, {"name", s.Name}, {"state", s.State}, {"reason", s.Reason},
		{"provider", s.Provider},
		{"source", s.Source}, {"connection", s.Connection}, {"resource", s.Resource},
		{"change types", strings.Join(s.ChangeTypes, ", ")}}
	fields = append(fields, settingFields("settings.", s.Settings)...)
	return append(fields, field{"expect every", s.ExpectEvery}, field{"remote id", s.RemoteID}, field{"url", s.URL},
		field{"expires at", moment(s.ExpiresAt.Time)}, field{"next call at", moment(s.RenewAt.Time)},
		field{"last event at", moment(s.LastEventAt.Time)}, field{"missing since", moment(s.LostAt.Time)},
		field{"created at", moment(s.CreatedAt.Time)}, field{"updated at",
			moment(s.UpdatedAt.Time)}, etagField(s.ETag))
}

var callColumns = []column[client.SubscriptionCall]{
	{title: "AT", at: func(c client.SubscriptionCall) time.Time { return c.At.Time }},
	{title: "CALL", cell: func(c client.SubscriptionCall) string { return c.Call }},
	{title: "TOOK", cell: func(c client.SubscriptionCall) string { return c.Duration }},
	{title: "HANDSHAKE", cell: func(c client.SubscriptionCall) string { return c.Handshake }},
	{title: "OUTCOME", cell: func(c client.SubscriptionCall) string {
		if c.Outcome == "" {
			return "under way"
		}
		return c.Outcome
	}},
}

func newSubscriptionsShowCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Show one subscription, its gaps and its history, by name or id",
		long: `Show one subscription, its gaps and its history, by name or id. A gap is a span of time in which
notifications may have been missed; the latest 20 are shown. The history is each call that was made
for it at the provider, newest first, what came back, and the handshake that it caused. With --json,
--history prints the history in place of the subscription.`,
		example: "  bellhop subscriptions show calendar",
	}.command("show NAME", oneArgument("subscription"))
	history := c.Flags().Bool("history", false, "only the history")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			s, err := api.Subscription(c.Context(), args[0])
			if err != nil {
				return err
			}
			calls, err := api.SubscriptionHistory(c.Context(), s.ID)
			switch {
			case err != nil:
				return err
			case *history:
				return showList(e, conn, calls, "calls", callColumns)
			case conn.json:
				return printData(e, s)
			}
			if err := showSubscription(e, conn, s); err != nil {
				return err
			}
			return errors.Join(printBelow(e, s.Gaps, gapColumns), printBelow(e, calls.Data, callColumns))
		})
	}
	return c
}

// subscriptionFlags are the flags of create and update.
type subscriptionFlags struct {
	resource, expectEvery string
	changes, set, remove  []string
}

func addSubscriptionFlags(c *cobra.Command) *subscriptionFlags {
	f := &subscriptionFlags{}
	c.Flags().StringVar(&f.resource, "resource", "",
		"what is watched, in the provider's words: /me/events, the title of a list")
	c.Flags().StringSliceVar(&f.changes, "change-type", nil,
		"kinds of change, separated by commas: created,updated,deleted")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	lengthTextFlag(c, &f.expectEvery, "expect-every",
		"publish bellhop.source.silent if nothing came for so long, such as 24h; 0s ends that")
	return f
}

func newSubscriptionsCreateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Create a subscription and its registration at the provider",
		long: `Create a subscription and its registration at the provider.

The server generates the client state, asks the provider to call the source, answers the handshake,
and prints the subscription. If the provider refuses, or its handshake does not arrive, the command
fails and says what was expected and what came; the subscription stays and is tried again.

A source for subscriptions alone needs no client state of its own:
  bellhop sources create calendar --provider graph --set subscriptions_only=true`,
		example: `  bellhop subscriptions create events --source calendar --connection work --resource /me/events --change-type created
  bellhop subscriptions create files --source lists --connection site --resource Documents`,
	}.command("create NAME --source SOURCE --connection CONNECTION --resource RESOURCE", oneArgument("name for the "+
		"subscription"))
	source := c.Flags().String("source", "", "the source that the provider is to call (name or id)")
	connectionName := c.Flags().String("connection", "", "who we are at the provider (name or id)")
	f := addSubscriptionFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		for flag, value := range map[string]string{"source": *source, "connection": *connectionName,
			"resource": f.resource} {
			if value == "" {
				return wrongUsage("missing --%s", flag)
			}
		}
		settings, err := e.readSettings(f.set)
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.CreateSubscription(c.Context(), client.NewSubscription{Name: args[0], Source: *source,
				Connection: *connectionName, Resource: f.resource, ChangeTypes: f.changes, Settings: settings,
				ExpectEvery: f.expectEvery})
			if err != nil {
				return err
			}
			return e.madeSubscription(conn, s)
		})
	}
	return c
}

// madeSubscription prints a subscription, and fails unless it is active.
func (e *env) madeSubscription(conn *connection, s client.Subscription) error {
	err := showSubscription(e, conn, s)
	if err != nil || s.State == "active" || s.State == "paused" {
		return err
	}
	fmt.Fprintf(e.stderr, "%s subscription %s is %s: %s\nit is tried again; 'bellhop subscriptions renew %s' "+
		"tries at once\n", e.talk("bellhop:", red),
		clean(s.Name), s.State, clean(s.Reason), clean(s.Name))
	return errReported
}

func newSubscriptionsUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Change a subscription",
		long: `Change a subscription, by name or id. Settings that no flag names stay as they are.

If the resource, the change types or a setting change, the provider gets a new registration first, and
the old one is deleted then: no notification is lost.`,
		example: `  bellhop subscriptions update calendar --change-type created,updated,deleted
  bellhop subscriptions update calendar --expect-every 24h`,
	}.command("update NAME", oneArgument("subscription"))
	name := c.Flags().String("name", "", "a new name")
	f := addSubscriptionFlags(c)
	c.Flags().StringArrayVar(&f.remove, "unset", nil, "name of a setting to remove (repeatable)")
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := e.readSettings(f.set)
		if err != nil {
			return err
		}
		unset(settings, f.remove)
		changes := changedFlags(c, map[string]any{"name": *name, "resource": f.resource,
			"expect-every": f.expectEvery})
		if c.Flags().Changed("change-type") {
			changes["change_types"] = f.changes
		}
		if f.expectEvery == "0s" {
			changes["expect_every"] = nil
		}
		if len(settings) > 0 {
			changes["settings"] = settings
		}
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.IfMatch(*etag).UpdateSubscription(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			return e.madeSubscription(conn, s)
		})
	}
	return c
}

func newSubscriptionsDeleteCommand(e *env, conn *connection) *cobra.Command {
	var keep bool
	c := deleteVerb("subscription", help{
		long: `Delete a subscription, by name or id, and its registration at the provider. If the provider cannot be
reached, the command fails, and the server goes on trying. With --keep-remote the registration is left
at the provider; it expires by itself, and until then its notifications are refused.`,
		example: "  bellhop subscriptions delete calendar",
	}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
		s, err := api.Subscription(ctx, idOrName)
		return s.ID, err
	}, func(api *client.Client, ctx context.Context, id string) error {
		return api.DeleteSubscription(ctx, id, keep)
	})(e, conn)
	c.Flags().BoolVar(&keep, "keep-remote", false, "leave the registration at the provider")
	return c
}

func newSubscriptionsSyncCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Compare all subscriptions with their providers now",
		long: `Compare all subscriptions with their providers now, as the server does at its start and every day. A
registration that a provider's list lacks is asked for by itself, and made again if it is gone.
Registrations with our URL and client state, but of no subscription, are deleted. Others are left
alone.`,
		example: "  bellhop subscriptions sync",
	}.command("sync", noArguments)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			done, err := api.SyncSubscriptions(c.Context())
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, done)
			}
			err = printFields(e, []field{{"checked", count(int64(done.Checked))}, {"found", count(int64(done.Found))},
				{"asked for by themselves", strings.Join(done.Doubted, ", ")},
				{"strays deleted", count(int64(done.Strays))}})
			for _, text := range done.Errors {
				fmt.Fprintln(e.stderr, clean(text))
			}
			return err
		})
	}
	return c
}

var remoteColumns = []column[client.RemoteSubscription]{
	{title: "REMOTE ID", cell: func(r client.RemoteSubscription) string { return r.RemoteID }},
	{title: "RESOURCE", cell: func(r client.RemoteSubscription) string { return r.Resource }},
	{title: "CALLS", cell: func(r client.RemoteSubscription) string { return r.Origin }},
	{title: "OWNER", cell: func(r client.RemoteSubscription) string { return r.Owner }},
	{title: "SUBSCRIPTION", cell: func(r client.RemoteSubscription) string { return r.Subscription }},
	{title: "EXPIRES AT", at: func(r client.RemoteSubscription) time.Time { return r.ExpiresAt.Time }},
}

func newSubscriptionsRemoteCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "List the registrations that a provider has, ours and foreign ones",
		long: `List the registrations that a provider shows to a connection: ours, lost ones (with our URL and client
state, but of no subscription), and foreign ones, which this server leaves alone.`,
		example: "  bellhop subscriptions remote --connection work",
	}.command("remote --connection NAME", noArguments)
	name := c.Flags().String("connection", "", "the connection that asks (name or id)")
	resource := c.Flags().String("resource", "",
		"the resource, where the provider has a list for each: the title of a list")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *name == "" {
			return wrongUsage("missing --connection")
		}
		return conn.call(func(api *client.Client) error {
			list, err := api.RemoteSubscriptions(c.Context(), *name, *resource)
			if err != nil {
				return err
			}
			slices.SortStableFunc(list.Data,
				func(a, b client.RemoteSubscription) int { return strings.Compare(b.Owner, a.Owner) })
			return showList(e, conn, list, "registrations", remoteColumns)
		})
	}
	return c
}

var gapColumns = []column[client.Gap]{
	{title: "GAP", cell: func(g client.Gap) string { return g.ID }},
	{title: "FROM", at: func(g client.Gap) time.Time { return g.From.Time }},
	{title: "TO", at: func(g client.Gap) time.Time { return g.To.Time }},
	{title: "STATE", cell: func(g client.Gap) string { return g.State }},
	{title: "FOUND", cell: func(g client.Gap) string { return countOf(g, g.Found) }},
	{title: "FOLDED", cell: func(g client.Gap) string { return countOf(g, g.Folded) }},
	{title: "REASON", cell: func(g client.Gap) string {
		if g.Outcome == "" {
			return g.Reason
		}
		return g.Reason + "; " + g.Outcome
	}},
}

// countOf returns a number of changes; "" of a gap about which the provider was not asked.
func countOf(g client.Gap, n int) string {
	if g.Since.IsZero() {
		return ""
	}
	return strconv.Itoa(n)
}

// printBelow prints a table below what was printed before; nothing if it is empty.
func printBelow[T any](e *env, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	fmt.Fprintln(e.stdout)
	return printTable(e, items, columns)
}

// fillPause is the time between two looks at a fill that takes long.
const fillPause = 2 * time.Second

func newSubscriptionsFillCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Ask the provider for what was missed, and wait for it",
		long: `Ask the provider for what was missed: in the gaps of a subscription that are not filled or, with
--since, from then until now. What is found enters as events of the source, marked caught_up; changes
whose notifications did arrive are left out.

Gaps are filled by themselves where the provider can be asked. This command tries again what stayed
unknown, fills a pause, and waits for the end. Exit 1 means that a gap stays unknown: its reason says
why. If the command is interrupted, the fill goes on.`,
		example: `  bellhop subscriptions fill calendar
  bellhop subscriptions fill calendar --since 6h`,
	}.command("fill NAME", oneArgument("subscription"))
	var since time.Time
	sinceFlag(c, &since, "since", "fill from this time until now")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			fill, err := api.FillSubscription(c.Context(), args[0], since)
			told := ""
			for err == nil && !fill.Done {
				if text := progressOf(fill.Gaps); text != told {
					fmt.Fprintln(e.stderr, clean(text))
					told = text
				}
				if err := pauseFor(c.Context(), fillPause); err != nil {
					return err
				}
				var s client.Subscription
				s, err = api.Subscription(c.Context(), args[0])
				fill = filledSince(fill, s.Gaps)
			}
			if err != nil {
				return err
			}
			return showFill(e, conn, fill)
		})
	}
	return c
}

// progressOf says how far gaps are filled.
func progressOf(gaps []client.Gap) string {
	found, folded, waits := 0, 0, ""
	for _, g := range gaps {
		found, folded = found+g.Found, folded+g.Folded
		if g.State == "filling" && g.Outcome != "" {
			waits = "; " + g.Outcome
		}
	}
	return fmt.Sprintf("filling: %d changes found, %d of them known%s", found, folded, waits)
}

// filledSince returns fill with the gaps as a subscription shows them later. A gap that it does not show any more is
// done.
func filledSince(fill client.SubscriptionFill, shown []client.Gap) client.SubscriptionFill {
	fill.Done = true
	for i, g := range fill.Gaps {
		at := slices.IndexFunc(shown, func(other client.Gap) bool { return other.ID == g.ID })
		if at < 0 {
			continue
		}
		fill.Gaps[i] = shown[at]
		fill.Done = fill.Done && shown[at].State != "open" && shown[at].State != "filling"
	}
	return fill
}

// showFill prints how a fill ended, and fails if a gap stays unknown.
func showFill(e *env, conn *connection, fill client.SubscriptionFill) error {
	var err error
	switch {
	case conn.json:
		err = printData(e, fill)
	case len(fill.Gaps) == 0:
		fmt.Fprintln(e.stderr, "no gap to fill; --since TIME fills from a time on")
	default:
		err = printTable(e, fill.Gaps, gapColumns)
	}
	for _, g := range fill.Gaps {
		if g.State == "unknown" && err == nil {
			fmt.Fprintf(e.stderr, "%s gap %s stays unknown: %s\n", e.talk("bellhop:", red), clean(g.ID),
				clean(g.Outcome))
			err = errReported
		}
	}
	return err
}
