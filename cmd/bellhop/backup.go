package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/spf13/cobra"
)

// A backupResult is a backup for programs.
type backupResult struct {
	At      client.Time `json:"at"`
	To      string      `json:"to"`
	Bytes   int64       `json:"bytes"`
	Bellhop string      `json:"bellhop"` // the version that wrote it
	Schema  int         `json:"schema"`
	Keys    bool        `json:"keys"`
	Files   string      `json:"files"`
	TookMS  int64       `json:"took_ms"`
}

func newBackupCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup TO",
		Short: "Take a backup of a server while it serves, or of the data folder of a stopped one",
		Long: `Take a backup of a server while it serves, or of the data folder of a server that is stopped. What was
stored before is in it: events, deliveries, settings, the master key and the admin key, and the files
that actions keep, unless these are in a bucket. TO is a file; a folder, in which the backup gets a
name with its time; s3://BUCKET/KEY; or - for stdout. For a bucket, the environment has
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for other services, AWS_ENDPOINT_URL.

THE BACKUP HOLDS SECRETS: with the keys in it, whoever has it can read everything. Keep it where
nobody else can read. With --without-keys, keep master.key elsewhere: without it no secret can be
restored.

The whole backup is checked while it arrives, and only then takes the place of an older file. The
server needs room for a copy of its database in the data folder, and remembers the backup: 'bellhop
doctor' says when it is too old. 'bellhop restore' makes a new data folder of it.`,
		Example: `  bellhop backup bellhop.tar.zst
  bellhop backup /var/backups/ --data /var/lib/bellhop
  bellhop backup s3://backups/bellhop.tar.zst --json`,
		Args: oneArgument("file, folder or s3://BUCKET/KEY to write to"),
	}
	conn := newConnection(e, c.Flags())
	var o client.BackupOptions
	c.Flags().BoolVar(&o.WithoutKeys, "without-keys", false, "leave out master.key and admin.key")
	c.Flags().BoolVar(&o.WithoutFiles, "without-files", false, "leave out the files that actions keep")
	c.RunE = func(c *cobra.Command, args []string) error {
		if conn.json && args[0] == "-" {
			return wrongUsage("give --json or -, not both: stdout has the backup")
		}
		place, err := e.backupPlace(args[0])
		if err != nil {
			return err
		}
		ctx, stop := untilSignal(c.Context())
		defer stop()
		if dir := within(conn.dir, conn.data); conn.server == "" && app.IsStopped(dir) {
			fmt.Fprintf(e.stderr, "no server runs in %s: taking a backup of the folder itself\n", clean(conn.data))
			take := func() (io.ReadCloser, error) { return archiveOfFolder(ctx, dir, o), nil }
			return e.keepBackup(ctx, conn, place, take,
				func(b bellhop.Backup) error { return app.NoteBackupOf(dir, b) })
		}
		return conn.call(func(api *client.Client) error {
			take := func() (io.ReadCloser, error) { return api.BackupArchive(ctx, o) }
			return e.keepBackup(ctx, conn, place, take, func(b bellhop.Backup) error {
				_, err := api.NoteBackup(ctx, client.Backup{At: client.Time{Time: b.At}, Bytes: b.Bytes,
					To: b.To})
				return err
			})
		})
	}
	return c
}

// backupPlace returns the place of backups that a person wrote as text.
func (e *env) backupPlace(text string) (app.BackupPlace, error) {
	place := app.BackupPlace{To: text, Stream: e.stdout, Getenv: e.getenv, Version: version()}
	switch {
	case strings.TrimSpace(text) == "":
		return place, wrongUsage("an empty name: use a file, a folder, s3://BUCKET/KEY or -")
	case strings.Contains(text, "://") && !isURL(text):
		return place, wrongUsage("%s: of URLs only s3://BUCKET/KEY can have a backup; otherwise use a file, or - "+
			"with another program", quoted(text))
	case text != "-" && !isURL(text):
		place.To = within(e.dir, text)
	}
	return place, nil
}

// sizeWords formats the size of a backup.
func sizeWords(n int64) string {
	if n < 1<<20 {
		return bellhop.Count(int(n), "byte")
	}
	return mebibytes(float64(n))
}

