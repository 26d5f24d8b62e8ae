package journey

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSyncBeforeAnswer checks in a trace of the system calls that no event is answered 2xx before it is on disk.
func TestSyncBeforeAnswer(t *testing.T) { checkSyncs(t, 300) }

// checkSyncs sends so many events, and finds each in the trace by the mark in its body:
//
//  1. its row was written: a frame of the log (bellhop.db-wal), by one pwrite64 or by several, holds the mark;
//  2. its transaction was complete: the first frame from there whose header says commit was written;
//  3. it was synced: an fdatasync or fsync of the log began after that and returned 0;
//  4. only then its answer began: the first "HTTP/1.1 2" on the socket from which its request was read.
func checkSyncs(t *testing.T, events int) {
	t.Helper()
	l := newLedger()
	g := prepareGateway(t, t.TempDir()+"/data")
	file := g.watch(t, "read,write,writev,sendto,pwrite64,fdatasync,fsync")
	g.start()
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	connections := make(chan struct{}, 16)
	for n := range int64(events) {
		connections <- struct{}{}
		go func() {
			p.Event(ctx, n+1)
			<-connections
		}()
	}
	for range cap(connections) {
		connections <- struct{}{}
	}
	settle(t, g, patience)
	l.check(t, g)
	if status, _ := g.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}

	calls := readTrace(t, file)
	checked, late := checkOrder(t, calls)
	t.Logf("%d system calls, %d syncs of the log: of %d answered events, %d were answered before they were on disk",
		len(calls), len(only(calls, isSync)), checked, late)
	if checked != events || l.Acked() != events {
		t.Errorf("%d events in the trace and %d answered 2xx, want %d", checked, l.Acked(), events)
	}
	if late > 0 {
		t.Error("events were answered before they were on disk")
	}
	// Without the syncs every event is late: this shows that the check works.
	if _, late := checkOrder(t, slices.DeleteFunc(calls, isSync)); late != events {
		t.Errorf("in a trace without syncs, %d events of %d are late", late, events)
	}
}

// isLog reports whether the call concerns the log.
func isLog(c *call) bool {
	return strings.HasSuffix(c.file, "/bellhop.db-wal")
}

// isSync reports whether the call syncs the log.
func isSync(c *call) bool { return isLog(c) && (c.name == "fdatasync" || c.name == "fsync") }

// only returns the calls for which is returns true.
func only(calls []*call, is func(*call) bool) (some []*call) {
	for _, c := range calls {
		if is(c) {
			some = append(some, c)
		}
	}
	return some
}

// mark matches the mark in the body of an event of a producer.
var mark = regexp.MustCompile(`mark-\d{8}`)

// checkOrder returns the number of answered events, and of those that were answered too early.
func checkOrder(t *testing.T, calls []*call) (checked, late int) {
	t.Helper()
	frames := framesOf(only(calls, func(c *call) bool { return isLog(c) && c.name == "pwrite64" }))
	syncs := only(calls, isSync)
	rows := map[string]int{} // index in frames of the first one with the mark
	for i, f := range frames {
		for _, m := range f.marks {
			if _, ok := rows[m]; !ok {
				rows[m] = i
			}
		}
	}
	for m, answer := range answers(calls) {
		checked++
		row, ok := rows[m]
		if !ok {
			t.Errorf("%s was answered and never written", m)
			continue
		}
		commit := row
		for commit < len(frames) && !frames[commit].commits {
			commit++
		}
		if commit == len(frames) {
			t.Errorf("%s was answered and its transaction never ended", m)
			continue
		}
		written := frames[commit].written
		synced := slices.IndexFunc(syncs, func(c *call) bool { return c.begin > written.end && c.result == 0 })
		if synced < 0 || syncs[synced].end >= answer.begin {
			late++
		}
	}
	return checked, late
}

