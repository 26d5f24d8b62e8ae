// Package disk finds out where a folder is kept: the kind of file system, the device, and how long a sync takes there.
// It repeats what the system says. Whether a device keeps what it has confirmed is seen in a power cut alone.
package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Disk is where a folder is kept, as far as the system says. What it does not say is "".
type Disk struct {
	Path       string   // of the folder, absolute
	System     string   // kind of file system: "ext4"
	Options    []string // with which it is mounted
	Device     string   // name of the block device: "vda1"
	WriteCache string   // of the device: "write back" or "write through"
	Rotational bool     // the device says that it has platters
}

// Examine says where dir is kept.
func Examine(dir string) (d Disk, err error) {
	if d.Path, err = filepath.Abs(dir); err != nil {
		return d, err
	}
	real, err := filepath.EvalSymlinks(d.Path)
	if err != nil {
		return d, err
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err == nil {
		m := mountOf(string(mounts), real)
		d.System, d.Options = m.system, m.options
		d.Device = deviceName(real, m.source)
		d.readQueue("/sys")
	}
	return d, nil
}

// InMemory reports whether the folder is gone once the machine is off, so that syncs have no effect.
func (d Disk) InMemory() bool { return d.System == "tmpfs" || d.System == "ramfs" }

// A mount is a line of /proc/self/mounts.
type mount struct {
	source, system string
	options        []string
}

// mountOf returns the mount that contains path: the one with the longest path, and the last one of equals.
func mountOf(mounts, path string) (found mount) {
	longest := ""
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		at := unescape.Replace(fields[1])
		inside := path == at || strings.HasPrefix(path, strings.TrimSuffix(at, "/")+"/")
		if inside && len(at) >= len(longest) {
			longest = at
			found = mount{source: unescape.Replace(fields[0]), system: fields[2],
				options: strings.Split(fields[3], ",")}
		}
	}
	return found
}

// unescape reads the characters that would part the fields of a line.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// readQueue reads how the device writes from the folder that the kernel has for it. A partition has no queue of its
// own: that of its disk, the folder above, counts.
func (d *Disk) readQueue(sys string) {
	if d.Device == "" {
		return
	}
	folder, err := filepath.EvalSymlinks(filepath.Join(sys, "class/block", d.Device))
	if err != nil {
		return
	}
	for _, at := range []string{folder, filepath.Dir(folder)} {
		cache, err := os.ReadFile(filepath.Join(at, "queue/write_cache"))
		if err != nil {
			continue
		}
		d.WriteCache = strings.TrimSpace(string(cache))
		rotational, _ := os.ReadFile(filepath.Join(at, "queue/rotational"))
		d.Rotational = strings.TrimSpace(string(rotational)) == "1"
		return
	}
}

// Syncs measures how long it takes to append 4 KiB to a new file in dir and to sync them, at most so often and for so
// long. It returns the times, the shortest first, and removes the file.
func Syncs(ctx context.Context, dir string, most int, within time.Duration) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, "sync-*.tmp")
	if err != nil {
		return nil, err
	}
	// Windows removes no open file; elsewhere a crash from here on leaves nothing behind.
	early := os.Remove(f.Name())
	defer func() {
		err = errors.Join(err, f.Close())
		if early != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	page := make([]byte, 4<<10)
	for begun := time.Now(); len(took) < most && time.Since(begun) < within && ctx.Err() == nil; {
		from := time.Now()
		_, err := f.WriteAt(page, int64(len(took)*len(page)))
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	return took, nil
}
