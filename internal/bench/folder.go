package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/disk"
)

// A Folder is where a gateway's data is during a run. The speed of its disk matters much for the figures.
type Folder struct {
	Path     string  `json:"path"`
	System   string  `json:"file_system,omitempty"` // "ext4"; "" if unknown
	InMemory bool    `json:"in_memory"`             // syncing has no effect
	SyncMS   float64 `json:"sync_ms"`               // median time to write and sync 4 KiB
}

// chooseFolder examines dir. If dir is "", it takes the temporary folder of the system, or /var/tmp if the former
// is in memory.
func chooseFolder(dir string) (Folder, error) {
	if dir != "" {
		return examine(dir)
	}
	f, err := examine(os.TempDir())
	if err == nil && !f.InMemory {
		return f, nil
	}
	if other, err := examine("/var/tmp"); err == nil && !other.InMemory {
		return other, nil
	}
	return f, err
}

// examine finds out the file system of dir and the time that a sync takes there.
func examine(dir string) (f Folder, err error) {
	d, err := disk.Examine(dir)
	if err != nil {
		return f, fmt.Errorf("folder for temporary data: %w", err)
	}
	f = Folder{Path: d.Path, System: d.System, InMemory: d.InMemory()}
	took, err := disk.Syncs(context.Background(), f.Path, syncTries, time.Minute)
	if err != nil {
		return f, fmt.Errorf("folder for temporary data: %w", err)
	}
	f.SyncMS = milliseconds(took[len(took)/2])
	return f, nil
}

// syncTries is how often the time of a sync is measured; the median counts.
const syncTries = 15

// String describes the folder and the cost of a sync.
func (f Folder) String() string {
	system := ""
	if f.System != "" {
		system = " (" + f.System + ")"
	}
	return fmt.Sprintf("data in %s%s, where writing and syncing 4 KiB takes %.2f ms", f.Path, system, f.SyncMS)
}
