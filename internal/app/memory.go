package app

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is the garbage-collector target. What lives long in the heap is small, some 20 MiB, and what passes
// through is not: at Go's 100 % the collector would run a dozen times a second.
const gcPercent = 400

// TuneMemory sets the garbage collector's target, and, in a container with a memory limit, has it work harder
// from four fifths of that limit on. GOGC and GOMEMLIMIT in the environment win.
func TuneMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		if limit := containerLimit("/sys/fs/cgroup/memory.max"); limit < math.MaxInt64 {
			debug.SetMemoryLimit(limit / 5 * 4)
		}
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
