package pgtest

import (
	"os"
	"syscall"
)

// memory is a file system in memory that every user may write to.
const memory = "/dev/shm"

// memoryNeeded is how much a server may take there, with some hundred databases; containers often have less.
const memoryNeeded = 4 << 30

// parent returns the folder for the folder of a server.
func parent(o Options) string {
	var room syscall.Statfs_t
	if o.OnDisk || syscall.Statfs(memory, &room) != nil || room.Bavail*uint64(room.Bsize) < memoryNeeded {
		return os.TempDir()
	}
	return memory
}
