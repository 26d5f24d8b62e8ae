package app

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// What lives long in the heap is small, some 20 MiB, and what passes through is not: at Go's 100 % the collector
// would run a dozen times a second. So it may let the heap grow fivefold, but not beyond what large bodies in
// flight and in lanes can take at most: from there on it works harder.
const (
	gcPercent  = 400
	softMemory = 320 << 20
)

// TuneMemory sets the garbage collector's target, and has it work harder from softMemory on, or from four fifths of
// a container's memory limit if that is less. GOGC and GOMEMLIMIT in the environment win.
func TuneMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(min(softMemory, containerLimit("/sys/fs/cgroup/memory.max")/5*4))
	}
}

// containerLimit reads a cgroup's memory limit in bytes; without one it is math.MaxInt64.
func containerLimit(path string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
