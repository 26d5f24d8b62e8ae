package main

import (
	"strconv"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSourcesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "sources",
		Short: "List, show, create, update and delete sources",
		Long: `List, show, create, update and delete sources.

A source is one inbound URL of one provider, with its secrets. Without a verb, they are listed.`,
		Example: `  bellhop sources
  bellhop sources create media --provider ams --set signing_key=@key.txt
  bellhop sources show media`,
	}
	return newNounCommand(e, c, newSourcesListCommand, newSourcesShowCommand, newSourcesCreateCommand, newSourcesUpdateCommand, newSourcesDeleteCommand)
}

var sourceColumns = []column[client.Source]{
	{"ID", func(s client.Source) string { return s.ID }},
	{"NAME", func(s client.Source) string { return s.Name }},
	{"PROVIDER", func(s client.Source) string { return s.Provider }},
	{"URL", func(s client.Source) string { return s.URL }},
	{"STATE", sourceState},
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
		return printJSON(e.stdout, s)
	}
	fields := []field{{"id", s.ID}, {"name", s.Name}, {"provider", s.Provider}, {"url", s.URL}, {"state", sourceState(s)}}
	fields = append(fields, settingFields("settings.", s.Settings)...)
	if s.MaxBodyBytes > 0 {
		fields = append(fields, field{"max body bytes", strconv.FormatInt(s.MaxBodyBytes, 10)})
	}
	return printFields(e.stdout, append(fields, field{"created at", moment(s.CreatedAt)}, field{"updated at", moment(s.UpdatedAt)}))
}
