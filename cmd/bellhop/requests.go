package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRequestsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "requests",
		Short: "List and show the requests that sources received",
		Long: `List and show the requests that sources received.

A request is kept if it was refused, if it was a handshake, or if it carried several events;
'bellhop events' shows the others. A request at a name that is no source's is kept without headers
and body, and its name is listed with a question mark. Without a verb, requests are listed.`,
		Example: `  bellhop requests --outcome refused
  bellhop requests --no-source
  bellhop requests show req_…
  bellhop requests verify req_…`,
	}
	return newNounCommand(e, c,
		listVerb("requests", help{example: "  bellhop requests list --source media --outcome refused"},
			requestColumns, addRequestFilter),
		itemVerb("show ID", "request", help{
			short: "Show one request, its headers and its body",
			long: "Show one request, its headers and its body. Of a refused one, only the " +
				"beginning of the body is kept.",
			example: "  bellhop requests show req_01jd2v9k3hxyz",
		}, (*client.Client).Request, showRequest),
		newRequestsVerifyCommand)
}

var requestColumns = []column[client.Request]{
	{title: "ID", cell: func(r client.Request) string { return r.ID }},
	{title: "RECEIVED AT", at: func(r client.Request) time.Time { return r.ReceivedAt.Time }},
	{title: "SOURCE", cell: sourceText},
	{title: "OUTCOME", cell: func(r client.Request) string { return r.Outcome }},
	{title: "STATUS", cell: func(r client.Request) string { return strconv.Itoa(r.Status) }},
	{title: "EVENTS", cell: func(r client.Request) string { return strconv.Itoa(r.Events) }},
	{title: "REASON", cell: func(r client.Request) string { return r.Reason }},
	{title: "DETAIL", cell: func(r client.Request) string { return r.Detail }},
	{title: "METHOD", cell: func(r client.Request) string { return r.Method }, wide: true},
	{title: "FROM", cell: func(r client.Request) string { return r.RemoteAddr }, wide: true},
	{title: "BYTES", cell: func(r client.Request) string { return count(r.BodyBytes) }, wide: true},
}

func addRequestFilter(c *cobra.Command) listCall[client.Request] {
	var filter client.RequestFilter
	c.Flags().StringVar(&filter.Source, "source", "",
		"only requests at this source, by name or id, also of a deleted one")
	c.Flags().BoolVar(&filter.NoSource, "no-source", false, "only requests at names that are no source's")
	enumFlag(c, &filter.Outcome, "outcome", "", []string{"accepted", "handshake", "refused", "partial"},
		"only requests with this outcome")
	c.Flags().StringVar(&filter.Reason, "reason", "",
		"only requests that were refused for this reason, such as signature_mismatch")
	c.Flags().StringVar(&filter.Contains, "contains", "", containsHelp+", as far as it is kept")
	tenantFlag(c, &filter.Tenant, "requests")
	sinceFlag(c, &filter.Since, "since", "only requests received at this time or later")
	sinceFlag(c, &filter.Until, "until", "only requests received before this time")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return api.Requests(ctx, filter, page)
	}
}

// sourceText returns the name of r's source. Without a source it returns the name in the path and a question mark.
func sourceText(r client.Request) string {
	if r.SourceID == "" {
		return r.RequestName + "?"
	}
	return r.Source
}

// showRequest prints r, its headers and its body.
func showRequest(e *env, conn *connection, r client.RequestDetail) error {
	if conn.json {
		return printData(e, r)
	}
	fields := []field{
		{"id", r.ID}, {"source", sourceText(r.Request)}, {"received at", moment(r.ReceivedAt.Time)},
		{"from", r.RemoteAddr},
		{"request", r.Method + " " + r.Target}, {"outcome", r.Outcome}, {"status", strconv.Itoa(r.Status)},
		{"reason", r.Reason},
		{"detail", r.Detail}, {"events", strconv.Itoa(r.Events)},
		{"body", strconv.FormatInt(r.BodyBytes, 10) + " bytes"},
	}
	if err := printFields(e, append(fields, headerFields(r.Headers)...)); err != nil {
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

func newRequestsVerifyCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Verify a request on record again, and say what is likely wrong",
		long: `Verify a request on record again, as if it came in when it did: with the present settings of its
source, or with another secret (--secret-file), which is not kept. Print whether it would be accepted,
the likely cause of its refusal and what to do. Nothing is published or stored.

Only the beginning of a refused body is kept, and neither the values of a query nor headers that
carry secrets. Where one of these proves the request, the outcome is unknown. The command fails unless
the request would be accepted.`,
		example: `  bellhop requests verify req_01jd2v9k3hxyz
  bellhop requests verify req_01jd2v9k3hxyz --secret-file - < secret.txt
  bellhop requests verify req_01jd2v9k3hxyz --secret-file secret.txt --setting header_secret`,
	}.command("verify ID", oneArgument("request"))
	file := c.Flags().String("secret-file", "", "a file with the secret to verify with; - is stdin")
	setting := c.Flags().String("setting", "", "the setting that the secret is for (default: the main one)")
	c.RunE = func(c *cobra.Command, args []string) error {
		order := client.NewVerification{Setting: *setting}
		if *file != "" {
			text, err := e.readFile(*file)
			if err != nil {
				return fmt.Errorf("--secret-file: %w", err)
			}
			order.Secret = strings.TrimRight(string(text), "\r\n")
			if order.Secret == "" {
				return wrongUsage("--secret-file %s: there is no secret in it", quoted(*file))
			}
		}
		return conn.call(func(api *client.Client) error {
			v, err := api.VerifyRequest(c.Context(), args[0], order)
			if err != nil {
				return err
			}
			return showVerdict(e, conn, v)
		})
	}
	return c
}

// showVerdict prints v. The command fails unless the request would be accepted.
func showVerdict(e *env, conn *connection, v client.Verdict) error {
	var err error
	if conn.json {
		err = printData(e, v)
	} else {
		fields := []field{{"outcome", v.Outcome}}
		if v.Status != 0 {
			fields = append(fields, field{"status", strconv.Itoa(v.Status)})
		}
		fields = append(fields, field{"reason", v.Reason}, field{"detail", v.Detail})
		if v.Events > 0 {
			fields = append(fields, field{"events", strconv.Itoa(v.Events)})
		}
		for _, m := range v.Missing {
			fields = append(fields, field{"not on record", m.Part + ": " + m.Detail})
		}
		err = printFields(e, append(fields, field{"likely cause", v.Cause}, field{"what to do", v.Advice}))
	}
	if err == nil && (v.Outcome == "refused" || v.Outcome == "unknown") {
		return errReported
	}
	return err
}
