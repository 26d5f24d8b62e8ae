package journey

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSyncBeforeAnswer reads from the system calls that no event is answered 2xx before it is on disk. For each of
// 2,000 events, by the mark in its body:
//
//  1. its row was written: a pwrite64 to the log (bellhop.db-wal) holds the mark;
//  2. its transaction was whole: from its frame on, the first whose header says commit was written, page and all;
//  3. it was synced: an fdatasync or fsync of the log began after that and returned 0;
//  4. only then its answer was begun: the first "HTTP/1.1 2" on the socket on which its request was read.
func TestSyncBeforeAnswer(t *testing.T) {
	const events = 2000
	l := newLedger()
	g := prepareGateway(t, t.TempDir()+"/data")
	file := g.watch(t, "read,write,writev,sendto,pwrite64,fdatasync,fsync")
	g.start()
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
	settle(t, g, time.Minute)
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
	// The check can see: without the syncs, every event would be late.
	if _, late := checkOrder(t, slices.DeleteFunc(calls, isSync)); late != events {
		t.Errorf("in a trace without syncs, %d events of %d are late", late, events)
	}
}

func isLog(c *call) bool  { return strings.HasSuffix(c.file, "/bellhop.db-wal") }
func isSync(c *call) bool { return isLog(c) && (c.name == "fdatasync" || c.name == "fsync") }

func only(calls []*call, is func(*call) bool) (some []*call) {
	for _, c := range calls {
		if is(c) {
			some = append(some, c)
		}
	}
	return some
}

var mark = regexp.MustCompile(`mark-\d{8}`)

// checkOrder returns how many events were answered, and how many of them too early.
func checkOrder(t *testing.T, calls []*call) (checked, late int) {
	t.Helper()
	writes := only(calls, func(c *call) bool { return isLog(c) && c.name == "pwrite64" })
	syncs := only(calls, isSync)
	rows := map[string]int{} // where in writes a mark is first
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
		commit := max(0, row-1) // the header of the frame that this page is in
		for commit < len(writes) && !endsTransaction(writes[commit]) {
			commit++
		}
		if commit+1 >= len(writes) {
			t.Errorf("%s was answered and its transaction never ended", m)
			continue
		}
		page := writes[commit+1] // of the frame whose header that is
		synced := slices.IndexFunc(syncs, func(c *call) bool { return c.begin > page.end && c.result == 0 })
		if synced < 0 || syncs[synced].end >= answer.begin {
			late++
		}
	}
	return checked, late
}

// answers returns the call that begins the 2xx answer of each mark's request. A connection has one request at a time.
func answers(calls []*call) map[string]*call {
	found := map[string]*call{}
	asked := map[string]string{} // by socket, the mark of the request being answered
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

// endsTransaction reports whether c writes the header of a frame that ends a transaction: 24 bytes, of which the
// second four are the size of the database then, and 0 in all other frames.
func endsTransaction(c *call) bool {
	if c.result != 24 {
		return false
	}
	header := unescape(c.buffer())
	return len(header) == 24 && header[4:8] != "\x00\x00\x00\x00"
}
