// Package action holds the work that a destination can do on this server instead of sending an event somewhere.
// Each kind of work is a [provider.Action]; the delivery engine performs it as one attempt of a delivery.
//
// [Exec] runs a command. It promises that
//   - the command gets the event's bytes on its standard input
//   - it sees no variables of the server's environment but PATH, HOME, LANG and TZ
//   - it ends within the destination's timeout, and so do the processes that it started (on Windows, those go on)
//   - its output is kept up to a bound
//   - nothing runs unless the server was started with permission for it
//
// docs/EXEC.md explains how to use it, and what it means to allow it.
package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Exec runs a command for each event. See docs/EXEC.md.
type Exec struct {
	Allowed bool                                      // by the operator; without it no destination can be opened
	Lookup  func(name string) (value string, ok bool) // of the server's environment: os.LookupEnv
}

// Info describes destinations of type exec.
func (Exec) Info() provider.Info {
	return provider.Info{
		Name: "exec", Title: "A command", Concurrency: 4, Errors: []string{errorExit, errorSignal, errorStart},
		Summary: "Runs a command on the server's machine, with the event's body on its standard input " +
			"and the event's fields in the environment.",
		SendSettings: []provider.Setting{
			{
				Name:     "command",
				Title:    "Command",
				Example:  `["/usr/local/bin/paid","--json"]`,
				Kind:     provider.KindList,
				Required: true,
				Doc: "The program, by its absolute path or by a name to look up in PATH, and its arguments. " +
					"No shell interprets them.",
			},
			{Name: "dir", Title: "Folder", Example: "/var/lib/paid",
				Doc: "The folder in which it runs: an absolute path. Default: the folder in which the server runs."},
			{Name: "env", Title: "Environment", Example: `{"API_TOKEN":"…"}`, Kind: provider.KindObject, Secret: true,
				Doc: "Variables for it, in addition to PATH, HOME, LANG and TZ of the server " +
					"and the variables that describe the event."},
		},
	}
}

// OpenAction checks the settings of d, and that the program exists.
func (x Exec) OpenAction(_ provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if !x.Allowed {
		return nil, bellhop.Invalid(
			"type",
			"exec is off, since it runs commands as the server's user; "+
				"the operator permits it by starting the server with --allow-exec",
		)
	}
	s, err := readSettings(d.Settings)
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	return &command{path: s.path, args: s.Command, dir: s.Dir, environ: x.environ(s.Env)}, nil
}

// A command is the Performer of one destination.
type command struct {
	path    string
	args    []string // the first is the program as the settings name it
	dir     string
	environ []string
}

// The errors of an attempt.
const (
	errorStart  = "start"  // the command could not be started
	errorExit   = "exit"   // it ended with a status other than 0
	errorSignal = "signal" // a signal ended it
)

// exitBadData is EX_DATAERR of sysexits.h: the event is at fault, so another attempt would fail too.
const exitBadData = 65

// waitDelay is how long Perform goes on reading the output after the command has ended, or was killed, if another
// process keeps the output open.
const waitDelay = time.Second

// Perform runs the command once. Exit status 0 is success, 65 is final, and any other status is retried.
func (c *command) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	var out output
	cmd := exec.CommandContext(ctx, c.path, c.args[1:]...)
	cmd.Args[0] = c.args[0]
	cmd.Dir, cmd.Env = c.dir, slices.Concat(c.environ, Variables(ev, at))
	cmd.Stdin = bytes.NewReader(ev.Body) // it is not an error if the command does not read it
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = waitDelay
	OwnGroup(cmd)
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
	}
	result := resultOf(cmd, err)
	result.Reply = out.kept
	result.Cut = ctx.Err() != nil && (cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == killedCode)
	return result
}

// resultOf returns the result of a command that has ended, or could not be started because of err.
func resultOf(cmd *exec.Cmd, err error) provider.ActionResult {
	state := cmd.ProcessState
	if state == nil && isShortage(err) {
		return provider.ActionResult{Short: true, Detail: "this machine cannot start the command now: " +
			innermost(err).Error()}
	}
	if state == nil {
		return provider.ActionResult{Error: errorStart, Detail: "the command cannot be started: " +
			innermost(err).Error()}
	}
	switch code := state.ExitCode(); code {
	case 0: // err may be about another process that keeps the output open
		return provider.ActionResult{}
	case -1:
		return provider.ActionResult{Error: errorSignal, Detail: "ended by " + state.String()}
	default:
		return provider.ActionResult{
			Error:  errorExit,
			Detail: fmt.Sprintf("exit status %d", code),
			Final:  code == exitBadData,
		}
	}
}

// isShortage reports whether a command could not be started because this machine has no more descriptors, memory or
// processes.
func isShortage(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN},
		func(short error) bool { return errors.Is(err, short) })
}

// innermost returns the cause of err, without the path and the name of the system call that os and os/exec add.
func innermost(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// passedOn are the variables of the server that a command gets. Other variables may hold secrets of the server.
var passedOn = []string{"PATH", "HOME", "LANG", "TZ"}

// environ returns the part of a command's environment that does not depend on the event, as "NAME=value" each.
func (x Exec) environ(env map[string]string) []string {
	var list []string
	for _, name := range passedOn {
		if value, ok := x.Lookup(name); ok {
			list = append(list, name+"="+value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name]) // if a name occurs twice, the later value counts
	}
	return slices.Clip(list)
}

// Variables returns the variables that describe an event and an attempt to a command, as "NAME=value" each. Unknown
// values are empty.
func Variables(ev *bellhop.Event, at provider.AttemptInfo) []string {
	return []string{
		"BELLHOP_EVENT_ID=" + plain(ev.ID),
		"BELLHOP_EVENT_TYPE=" + plain(ev.Type),
		"BELLHOP_EVENT_SUBJECT=" + plain(ev.Subject),
		"BELLHOP_EVENT_SOURCE=" + plain(ev.Source),
		"BELLHOP_EVENT_TIME=" + ev.HappenedAt().UTC().Format(time.RFC3339Nano),
		"BELLHOP_EVENT_RECEIVED_AT=" + ev.ReceivedAt.UTC().Format(time.RFC3339Nano),
		"BELLHOP_EVENT_TENANT=" + plain(ev.Tenant),
		"BELLHOP_EVENT_CONTENT_TYPE=" + plain(ev.ContentType),
		"BELLHOP_DELIVERY_ID=" + plain(at.DeliveryID),
		"BELLHOP_ATTEMPT=" + strconv.Itoa(at.Attempt),
	}
}

// plain replaces NUL in text, which would end the value of a variable.
func plain(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }

// An output keeps the beginning of a command's output and drops the rest.
type output struct{ kept []byte }

// Write accepts all of b, so that a command with much output never blocks.
func (o *output) Write(b []byte) (int, error) {
	o.kept = append(o.kept, b[:min(len(b), bellhop.MaxReplyBytes-len(o.kept))]...)
	return len(b), nil
}
