package bellhop

import "time"

// A File is bytes that an action kept: a recording, an asset. The record is in the store; the bytes are in the storage
// of files, which is a folder or a bucket.
type File struct {
	ID string // "fil_…"

	// Name is the path of the file within the storage, unique among files: parts with "/" between them. No part is
	// empty, begins with ".", or has a character that a file system refuses. It has at most MaxFileName bytes.
	Name string

	State       FileState
	Size        int64  // bytes that are durable
	Total       int64  // bytes that were announced; -1 if nobody said
	SHA256      string // lower-case hexadecimal, once the file is whole; "" before
	ContentType string

	// The delivery that made it.
	Source        string // name of the source of the event
	EventID       string
	DestinationID string
	Destination   string // its name

	CreatedAt time.Time
	UpdatedAt time.Time // of Size and State
	// ExpiresAt is when the file is deleted here, whatever happens to its event. Zero: it is deleted with its event.
	ExpiresAt time.Time
	// DueAt is when the provider deletes its own copy, so the download must be over before. Zero: not known.
	DueAt time.Time
}

// MaxFileName is the length of the longest name of a file, in bytes.
const MaxFileName = 900

// A FileState says whether all bytes of a file are there.
type FileState string

// The states.
const (
	FilePartial FileState = "partial" // its name is not given to the bytes yet, and its last attempt may go on with it
	FileWhole   FileState = "whole"   // it does not change any more
)

// A FileRecord is a file as it is stored, with what is needed to go on with it.
type FileRecord struct {
	File
	Hash   []byte   // of a partial file: the state of SHA-256 after Size bytes; empty at 0
	Upload string   // of a partial file in a bucket: the id of its upload; "" if there is none
	Doom   FileDoom // why its bytes are being removed; "" if they are not
}

// A FileProgress is how far a partial file is.
type FileProgress struct {
	Size   int64
	Hash   []byte
	Upload string
}

// A FileDoom is why the bytes of a file are removed, and then its record. A doomed file is shown to nobody.
type FileDoom string

// The reasons.
const (
	FileAsked     FileDoom = "asked"     // somebody deleted it, or the action that made it
	FileExpired   FileDoom = "expired"   // its ExpiresAt has passed
	FileEventGone FileDoom = "event"     // its event was deleted because of its age
	FileAbandoned FileDoom = "abandoned" // it is partial, and nothing will go on with it
)

// FileAbandonedAfter is how long a partial file is kept that has no pending delivery any more.
const FileAbandonedAfter = 24 * time.Hour

// A FileTotals counts the files.
type FileTotals struct {
	Partial, Whole int64
	Bytes          int64 // of both
}
