package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// The folders of files within the data folder.
const (
	filesFolder   = "files"
	scratchFolder = "scratch" // for files in a bucket
)

// filesCheckTimeout bounds the check of the storage of files at the start.
const filesCheckTimeout = 20 * time.Second

// openFiles opens the storage of files, and checks that it can be used. A bucket that cannot be reached now does not
// keep the gateway from starting: files wait for it, and events do not.
func (a *App) openFiles(ctx context.Context) error {
	storage, err := a.openStorage()
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	a.undoLater("files", func(context.Context) error { return storage.Close() })
	checked, cancel := context.WithTimeout(ctx, filesCheckTimeout)
	defer cancel()
	err = storage.Check(checked)
	switch {
	case errors.Is(err, blob.ErrUnreachable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, blob.ErrFull):
		a.log.Warn("files.unready", "storage", storage.String(), "error", err,
			"meaning", "actions that keep files wait until it can be used")
	case err != nil:
		return fmt.Errorf("files: %w", err)
	}
	if err := a.store.NoteFilesPlace(ctx, a.filesPlace()); err != nil {
		a.log.Warn("files.place", "error", err,
			"meaning", "a backup of the folder of this server, once it is stopped, may be without the files")
	}
	a.files = action.NewFiles(action.FilesOptions{
		Store: a.store, Storage: storage, Now: time.Now, Rand: rand.Reader, Logger: a.opts.Logger, Metrics: a.registry,
		Retention: a.opts.Config.FilesRetention,
	})
	return nil
}

// openStorage returns the storage that the settings name.
func (a *App) openStorage() (blob.Storage, error) {
	c := a.opts.Config
	bucket, prefix, ok := c.FilesBucket()
	if !ok {
		dir := c.Files
		if dir == "" {
			dir = filepath.Join(c.Data, filesFolder)
		}
		return blob.OpenFolder(dir)
	}
	if strings.HasPrefix(c.FilesEndpoint, "http://") {
		a.log.Warn("files.plain", "setting", "files-endpoint",
			"meaning", "files go to the bucket without encryption: whoever is on the way can read them")
	}
	// The endpoint is the operator's choice, and mostly a private address.
	client := egress.New(egress.Config{AllowPrivate: true, UserAgent: "Bellhop/" + a.opts.Version})
	a.undoLater("connections to the bucket", func(context.Context) error {
		client.Close()
		return nil
	})
	return blob.OpenBucket(blob.BucketOptions{
		Bucket: bucket, Prefix: prefix, Endpoint: c.FilesEndpoint, Region: c.FilesRegion, AccessKey: c.FilesAccessKey,
		SecretKey: c.FilesSecretKey, Transport: client.HTTP().Transport, Scratch: filepath.Join(c.Data, scratchFolder),
	})
}
