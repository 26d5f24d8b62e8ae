//go:build unix

package action

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// killedCode is the exit code of what a signal ended.
const killedCode = -1

// ownGroup makes cmd the first of a process group of its own, which ends as a whole when its context does, and which
// a Ctrl-C at the server's terminal does not reach.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
