//go:build unix && !linux

package prove

import (
	"os/exec"
	"syscall"
)

// setApart keeps the signals of a terminal from c, so that it can be asked after Ctrl+C.
func setApart(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
