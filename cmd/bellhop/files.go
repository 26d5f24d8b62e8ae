package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"slices"
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

func newFilesGetCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Write the bytes of a file to this machine",
		long: `Write the bytes of a whole file to this machine, by name or id, and print where they are. They are
compared with the SHA-256 of the file.

Without --output, the file gets the last part of its name, in the current folder. Until all bytes are
there, they are in a file beside it whose name ends in .part. After an interrupt or a failure, the
same command goes on from there. A file of that name is overwritten with --force alone; if it has the
same bytes already, nothing is done.`,
		example: `  bellhop files get call-1/0.mp4
  bellhop files get fil_01h455vb4pex5vsknk08 --output call.mp4 --force
  bellhop files get call-1/0.mp4 --output -`,
	}.command("get NAME", oneArgument("file"))
	output := c.Flags().StringP("output", "o", "", "the file to write; - is stdout (default: the "+
		"last part of the name)")
	force := c.Flags().Bool("force", false, "overwrite the file; write to a terminal")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case slices.Contains(formats, *output):
			return wrongUsage("--output %s: this is the file to write; --json prints JSON, and ./%[1]s "+
				"is a file of that name",
				*output)
		case *output == "-" && conn.json:
			return wrongUsage("give --json or --output -, not both: stdout gets the bytes")
		case *output == "-" && isTerminal(e.stdout) && !*force:
			return wrongUsage("stdout is a terminal, and the bytes of a file may do anything to it: redirect it, " +
				"or give --force")
		}
		return conn.call(func(api *client.Client) error {
			f, err := api.File(c.Context(), args[0])
			if err != nil {
				return err
			}
			if f.State != "whole" {
				return fmt.Errorf("file %s is partial: it has %s bytes so far; get it once it is whole", clean(f.Name),
					fileBytes(f))
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
			defer stop()
			d := download{e: e, api: api, file: f, sum: sha256.New(), progress: newProgress(e)}
			if *output == "-" {
				return d.toStdout(ctx)
			}
			if *output == "" {
				*output = path.Base(f.Name)
			}
			if err := d.toFile(ctx, within(e.dir, *output), *output, *force); err != nil {
				return err
			}
			if conn.json {
				return printData(e, map[string]any{"id": f.ID, "output": *output, "bytes": f.Size, "sha256": f.SHA256})
			}
			_, err = fmt.Fprintln(e.stdout, clean(*output))
			return err
		})
	}
	return c
}

// A download fetches the bytes of one file.
type download struct {
	e        *env
	api      *client.Client
	file     client.File
	progress *progress
	sum      hash.Hash
	at       int64 // bytes that are written and in sum
}

// Bounds of a download.
const (
	maxStalls    = 3           // calls in a row that brought nothing, before it is given up
	stallTimeout = time.Minute // without a byte, after which a call is ended
)

// toStdout writes the bytes to stdout.
func (d *download) toStdout(ctx context.Context) error {
	err := d.fetch(ctx, d.e.stdout)
	d.progress.end()
	if err == nil {
		err = d.check()
	}
	return err
}

// toFile writes the bytes to a file. shown is its path as the user gave it.
func (d *download) toFile(ctx context.Context, at, shown string, force bool) error {
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name a file in it with --output", clean(shown))
	case !force:
		if same, err := d.isThere(at, info); same || err != nil {
			return err
		}
		return fmt.Errorf("%s exists, with other bytes: --force overwrites it, --output names another file",
			clean(shown))
	}
	part := fmt.Sprintf("%s.%.12s.part", at, d.file.SHA256)
	to, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := d.resume(to); err != nil {
		return err
	}
	err = d.fetch(ctx, to)
	d.progress.end()
	if err != nil {
		return fmt.Errorf("%w; %d of %d bytes are in %s.%.12s.part: the same command goes on from there", err, d.at,
			d.file.Size, clean(shown), d.file.SHA256)
	}
	if err := d.check(); err != nil {
		return errors.Join(err, to.Close(), os.Remove(part))
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return err
	}
	return os.Rename(part, at)
}

// isThere reports whether a file has the bytes already.
func (d *download) isThere(at string, info fs.FileInfo) (bool, error) {
	if !info.Mode().IsRegular() || info.Size() != d.file.Size {
		return false, nil
	}
	f, err := os.Open(at)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	same := hex.EncodeToString(sum.Sum(nil)) == d.file.SHA256
	if same {
		fmt.Fprintln(d.e.stderr, "nothing to do: the file is there already")
	}
	return same, nil
}

// resume reads what an earlier download has written.
func (d *download) resume(to *os.File) (err error) {
	if d.at, err = io.Copy(d.sum, io.LimitReader(to, d.file.Size)); err != nil {
		return err
	}
	if d.at > 0 {
		fmt.Fprintf(d.e.stderr, "going on after %d bytes\n", d.at)
	}
	return nil
}

// check compares the hash of what was written with that of the file.
func (d *download) check() error {
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.file.SHA256 {
		return fmt.Errorf("the SHA-256 of what came is %s, and that of the file is %s: try again", got, d.file.SHA256)
	}
	return nil
}

// fetch writes the bytes that are missing. A call that is cut off is made again for the rest.
func (d *download) fetch(ctx context.Context, to io.Writer) error {
	for stalls := 0; d.at < d.file.Size; {
		before := d.at
		err := d.fetchOnce(ctx, to)
		var refused *client.Error
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case errors.As(err, &refused) || errors.Is(err, errUnwritten):
			return err
		case err == nil && d.at < d.file.Size:
			err = io.ErrUnexpectedEOF
		}
		stalls++
		if d.at > before {
			stalls = 0
		}
		if err != nil && stalls >= maxStalls {
			return err
		}
	}
	return nil
}

// errUnwritten says that the bytes could not be written here.
var errUnwritten = errors.New("cannot write")

// fetchOnce makes one call for the bytes that are missing, and writes what comes.
func (d *download) fetchOnce(ctx context.Context, to io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stalled := time.AfterFunc(stallTimeout, cancel)
	defer stalled.Stop()
	content, err := d.api.FileContent(ctx, d.file.ID, d.at, d.file.SHA256)
	if err != nil {
		return err
	}
	defer content.Close()
	if content.Offset != d.at {
		return errors.New("the server does not return the bytes that are missing: a proxy before " +
			"it may not know ranges")
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := content.Read(buf)
		stalled.Reset(stallTimeout)
		n = int(min(int64(n), d.file.Size-d.at))
		if _, writeErr := to.Write(buf[:n]); writeErr != nil {
			return fmt.Errorf("%w: %w", errUnwritten, writeErr)
		}
		d.sum.Write(buf[:n])
		d.at += int64(n)
		d.show()
		switch {
		case err == io.EOF || d.at == d.file.Size:
			return nil
		case err != nil:
			return err
		}
	}
}

// show prints how far the download is.
func (d *download) show() {
	d.progress.show(extent{
		what: clean(path.Base(d.file.Name)), done: d.at, bytes: true, part: float64(d.at) / float64(d.file.Size),
		text: fmt.Sprintf("%.1f of %s", float64(d.at)/(1<<20), mebibytes(float64(d.file.Size))),
	})
}