// isURL reports whether text names a bucket.
func isURL(text string) bool { return len(text) > 5 && text[:5] == "s3://" }

// keepBackup takes an archive, keeps it, has it noted, and says so.
func (e *env) keepBackup(ctx context.Context, conn *connection, place app.BackupPlace,
	take func() (io.ReadCloser, error), note func(bellhop.Backup) error) error {
	began := e.clock()
	line := newProgress(e)
	written := func() error { return nil }
	if place.To == "-" {
		stream := newWriteUntil(ctx, place.Stream)
		place.Stream, written = stream, stream.close
	}
	kept, err := place.Keep(ctx, take, func(n int64) {
		line.show(extent{what: "backup", text: mebibytes(float64(n)), done: n, bytes: true, part: -1})
	})
	line.end()
	if err = errors.Join(err, written()); err != nil {
		return endedBySignal(ctx, err, "no backup was kept")
	}
	if err := note(bellhop.Backup{At: kept.At, Bytes: kept.Bytes, To: kept.To}); err != nil {
		fmt.Fprintf(e.stderr, "the backup is whole, and the server could not note it: %s\n", clean(err.Error()))
	}
	if conn.json {
		return printData(e, backupResult{At: client.Time{Time: kept.At}, To: kept.To, Bytes: kept.Bytes,
			Bellhop: kept.Bellhop, Schema: kept.Schema, Keys: kept.Keys, Files: kept.Files,
			TookMS: e.clock().Sub(began).Milliseconds()})
	}
	fmt.Fprintf(e.stderr, "backup of %s: %s in %s\n", moment(kept.At), sizeWords(kept.Bytes), clean(kept.To))
	if kept.Keys {
		fmt.Fprintln(e.stderr, "it holds secrets: whoever has it can read everything that the server keeps")
	} else {
		fmt.Fprintln(e.stderr, "it has no keys: keep master.key elsewhere, without it no secret can be restored")
	}
	if kept.Files != "included" {
		fmt.Fprintf(e.stderr, "files that actions keep are not in it: %s\n", clean(kept.Files))
	}
	return nil
}

// A restoreResult is a restored data folder for programs.
type restoreResult struct {
	Data    string      `json:"data"`
	At      client.Time `json:"at"`
	Bytes   int64       `json:"bytes"`
	Files   int         `json:"files"`
	Bellhop string      `json:"bellhop"` // the version that wrote the backup
	Schema  int         `json:"schema"`  // in the backup
	TookMS  int64       `json:"took_ms"`
}

func newRestoreCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "restore FROM --data NEW",
		Short: "Make a data folder of a backup",
		Long: `Make a new data folder of a backup. FROM is a file, s3://BUCKET/KEY or - for stdin. The whole backup
is checked first: its sums, its version, the database with its indexes, and that the master key opens
the secrets in it. If anything is wrong, nothing is left behind. A folder that is not empty, or in
which a server runs, is refused.

The restored server is in standby: it accepts and stores events, and sends nothing, because the server
of the backup may still run. Once that one does not, 'bellhop resume' ends the standby. Deliveries
that were pending at the time of the backup then go out, so receivers may get events again, with the
same ids.

If the backup was taken with --without-keys, --master-key names the file with its master key.`,
		Example: `  bellhop restore bellhop.tar.zst --data ./restored
  bellhop restore s3://backups/bellhop.tar.zst --data /var/lib/bellhop --json`,
		Args: oneArgument("backup to restore"),
	}
	var data, keyFile string
	var asJSON bool
	c.Flags().StringVar(&data, "data", "", "the new data folder; it is made, or is empty")
	c.Flags().StringVar(&keyFile, "master-key", "", "file with the master key, for a backup without keys")
	formatFlags(e, c.Flags(), &asJSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		if data == "" {
			return wrongUsage("missing --data: the new data folder")
		}
		var key []byte
		if keyFile != "" {
			var err error
			if key, err = e.readFile(keyFile); err != nil {
				return err
			}
		}
		ctx, stop := untilSignal(c.Context())
		defer stop()
		archive, err := e.openBackup(ctx, args[0])
		if err != nil {
			return err
		}
		began := e.clock()
		line := newProgress(e)
		done, err := app.Restore(ctx, within(e.dir, data), tellingReader{archive, line, new(int64)}, key)
		line.end()
		if err = errors.Join(err, archive.Close()); err != nil {
			return endedBySignal(ctx, err, "nothing was restored")
		}
		if asJSON {
			return printData(e, restoreResult{Data: data, At: client.Time{Time: done.At}, Bytes: done.Bytes,
				Files: done.Kept, Bellhop: done.Bellhop, Schema: done.Schema,
				TookMS: e.clock().Sub(began).Milliseconds()})
		}
		fmt.Fprintf(e.stderr, "%s is as the server was at %s, with %s\n", clean(data), moment(done.At),
			bellhop.Count(done.Kept, "file"))
		fmt.Fprintf(e.stderr, "it is in standby: 'bellhop serve%s' accepts events and sends nothing until "+
			"'bellhop resume%[1]s'\n", dataFlag(data))
		return nil
	}
	return c
}

