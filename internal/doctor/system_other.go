//go:build !linux && !darwin && !freebsd && !windows

package doctor

import "errors"

// room returns how many bytes of the disk of dir its user can still have, and how many there are.
func room(string) (free, total uint64, err error) { return 0, 0, errors.ErrUnsupported }

// ClockKept reports whether the system says that a time service keeps its clock. This one does not say it.
func ClockKept() (kept, known bool) { return false, false }
