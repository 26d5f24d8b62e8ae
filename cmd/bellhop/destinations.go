package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newDestinationsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "destinations",
		Short: "List, show, create, update, preview, test, pause, resume and delete destinations",
		Long: `List, show, create, update, preview, test, pause, resume and delete destinations, and rotate their
secrets.

A destination is where events go: a URL, or a command on the server's machine. Its match says which
events it wants. Without a verb, destinations are listed.`,
		Example: `  bellhop destinations
  bellhop destinations create billing --url https://billing.example.com/hooks --source media --types 'ams.*'
  bellhop destinations pause billing`,
	}
	return newNounCommand(e, c,
		listVerb("destinations", help{example: `  bellhop destinations list --state disabled
  bellhop destinations list --type http --json`}, destinationColumns, addDestinationFilter),
		itemVerb("show NAME", "destination", help{
			short:   "Show one destination, by name or id",
			long:    "Show one destination, by name or id. Secrets are not shown, only since when each is set.",
			example: "  bellhop destinations show billing",
		}, (*client.Client).Destination, showDestination),
		newDestinationTypesCommand,
		newDestinationsCreateCommand,
		newDestinationsUpdateCommand,
		newDestinationsPreviewCommand,
		newDestinationsMatchCommand,
		newDestinationsTryCommand,
		newDestinationsTestCommand,
		newDestinationsRotateCommand,
		itemVerb("pause NAME", "destination", help{
			short: "Stop delivering to a destination",
			long: "Stop delivering to a destination, by name or id. Its events are kept, and " +
				"delivered when it is\nresumed.",
			example: "  bellhop destinations pause billing",
		}, (*client.Client).PauseDestination, showDestination),
		itemVerb("resume NAME", "destination", help{
			short: "Deliver to a destination again",
			long: `Deliver to a destination again that was paused, or that was disabled, for example because it
answered 410.

If its receiver has to agree first, the receiver is asked now. If it does not agree, the destination
stays unverified, with the reason.`,
			example: "  bellhop destinations resume billing",
		}, (*client.Client).ResumeDestination, showDestination),
		deleteVerb("destination", help{
			long:    "Delete a destination, by name or id. Its undelivered deliveries are cancelled.",
			example: "  bellhop destinations delete billing",
		}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
			d, err := api.Destination(ctx, idOrName)
			return d.ID, err
		}, (*client.Client).DeleteDestination))
}

func addDestinationFilter(c *cobra.Command) listCall[client.Destination] {
	var filter client.DestinationFilter
	c.Flags().StringVar(&filter.Type, "type", "", "only destinations of this type; a * at the end stands for any rest")
	states := []string{"active", "paused", "disabled", "unverified", "expired"}
	enumFlag(c, &filter.State, "state", "", states, "only destinations in this state")
	c.Flags().BoolVar(&filter.Troubled, "troubled", false, "only those that get nothing, or get it late or in part")
	tenantFlag(c, &filter.Tenant, "destinations")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Destination], error) {
		return api.Destinations(ctx, filter, page)
	}
}

var destinationColumns = []column[client.Destination]{
	{title: "ID", cell: func(d client.Destination) string { return d.ID }},
	{title: "NAME", cell: func(d client.Destination) string { return d.Name }},
	{title: "TYPE", cell: func(d client.Destination) string { return d.Type }},
	{title: "URL", cell: func(d client.Destination) string { return d.URL }},
	{title: "STATE", cell: shownState},
	{title: "MATCH", cell: func(d client.Destination) string { return matchText(d.Match) }},
	{title: "RATE", cell: func(d client.Destination) string { return rateText(d.Rate) }, wide: true},
	{title: "FAILING SINCE", at: func(d client.Destination) time.Time { return d.FailingSince.Time }, wide: true},
	{title: "CREATED AT", at: func(d client.Destination) time.Time { return d.CreatedAt.Time }, wide: true},
	{title: "REASON", cell: func(d client.Destination) string { return cmp.Or(d.Closed, d.StateReason) }, wide: true},
}

// shownState returns the state of a destination as it is for its events: an active one that cannot be opened is
// closed, and one that keeps failing or asked for a rest is held back.
func shownState(d client.Destination) string {
	switch {
	case d.State != string(bellhop.DestinationActive):
		return d.State
	case d.Closed != "":
		return "closed"
	case d.HeldBack != nil || !d.FailingSince.IsZero():
		return d.State + ", held back"
	}
	return d.State
}

