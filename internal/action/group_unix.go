//go:build unix

package action

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// killedCode is the exit code of a process that a signal ended.
const killedCode = -1

// OwnGroup starts cmd in a process group of its own. The whole group is killed when the context of cmd ends, and a
// Ctrl-C at the server's terminal does not reach it.
func OwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
