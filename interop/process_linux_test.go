package interop

import (
	"os/exec"
	"syscall"
)

// killWithTest makes the kernel kill the process of c when the test process ends, even if it is killed or panics.
func killWithTest(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
