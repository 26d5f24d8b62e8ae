package journey

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// watch has strace write what g asks of the system into the file it returns.
func (g *gateway) watch(t *testing.T, calls string) (file string) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		skipAloud(t, "there is no strace here")
	}
	file = t.TempDir() + "/trace"
	if err := exec.Command("strace", "-o", file, "true").Run(); err != nil {
		skipAloud(t, "strace may not trace here")
	}
	// -s shows buffers whole: a page of the log is 8 KiB. -y shows which file or socket a descriptor is.
	g.wrapper = []string{"strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "8192", "-e", "signal=none", "-e", "trace=" + calls, "-o", file}
	return file
}

// A call is one system call. Its place in time is given by two lines of the trace: call a was over before call b
// began if a.end < b.begin.
type call struct {
	name       string
	file       string // that the first descriptor is: "/data/bellhop.db-wal", "socket:[1234]"
	data       string // the buffer, as strace writes it
	result     int
	begin, end int
}

// readTrace reads a trace of several threads. Calls are in the order in which they began.
func readTrace(t *testing.T, file string) []*call {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls []*call
	unfinished := map[string]*call{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		thread, line, _ := strings.Cut(lines.Text(), " ")
		line = strings.TrimLeft(line, " ")
		if resumed, ok := strings.CutPrefix(line, "<... "); ok {
			if c := unfinished[thread]; c != nil {
				_, rest, _ := strings.Cut(resumed, ">")
				c.data, c.end, c.result = c.data+rest, n, resultOf(rest)
				delete(unfinished, thread)
			}
			continue
		}
		name, rest, _ := strings.Cut(line, "(")
		_, rest, _ = strings.Cut(rest, "<")
		file, data, ok := strings.Cut(rest, ">")
		if !ok {
			continue // not about a descriptor
		}
		c := &call{name: name, file: file, data: data, begin: n, end: n}
		calls = append(calls, c)
		if strings.HasSuffix(data, " <unfinished ...>") {
			unfinished[thread] = c
		} else {
			c.result = resultOf(data)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range unfinished {
		c.end, c.result = int(^uint(0)>>1), -1 // it never was over
	}
	return calls
}

// resultOf reads what a call returned: the number behind the last "= ".
func resultOf(text string) int {
	at := strings.LastIndex(text, "= ")
	if at < 0 {
		return -1
	}
	number, _, _ := strings.Cut(text[at+2:], " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return n
}

// buffer returns what c reads or writes: what stands between the first quotes, as strace writes it.
func (c *call) buffer() string {
	_, rest, _ := strings.Cut(c.data, `"`)
	end := strings.LastIndexByte(rest, '"')
	return rest[:max(0, end)]
}

// unescape reads a buffer as strace writes it: like C, with octal numbers no longer than they must be.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		if at := strings.IndexByte("tnvfr", text[i]); at >= 0 {
			b.WriteByte("\t\n\v\f\r"[at])
			continue
		}
		if text[i] < '0' || text[i] > '7' { // a quote or a backslash
			b.WriteByte(text[i])
			continue
		}
		end := i
		for end < min(len(text), i+3) && text[end] >= '0' && text[end] <= '7' {
			end++
		}
		n, _ := strconv.ParseUint(text[i:end], 8, 8)
		b.WriteByte(byte(n))
		i = end - 1
	}
	return b.String()
}
