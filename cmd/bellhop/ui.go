package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newUICommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "ui",
		Short: "Open the pages of a server in a browser, signed in",
		Long: `Open the pages of a server in a browser, signed in as the holder of the API key of this command.

The command makes a link, which signs in once within 5 minutes, and opens it in a browser on this
machine. With --no-browser the link is only printed, for a browser elsewhere. The pages ask for a
click on Open before the link is used, so that programs that look at links use none up.

The session has the rights of the key. It lasts for 12 hours, and ends after an hour without use, at
the sign-out, and with the key. For a session that changes nothing, use a key of the scope read.`,
		Example: `  bellhop ui
  bellhop ui --no-browser
  bellhop ui --server https://hooks.example.com --api-key bhk_…`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	noBrowser := c.Flags().Bool("no-browser", false, "print the link instead of opening it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		to, err := conn.choose()
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			link, err := api.CreateSignInLink(c.Context())
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, link)
			}
			url := link.URL
			if isLoopback(to.server) && link.LocalURL != "" {
				url = link.LocalURL
			}
			if !*noBrowser {
				err := e.openBrowser(c.Context(), url)
				if err == nil {
					fmt.Fprintln(e.stderr, "opened in a browser; if it was not, open this page before "+
						moment(link.ExpiresAt.Time)+":")
				} else {
					fmt.Fprintf(e.stderr, "no browser could be opened (%v); open this page before %s:\n", err,
						moment(link.ExpiresAt.Time))
				}
			} else {
				fmt.Fprintf(e.stderr, "open this page before %s; it signs in once:\n", moment(link.ExpiresAt.Time))
			}
			_, err = fmt.Fprintln(e.stdout, clean(url))
			return err
		})
	}
	return c
}
