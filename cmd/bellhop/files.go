package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newFilesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "files",
		Short: "List, show, get and delete the files that actions keep",
		Long: `List, show, get and delete the files that actions keep, such as recordings.

A file is partial while its action fetches it, and whole once all its bytes are there. It is deleted
with its event, or at an age of its own: see 'bellhop serve --files-retention'. Files are named by
their names or ids. Without a verb, they are listed.`,
		Example: `  bellhop files
  bellhop files get call-1/0.mp4 --output call.mp4
  bellhop files list --state partial --watch`,
	}
	return newNounCommand(e, c,
		listVerb("files", help{example: `  bellhop files list --destination recordings
  bellhop files list --event evt_01jd2v9k3hxyz --json`}, fileColumns, addFileFilter),
		itemVerb("show NAME", "file", help{
			short:   "Show one file, by name or id",
			example: "  bellhop files show call-1/0.mp4",
		}, (*client.Client).File, showFile),
		newFilesGetCommand,
		deleteVerb("file", help{
			long: `Delete a file with its bytes, by name or id. A file that is being written is not deleted: cancel its
delivery first, or wait for its end. If its event is replayed, the file is fetched again.`,
			example: "  bellhop files delete call-1/0.mp4",
		}, func(api *client.Client, ctx context.Context, idOrName string) (string, error) {
			f, err := api.File(ctx, idOrName)
			return f.ID, err
		}, (*client.Client).DeleteFile))
}

var fileColumns = []column[client.File]{
	{title: "ID", cell: func(f client.File) string { return f.ID }},
	{title: "NAME", cell: func(f client.File) string { return f.Name }},
	{title: "STATE", cell: func(f client.File) string { return f.State }},
	{title: "BYTES", cell: fileBytes},
	{title: "DESTINATION", cell: func(f client.File) string { return f.Destination }},
	{title: "CREATED AT", at: func(f client.File) time.Time { return f.CreatedAt.Time }},
	{title: "EXPIRES AT", at: func(f client.File) time.Time { return f.ExpiresAt.Time }},
	{title: "SOURCE", cell: func(f client.File) string { return f.Source }, wide: true},
	{title: "EVENT", cell: func(f client.File) string { return f.EventID }, wide: true},
	{title: "CONTENT TYPE", cell: func(f client.File) string { return f.ContentType }, wide: true},
	{title: "SHA-256", cell: func(f client.File) string { return f.SHA256 }, wide: true},
}

// fileBytes says how much of a file is there.
func fileBytes(f client.File) string {
	if f.Total == nil || *f.Total == f.Size {
		return count(f.Size)
	}
	return fmt.Sprintf("%d of %d", f.Size, *f.Total)
}

func addFileFilter(c *cobra.Command) listCall[client.File] {
	var filter client.FileFilter
	enumFlag(c, &filter.State, "state", "", []string{"partial", "whole"}, "only files in this state")
	c.Flags().StringVar(&filter.Source, "source", "", "only files of events of this source, by name or id")
	c.Flags().StringVar(&filter.Destination, "destination", "", "only files that this destination made, by name or id")
	c.Flags().StringVar(&filter.Event, "event", "", "only files of this event, by id")
	tenantFlag(c, &filter.Tenant, "files")
	sinceFlag(c, &filter.Since, "since", "only files begun at this time or later")
	sinceFlag(c, &filter.Until, "until", "only files begun before this time")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.File], error) {
		return api.Files(ctx, filter, page)
	}
}

// showFile prints a file.
func showFile(e *env, conn *connection, f client.File) error {
	if conn.json {
		return printData(e, f)
	}
	expires := moment(f.ExpiresAt.Time)
	if expires == "" {
		expires = "with its event"
	}
	return printFields(e, []field{
		{"id", f.ID}, {"name", f.Name}, {"state", f.State}, {"bytes", fileBytes(f)}, {"sha-256", f.SHA256},
		{"content type", f.ContentType}, {"source", f.Source}, {"event", f.EventID},
		{"destination", f.Destination + " (" + f.DestinationID + ")"}, {"created at", moment(f.CreatedAt.Time)},
		{"updated at", moment(f.UpdatedAt.Time)}, {"expires", expires},
		{"deleted by the provider at", moment(f.DueAt.Time)}, etagField(f.ETag),
	})
}