// showDestination prints d.
func showDestination(e *env, conn *connection, d client.Destination) error {
	if conn.json {
		return printData(e, d)
	}
	state := shownState(d)
	switch {
	case d.Closed != "":
		state += ": it cannot be opened, so nothing is sent: " + d.Closed
	case d.StateReason != "":
		state += ": " + d.StateReason
	case d.HeldBack != nil || !d.FailingSince.IsZero():
		state += heldBackText(d)
	}
	fields := []field{
		{"id", d.ID}, {"name", d.Name}, {"type", d.Type}, {"url", d.URL}, {"state", state},
		{"match", matchText(d.Match)},
		{"tenant", d.Tenant}, {"also of tenants", strings.Join(d.Tenants, ", ")},
		{"timeout", d.Timeout}, {"concurrency", strconv.Itoa(d.Concurrency)}, {"rate", rateText(d.Rate)},
		{"batch", batchText(d.Batch)},
		{"order", d.Order}, {"retry", retryText(d.Retry)}, {"breaker", breakerText(d.Breaker)},
		{"handshake", d.Handshake},
	}
	if !d.ExpiresAt.IsZero() {
		fields = append(fields, field{"expires at", moment(d.ExpiresAt.Time)})
	}
	if !d.FailingSince.IsZero() {
		fields = append(fields, field{"failing since", moment(d.FailingSince.Time)})
	}
	if d.HeldBack != nil && !d.HeldBack.NextAt.IsZero() {
		fields = append(fields, field{"next attempt", "not before " + moment(d.HeldBack.NextAt.Time)})
	}
	if m := d.MatchError; m != nil {
		fields = append(fields,
			field{"match error", fmt.Sprintf("%s; %d so far, the last at %s", m.Message, m.Count, moment(m.At.Time))})
	}
	if d.GrantedRate != nil {
		fields = append(fields, field{"granted rate", rateText(d.GrantedRate)})
	}
	fields = append(append(fields, settingFields("settings.", d.Settings)...), settingFields("access.", d.Access)...)
	return printFields(e,
		append(fields, field{"created at", moment(d.CreatedAt.Time)}, field{"updated at", moment(d.UpdatedAt.Time)},
			etagField(d.ETag)))
}

// heldBackText says since when and why d is held back.
func heldBackText(d client.Destination) (text string) {
	if !d.FailingSince.IsZero() {
		text = " since " + moment(d.FailingSince.Time)
	}
	if d.HeldBack != nil {
		text += ": " + cmp.Or(d.HeldBack.Reason, "no attempt was made since the server's start")
	}
	return text
}

// matchText formats m as one line.
func matchText(m client.Match) string {
	var parts []string
	if len(m.Sources) > 0 {
		parts = append(parts, "sources "+strings.Join(m.Sources, ", "))
	}
	if len(m.Types) > 0 {
		parts = append(parts, "types "+strings.Join(m.Types, ", "))
	}
	if m.Where != "" {
		parts = append(parts, "where "+m.Where)
	}
	if len(parts) == 0 {
		return "every event"
	}
	return strings.Join(parts, "; ")
}

// rateText formats r as one line.
func rateText(r *client.Rate) string {
	if r == nil {
		return "any"
	}
	return fmt.Sprintf("%g a second, %d at once", r.PerSecond, r.Burst)
}

// batchText formats b as one line.
func batchText(b *client.Batch) string {
	if b == nil {
		return "one event at a time"
	}
	return fmt.Sprintf("up to %d events, the first waiting up to %s", b.MaxEvents, b.MaxWait)
}

// retryText formats r as one line.
func retryText(r client.Retry) string {
	text := strings.Join(r.Schedule, ", ")
	if r.MaxAge != "" {
		text += "; no longer than " + r.MaxAge
	}
	for _, key := range slices.Sorted(maps.Keys(r.Outcomes)) {
		text += "; " + key + " is " + string(r.Outcomes[key])
	}
	return text
}

