package bench

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// What /proc tells of a process. Where there is no /proc, which is everywhere but on Linux, ok is false.

// clockTick is the unit of CPU time in /proc: USER_HZ, which is 100 on every platform that Go runs on.
const clockTick = time.Second / 100

// cpuTime is what a process has used so far, user and system.
func cpuTime(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The second field is a name in parentheses that may hold anything; the third to fourteenth follow, then utime and stime.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * clockTick, err1 == nil && err2 == nil
}

// peakMemory is the most resident memory a process has had, in bytes. The rusage of a child would say at least what
// its parent had when it was started.
func peakMemory(pid int) (bytes int64, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	return peakIn(text)
}

func peakIn(status []byte) (int64, bool) {
	_, rest, found := bytes.Cut(status, []byte("\nVmHWM:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, false
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err == nil
}
