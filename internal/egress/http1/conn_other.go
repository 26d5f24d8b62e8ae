//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package http1

// nothingToRead cannot be asked on this system. A closed connection is noticed when it is used.
func nothingToRead(uintptr) bool { return true }

// somethingToRead cannot be asked on this system.
func somethingToRead(uintptr) bool { return false }
