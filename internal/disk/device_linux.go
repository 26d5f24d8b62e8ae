package disk

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// deviceName returns the name of the block device of path. Some file systems number their own devices; then it is the
// device that was mounted.
func deviceName(path, source string) string {
	var s unix.Stat_t
	if unix.Stat(path, &s) == nil && unix.Major(s.Dev) != 0 {
		at, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)))
		if err == nil {
			return filepath.Base(at)
		}
	}
	real, err := filepath.EvalSymlinks(source)
	if err != nil || filepath.Dir(real) != "/dev" {
		return ""
	}
	return filepath.Base(real)
}
