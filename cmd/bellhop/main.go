// Command bellhop is a webhook gateway and the tools around it: one file per command.
//
// Results go to stdout, talk goes to stderr. Exit status 0 is done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(exitCode(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)))
}

// run is the whole program. It reports what went wrong on stderr and returns it.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	e := &env{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCommand(e)
	root.SetArgs(append([]string{}, args...))
	command, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, errReported):
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "bellhop: %s\nsee '%s --help'\n", clean(err.Error()), command.CommandPath())
	default:
		fmt.Fprintf(stderr, "bellhop: %s\n", clean(err.Error()))
	}
	return err
}

// exitCode is the exit status that says err.
func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

// A usageError is about how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errReported is a failure of which everything has been said on stdout.
var errReported = errors.New("failed")
