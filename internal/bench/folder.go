package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
	if f.Path, err = filepath.Abs(dir); err != nil {
		return f, err
	}
	if f.SyncMS, err = syncTime(f.Path); err != nil {
		return f, fmt.Errorf("folder for temporary data: %w", err)
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil {
		real, err := filepath.EvalSymlinks(f.Path)
		if err != nil {
			return f, err
		}
		f.System = fileSystem(string(mounts), real)
		f.InMemory = f.System == "tmpfs" || f.System == "ramfs"
	}
	return f, nil
}

// syncTime returns the median time of an append and a sync to a new file in dir.
func syncTime(dir string) (ms float64, err error) {
	f, err := os.CreateTemp(dir, "bellhop-bench-sync-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4<<10)
	var took []time.Duration
	for range 15 {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return milliseconds(took[len(took)/2]), nil
}

// fileSystem returns the type of the mount that contains path: the mount with the longest path, and the last one
// of equals.
func fileSystem(mounts, path string) (kind string) {
	longest := ""
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at := fields[1]
		inside := path == at || strings.HasPrefix(path, strings.TrimSuffix(at, "/")+"/")
		if inside && len(at) >= len(longest) {
			longest, kind = at, fields[2]
		}
	}
	return kind
}

// String describes the folder and the cost of a sync.
func (f Folder) String() string {
	system := ""
	if f.System != "" {
		system = " (" + f.System + ")"
	}
	return fmt.Sprintf("data in %s%s, where writing and syncing 4 KiB takes %.2f ms", f.Path, system, f.SyncMS)
}
