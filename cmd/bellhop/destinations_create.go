package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newDestinationsCreateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME (--url URL | --type exec)",
		Short: "Create a destination",
		Long: `Create a destination and print its id.

Of type http and in format standard, which are the defaults, deliveries are signed as Standard Webhooks says. Without
--secret a secret is made and printed, this once: give it to whoever receives.

--where and --template are expressions over the event (https://expr-lang.org): data, type, subject, source, headers, time;
a template sees id, tenant, received_at and body as well, and has join(list, ", ") and replace(text, "a", "b"). Its text is
sent as it is, anything else as JSON. 'bellhop destinations preview' tries them out.

Any provider that sends ('bellhop providers' says which) can be the type: deliveries then look as that system's do, and
it brings its own retry schedule, rate and handshake where these are not given. A receiver that has to agree is asked at
once; what is meant for it is kept until it has. 'bellhop destinations resume NAME' asks it again.

` + accessLong + `

Type exec runs a command on the server's machine instead, with the event on its standard input; the server has to be
started with --allow-exec.`,
		Example: `  bellhop destinations create all --url https://example.com/hooks
  bellhop destinations create billing --url https://example.com/hooks --source media --types 'ams.*' --secret @secret.txt
  bellhop destinations create big --url https://example.com/big --where 'data.amount > 100' --retry 5s,1m,10m
  bellhop destinations create chat --url https://chat.example.com/hook --template '{"text": data.customer + " paid"}'
  bellhop destinations create media --type ams --set signing_key=@key.txt --url https://media.example.com/hook
  bellhop destinations create erp --url https://erp.example.com/in --access username=bellhop --access password=@erp.txt
  bellhop destinations create bank --url https://bank.example.com/in --access certificate=@us.pem --access private_key=@us.key
  bellhop destinations create on-paid --type exec --set 'command=["/usr/local/bin/paid","--json"]'`,
		Args: named("name for the destination"),
	}
	var f destinationFlags
	f.add(c)
	kind := c.Flags().String("type", bellhop.TypeHTTP, "http, a provider, for its dialect, or exec, to run a command")
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.url == "" && goesSomewhere(*kind) {
			return wrongUsage("missing --url")
		}
		settings, err := f.settings(e)
		if err != nil {
			return err
		}
		access, err := e.readAccess(f.access)
		if err != nil {
			return err
		}
		made := ""
		if *kind == bellhop.TypeHTTP && (settings["format"] == nil || settings["format"] == "standard") && settings["secret"] == nil {
			made = newSecret()
			settings["secret"] = made
		}
		d := client.NewDestination{
			Name: args[0], Type: *kind, URL: f.url, Settings: settings, Access: access, Match: &client.Match{Sources: f.sources, Types: f.types, Where: f.where},
		}
		if err := f.fill(c, &d); err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			created, err := api.CreateDestination(c.Context(), d)
			if err != nil {
				return err
			}
			for _, name := range f.sources {
				if _, err := api.Source(c.Context(), name); err != nil && name != bellhop.SourceAPI && name != bellhop.SourceSelf {
					fmt.Fprintf(e.stderr, "there is no source %s yet\n", clean(name))
				}
			}
			return showCreated(e, conn, created, made)
		})
	}
	return c
}

// goesSomewhere reports whether destinations of that type have a URL. Of a type that is not known here the server says so.
func goesSomewhere(kind string) bool {
	return kind == bellhop.TypeHTTP || slices.ContainsFunc(all.Providers(), func(p provider.Provider) bool { return p.Info().Name == kind })
}

// newSecret makes a secret of Standard Webhooks: 32 random bytes.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// showCreated prints a destination that was just made, and the secret that was made with it, if there was one.
func showCreated(e *env, conn *connection, d client.Destination, secret string) error {
	if conn.json {
		return printJSON(e.stdout, struct {
			client.Destination
			Secret string `json:"secret,omitempty"`
		}{d, secret})
	}
	fmt.Fprintf(e.stderr, "created destination %s\n", clean(d.Name))
	if d.State != "active" {
		fmt.Fprintf(e.stderr, "it is %s: %s\n", clean(d.State), clean(d.StateReason))
	}
	fields := []field{{"id", d.ID}}
	if secret != "" {
		fields = append(fields, field{"secret", secret + " (shown only now: give it to whoever receives)"})
	}
	return printFields(e.stdout, fields)
}
