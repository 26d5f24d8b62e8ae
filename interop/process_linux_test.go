package interop

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the system kill c when the test is killed, or panics.
func dieWithUs(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
