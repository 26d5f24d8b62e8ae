package main

import (
	"context"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file holds the verbs that list what can be created: the types of destinations, and the systems at whose API
// there can be connections.

func newDestinationTypesCommand(e *env, conn *connection) *cobra.Command {
	return typesVerb(e, conn, help{
		short: "List the types that a destination can have",
		long: `List the types that a destination can have at this server: http, pull, the providers that send, and
the actions. --json shows their settings too.`,
		example: "  bellhop destinations types",
	}, "types", []column[client.DestinationType]{
		{title: "NAME", cell: func(t client.DestinationType) string { return t.Name }},
		{title: "TITLE", cell: func(t client.DestinationType) string { return t.Title }},
		{title: "KIND", cell: kindOfType},
		{title: "SUMMARY", cell: func(t client.DestinationType) string { return t.Summary }, wide: true},
	}, (*client.Client).DestinationTypes)
}

// kindOfType says where the events of a destination of that type go.
func kindOfType(t client.DestinationType) string {
	switch {
	case t.Action:
		return "work here"
	case t.NeedsURL:
		return "to a URL"
	}
	return "fetched"
}

func newConnectionTypesCommand(e *env, conn *connection) *cobra.Command {
	return typesVerb(e, conn, help{
		short: "List the systems at whose API there can be connections",
		long: `List the systems at whose API there can be connections at this server. --json shows the settings of
such a connection too, and the steps to take at the system.`,
		example: "  bellhop connections types",
	}, "systems", []column[client.Connector]{
		{title: "NAME", cell: func(k client.Connector) string { return k.Name }},
		{title: "TITLE", cell: func(k client.Connector) string { return k.Title }},
		{title: "SUMMARY", cell: func(k client.Connector) string { return k.Summary }, wide: true},
	}, (*client.Client).Connectors)
}

// typesVerb returns the verb that lists what list returns, all of it at once.
func typesVerb[T any](e *env, conn *connection, h help, nouns string, columns []column[T],
	list func(api *client.Client, ctx context.Context) ([]T, error)) *cobra.Command {
	c := h.command("types", noArguments)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			all, err := list(api, c.Context())
			if err != nil {
				return err
			}
			return showList(e, conn, client.List[T]{Data: all}, nouns, columns)
		})
	}
	return c
}
