package app

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// Long-lived data in the heap is small, about 20 MiB; most of the heap is data that passes through. With Go's
// default of 100 % the garbage collector would run a dozen times a second. So the heap may grow to five times
// its live data, up to softMemory, which is about the most that large bodies in flight and in lanes take.
// Beyond it, the collector runs more often.
const (
	gcPercent  = 400
	softMemory = 320 << 20
)

// TuneMemory sets the target of the garbage collector and its soft memory limit: softMemory, or four fifths of the
// container's memory limit if that is less. GOGC and GOMEMLIMIT in the environment take precedence.
func TuneMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(min(softMemory, containerLimit("/sys/fs/cgroup/memory.max")/5*4))
	}
}

// containerLimit reads the memory limit of a cgroup in bytes. Without a limit it returns math.MaxInt64.
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
