//go:build unix

package app

import "golang.org/x/sys/unix"

// descriptors is how many files and connections the system lets this process have open; 0 if it does not say. Go has raised it
// as far as it can be raised.
func descriptors() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
