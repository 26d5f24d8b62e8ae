//go:build !unix

package pgtest

import "os/exec"

type owner struct{}

// findOwner reports that the server cannot be started here: its watcher is a shell script.
func findOwner() (owner, error) { return owner{}, errMissing }

func (owner) give(string) error { return nil }

func (owner) runs(*exec.Cmd) {}