// breakerText formats b as one line.
func breakerText(b client.Breaker) string {
	if b.Failures == nil || *b.Failures == 0 {
		return "never held back"
	}
	text := fmt.Sprintf("held back after %d failures in a row", *b.Failures)
	if b.For != "" && b.For != "0s" {
		text += ", over " + b.For + " if it answers"
	}
	if b.DisableAfter == "0s" {
		return text
	}
	return text + ", disabled after " + b.DisableAfter
}

func newDestinationsCreateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME (--url URL | --type exec | --type listen | --type pull)",
		Short: "Create a destination",
		Long: `Create a destination and print its id.

A destination of type http, the default, gets deliveries signed by the Standard Webhooks
specification, unless --format is another. Without --secret a secret is created and printed, only
this once: give it to the receiver, which needs it to check signatures.

--source, --types and --where say which events it wants; without them it wants every event.

--where and --template are expressions over the event (https://expr-lang.org). Both see data, type,
subject, source, headers and time. A template also sees id, tenant, received_at and body, and has
join(list, ", ") and replace(text, "a", "b"). If the result of a template is text, it is
sent as it is; any other result is sent as JSON. 'bellhop destinations preview' shows what an event
becomes.

The type can also be any provider that sends ('bellhop providers' shows which do). Deliveries then
have the form that provider's system gives them, and the retry schedule, rate and handshake have the
provider's defaults. If the receiver has to agree first, it is asked at once. Events for it are kept
until it agrees; 'bellhop destinations resume NAME' asks again.

` + accessLong + `

Type exec runs a command on the server's machine, with the event's body on its standard input. It
needs a server that was started with --allow-exec.

Type listen keeps the deliveries for whoever listens: 'bellhop listen --destination NAME' hands them
to a program on your machine, and answers for it.

Type pull is for programs that no server can call: they fetch their deliveries, in the format of this
destination, over the API or by 'bellhop pull NAME --exec COMMAND'. --timeout is how long they may
keep one.`,
		Example: `  bellhop destinations create all --url https://example.com/hooks
  bellhop destinations create billing --url https://example.com/hooks --types 'ams.*' --secret @secret.txt
  bellhop destinations create big --url https://example.com/big --where 'data.amount > 100' --retry 5s,1m,10m
  bellhop destinations create chat --url https://chat.example.com/hook --template '{"text": data.customer + " paid"}'
  bellhop destinations create media --type ams --set signing_key=@key.txt --url https://media.example.com/hook
  bellhop destinations create noc --type boro --url https://noc.example.com/ --set profile_id=7 --make secret_key
  bellhop destinations create erp --url https://example.com/in --access username=bellhop --access password=@erp.txt
  bellhop destinations create bank --url https://example.com --access certificate=@us.pem --access private_key=@us.key
  bellhop destinations create jobs --type pull --timeout 2m --order subject
  bellhop destinations create on-paid --type exec --set 'command=["/usr/local/bin/paid","--json"]'`,
		Args: oneArgument("name for the destination"),
	}
	var f destinationFlags
	f.add(c)
	kind := c.Flags().String("type", bellhop.TypeHTTP,
		"http; or a provider, for deliveries in its form; or exec, to run a command; or listen, for 'bellhop "+
			"listen'; or pull, for programs that fetch deliveries")
	tenant := ownerFlag(c, "destination")
	making := makeFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.url == "" && needsURL(*kind) {
			return wrongUsage("missing --url")
		}
		d, err := f.newDestination(e, c, args[0], *kind)
		if err != nil {
			return err
		}
		d.Tenant = *tenant
		format := d.Settings["format"]
		signed := *kind == bellhop.TypeHTTP && (format == nil || format == "standard")
		secret := ""
		if signed && d.Settings["secret"] == nil && !slices.Contains(*making, "secret") {
			secret = newSecret()
			d.Settings["secret"] = secret
		}
		return conn.call(func(api *client.Client) error {
			made, err := makeSecrets(c.Context(), api, *kind, *making, d.Settings)
			if err != nil {
				return err
			}
			created, err := api.CreateDestination(c.Context(), d)
			if err != nil {
				return err
			}
			e.warn(created.Warnings)
			for _, name := range f.sources {
				if _, err := api.Source(c.Context(), name); err != nil && name != bellhop.SourceAPI &&
					name != bellhop.SourceSelf {
					fmt.Fprintf(e.stderr, "there is no source %s yet\n", clean(name))
				}
			}
			if secret != "" {
				made["secret"] = secret
			}
			return showCreated(e, conn, created, made)
		})
	}
	return c
}

