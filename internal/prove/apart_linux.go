package prove

import (
	"os/exec"
	"syscall"
)

// setApart keeps the signals of a terminal from c, so that it can be asked after Ctrl+C, and has the system kill c if
// this process is killed.
func setApart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
