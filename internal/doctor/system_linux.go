package doctor

import "golang.org/x/sys/unix"

// room returns how many bytes of the disk of dir its user can still have, and how many there are.
func room(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}

// ClockKept reports whether the kernel says that a time service keeps its clock. known is false if it may not be
// asked.
func ClockKept() (kept, known bool) {
	var t unix.Timex // without modes: the clock is only read
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR, err == nil
}
