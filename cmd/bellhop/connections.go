package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newConnectionsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "connections",
		Short: "Create connections to providers' APIs, sign in, test them",
		Long: `List, show, create, update and delete connections, sign in and test them.

A connection is who this server is at the API of a provider: an account there, with its keys or
tokens. Subscriptions and actions make their calls in its name. Without a verb, connections are
listed.`,
		Example: `  bellhop connections create work --provider graph --set tenant=contoso.com --set client_id=GUID
  bellhop connections login work
  bellhop connections test work`,
	}
	return newNounCommand(e, c,
		listVerb("connections", help{
			long: "List connections, newest first. Their tokens are never shown.",
			example: `  bellhop connections list
  bellhop connections list --state signed_out --json`,
		}, connectionColumns, func(c *cobra.Command) listCall[client.Connection] {
			var f client.ConnectionFilter
			enumFlag(c, &f.State, "state", "", []string{"ready", "signed_out", "failing"}, "only connections in "+
				"this state")
			c.Flags().StringVar(&f.Provider, "provider", "", "only connections of this provider")
			tenantFlag(c, &f.Tenant, "connections")
			return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Connection],
				error) {
				return api.Connections(ctx, f, page)
			}
		}),
		itemVerb("show NAME", "connection", help{
			short:   "Show one connection, by name or id",
			long:    "Show one connection, by name or id. Secrets are not shown, only since when each is set.",
			example: "  bellhop connections show work",
		}, (*client.Client).Connection, showConnection),
		newConnectionTypesCommand,
		newConnectionsCreateCommand,
		newConnectionsUpdateCommand,
		deleteVerb("connection", help{
			long: `Delete a connection with its tokens, by name or id. They are not revoked at the provider:
'bellhop connections logout' does that.`,
			example: "  bellhop connections delete work",
		}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
			n, err := api.Connection(ctx, idOrName)
			return n.ID, err
		}, (*client.Client).DeleteConnection),
		newConnectionsLoginCommand,
		newConnectionsTestCommand,
		itemVerb("logout NAME", "connection", help{
			short: "Sign out: revoke and forget the tokens of a connection",
			long: `Forget the tokens of a connection, by name or id. Its calls fail until somebody signs in again.

The authority is asked to revoke the tokens, if it has an endpoint for that (RFC 7009); Microsoft
Entra has none. The reason that is printed says what became of it: it is no failure.`,
			example: "  bellhop connections logout work",
		}, (*client.Client).LogoutConnection, showConnection))
}

var connectionColumns = []column[client.Connection]{
	{title: "ID", cell: func(n client.Connection) string { return n.ID }},
	{title: "NAME", cell: func(n client.Connection) string { return n.Name }},
	{title: "PROVIDER", cell: func(n client.Connection) string { return n.Provider }},
	{title: "STATE", cell: func(n client.Connection) string { return n.State }},
	{title: "ACCOUNT", cell: func(n client.Connection) string { return n.Account }},
	{title: "USED", at: func(n client.Connection) time.Time { return n.UsedAt.Time }},
	{title: "REASON", cell: func(n client.Connection) string { return n.Reason }},
	{title: "TOKEN ENDS AT", at: func(n client.Connection) time.Time { return n.ExpiresAt.Time }, wide: true},
	{title: "CREATED AT", at: func(n client.Connection) time.Time { return n.CreatedAt.Time }, wide: true},
}

// showConnection prints n.
func showConnection(e *env, conn *connection, n client.Connection) error {
	if conn.json {
		return printData(e, n)
	}
	fields := []field{
		{"id", n.ID},
		{"name", n.Name},
		{"provider", n.Provider},
		{"tenant", n.Tenant},
		{"state", n.State},
		{"reason", n.Reason},
		{"account", n.Account},
		{"token ends at", moment(n.ExpiresAt.Time)},
		{"used at", moment(n.UsedAt.Time)},
		{"redirect uri", n.RedirectURI},
	}
	fields = append(fields, settingFields("settings.", n.Settings)...)
	if n.Login != nil && n.Login.State != "done" {
		fields = append(fields, field{"sign-in", strings.TrimSuffix(n.Login.State+": "+n.Login.Reason, ": ")})
	}
	return printFields(e,
		append(fields, field{"created at", moment(n.CreatedAt.Time)}, field{"updated at", moment(n.UpdatedAt.Time)},
			etagField(n.ETag)))
}

// findConnector returns the connector with this name.
func findConnector(name string) (provider.Connector, error) {
	var names []string
	for _, k := range all.Connectors() {
		if k.ConnectorInfo().Name == name {
			return k, nil
		}
		names = append(names, k.ConnectorInfo().Name)
	}
	return nil, wrongUsage("there are no connections of '%s'; there are those of %s%s", clean(name),
		strings.Join(names, ", "), didYouMean(name, "", names))
}

func newConnectionsCreateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME --provider PROVIDER [--set name=value]…",
		Short: "Create a connection",
		Long: `Create a connection. Unless a user has to sign in, a token is asked for at once.

'bellhop providers PROVIDER' lists the settings of its connections and says how to register this
server at the provider; so does 'bellhop providers oauth2' for any API with OAuth 2.

Give secrets as @FILE or env:NAME: then they are not in the history of the shell.`,
		Example: `  bellhop connections create work --provider graph --set tenant=contoso.com --set client_id=GUID
  bellhop connections create calls --provider acs --set endpoint=URL --set access_key=@key.txt
  bellhop connections create crm --provider oauth2 --set issuer=URL --set client_id=me --set api_url=URL`,
		Args: oneArgument("name for the connection"),
	}
	providerName := c.Flags().String("provider", "", "the provider whose API is called, or oauth2")
	set := c.Flags().StringArray("set", nil, setHelp)
	tenant := ownerFlag(c, "connection")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *providerName == "" {
			return wrongUsage("missing --provider")
		}
		if _, err := findConnector(*providerName); err != nil {
			return err
		}
		settings, err := e.readSettings(*set)
		if err != nil {
			return err
		}
		created := client.NewConnection{Name: args[0], Provider: *providerName, Settings: settings, Tenant: *tenant}
		return conn.call(func(api *client.Client) error {
			n, err := api.CreateConnection(c.Context(), created)
			if err != nil {
				return err
			}
			e.warn(n.Warnings)
			if conn.json {
				return printData(e, n)
			}
			fmt.Fprintf(e.stderr, "created connection %s (%s)\n", clean(n.Name), clean(n.State))
			if n.Reason != "" {
				fmt.Fprintln(e.stderr, clean(n.Reason))
			}
			if n.State == "signed_out" && n.RedirectURI != "" {
				fmt.Fprintf(e.stderr, "register this redirect URI for users who sign in by a browser: %s\n",
					clean(n.RedirectURI))
			}
			fmt.Fprintln(e.stdout, clean(n.ID))
			return nil
		})
	}
	return c
}

func newConnectionsUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a connection",
		Long: `Change a connection, by name or id. Settings that no flag names stay as they are, secrets included.

A new secret or certificate keeps the sign-in of a user. Another tenant, client, authority, API or
scope ends it: the tokens belong to the earlier one.

A URL with another scheme, host or port is refused while stored secrets would be sent there. Give the
secrets again or remove them in the same change, or give --keep-secrets if they are meant for it.`,
		Example: `  bellhop connections update work --set client_secret=@new.txt
  bellhop connections update work --set grant=user --unset scopes
  bellhop connections update work --set authority=http://127.0.0.1:9100 --keep-secrets`,
		Args: oneArgument("connection"),
	}
	name := c.Flags().String("name", "", "a new name")
	set := c.Flags().StringArray("set", nil, setHelp)
	remove := c.Flags().StringArray("unset", nil, "name of a setting to remove (repeatable)")
	keepSecrets := c.Flags().Bool("keep-secrets", false,
		"send the stored secrets to another scheme, host or port, if the change has one")
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := e.readSettings(*set)
		if err != nil {
			return err
		}
		unset(settings, *remove)
		changes := changedFlags(c, map[string]any{"name": *name})
		if len(settings) > 0 {
			changes["settings"] = settings
		}
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		if *keepSecrets {
			changes["keep_secrets"] = true
		}
		return conn.call(func(api *client.Client) error {
			if len(*remove) > 0 {
				before, err := api.Connection(c.Context(), args[0])
				if err != nil {
					return err
				}
				if err := checkUnset(*remove, before.Settings, nil); err != nil {
					return err
				}
			}
			n, err := api.IfMatch(*etag).UpdateConnection(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			if len(n.Followed) > 0 {
				fmt.Fprintf(e.stderr, "these destinations name the connection by its new name now: %s\n",
					clean(strings.Join(n.Followed, ", ")))
			}
			e.warn(n.Warnings)
			return showConnection(e, conn, n)
		})
	}
	return c
}

func newConnectionsTestCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Make a call in the name of a connection",
		long: `Make the cheapest authentic call in the name of a connection, and print who we are there, until when,
and which permission is missing for what. A connection that was refused is tried again. A failed test
is exit status 1.`,
		example: "  bellhop connections test work",
	}.command("test NAME", oneArgument("connection"))
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			t, err := api.TestConnection(c.Context(), args[0])
			if err != nil {
				return err
			}
			return showTest(e, conn, t)
		})
	}
	return c
}

