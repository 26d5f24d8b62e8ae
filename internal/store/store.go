// Package store keeps sources, events, destinations, deliveries and requests, and is the one place with SQL.
//
// It promises that what Accept, Claim or a change of a noun reported done survives a crash and a power cut, and that a
// delivery's state changes only along the table in DESIGN.md. What Record was handed is written soon after; a crash
// before that repeats the attempt. It does not decide anything: who wants an event, when to
// retry and what an attempt means are told to it.
//
// One goroutine, the writer, owns the connection that writes. It takes all that is waiting, writes it in one
// transaction, syncs once and then answers all who wait for it. Readers have connections
// of their own and never wait for it.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// Options say where a store lives and what it may use of the world.
type Options struct {
	Dir     string  // the data folder; it must exist
	Keys    KeyRing // for secrets at rest
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil keeps none

	// Retain is how long events, their deliveries and requests are kept; 0 keeps them for ever.
	Retain time.Duration

	// Due is told of a destination that has something to be claimed though nobody asked for it. It must not wait for the store; nil
	// tells nobody.
	Due func(destinationID string)

	fileLayer string // of tests: the name of a registered file layer
	sync      string // of tests: a weaker setting than full, to show that they notice
}

// A Store is open until Close.
type Store struct {
	opts    Options
	path    string
	ids     ids
	writer  *writer
	readers *readers
	metrics *metrics

	accepts sync.Pool // of *accept
	records sync.Pool // of *record

	sources      numbers // id → n
	destinations numbers
	gone         numbers // destinations that were deleted; their deliveries can still be looked up
	final        finals
	refused      atomic.Int64
	turns        turns
	keyed        bool // some delivery has a key, or had; the writer's
	notes        noteLimits
}

// FileName is the database's name within the data folder.
const FileName = "bellhop.db"

// ErrFull says that storage cannot take more now. Nothing of what was asked is kept; it may be asked again.
var ErrFull error = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is full: nothing of this is kept; make room where the data folder is and send it again"}

// ErrBusy says that another program holds the database. Nothing of what was asked is kept; it may be asked again.
var ErrBusy error = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is held by another program: nothing of this is kept; end what has the database open and send it again"}

// ErrClosed says that the store is closing. Nothing of what was asked is kept.
var ErrClosed error = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is closing: nothing of this is kept; send it again"}

// ErrUnknown says that storage failed in a way that leaves it open whether what was asked is kept.
// The store takes nothing more; see [Store.Failed].
var ErrUnknown error = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage failed: whether this is kept is unknown; see the server's log, then send it again"}

// Open opens the store in opts.Dir, makes it on first use and brings it up to date. Deliveries that a crash
// left leased are pending again when it returns.
func Open(opts Options) (*Store, error) {
	if opts.Now == nil || opts.Rand == nil || opts.Logger == nil {
		return nil, errors.New("store: Now, Rand and Logger are required")
	}
	if err := checkLibrary(); err != nil {
		return nil, err
	}
	registerFiles()
	s := &Store{opts: opts, path: filepath.Join(opts.Dir, FileName), metrics: newMetrics(opts.Metrics),
		accepts: sync.Pool{New: newAccept}, records: sync.Pool{New: newRecord}}
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
	s.readers = newReaders(s)
	go s.writer.run()
	return s, nil
}

// create makes the database's files, for their owner only: SQLite would make the last two for all to read.
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

// syncFolder makes the names of the files in dir survive a power cut. Windows has no such call, and no need of it.
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

// prepare migrates, frees what a crash left leased, and reads what is kept in memory.
func (s *Store) prepare(c *conn) error {
	if err := migrate(c, s.opts.Rand); err != nil {
		return err
	}
	if err := errors.Join(s.loadIDs(c), s.loadKeyed(c)); err != nil {
		return err
	}
	freed, err := freeLeased(c, s.opts.Now())
	if err != nil {
		return err
	}
	if freed > 0 {
		s.opts.Logger.Info("lease.freed", "component", "store", "count", freed, "meaning", "deliveries left by a crash are due again")
	}
	if err := s.sources.load(c, "sources"); err != nil {
		return err
	}
	if err := s.gone.load(c, "destinations WHERE deleted_at IS NOT NULL"); err != nil {
		return err
	}
	return s.destinations.load(c, "destinations WHERE deleted_at IS NULL")
}

// Path returns the database file's path.
func (s *Store) Path() string { return s.path }

// Failed is closed when storage has failed for good: nothing more is accepted, and the process should end and
// be looked at. Err then says why.
func (s *Store) Failed() <-chan struct{} { return s.writer.failed }

// Err returns why storage failed, with the file's name; nil while it has not.
func (s *Store) Err() error {
	select {
	case <-s.writer.failed:
		return s.writer.failure
	default:
		return nil
	}
}

// Ready reports whether storage can be written to. After a full disk it tries by writing.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	if !s.writer.full.Load() {
		return nil
	}
	return s.do(func(c *conn) error {
		return c.exec("UPDATE meta SET value = ? WHERE name = 'probed_at'", s.opts.Now().UTC().Format(time.RFC3339Nano))
	})
}

// Close writes what is waiting, answers it and closes the database. Readers go first: the last connection to go
// moves the log into the database, and only one that writes can.
func (s *Store) Close() error {
	err := s.readers.close()
	return errors.Join(err, s.writer.close())
}