// needsURL reports whether destinations of this type have a URL. For a type that this program does not know
// it returns false: the server's error is the better one.
func needsURL(kind string) bool {
	isKind := func(p provider.Provider) bool { return p.Info().Name == kind }
	return kind == bellhop.TypeHTTP || slices.ContainsFunc(all.Providers(), isKind)
}

// newSecret makes a secret for Standard Webhooks: 32 random bytes.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// showCreated prints a destination that was just created, and the secrets that were made for it, by their settings.
func showCreated(e *env, conn *connection, d client.Destination, made map[string]string) error {
	if conn.json {
		return printData(e, newMadeDestination(d, made))
	}
	fmt.Fprintf(e.stderr, "created destination %s\n", clean(d.Name))
	if d.State != "active" {
		fmt.Fprintf(e.stderr, "it is %s: %s\n", clean(d.State), clean(d.StateReason))
	}
	return printFields(e, append([]field{{"id", d.ID}}, madeFields(made)...))
}

// A madeDestination is a destination with the secrets that were made for it.
type madeDestination struct {
	client.Destination
	Secret string            `json:"secret,omitempty"` // the one of that name
	Made   map[string]string `json:"made,omitempty"`   // the others, by their settings
}

func newMadeDestination(d client.Destination, made map[string]string) madeDestination {
	others := maps.Clone(made)
	delete(others, "secret")
	return madeDestination{d, made["secret"], others}
}

// madeFields shows secrets that were made, by their settings.
func madeFields(made map[string]string) (fields []field) {
	for _, name := range slices.Sorted(maps.Keys(made)) {
		fields = append(fields, field{name, made[name] + " (shown only now: give it to the receiver)"})
	}
	return fields
}

func newDestinationsUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a destination",
		Long: `Change a destination, by name or id. Fields that no flag names stay as they are,
secrets included.

--source and --types replace the earlier lists. --source "" matches every source again, --types ""
every type.

A --url, token_url or proxy with another scheme, host or port is refused while stored secrets would
be sent there, such as a token or the values of headers. Give these again or remove them in the same
change, or give --keep-secrets if they are meant for the new address.

` + accessLong + `
--unset access.NAME removes one of them, --unset access all of them.`,
		Example: `  bellhop destinations update billing --url https://new.example.com/hooks
  bellhop destinations update billing --url https://new.example.com/hooks --keep-secrets
  bellhop destinations update billing --types 'ams.*' --where ""
  bellhop destinations update billing --retry none --timeout 10s
  bellhop destinations update billing --access token=@token.txt --unset access.username --unset access.password`,
		Args: oneArgument("destination"),
	}
	var f destinationFlags
	f.add(c)
	name := c.Flags().String("name", "", "a new name")
	remove := c.Flags().StringArray("unset", nil,
		"a setting to remove; access.NAME, or access for all of it (repeatable)")
	making := makeFlag(c)
	keepSecrets := c.Flags().Bool("keep-secrets", false,
		"send the stored secrets to another scheme, host or port, if the change has one")
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		changes, err := f.changes(e, c, *remove)
		if err != nil {
			return err
		}
		if c.Flags().Changed("name") {
			changes["name"] = *name
		}
		if len(changes)+len(*making) == 0 {
			return wrongUsage("nothing to change")
		}
		if *keepSecrets {
			changes["keep_secrets"] = true
		}
		return conn.call(func(api *client.Client) error {
			if len(*remove) > 0 {
				before, err := api.Destination(c.Context(), args[0])
				if err != nil {
					return err
				}
				if err := checkUnset(*remove, before.Settings, before.Access); err != nil {
					return err
				}
			}
			made, err := makeForChange(c.Context(), api, args[0], *making, changes)
			if err != nil {
				return err
			}
			d, err := api.IfMatch(*etag).UpdateDestination(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			e.warn(d.Warnings)
			if len(made) == 0 {
				return showDestination(e, conn, d)
			}
			if conn.json {
				return printData(e, newMadeDestination(d, made))
			}
			return printFields(e, append([]field{{"id", d.ID}}, madeFields(made)...))
		})
	}
	return c
}
