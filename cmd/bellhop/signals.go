package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
)

// A backup and a restore have files under way, with keys in them, which must not stay behind. So a signal does not end
// the process: it ends their context, and they remove what they have made. A second signal ends the process at once.

// untilSignal returns a context that ends with the first signal to end. A signal that the parent of this process has
// it ignore, as nohup does with SIGHUP, stays ignored.
func untilSignal(ctx context.Context) (until context.Context, stop context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	until, stop = signal.NotifyContext(ctx, signals...)
	context.AfterFunc(until, stop)
	return until, stop
}

// endedBySignal returns err in words if ctx, of untilSignal, has ended. kept says what is there now.
func endedBySignal(ctx context.Context, err error, kept string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %s", context.Cause(ctx), kept)
}

// readUntil returns what r has, until ctx ends: also if r, such as a terminal or a pipe, then has nothing for long.
func readUntil(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

// writeUntil writes to a stream until ctx ends, also if its reader then reads nothing. Its method close returns once
// everything is written.
type writeUntil struct {
	*io.PipeWriter
	ended chan error
}

func newWriteUntil(ctx context.Context, w io.Writer) writeUntil {
	out, in := io.Pipe()
	ended := make(chan error, 2)
	stop := context.AfterFunc(ctx, func() {
		out.CloseWithError(context.Cause(ctx))
		ended <- context.Cause(ctx)
	})
	go func() {
		defer stop()
		_, err := io.Copy(w, out)
		out.CloseWithError(err)
		ended <- err
	}()
	return writeUntil{in, ended}
}

func (w writeUntil) close() error {
	w.PipeWriter.Close()
	return <-w.ended
}

// A folderArchive is the archive of a data folder, which is made while it is read.
type folderArchive struct {
	*io.PipeReader
	made sync.WaitGroup
}

func archiveOfFolder(ctx context.Context, dir string, o client.BackupOptions) io.ReadCloser {
	out, in := io.Pipe()
	a := &folderArchive{PipeReader: out}
	a.made.Go(func() { in.CloseWithError(app.BackupFolder(ctx, version(), dir, o, in)) })
	return a
}

// Close ends the making of the archive, and waits until nothing of it is left.
func (a *folderArchive) Close() error {
	err := a.PipeReader.Close()
	a.made.Wait()
	return err
}
