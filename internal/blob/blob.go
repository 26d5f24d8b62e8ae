// Package blob keeps the bytes of files, in a folder of this machine or in a bucket of an S3-compatible service. It
// keeps no record of them: its caller remembers which files there are, and how far each of them is.
//
// A file is partial until it is finished: its bytes are under its id, where nobody takes them for a whole file. They
// are durable up to the size that the latest Sync returned. A Writer goes on from a size that its caller names, and
// cuts off all bytes beyond. So whatever a crash leaves behind, the caller's record says what is true.
//
// No name leads outside of the folder or the prefix, whoever chose it, and no symlink is followed. Nothing is written
// over bytes that the package did not write. Errors say what to do, and repeat no secret.
package blob

import (
	"context"
	"errors"
	"io"
	"time"
)

// A File says which bytes are meant. Size is what the caller knows to be durable.
type File struct {
	ID          string // names the bytes of a partial file: lower-case letters, digits and "_"
	Name        string // of the whole file: see CheckName
	Size        int64
	Whole       bool
	ContentType string // for a bucket; "" is unknown
	Upload      string // of a partial file in a bucket: what the latest Sync returned
}

// A Storage keeps files. It is safe for concurrent use, except that one file has one user at a time.
type Storage interface {
	// String says where the files are, in words.
	String() string
	// Check writes, reads and removes a few bytes. Its error says what is wrong with the settings of the storage, and
	// wraps ErrUnreachable if that cannot be known now.
	Check(ctx context.Context) error
	// Exists reports whether there are bytes under the name of a whole file.
	Exists(ctx context.Context, name string) (bool, error)
	// Append returns a Writer that goes on after f.Size bytes. With size 0 it begins anew. The context is that of all
	// writes. The error wraps ErrLost if fewer bytes are there.
	Append(ctx context.Context, f File) (Writer, error)
	// Finish gives a partial file its name. It is repeatable, also if the first call was cut off. The error wraps
	// ErrTaken if there are other bytes under the name, and ErrLost if fewer than f.Size bytes are there.
	Finish(ctx context.Context, f File) error
	// Open returns the bytes of a file. The error wraps ErrLost if a whole file does not have f.Size bytes.
	Open(ctx context.Context, f File) (io.ReadSeekCloser, error)
	// Verify returns nil if a whole file has f.Size bytes. Otherwise the error wraps ErrLost.
	Verify(ctx context.Context, f File) error
	// Remove removes all bytes of a file. It is no error if there are none.
	Remove(ctx context.Context, f File) error
	// Walk calls visit with everything in the storage, some entries at a time, until visit returns an error.
	Walk(ctx context.Context, visit func([]Entry) error) error
	// Close ends what is under way.
	Close() error
}

// A Writer appends to a partial file.
type Writer interface {
	io.Writer
	// Sync makes everything durable that was written before the call. It returns the upload to remember.
	Sync(ctx context.Context) (upload string, err error)
	// Pace says at which multiples of an offset to call Sync, and whether Sync may run while the next bytes are
	// written, until it is to be called again. So at most that multiple is not durable, and twice as much if Sync may
	// run beside.
	Pace() (every int64, beside bool)
	// Close ends the writing. What was written since the latest Sync may be lost.
	Close() error
}

// An Entry is what a walk meets.
type Entry struct {
	ID         string // of the bytes of a partial file; "" for any other entry
	Name       string // of any other entry
	ModifiedAt time.Time
}

// What callers branch on.
var (
	ErrFull        = errors.New("no room is left")
	ErrLost        = errors.New("not the bytes that were kept")
	ErrTaken       = errors.New("the name is taken")
	ErrUnreachable = errors.New("the storage cannot be reached")
	ErrPartial     = errors.New("a bucket shows whole files alone")
)

// partialFolder is the folder, or the prefix of keys, of the bytes of partial files. No name begins with it, because
// no part of a name begins with a dot.
const partialFolder = ".partial"
