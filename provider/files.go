package provider

import (
	"context"
	"errors"
	"io"

	"github.com/bellhop-gateway/bellhop"
)

// Files keeps the bytes that actions fetch or make, such as recordings. They are shown by the API, and deleted with
// their event or when they expire. It is safe for concurrent use; one file has one writer at a time. Its errors are
// *bellhop.Error where a person, or the action, can act on them: CodeNotFound for an unknown id, CodeConflict if the
// state of the file does not allow the call.
//
// The order of the calls is Begin, Append until all bytes are there, Finish. An attempt that was cut off anywhere in
// it is repeated by Begin, whose file says how far it is.
type Files interface {
	// Begin returns the destination's file called f.Name, and creates it, partial and empty, if there is none. A file
	// of that name that another destination or another event made is CodeConflict; so are bytes in the storage under
	// that name that no file has. A name that cannot be used is CodeInvalid.
	//
	// Of f, the fields Name, EventID, DestinationID, Total, ContentType, ExpiresAt and DueAt are read. Those of the
	// event and the destination must exist. A partial file gets Total, ContentType and DueAt anew, as far as f has
	// them: a Total below 0 says nothing.
	Begin(ctx context.Context, f bellhop.File) (bellhop.File, error)

	// Append writes the bytes of r at offset, which is the file's durable size, or 0, which empties it; any other
	// offset is CodeConflict, as is a file that is whole or has a writer. On the way, so that never more than 16 MiB
	// are not durable, and at the end, what is written is made durable, and size and hash state are saved. It returns
	// the durable size, also with an error, also if r or ctx ended early. An error of r is returned as it is.
	// ErrStorageFull is wrapped when no room is left.
	//
	// The size is smaller than before if the storage has lost bytes: the error says so, and the file begins anew at 0.
	Append(ctx context.Context, id string, offset int64, r io.Reader) (size int64, err error)

	// Finish makes the file whole: from now on it has its name and its SHA-256, and does not change. It is repeatable.
	// It is CodeConflict if the size is not the Total that was announced.
	Finish(ctx context.Context, id string) (bellhop.File, error)

	// Open returns the durable bytes from offset on. A bucket shows the bytes of whole files alone: there a partial
	// file is CodeConflict.
	Open(ctx context.Context, id string, offset int64) (io.ReadCloser, error)

	// Remove forgets file and bytes. It is no error if there is no such file.
	Remove(ctx context.Context, id string) error
}

// ErrStorageFull says that the storage of files has no room left. Nothing is lost; the action may go on later.
var ErrStorageFull = errors.New("the storage of files is full: make room there, and the work goes on")