// showTest prints the result of a test. Its error makes the command fail if the test did.
func showTest(e *env, conn *connection, t client.ConnectionTest) error {
	var failed error
	if !t.OK {
		failed = errReported
	}
	if conn.json {
		return errors.Join(printData(e, t), failed)
	}
	result := "ok"
	if !t.OK {
		result = "failed"
	}
	var granted []string
	fields := []field{
		{"test", result},
		{"reason", t.Reason},
		{"account", t.Account},
		{"on behalf of", onBehalf(t.Grant)},
		{"token ends at", moment(t.ExpiresAt.Time)},
		{"duration", t.Duration},
	}
	for _, p := range t.Permissions {
		if p.Granted {
			granted = append(granted, p.Name)
			continue
		}
		fields = append(fields, field{"missing", p.Name + " (for " + p.For + ")"})
	}
	if len(granted) > 0 {
		fields = append(fields, field{"permissions", strings.Join(granted, ", ")})
	}
	return errors.Join(printFields(e, fields), failed)
}

// onBehalf says in words on whose behalf calls are made.
func onBehalf(grant string) string {
	switch grant {
	case "user":
		return "a user"
	case "key":
		return "whoever has the access key"
	}
	return "the application"
}

func newConnectionsLoginCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "login NAME",
		Short: "Sign in to a connection",
		Long: `Sign in to a connection, by name or id, and wait until that is done.

The page to sign in at is opened in a browser on this machine, which has to reach the server at its
public URL. The redirect URI that is printed has to be registered at the provider before. With
--no-browser the URL of the page is only printed, for a browser elsewhere. It can be used once, within
10 minutes.

With --device, a code and the URL of a page are printed. Enter the code there, on any device.

A connection on behalf of the application itself needs no user: a token is asked for at once.`,
		Example: `  bellhop connections login work
  bellhop connections login work --device`,
		Args: oneArgument("connection"),
	}
	device := c.Flags().Bool("device", false, "by a code that is entered on a page of the provider, on any device")
	noBrowser := c.Flags().Bool("no-browser", false, "print the URL of the page instead of opening it")
	noWait := c.Flags().Bool("no-wait", false, "do not wait until the sign-in is done")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *device && *noBrowser {
			return wrongUsage("give --device or --no-browser, not both: with --device no browser is opened")
		}
		return conn.call(func(api *client.Client) error {
			login, err := api.LoginConnection(c.Context(), args[0], client.LoginRequest{Device: *device})
			if err != nil {
				return err
			}
			if err := e.announceLogin(c.Context(), conn, login, !*noBrowser && !*device && !conn.json); err != nil {
				return err
			}
			if *noWait {
				return nil
			}
			return e.awaitLogin(c.Context(), conn, api, args[0], login)
		})
	}
	return c
}

// announceLogin prints what the user has to do, and opens the browser if asked.
func (e *env) announceLogin(ctx context.Context, conn *connection, login client.Login, open bool) error {
	switch {
	case conn.json:
		return printData(e, login)
	case login.Kind == "none":
		return nil
	case login.Kind == "device":
		fmt.Fprintf(e.stderr, "open this page and enter the code, before %s:\n", moment(login.ExpiresAt.Time))
		_, err := fmt.Fprintf(e.stdout, "%s\n%s\n", clean(login.VerificationURI), clean(login.UserCode))
		return err
	}
	fmt.Fprintf(e.stderr, "redirect URI, to be registered at the provider before the first sign-in: %s\n",
		clean(login.RedirectURI))
	if open {
		err := e.openBrowser(ctx, login.URL)
		if err == nil {
			fmt.Fprintln(e.stderr, "the page to sign in at was opened in a browser; if it was not, open this one:")
		} else {
			fmt.Fprintf(e.stderr, "no browser could be opened (%v); open this page:\n", err)
		}
	} else {
		fmt.Fprintln(e.stderr, "open this page in a browser:")
	}
	_, err := fmt.Fprintln(e.stdout, clean(login.URL))
	return err
}

// openBrowser opens an http or https URL in the browser of this machine.
func (e *env) openBrowser(ctx context.Context, url string) error {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return errors.New("the URL is not one of the web")
	}
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%s is not installed", name)
	}
	return exec.CommandContext(context.WithoutCancel(ctx), path, args...).Start()
}

// loginPause is the time between two looks at a sign-in.
const loginPause = time.Second

// awaitLogin waits until a sign-in is done, with progress on a terminal, and prints the connection.
func (e *env) awaitLogin(ctx context.Context, conn *connection, api *client.Client, name string,
	login client.Login) error {
	progress := newProgress(e)
	defer progress.end()
	ticks := time.NewTicker(loginPause)
	defer ticks.Stop()
	for {
		n, err := api.Connection(ctx, name)
		switch {
		case err != nil:
			return err
		case login.Kind == "none" || n.Login != nil && n.Login.State == "done":
			progress.end()
			fmt.Fprintf(e.stderr, "signed in to %s\n", clean(n.Name))
			return showConnection(e, conn, n)
		case n.Login == nil:
			return errors.New("the sign-in was ended, by a restart of the server or on request: begin again")
		case n.Login.State == "failed":
			return fmt.Errorf("the sign-in failed: %s", clean(n.Login.Reason))
		}
		progress.say(fmt.Sprintf("waiting for the sign-in, %s left", roughly(login.ExpiresAt.Sub(e.clock()))))
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
