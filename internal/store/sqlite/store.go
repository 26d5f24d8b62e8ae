// Package sqlite keeps the contract of package store in a SQLite database within the data folder.
//
// One goroutine, the writer, owns the connection that writes. It takes all operations that wait, writes them in one
// transaction, syncs once, and then answers the callers that wait for them. Readers have connections of their own and
// never wait for the writer.
package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/prometheus/client_golang/prometheus"
)

// Options are the options of a store in a data folder.
type Options struct {
	store.Options
	Dir     string                // the data folder; it must exist
	Metrics prometheus.Registerer // nil keeps none

	fileLayer string // for tests: the name of a registered file layer
	sync      string // for tests: a weaker setting than full, to show that they notice
	scanRows  int    // for tests: in place of the constant; 0 is that
}

// A Store is a [store.Store] in one database file. One process at a time may have it open.
type Store struct {
	opts    Options
	path    string
	ids     store.IDs
	writer  *writer
	readers *readers
	opened  *opened
	metrics *metrics

	scans chan struct{} // has one place, for the search that has a connection

	accepts sync.Pool // of *accept
	records sync.Pool // of *record

	// The maps from ids to row numbers. Any goroutine reads them without waiting.
	sources             numbers
	destinations        numbers
	deletedDestinations numbers // their deliveries can still be listed and cancelled

	cursors orderCursors // locks itself
	notes   noteLimits   // locks itself
	clock   watch        // locks itself
	finals  finals       // atomic
	tally   tally        // locks itself
	refused atomic.Int64 // requests

	eventCount eventCount // guards itself

	// Only the goroutine of Run uses these.
	retainedAt time.Time // when deleteOfSources looked last
	passed     int64     // the events up to this number are of sources that keep them for longer than Retain
	passedAt   time.Time // when passed began anew

	// Only the writer's goroutine uses these.
	sequence sequence
	hasKeys  bool // some delivery has, or may have, a key
}

var _ store.Store = (*Store)(nil)

// Open opens the store in opts.Dir, creates it on first use and migrates it. Deliveries that a crash left
// leased are pending when it returns.
func Open(opts Options) (*Store, error) {
	if opts.Now == nil || opts.Rand == nil || opts.Logger == nil {
		return nil, errors.New("open the store: Now, Rand and Logger are required")
	}
	if err := checkLibrary(); err != nil {
		return nil, err
	}
	if opts.Elapsed == nil {
		opened := time.Now()
		opts.Elapsed = func() time.Duration { return time.Since(opened) }
	}
	opts.scanRows = cmp.Or(opts.scanRows, scanRows)
	registerFileLayer()
	s := &Store{opts: opts, path: filepath.Join(opts.Dir, store.FileName), metrics: newMetrics(opts.Metrics),
		scans: make(chan struct{}, 1), cursors: orderCursors{bound: maxReady}, accepts: sync.Pool{New: newAccept},
		records: sync.Pool{New: newRecord}, eventCount: eventCount{turn: make(chan struct{}, 1)}}
	if err := s.create(); err != nil {
		return nil, err
	}
	c, err := s.connect(writing)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, err)
	}
	if err := s.prepare(c); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, errors.Join(err, c.close()))
	}
	if s.writer, err = newWriter(s, c); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, errors.Join(err, c.close()))
	}
	if s.opened, err = noteOpened(s.path); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.path, errors.Join(err, c.close()))
	}
	s.readers = newReaders(s)
	go s.writer.run()
	return s, nil
}

// create creates the files of the database, readable by their owner only: SQLite would create the last two
// readable by all.
func (s *Store) create() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		f, err := os.OpenFile(s.path+suffix, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
	}
	return syncFolder(s.opts.Dir)
}

// syncFolder makes the names of the files in dir survive a power cut. Windows has no such call, and does not need it.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the data folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the data folder: %w", err)
	}
	return nil
}

// prepare migrates, frees the deliveries that a crash left leased, and loads the maps that are kept in memory.
func (s *Store) prepare(c *conn) error {
	if err := migrate(c, s.opts.Rand); err != nil {
		return err
	}
	if err := errors.Join(s.loadIDs(c), s.loadHasKeys(c)); err != nil {
		return err
	}
	newest := time.Time{}
	if s.sequence.last > 0 {
		newest = timeOf(s.sequence.last)
	}
	s.clock.start(newest, s.opts.Now(), s.opts.Elapsed())
	freed, err := freeLeased(c, s.opts.Now())
	if err != nil {
		return err
	}
	if freed > 0 {
		s.opts.Logger.Info("lease.freed", "component", "store", "count", freed, "meaning",
			"deliveries left by a crash are due again")
	}
	if err := s.sources.load(c, "sources"); err != nil {
		return err
	}
	if err := s.deletedDestinations.load(c, "destinations WHERE deleted_at IS NOT NULL"); err != nil {
		return err
	}
	return s.destinations.load(c, "destinations WHERE deleted_at IS NULL")
}

// Path returns the path of the database file.
func (s *Store) Path() string { return s.path }

// Failed is closed when storage has failed for good.
func (s *Store) Failed() <-chan struct{} { return s.writer.failed }

// Err returns why storage failed, with the name of the file; nil while it has not.
func (s *Store) Err() error {
	select {
	case <-s.writer.failed:
		return s.writer.failure
	default:
		return nil
	}
}

// lost returns an error, and makes storage fail, if the database is no longer where it was opened.
func (s *Store) lost() error {
	err := s.opened.check()
	if err != nil {
		s.writer.failForGood(err)
	}
	return err
}

// Ready reports whether storage can be written to. After a full disk it finds out by writing.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := s.lost(); err != nil {
		return err
	}
	if !s.writer.full.Load() {
		return nil
	}
	return s.do(func(c *conn) error {
		return c.exec("UPDATE meta SET value = ? WHERE name = 'probed_at'",
			s.opts.Now().UTC().Format(time.RFC3339Nano))
	})
}

// Close writes everything that waits, answers its callers and closes the database. The readers close first: the last
// connection to close moves the log into the database, and only one that writes can do that.
func (s *Store) Close() error {
	s.closeSeries()
	err := s.readers.close()
	return errors.Join(err, s.writer.close())
}
