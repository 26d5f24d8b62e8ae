package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// A KeptBackup is a backup that was kept.
type KeptBackup struct {
	backup.Manifest
	Bytes int64  // of the archive
	To    string // where it is, in words for the server to remember
}

// A BackupPlace is where backups are kept: a file, a folder, the bucket of an S3-compatible service, or a stream.
type BackupPlace struct {
	To      string              // as a person wrote it; "-" is Stream
	Stream  io.Writer           // for "-"
	Getenv  func(string) string // has the keys of the bucket, by the names that the tools of Amazon use
	Version string
}

// Keep keeps the archive that take returns, which it checks while it arrives. Until everything is there and checked,
// there is nothing at its place, and what was there before stays; a stream is the exception. take is called once the
// place is known to be usable. tell is called with the bytes so far.
func (p BackupPlace) Keep(ctx context.Context, take func() (io.ReadCloser, error),
	tell func(bytes int64)) (kept KeptBackup, err error) {
	kept.To = p.To
	switch {
	case p.To == "-":
		kept.To = "a stream"
		return kept, kept.read(ctx, take, p.Stream, tell)
	case strings.HasPrefix(p.To, "s3://"):
		object, err := p.object()
		if err != nil {
			return kept, err
		}
		return kept, kept.upload(ctx, take, object, tell)
	}
	path, err := p.file()
	if err != nil {
		return kept, fmt.Errorf("keep the backup: %w", err)
	}
	kept.To = path
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // for its owner alone
	if err != nil {
		return kept, fmt.Errorf("keep the backup: %w", err)
	}
	err = kept.read(ctx, take, f, tell)
	err = errors.Join(err, f.Sync(), f.Close(), ctx.Err())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return kept, errors.Join(err, os.Remove(f.Name()))
	}
	return kept, datadir.Sync(filepath.Dir(path))
}

// file returns the path of the file that gets the backup: its new content comes by a rename, which replaces whatever
// has that name. So a device or a pipe is refused, and a symlink is followed.
func (p BackupPlace) file() (path string, err error) {
	path = p.To
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "bellhop-"+time.Now().UTC().Format("20060102T150405Z")+".tar.zst")
		info, err = os.Stat(path)
	}
	switch {
	case err == nil && !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file, and would be replaced by one: use - for stdout", path)
	case err == nil:
		path, err = filepath.EvalSymlinks(path)
	case !errors.Is(err, fs.ErrNotExist):
	default:
		if _, linkErr := os.Lstat(path); linkErr == nil {
			return "", fmt.Errorf("%s is a symlink to nothing: remove it, or name the file itself", path)
		}
		err = nil
	}
	if err == nil {
		path, err = filepath.Abs(path)
	}
	return path, err
}

// read takes an archive, and copies it to w.
func (k *KeptBackup) read(ctx context.Context, take func() (io.ReadCloser, error), w io.Writer,
	tell func(bytes int64)) error {
	archive, err := take()
	if err != nil {
		return err
	}
	return errors.Join(k.check(ctx, archive, w, tell), archive.Close())
}

// check copies an archive to w and checks it on the way.
func (k *KeptBackup) check(ctx context.Context, archive io.Reader, w io.Writer, tell func(bytes int64)) error {
	out := &toldWriter{w: w, tell: tell}
	source := io.TeeReader(archive, out)
	m, err := backup.Extract(ctx, source, nil, func(string, int64) (io.WriteCloser, error) { return discard{}, nil })
	if err == nil {
		_, err = io.Copy(io.Discard, source) // nothing, unless the archive has more than its end
	}
	k.Manifest, k.Bytes = m, out.n
	if out.err != nil {
		return fmt.Errorf("keep the backup: %w", out.err)
	}
	switch {
	case errors.Is(err, backup.ErrShort), errors.Is(err, syscall.ECONNRESET):
		return errors.New("take the backup: it ended before it was whole: the server went away or had to end " +
			"it, and its log says why: take it again")
	case err != nil:
		return fmt.Errorf("take the backup: %w", err)
	}
	return nil
}

// upload sends an archive to a bucket. The object is there only if the whole archive was right.
func (k *KeptBackup) upload(ctx context.Context, take func() (io.ReadCloser, error), object blob.Object,
	tell func(int64)) error {
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := k.read(ctx, take, w, tell)
		w.CloseWithError(err) // nil is the end
		read <- err
	}()
	err := object.Write(ctx, r, "application/zstd")
	r.CloseWithError(errUploadEnded)
	if readErr := <-read; readErr != nil && !errors.Is(readErr, errUploadEnded) {
		return readErr // which ended the upload
	}
	return err
}

// errUploadEnded ends the reading of an archive whose upload has failed.
var errUploadEnded = errors.New("the upload has ended")

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }

// A toldWriter counts what it writes, tells it, and keeps its error.
type toldWriter struct {
	w    io.Writer
	n    int64
	tell func(int64)
	err  error
}

func (t *toldWriter) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.n, t.err = t.n+int64(n), err
	if t.tell != nil {
		t.tell(t.n)
	}
	return n, err
}

// Open returns the archive at the place.
func (p BackupPlace) Open(ctx context.Context) (io.ReadCloser, error) {
	if strings.HasPrefix(p.To, "s3://") {
		object, err := p.object()
		if err != nil {
			return nil, err
		}
		return object.Read(ctx)
	}
	f, err := os.Open(p.To)
	if err != nil {
		return nil, err // and not a reader that is nil
	}
	return f, nil
}

// object returns the object of a URL s3://BUCKET/KEY.
func (p BackupPlace) object() (o blob.Object, err error) {
	o.Bucket, o.Key, err = blob.ParseObject(p.To)
	if err != nil {
		return o, fmt.Errorf("%s: %w", p.To, err)
	}
	first := func(names ...string) string {
		for _, name := range names {
			if v := bellhop.Pasted(p.Getenv(name)); v != "" {
				return v
			}
		}
		return ""
	}
	o.AccessKey, o.SecretKey = first("AWS_ACCESS_KEY_ID"), first("AWS_SECRET_ACCESS_KEY")
	o.Session = first("AWS_SESSION_TOKEN")
	o.Region = first("AWS_REGION", "AWS_DEFAULT_REGION")
	o.Endpoint = first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	switch {
	case o.AccessKey == "" || o.SecretKey == "":
		return o, errors.New("a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	case o.Region == "" && o.Endpoint == "":
		return o, errors.New("a bucket needs AWS_REGION in the environment, such as eu-central-1, or " +
			"AWS_ENDPOINT_URL for a service other than Amazon's")
	case o.Region == "":
		o.Region = "us-east-1"
	}
	// The endpoint is the operator's choice, and mostly a private address.
	o.Transport = egress.New(egress.Config{AllowPrivate: true, UserAgent: "Bellhop/" + p.Version}).HTTP().Transport
	return o, nil
}