// answers returns for each mark the call that begins the 2xx answer of its request. A connection has one request
// at a time.
func answers(calls []*call) map[string]*call {
	found := map[string]*call{}
	asked := map[string]string{} // mark of the request being answered, by socket
	for _, c := range calls {
		if !strings.HasPrefix(c.file, "socket:") {
			continue
		}
		text := c.buffer()
		if c.name == "read" {
			if m := mark.FindString(text); m != "" {
				asked[c.file] = m
			}
			continue
		}
		if m := asked[c.file]; m != "" && strings.HasPrefix(text, "HTTP/1.1 2") {
			found[m] = c
			delete(asked, c.file)
		}
	}
	return found
}

// A frame is a page in the log with its header.
type frame struct {
	commits bool     // it ends a transaction
	marks   []string // in its page
	written *call    // the write that completed it
}

// The sizes of the parts of the log.
// Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
const (
	logHeaderBytes   = 32
	frameHeaderBytes = 24
	frameBytes       = frameHeaderBytes + 8192
)

// framesOf returns the frames that writes complete, in the order in which they do so. A write may hold a part of a
// frame, or several frames.
func framesOf(writes []*call) (frames []frame) {
	type slot struct {
		data   [frameBytes]byte
		filled int
	}
	slots := map[int]*slot{} // by the place in the log
	for _, c := range writes {
		data, at := unescape(c.buffer()), c.offset()-logHeaderBytes
		if at < 0 { // the header of the log
			data, at = data[min(len(data), -at):], 0
		}
		for len(data) > 0 {
			place, within := at/frameBytes, at%frameBytes
			if slots[place] == nil {
				slots[place] = &slot{}
			}
			s := slots[place]
			n := copy(s.data[within:], data)
			s.filled += n
			data, at = data[n:], at+n
			if s.filled < frameBytes {
				continue
			}
			s.filled = 0
			// The second four bytes are the size of the database in the last frame of a transaction, and 0 in others.
			commits := [4]byte(s.data[4:8]) != [4]byte{}
			frames = append(frames, frame{commits, mark.FindAllString(string(s.data[frameHeaderBytes:]), -1), c})
		}
	}
	return frames
}

// watch has strace write the system calls of g into the returned file.
func (g *gateway) watch(t *testing.T, calls string) (file string) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		skipAloud(t, "there is no strace here")
	}
	file = t.TempDir() + "/trace"
	if err := exec.Command("strace", "-o", file, "true").Run(); err != nil {
		skipAloud(t, "strace may not trace here")
	}
	// -s shows whole buffers: a write to the log may hold many pages. -y shows the file or socket of a descriptor.
	g.wrapper = []string{"strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "1048576", "-e", "signal=none", "-e",
		"trace=" + calls, "-o", file}
	return file
}

// A call is one system call. begin and end are the lines of the trace where it began and ended: call a ended
// before call b began if a.end < b.begin.
type call struct {
	name       string
	file       string // of the first descriptor: "/data/bellhop.db-wal", "socket:[1234]"
	data       string // the arguments, as strace writes them
	result     int
	begin, end int
}

// readTrace reads a trace of several threads. The calls are in the order in which they began.
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
	lines.Buffer(nil, 8<<20)
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
			continue // not a call with a descriptor
		}
		c := &call{name: name, file: file, data: data, begin: n, end: n}
		calls = append(calls, c)
		if begun, ok := strings.CutSuffix(data, " <unfinished ...>"); ok {
			unfinished[thread], c.data = c, begun
		} else {
			c.result = resultOf(data)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range unfinished {
		c.end, c.result = int(^uint(0)>>1), -1 // it never ended
	}
	return calls
}

// resultOf returns the result of a call: the number after the last "= ", or -1.
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

// offset returns the place in the file at which a pwrite64 writes: its last argument.
func (c *call) offset() int {
	arguments, _, _ := strings.Cut(c.data[strings.LastIndexByte(c.data, '"')+1:], ")")
	n, err := strconv.Atoi(arguments[strings.LastIndexByte(arguments, ' ')+1:])
	if err != nil {
		return -1
	}
	return n
}

// buffer returns what c reads or writes, quoted as by strace.
func (c *call) buffer() string {
	_, rest, _ := strings.Cut(c.data, `"`)
	end := strings.LastIndexByte(rest, '"')
	return rest[:max(0, end)]
}

// unescape decodes a buffer as strace writes it: like C, with octal numbers of one to three digits.
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
