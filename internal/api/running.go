package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Operations are what an operator does to the running server.
type Operations interface {
	// Backup begins a backup, and returns the function that writes its archive: it is called once. It is a conflict
	// while another one is made.
	Backup(ctx context.Context, keys, files bool) (write func(ctx context.Context, w io.Writer) error, err error)
	// LatestBackup returns the backup that was noted last; the zero Backup if none was.
	LatestBackup(ctx context.Context) (bellhop.Backup, error)
	// NoteBackup notes a backup, unless a later one is noted.
	NoteBackup(ctx context.Context, b bellhop.Backup) error
	// InStandby reports whether the server is in standby.
	InStandby() bool
	// Standby returns since when the server is in standby, and why.
	Standby(ctx context.Context) (bellhop.Standby, error)
	// Resume ends a standby.
	Resume(ctx context.Context) error
	// LogLevel returns the level of the log.
	LogLevel() string
	// SetLogLevel changes it until the next start.
	SetLogLevel(ctx context.Context, level string) error
}

// errNotServed refuses an operation on a server that was not started as one.
var errNotServed = bellhop.Conflict("this server was not started with 'bellhop serve'")

// running adds the operations on the running server itself.
func (s *server) running() {
	handle(s, op{http.MethodGet, "/backup", "show-backup", "Show the latest backup", 0}, s.showBackup)
	handle(s, op{http.MethodPost, "/backup", "note-backup", "Note a backup that was kept", 0}, s.noteBackup)
	archive := op{http.MethodGet, "/backup/archive", "get-backup-archive", "Get a backup of the server", 0}.huma()
	archive.Responses = map[string]*huma.Response{"200": {Description: "The archive: a tar, compressed with " +
		"Zstandard. Its last member is SHA256SUMS, without which it was cut short",
		Content: map[string]*huma.MediaType{archiveType: {
			Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	register(s, archive, s.backupArchive)
	handle(s, op{http.MethodGet, "/standby", "show-standby", "Show whether the server is in standby", 0},
		s.showStandby)
	handle(s, op{http.MethodPost, "/standby/resume", "resume-server", "End a standby", 0}, s.resumeServer)
	handle(s, op{http.MethodGet, "/log-level", "show-log-level", "Show the level of the log", 0}, s.showLogLevel)
	handle(s, op{http.MethodPost, "/log-level", "set-log-level", "Change the level of the log", 0}, s.setLogLevel)
}

// standbyPatterns are the operations whose answers tell of the standby in their bodies, and not in a header.
var standbyPatterns = map[string]bool{http.MethodGet + " " + Prefix + "/standby": true,
	http.MethodPost + " " + Prefix + "/standby/resume": true}

// archiveType is the content type of a backup: RFC 8878.
const archiveType = "application/zstd"

type archiveInput struct {
	Keys  bool `query:"keys" default:"true" doc:"With the master key and the admin key of the data folder"`
	Files bool `query:"files" default:"true" doc:"With the files that actions keep, unless they are in a bucket"`
}

func (s *server) backupArchive(ctx context.Context, in *archiveInput) (*huma.StreamResponse, error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	write, err := s.Operations.Backup(ctx, in.Keys, in.Files)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", archiveType)
		w.Header().Set("Content-Disposition", `attachment; filename="bellhop.tar.zst"`)
		out := &archiveWriter{w: w, control: http.NewResponseController(w), now: time.Now}
		if err := write(r.Context(), out); err != nil {
			// Without its end the archive counts as cut short, and the client learns it from the connection too.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

// A client that takes less than leastPace bytes a second of an archive, on the average and once it has waited for
// paceAfter, is given up: another backup can only begin when this one has ended.
const (
	leastPace = 32 << 10
	paceAfter = 2 * time.Minute
)

// errSlowClient ends an archive.
var errSlowClient = fmt.Errorf("the client takes less than %d KiB a second", leastPace>>10)

// An archiveWriter writes an archive. Each write has a time limit of its own, and is sent on at once.
type archiveWriter struct {
	w       io.Writer
	control *http.ResponseController
	now     func() time.Time

	sent   int64
	waited time.Duration // for the client
}

func (w *archiveWriter) Write(b []byte) (int, error) {
	began := w.now()
	w.control.SetWriteDeadline(began.Add(contentTimeout))
	n, err := w.w.Write(b)
	if err == nil {
		err = w.control.Flush()
	}
	w.sent += int64(n)
	w.waited += w.now().Sub(began)
	if err == nil && w.waited > paceAfter && float64(w.sent) < leastPace*w.waited.Seconds() {
		err = errSlowClient
	}
	return n, err
}

func (s *server) showBackup(ctx context.Context, _ *struct{}) (*bodyOf[client.Backup], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	b, err := s.Operations.LatestBackup(ctx)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Backup]{client.Backup{At: client.Time{Time: b.At}, Bytes: b.Bytes, To: b.To}}, nil
}

// backupAhead is how far the time of a backup may be ahead of the clock.
const backupAhead = 10 * time.Minute

func (s *server) noteBackup(ctx context.Context, in *bodyOf[client.Backup]) (*bodyOf[client.Backup], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	b := bellhop.Backup{At: in.Body.At.Time, Bytes: in.Body.Bytes, To: in.Body.To}
	switch {
	case b.At.IsZero():
		return nil, bellhop.Invalid("at", "required: when the backup was taken")
	case b.At.After(time.Now().Add(backupAhead)):
		return nil, bellhop.Invalid("at", "it is in the future: use the time at which the backup was taken")
	case len(b.To) > bellhop.MaxBackupTo:
		return nil, bellhop.Invalid("to", "use at most 1024 bytes")
	}
	if err := s.Operations.NoteBackup(ctx, b); err != nil {
		return nil, err
	}
	return s.showBackup(ctx, nil)
}

func (s *server) showStandby(ctx context.Context, _ *struct{}) (*bodyOf[client.Standby], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	standby, err := s.Operations.Standby(ctx)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Standby]{client.Standby{On: standby.Is(), Since: client.Time{Time: standby.Since},
		Why: standby.Why}}, nil
}

func (s *server) resumeServer(ctx context.Context, _ *struct{}) (*bodyOf[client.Standby], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	if err := s.Operations.Resume(ctx); err != nil {
		return nil, err
	}
	return s.showStandby(ctx, nil)
}

func (s *server) showLogLevel(context.Context, *struct{}) (*bodyOf[client.LogLevel], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	return &bodyOf[client.LogLevel]{client.LogLevel{Level: s.Operations.LogLevel()}}, nil
}

func (s *server) setLogLevel(ctx context.Context, in *bodyOf[client.LogLevel]) (*bodyOf[client.LogLevel], error) {
	if s.Operations == nil {
		return nil, errNotServed
	}
	before := s.Operations.LogLevel()
	if err := s.Operations.SetLogLevel(ctx, in.Body.Level); err != nil {
		return nil, err
	}
	if in.Body.Level != before {
		s.Catalog.NoteChange(ctx, "server", "", "log level", before+" to "+in.Body.Level)
	}
	return s.showLogLevel(ctx, nil)
}
