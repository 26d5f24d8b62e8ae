//go:build darwin || freebsd

package doctor

import "golang.org/x/sys/unix"

// room returns how many bytes of the disk of dir its user can still have, and how many there are.
func room(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), uint64(s.Blocks) * uint64(s.Bsize), nil
}

// ClockKept reports whether the system says that a time service keeps its clock. This one does not say it.
func ClockKept() (kept, known bool) { return false, false }
