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

// A Folder is where a gateway's data is kept while it is measured. How fast a disk it is on can sync decides much.
type Folder struct {
	Path     string  `json:"path"`
	System   string  `json:"file_system,omitempty"` // "ext4"; "" if unknown
	InMemory bool    `json:"in_memory"`             // a sync does nothing
	SyncMS   float64 `json:"sync_ms"`               // to write 4 KiB and sync, median
}

// chooseFolder examines dir. If dir is "" that is the system's temporary folder, or /var/tmp where that one is in memory.
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

// syncTime appends to a new file in dir and syncs, some times over.
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

// fileSystem finds the type of the mount that path lies in: of those above it the longest, and of equals the last.
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
