package journey

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAmbiguousRequests writes to the socket what no client library writes: requests that two readers could take for
// different ones, and what is none at all. Nothing is taken twice or for what it is not, and after anything ambiguous
// the connection is closed.
func TestAmbiguousRequests(t *testing.T) {
	g := newGateway(t, "--read-timeout", "2s")
	newProducer(g, newLedger()).sources()
	const post = "POST /in/plain HTTP/1.1\r\nHost: x\r\n"
	const chunked = post + "Transfer-Encoding: chunked\r\n"
	smuggled := func(body string) string { return post + "Content-Length: 2\r\n\r\n" + body }
	cases := []struct {
		name, text string
		want       []int
		after      fate
		stored     []string // bodies, each of one case only
	}{
		{"control", post + "Content-Length: 2\r\n\r\nc1", []int{202}, stays, []string{"c1"}},
		{"control, two in a row", post + "Content-Length: 2\r\n\r\nc2" + post + "Content-Length: 2\r\n\r\nc3", []int{202, 202}, stays, []string{"c2", "c3"}},
		{"control, chunked", chunked + "\r\n2\r\nc4\r\n0\r\n\r\n", []int{202}, either, []string{"c4"}},

		{"L12 two Content-Length", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", []int{400}, closes, nil},
		{"two in one line", post + "Content-Length: 5, 6\r\n\r\nhello!", []int{400}, closes, nil},
		{"Content-Length with a sign", post + "Content-Length: +5\r\n\r\nhello", []int{400}, closes, nil},
		{"Content-Length below 0", post + "Content-Length: -1\r\n\r\n", []int{400}, closes, nil},
		{"Content-Length in hex", post + "Content-Length: 0x5\r\n\r\nhello", []int{400}, closes, nil},
		{"Content-Length beyond 63 bits", post + "Content-Length: 9223372036854775808\r\n\r\n", []int{400}, closes, nil},
		{"blank before the colon", post + "Content-Length : 5\r\n\r\nhello", []int{400}, closes, nil},
		{"L11 Content-Length shorter than what comes", post + "Content-Length: 2\r\n\r\nl1 and more\r\n\r\n", []int{202, 400}, closes, []string{"l1"}},

		{"Transfer-Encoding and Content-Length", chunked + "Content-Length: 4\r\n\r\n2\r\nt1\r\n0\r\n\r\n" + smuggled("s1"), []int{202}, closes, []string{"t1"}},
		{"Content-Length, then Transfer-Encoding", post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nt3\r\n0\r\n\r\nX" + smuggled("s2"), []int{202}, closes, []string{"t3"}},
		{"L06 an unknown Transfer-Encoding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []int{501}, closes, nil},
		{"chunked twice", chunked + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{501}, closes, nil},
		{"chunked and identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", []int{501}, closes, nil},
		{"chunked in HTTP/1.0, which has no such thing: no body", "POST /in/plain HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nt2\r\n0\r\n\r\n", []int{202}, closes, []string{""}},

		{"L08 a bare line feed after a chunk's size", chunked + "\r\n5\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"a bare line feed after a chunk", chunked + "\r\n5\r\nhello\n0\r\n\r\n", []int{400}, closes, nil},
		{"L09 a chunk larger than there can be", chunked + "\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n", []int{408}, closes, nil},
		{"a chunk's size with a sign", chunked + "\r\n+5\r\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"a chunk's size in words", chunked + "\r\nfive\r\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"L07 a chunk extension of 1 MiB", chunked + "\r\n5;a=" + strings.Repeat("b", 1<<20) + "\r\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},

		{"L16 HTTP/0.9", "GET /in/plain\r\n", []int{400}, closes, nil},
		{"L16 garbage", "\x00\x01\x02\xff\xfe\r\n\r\n", []int{400}, closes, nil},
		{"L16 a TLS hello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", []int{400}, closes, nil},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400}, closes, nil},
		{"HTTP/3.7", "POST /in/plain HTTP/3.7\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{505}, closes, nil},
		{"G62 NUL in a header", post + "X-A: a\x00b\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},
		{"a header without a colon", post + "X-A\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},
		{"a header whose name is no name", post + "X A: b\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},
		{"no Host", "POST /in/plain HTTP/1.1\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},
		{"two Hosts", post + "Host: y\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},
		{"a target that is none", "POST in/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{400}, closes, nil},

		{"L17 another host's URL", "POST http://other.example/in/plain HTTP/1.1\r\nHost: other.example\r\nContent-Length: 2\r\n\r\nu1", []int{202}, stays, []string{"u1"}},
		{"L18 a path to be cleaned", "POST /in/src/../plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404}, stays, nil},
		{"L18 two slashes", "POST //in/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404}, stays, nil},
		{"L18 an escaped slash", "POST /in/plain%2f HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404}, stays, nil},
		{"L18 a slash behind", "POST /in/plain/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404}, stays, nil},
		{"L18 a path parameter", "POST /in/plain;x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404}, stays, nil},
		{"L19 another method in a header", "GET /in/plain HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\n\r\n", []int{405}, stays, nil},
	}
	var all sync.WaitGroup
	var want []string
	for _, c := range cases {
		want = append(want, c.stored...)
		all.Go(func() {
			k := say(t, g, abuser, c.text, 5*time.Second)
			if !k.is(c.want...) || c.after != either && k.closed != (c.after == closes) {
				t.Errorf("%s: answered %v, want %v, closed: %t", c.name, k, c.want, c.after == closes)
			}
		})
	}
	all.Wait()
	var stored []string
	for _, ev := range listEvents(t, g) {
		body, _ := bodyOf(t, g.client(), ev.ID)
		stored = append(stored, string(body))
	}
	slices.Sort(want)
	slices.Sort(stored)
	if !slices.Equal(stored, want) {
		t.Errorf("stored are %q, want %q", stored, want)
	}
	t.Logf("%d ambiguous or broken requests: stored are %q", len(cases), stored)
	serves(t, g, plainSource, 1)
}

// A fate is what becomes of a connection after the last answer.
type fate int

const (
	closes fate = iota
	stays
	either
)
