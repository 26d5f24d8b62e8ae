package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRequestsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "requests",
		Short: "List and show requests at the sources",
		Long: `List and show requests at the sources.

A request is kept where it was refused, answered a handshake or carried several events. Without a verb, requests are
listed.`,
		Example: `  bellhop requests --outcome refused
  bellhop requests show req_…`,
	}
	return newNounCommand(e, c, newRequestsListCommand, newRequestsShowCommand)
}

var requestColumns = []column[client.Request]{
	{"ID", func(r client.Request) string { return r.ID }},
	{"RECEIVED AT", func(r client.Request) string { return moment(r.ReceivedAt) }},
	{"SOURCE", func(r client.Request) string { return sourceText(r) }},
	{"OUTCOME", func(r client.Request) string { return r.Outcome }},
	{"STATUS", func(r client.Request) string { return strconv.Itoa(r.Status) }},
	{"EVENTS", func(r client.Request) string { return strconv.Itoa(r.Events) }},
	{"REASON", func(r client.Request) string { return r.Reason }},
	{"DETAIL", func(r client.Request) string { return r.Detail }},
}

// sourceText is the name of r's source, or its id if it is gone.
func sourceText(r client.Request) string {
	if r.Source == "" {
		return r.SourceID
	}
	return r.Source
}

// showRequest prints r and what it carried.
func showRequest(e *env, conn *connection, r client.Request) error {
	if conn.json {
		return printJSON(e.stdout, r)
	}
	fields := []field{
		{"id", r.ID}, {"source", sourceText(r)}, {"received at", moment(r.ReceivedAt)}, {"from", r.RemoteAddr},
		{"request", r.Method + " " + r.Target}, {"outcome", r.Outcome}, {"status", strconv.Itoa(r.Status)}, {"reason", r.Reason},
		{"detail", r.Detail}, {"events", strconv.Itoa(r.Events)}, {"body", strconv.FormatInt(r.BodyBytes, 10) + " bytes"},
	}
	if err := printFields(e.stdout, append(fields, headerFields(r.Headers)...)); err != nil {
		return err
	}
	body := r.Body
	if r.BodyBase64 != "" {
		body = "base64 " + r.BodyBase64
	}
	if body == "" {
		return nil
	}
	_, err := fmt.Fprintf(e.stdout, "\n%s\n", strings.TrimRight(cleanLines(body), "\n"))
	return err
}
