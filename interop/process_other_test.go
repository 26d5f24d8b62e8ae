//go:build !linux

package interop

import "os/exec"

// killWithTest does nothing: only Linux can kill a child when its parent ends.
func killWithTest(*exec.Cmd) {}
