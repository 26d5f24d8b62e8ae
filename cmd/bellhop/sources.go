package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

func newSourcesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "sources",
		Short: "List, show, create, update, try and delete sources",
		Long: `List, show, create, update, try and delete sources, and rotate their secrets.

A source is a URL of this server that one provider calls, together with the secrets that prove its
requests. Without a verb, sources are listed.`,
		Example: `  bellhop sources
  bellhop sources create media --provider ams --set signing_key=@key.txt
  bellhop sources show media`,
	}
	return newNounCommand(e, c,
		listVerb("sources", help{example: "  bellhop sources list --provider ams --json"}, sourceColumns,
			addSourceFilter),
		itemVerb("show NAME", "source", help{
			short:   "Show one source, by name or id",
			long:    "Show one source, by name or id. Secrets are not shown, only since when each is set.",
			example: "  bellhop sources show media",
		}, (*client.Client).Source, showSource),
		newSourcesCreateCommand,
		newSourcesUpdateCommand,
		newSourcesSampleCommand,
		newSourcesRotateCommand,
		newSourcesDropCommand,
		newSourcesDeleteCommand)
}

var sourceColumns = []column[client.Source]{
	{title: "ID", cell: func(s client.Source) string { return s.ID }},
	{title: "NAME", cell: func(s client.Source) string { return s.Name }},
	{title: "PROVIDER", cell: func(s client.Source) string { return s.Provider }},
	{title: "URL", cell: sourceURL},
	{title: "STATE", cell: sourceState},
	{title: "EXPECT EVERY", cell: func(s client.Source) string { return s.ExpectEvery }, wide: true},
	{title: "CREATED AT", at: func(s client.Source) time.Time { return s.CreatedAt.Time }, wide: true},
	{title: "UPDATED AT", at: func(s client.Source) time.Time { return s.UpdatedAt.Time }, wide: true},
}

func addSourceFilter(c *cobra.Command) listCall[client.Source] {
	var filter client.SourceFilter
	c.Flags().StringVar(&filter.Provider, "provider", "", "only sources of this provider")
	tenantFlag(c, &filter.Tenant, "sources")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Source], error) {
		return api.Sources(ctx, filter, page)
	}
}

// sourceURL returns the URL that the provider calls. The name of a setting in braces stands for its secret.
func sourceURL(s client.Source) string {
	if s.URLQuery == "" {
		return s.URL
	}
	return s.URL + "?" + s.URLQuery
}

// urlHint says what to write in place of the braces in sourceURL; "" if it has none.
func urlHint(s client.Source) string {
	_, placeholder, ok := strings.Cut(s.URLQuery, "=")
	if !ok {
		return ""
	}
	return ", with the value of " + strings.Trim(placeholder, "{}") + " in place of " + placeholder
}

func sourceState(s client.Source) string {
	if s.Disabled {
		return "disabled"
	}
	return "active"
}

// showSource prints s.
func showSource(e *env, conn *connection, s client.Source) error {
	if conn.json {
		return printData(e, s)
	}
	fields := []field{{"id", s.ID}, {"name", s.Name}, {"provider", s.Provider}, {"url", sourceURL(s)},
		{"state", sourceState(s)}, {"tenant", s.Tenant}}
	fields = append(fields, settingFields("settings.", s.Settings)...)
	fields = append(fields, replyShown(s.Reply)...)
	if s.Retention != nil {
		fields = append(fields, field{"kept for", s.Retention.Age})
		if s.Retention.MaxBytes > 0 {
			fields = append(fields, field{"kept bytes", strconv.FormatInt(s.Retention.MaxBytes, 10)})
		}
	}
	if s.MaxBodyBytes > 0 {
		fields = append(fields, field{"max body bytes", strconv.FormatInt(s.MaxBodyBytes, 10)})
	}
	return printFields(e,
		append(fields, field{"expect every", s.ExpectEvery}, field{"silent since", moment(s.SilentSince.Time)},
			field{"created at", moment(s.CreatedAt.Time)},
			field{"updated at", moment(s.UpdatedAt.Time)},
			etagField(s.ETag)))
}

func newSourcesCreateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME --provider PROVIDER [--key K] [--set name=value]…",
		Short: "Create a source and print its URL",
		Long: `Create a source and print its URL. Give that URL to the provider, which calls it.

'bellhop providers' lists the providers. 'bellhop providers PROVIDER' lists the settings of one and
says how to set it up.`,
		Example: `  bellhop sources create media --provider ams --key @key.txt --set account_id=GUID
  bellhop sources create repo --provider generic --set scheme=hmac --set header=X-Sig --set secret=env:SECRET
  bellhop sources create pay --provider standardwebhooks --set secret='["whsec_new","whsec_old"]'
  bellhop sources create calls --provider generic --set scheme=none --reply-type text/xml --reply-body @answer.xml`,
		Args: oneArgument("name for the source"),
	}
	providerName := c.Flags().String("provider", "", "the provider that calls this source")
	key := c.Flags().String("key", "", "the provider's main secret: text, @FILE or env:NAME")
	set := c.Flags().StringArray("set", nil, setHelp)
	maxBody := new(int64)
	sizeFlag(c, maxBody, "max-body-bytes",
		"largest body accepted, such as 65536 or 10MB, at most 32MiB; 0 is the provider's default, mostly 1 MiB")
	expectEvery := ""
	lengthTextFlag(c, &expectEvery, "expect-every",
		"publish bellhop.source.silent if nothing came for so long, such as 24h")
	tenant := ownerFlag(c, "source")
	keep := addRetentionFlags(c)
	answer := addReplyFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *providerName == "" {
			return wrongUsage("missing --provider; 'bellhop providers' lists them")
		}
		p, err := findProvider(*providerName)
		if err != nil {
			return err
		}
		settings, err := e.providerSettings(p.Info(), *key, *set)
		if err != nil {
			return err
		}
		source := client.NewSource{Name: args[0], Provider: *providerName, Settings: settings, MaxBodyBytes: *maxBody,
			ExpectEvery: expectEvery, Tenant: *tenant, Retention: keep.retention()}
		if source.Reply, err = answer.reply(e); err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.CreateSource(c.Context(), source)
			if err != nil {
				return err
			}
			e.warn(s.Warnings)
			if conn.json {
				return printData(e, s)
			}
			fmt.Fprintf(e.stderr, "created source %s (%s). Give the provider this URL%s:\n", clean(s.Name),
				clean(s.ID), clean(urlHint(s)))
			fmt.Fprintln(e.stdout, clean(sourceURL(s)))
			return nil
		})
	}
	return c
}

func newSourcesUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a source",
		Long: `Change a source, by name or id. Settings that no flag names stay as they are, secrets included.

To rotate a secret without losing events, use 'bellhop sources rotate-secret', or set the new and the
old one together; when the provider uses the new one, set the new one alone.`,
		Example: `  bellhop sources update media --set signing_key='["NEW","OLD"]'
  bellhop sources update media --unset account_id
  bellhop sources update media --disabled
  bellhop sources update commands --reply-template '{"text": "I look into " + form(body).text}'`,
		Args: oneArgument("source"),
	}
	name := c.Flags().String("name", "",
		"a new name; the URL changes with it, and destinations that name the source follow")
	key := c.Flags().String("key", "", "the provider's main secret: text, @FILE or env:NAME")
	set := c.Flags().StringArray("set", nil, setHelp)
	remove := c.Flags().StringArray("unset", nil, "name of a setting to remove (repeatable)")
	maxBody := new(int64)
	sizeFlag(c, maxBody, "max-body-bytes",
		"largest body accepted, such as 65536 or 10MB, at most 32MiB; 0 is the provider's default")
	expectEvery := ""
	lengthTextFlag(c, &expectEvery, "expect-every",
		"publish bellhop.source.silent if nothing came for so long, such as 24h; 0s ends that")
	keep := addRetentionFlags(c)
	answer := addReplyFlags(c)
	noReply := c.Flags().Bool("no-reply", false, "answer as the provider's protocol says, without a reply of "+
		"one's own")
	c.MarkFlagsMutuallyExclusive("no-reply", "reply-body")
	c.MarkFlagsMutuallyExclusive("no-reply", "reply-template")
	disabled := c.Flags().Bool("disabled", false,
		"answer requests with 404, as if the source did not exist; --disabled=false ends that")
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := e.readSettings(*set)
		if err != nil {
			return err
		}
		if len(*remove) > 0 {
			err := conn.call(func(api *client.Client) error {
				s, err := api.Source(c.Context(), args[0])
				if err != nil {
					return err
				}
				return checkUnset(*remove, s.Settings, nil)
			})
			if err != nil {
				return err
			}
		}
		unset(settings, *remove)
		if *key != "" {
			info, err := providerOf(c.Context(), conn, args[0])
			if err != nil {
				return err
			}
			if err := e.setKey(info, settings, *key); err != nil {
				return err
			}
		}
		changes := changedFlags(c, map[string]any{"name": *name, "max-body-bytes": *maxBody, "disabled": *disabled})
		switch {
		case expectEvery == "0s":
			changes["expect_every"] = nil
		case expectEvery != "":
			changes["expect_every"] = expectEvery
		}
		if kept := keep.changes(c); len(kept) > 0 {
			changes["retention"] = kept
		}
		reply, err := answer.changes(c, e)
		switch {
		case err != nil:
			return err
		case *noReply:
			changes["reply"] = nil
		case reply != nil:
			changes["reply"] = reply
		}
		if len(settings) > 0 {
			changes["settings"] = settings
		}
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.IfMatch(*etag).UpdateSource(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			if len(s.Followed) > 0 {
				fmt.Fprintf(e.stderr, "these destinations name the source by its new name now: %s\n",
					clean(strings.Join(s.Followed, ", ")))
			}
			e.warn(s.Warnings)
			return showSource(e, conn, s)
		})
	}
	return c
}

// replyFlags are the flags of the reply of a source.
type replyFlags struct {
	status               int
	kind, body, template string
}

func addReplyFlags(c *cobra.Command) *replyFlags {
	f := new(replyFlags)
	rangeFlag(c, &f.status, "reply-status", 0, 200, 299, "status of the answer to a request whose events are stored")
	c.Flags().StringVar(&f.kind, "reply-type", "", "content type of that answer, such as text/xml")
	c.Flags().StringVar(&f.body, "reply-body", "", "body of that answer: text, or @FILE")
	c.Flags().StringVar(&f.template, "reply-template", "",
		"an expression that makes the body of the event, such as '{\"text\": data.text}', or @FILE")
	c.MarkFlagsMutuallyExclusive("reply-body", "reply-template")
	return f
}

// reply returns what the flags say; nil if none was given.
func (f *replyFlags) reply(e *env) (*client.Reply, error) {
	body, err := e.readText(f.body)
	if err != nil {
		return nil, err
	}
	template, err := e.readText(f.template)
	if err != nil {
		return nil, err
	}
	r := client.Reply{Status: f.status, ContentType: f.kind, Body: body, Template: template}
	if r == (client.Reply{}) {
		return nil, nil
	}
	return &r, nil
}

// changes returns the merge patch of a reply that the given flags ask for. A body replaces a template, and a template
// a body.
func (f *replyFlags) changes(c *cobra.Command, e *env) (map[string]any, error) {
	r, err := f.reply(e)
	if r == nil || err != nil {
		return nil, err
	}
	changes := map[string]any{}
	for name, value := range map[string]any{"status": r.Status, "content_type": r.ContentType, "body": r.Body,
		"template": r.Template} {
		if c.Flags().Changed("reply-" + strings.TrimPrefix(name, "content_")) {
			changes[name] = value
		}
	}
	switch {
	case changes["body"] != nil:
		changes["template"] = nil
	case changes["template"] != nil:
		changes["body"] = nil
	}
	return changes, nil
}

