package doctor

import "golang.org/x/sys/windows"

// room returns how many bytes of the disk of dir its user can still have, and how many there are.
func room(dir string) (free, total uint64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &free, &total, nil)
	return free, total, err
}

// ClockKept reports whether the system says that a time service keeps its clock. This one does not say it.
func ClockKept() (kept, known bool) { return false, false }
