package bellhop

import "time"

// A Backup is a copy of a server that somebody has made and kept.
type Backup struct {
	At    time.Time // what was on disk by then is in it
	Bytes int64     // of its archive
	To    string    // where it was kept, in words; without a secret
}

// MaxBackupTo is the length of the longest [Backup.To], in bytes.
const MaxBackupTo = 1024

// A FilesPlace is where a server keeps the files of actions, if that is not within its data folder.
type FilesPlace struct {
	Folder string // the whole path; "" is none
	Bucket string // "" is none
}

// A Standby is the state of a server that accepts events and sends nothing: no delivery, no renewal of a subscription.
// A restored server is in it until a person says that the original does not run any more.
type Standby struct {
	Since time.Time // zero: the server is not in standby
	Why   string    // in words
}

// Is reports whether the server is in standby.
func (s Standby) Is() bool { return !s.Since.IsZero() }
