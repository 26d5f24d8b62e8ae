//go:build unix

package app

import "syscall"

// descriptors returns how many files and connections the system lets this process have open; 0 if it does not
// say. Go has raised the limit as far as it can be raised.
func descriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
