package sqlite

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3/vfs"
)

// A slowLayer is a file layer that waits before it opens a file, once it is armed.
type slowLayer struct {
	vfs.VFSFilename
	armed   atomic.Bool
	opening chan struct{} // gets one when a file is to be opened
	goOn    chan struct{} // closed when files may be opened again
}

func (l *slowLayer) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if l.armed.Load() {
		l.opening <- struct{}{}
		<-l.goOn
	}
	return l.VFSFilename.OpenFilename(name, flags)
}

// An openingRig is a store with one reader in use, while another one is being opened for as long as the test wants.
type openingRig struct {
	*Store
	layer  *slowLayer
	giveUp chan struct{} // closed to give back the first reader
	first  chan error    // of the read by the reader in use
	second chan error    // of the read whose reader is being opened
}

func newOpeningRig(t *testing.T) *openingRig {
	t.Helper()
	layer := &slowLayer{VFSFilename: vfs.Find("os").(vfs.VFSFilename), opening: make(chan struct{}, 10),
		goOn: make(chan struct{})}
	vfs.Register(t.Name(), layer)
	t.Cleanup(func() { vfs.Unregister(t.Name()) })
	r := &openingRig{Store: open(t, func(o *Options) { o.fileLayer = t.Name() }), layer: layer,
		giveUp: make(chan struct{}), first: make(chan error, 1), second: make(chan error, 1)}
	inUse := make(chan struct{})
	go func() {
		r.first <- r.read(context.Background(), func(*conn) error {
			close(inUse)
			<-r.giveUp
			return nil
		})
	}()
	<-inUse
	layer.armed.Store(true)
	go func() { r.second <- r.read(context.Background(), func(*conn) error { return nil }) }()
	<-layer.opening
	return r
}

// opened lets the second reader be opened, and returns the error of its read.
func (r *openingRig) opened() error {
	r.layer.armed.Store(false)
	close(r.layer.goOn)
	return <-r.second
}

// within returns the error that comes, or one that says that none came: the deadline is only there to end the test.
func within(errs <-chan error) error {
	select {
	case err := <-errs:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("it waits until the other reader is opened")
	}
}

// TestReaderGivenBackWhileOneIsOpened: a reader is given back although SQLite takes its time to open another one.
func TestReaderGivenBackWhileOneIsOpened(t *testing.T) {
	t.Parallel()
	r := newOpeningRig(t)
	close(r.giveUp)
	if err := within(r.first); err != nil {
		t.Error(err)
	}
	if err := r.opened(); err != nil {
		t.Error(err)
	}
	if n := len(r.readers.idle); n != 2 {
		t.Errorf("%d readers are idle, want 2", n)
	}
}

// TestCloseWhileReaderIsOpened: a store closes although a reader is being opened. The read says so, and does not take
// the log that the store has removed for one that is lost.
func TestCloseWhileReaderIsOpened(t *testing.T) {
	t.Parallel()
	r := newOpeningRig(t)
	close(r.giveUp)
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(within(r.first), r.Close()) }()
	if err := within(closed); err != nil {
		t.Error(err)
	}
	if err := r.opened(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("the read ended with %v, want %v", err, store.ErrClosed)
	}
}