// openBackup opens the backup that a person named.
func (e *env) openBackup(ctx context.Context, from string) (io.ReadCloser, error) {
	if from == "-" {
		return readUntil(ctx, e.stdin), nil
	}
	place, err := e.backupPlace(from)
	if err != nil {
		return nil, err
	}
	archive, err := place.Open(ctx)
	if f, ok := archive.(*os.File); ok {
		if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() { // a pipe may have nothing for long
			return readUntil(ctx, f), nil
		}
	}
	return archive, err
}

// A tellingReader tells how much was read.
type tellingReader struct {
	r    io.Reader
	line *progress
	n    *int64
}

func (t tellingReader) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	*t.n += int64(n)
	t.line.show(extent{what: "restore", text: mebibytes(float64(*t.n)), done: *t.n, bytes: true, part: -1})
	return n, err
}

func newResumeCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "resume",
		Short: "End the standby of a restored server: let it deliver",
		Long: `End the standby of a server that was restored from a backup, or of the data folder of one that is
stopped: from then on it delivers what is pending, and renews its subscriptions. Do that once the
server of the backup does not run any more: two servers with the same accounts undo each other's work.

A server that is not in standby stays as it is.`,
		Example: "  bellhop resume",
		Args:    noArguments,
	}
	conn := newConnection(e, c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dir := within(conn.dir, conn.data); conn.server == "" && app.IsStopped(dir) {
			was, err := app.ResumeFolder(c.Context(), dir)
			if err != nil {
				return err
			}
			return e.showResumed(conn, was)
		}
		return conn.call(func(api *client.Client) error {
			before, err := api.Standby(c.Context())
			if err != nil {
				return err
			}
			_, err = api.Resume(c.Context())
			if err != nil {
				return err
			}
			return e.showResumed(conn, before.On)
		})
	}
	return c
}

// showResumed says whether a standby was ended.
func (e *env) showResumed(conn *connection, was bool) error {
	if conn.json {
		return printData(e, map[string]bool{"resumed": was})
	}
	text := "it is not in standby"
	if was {
		text = "the standby has ended: what is pending is delivered"
	}
	fmt.Fprintln(e.stderr, text)
	return nil
}

func newLogLevelCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "log-level [LEVEL]",
		Short: "Show or change what a server writes into its log, while it runs",
		Long: `Show what a server writes into its log, or change it while it runs: debug, info, warn or error. The
next start goes by --log-level again.`,
		Example: `  bellhop log-level debug
  bellhop log-level`,
		ValidArgs: []string{"debug", "info", "warn", "error"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return wrongUsage("only one level; unexpected argument %s", quoted(args[1]))
			}
			return nil
		},
	}
	conn := newConnection(e, c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			var level client.LogLevel
			var err error
			if len(args) == 0 {
				level, err = api.LogLevel(c.Context())
			} else {
				level, err = api.SetLogLevel(c.Context(), args[0])
			}
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, level)
			}
			_, err = fmt.Fprintln(e.stdout, clean(level.Level))
			return err
		})
	}
	return c
}