// replyShown are the fields that show a reply.
func replyShown(r *client.Reply) []field {
	if r == nil {
		return nil
	}
	status := ""
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	return []field{{"reply.status", status}, {"reply.content_type", r.ContentType}, {"reply.body", r.Body},
		{"reply.template", r.Template}}
}

func newSourcesDeleteCommand(e *env, conn *connection) *cobra.Command {
	var naming []string // the destinations whose match names the source
	var force bool
	c := deleteVerb("source", help{
		long: `Delete a source, by name or id. From then on, requests to its URL are answered 404. Its events stay,
and 'bellhop events --source NAME' lists them. Once another source has the name, NAME means that
one: then choose the deleted source by its id, which 'bellhop events --json' shows as source_id.

A source with pending deliveries is deleted only with --force. They are made all the same: to end
them, use 'bellhop deliveries cancel' first.

Destinations that name the source stay as they are. They get the events of the next source with that
name.`,
		example: "  bellhop sources delete media",
	}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
		s, err := api.Source(ctx, idOrName)
		if err == nil {
			naming, err = destinationsNaming(ctx, api, s)
		}
		return s.ID, err
	}, func(api *client.Client, ctx context.Context, id string) error {
		if force {
			return api.ForceDeleteSource(ctx, id)
		}
		return api.DeleteSource(ctx, id)
	})(e, conn)
	c.Flags().BoolVar(&force, "force", false, "delete it even if deliveries of its events are pending")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		err := run(c, args)
		if err == nil && len(naming) > 0 {
			fmt.Fprintf(e.stderr, "these destinations still name it: %s\n", clean(strings.Join(naming, ", ")))
		}
		return err
	}
	return c
}

// destinationsNaming returns the names of the destinations whose match names s, by its name or its id.
func destinationsNaming(ctx context.Context, api *client.Client, s client.Source) (names []string, err error) {
	for page := (client.Page{Limit: bellhop.MaxPage}); ; {
		list, err := api.Destinations(ctx, client.DestinationFilter{}, page)
		if err != nil {
			return nil, err
		}
		for _, d := range list.Data {
			if slices.Contains(d.Match.Sources, s.Name) || slices.Contains(d.Match.Sources, s.ID) {
				names = append(names, d.Name)
			}
		}
		if list.Next == "" {
			return names, nil
		}
		page.Cursor = list.Next
	}
}

// providerOf returns the Info of the provider of a source.
func providerOf(ctx context.Context, conn *connection, source string) (info provider.Info, err error) {
	err = conn.call(func(api *client.Client) error {
		s, err := api.Source(ctx, source)
		if err != nil {
			return err
		}
		p, err := findProvider(s.Provider)
		if err == nil {
			info = p.Info()
		}
		return err
	})
	return info, err
}

// retentionFlags are the flags of how long, and how much of, the events of a source is kept.
type retentionFlags struct {
	age   string
	bytes int64
}

func addRetentionFlags(c *cobra.Command) *retentionFlags {
	f := &retentionFlags{}
	lengthTextFlag(c, &f.age, "keep-age", "how long its events are kept, such as 7d, in place of what the server "+
		"says; 0s is that")
	sizeFlag(c, &f.bytes, "keep-bytes", "how many bytes of its events are kept, such as 1GiB; 0 is no bound")
	return f
}

// retention returns what the flags say; nil if none was given.
func (f *retentionFlags) retention() *client.Retention {
	age := f.age
	if age == "0s" {
		age = ""
	}
	if age == "" && f.bytes == 0 {
		return nil
	}
	return &client.Retention{Age: age, MaxBytes: f.bytes}
}

// changes returns the merge patch that the given flags ask for.
func (f *retentionFlags) changes(c *cobra.Command) map[string]any {
	changes := map[string]any{}
	if c.Flags().Changed("keep-age") {
		changes["age"] = f.age
		if f.age == "0s" {
			changes["age"] = nil
		}
	}
	if c.Flags().Changed("keep-bytes") {
		changes["max_bytes"] = f.bytes
	}
	return changes
}
