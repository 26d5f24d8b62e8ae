package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A command is an opened destination of type exec.
type command struct {
	path    string
	args    []string // the first is the name it was given by
	dir     string
	environ []string
}

// The errors of an attempt.
const (
	errorStart  = "start"  // it could not be started
	errorExit   = "exit"   // it ended with a status that is not 0
	errorSignal = "signal" // a signal ended it: of its own doing, or of others
)

// exitBadData is EX_DATAERR of sysexits.h: the event is at fault, so that trying again cannot help.
const exitBadData = 65

// waitDelay is how long we listen on after a command has ended, or was ended, to others that hold its output open.
const waitDelay = time.Second

// Perform runs the command once. Exit status 0 is done, 65 is never to be done, and any other is tried again.
func (c *command) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	var said output
	cmd := exec.CommandContext(ctx, c.path, c.args[1:]...)
	cmd.Args[0] = c.args[0]
	cmd.Dir, cmd.Env = c.dir, slices.Concat(c.environ, fields(ev, at))
	cmd.Stdin = bytes.NewReader(ev.Body) // that a command does not read it is no error
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = waitDelay
	ownGroup(cmd)
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	done := judge(cmd, err)
	done.Reply = said.kept
	done.Cut = ctx.Err() != nil && (cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == killedCode)
	return done
}

// judge says what came of a command that has ended, or could not be started because of err.
func judge(cmd *exec.Cmd, err error) provider.ActionResult {
	state := cmd.ProcessState
	if state == nil {
		return provider.ActionResult{Error: errorStart, Detail: "the command cannot be started: " + innermost(err).Error()}
	}
	switch code := state.ExitCode(); code {
	case 0: // whoever still holds its output open, and so makes Wait fail, is not the command
		return provider.ActionResult{}
	case -1:
		return provider.ActionResult{Error: errorSignal, Detail: "ended by " + state.String()}
	default:
		return provider.ActionResult{Error: errorExit, Detail: fmt.Sprintf("exit status %d", code), Final: code == exitBadData}
	}
}

// innermost drops what os and os/exec wrap around a cause: paths, and the name of a system call.
func innermost(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
