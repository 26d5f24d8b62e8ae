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
//  1. its row was written: a pwrite64 to the log (bellhop.db-wal) holds the mark;
//  2. its transaction was complete: the first frame from there whose header says commit was written, with its page;
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
			p.event(ctx, n+1)
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
	if checked != events || l.acked() != events {
		t.Errorf("%d events in the trace and %d answered 2xx, want %d", checked, l.acked(), events)
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
	writes := only(calls, func(c *call) bool { return isLog(c) && c.name == "pwrite64" })
	syncs := only(calls, isSync)
	rows := map[string]int{} // index in writes of the first one with the mark
	for i, c := range writes {
		for _, m := range mark.FindAllString(c.buffer(), -1) {
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
		commit := max(0, row-1) // the header of the frame with this page
		for commit < len(writes) && !endsTransaction(writes[commit]) {
			commit++
		}
		if commit+1 >= len(writes) {
			t.Errorf("%s was answered and its transaction never ended", m)
			continue
		}
		page := writes[commit+1] // the page that follows the header
		synced := slices.IndexFunc(syncs, func(c *call) bool { return c.begin > page.end && c.result == 0 })
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

// endsTransaction reports whether c writes the header of a frame that ends a transaction. The header has 24 bytes.
// Its second four bytes are the size of the database in the last frame of a transaction, and 0 in other frames.
func endsTransaction(c *call) bool {
	if c.result != 24 {
		return false
	}
	header := unescape(c.buffer())
	return len(header) == 24 && header[4:8] != "\x00\x00\x00\x00"
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
	// -s shows whole buffers: a page of the log is 8 KiB. -y shows the file or socket of a descriptor.
	g.wrapper = []string{"strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "8192", "-e", "signal=none", "-e",
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
			continue // not a call with a descriptor
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
