package journey

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// dial connects to g from one of the addresses of the loopback interface.
func dial(t testing.TB, g *gateway, from string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", g.address())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A talk is the result of writing bytes to a connection.
type talk struct {
	statuses []int // of the answers, in their order
	bodies   []string
	closed   bool // by the gateway
	open     bool // the gateway answered another request on the connection
	took     time.Duration
}

func (k talk) String() string {
	return fmt.Sprintf("%v, closed: %t, open: %t, after %v", k.statuses, k.closed, k.open,
		k.took.Round(time.Millisecond))
}

// is reports whether these are the statuses of all answers.
func (k talk) is(statuses ...int) bool { return slices.Equal(k.statuses, statuses) }

// A fate is what becomes of a connection after the last answer.
type fate int

const (
	either fate = iota // not looked at
	closes             // the gateway closes it
	stays              // the gateway takes another request on it
)

// met reports whether the connection had that fate.
func (k talk) met(f fate) bool {
	return f == either || f == closes && k.closed || f == stays && k.open
}

// say writes text to a new connection while it reads answers. It reads the given number of answers, and then looks
// whether the connection meets its fate: it reads until the gateway closes, or sends another request. It gives up
// after patience. The gateway may stop reading half-way.
func say(t testing.TB, g *gateway, from string, text io.Reader, answers int, after fate) (k talk) {
	t.Helper()
	c := dial(t, g, from)
	defer c.Close()
	began := time.Now()
	written := make(chan struct{})
	go func() {
		defer close(written)
		io.Copy(c, text)
		if _, ok := text.(*breaksOff); ok {
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	c.SetReadDeadline(began.Add(patience))
	in := bufio.NewReader(c)
	for after == closes || len(k.statuses) < answers {
		if !k.read(in) {
			k.took = time.Since(began)
			return k
		}
	}
	k.took = time.Since(began)
	if after == stays {
		<-written
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if k.read(in) && k.statuses[answers] == http.StatusOK {
			k.open = true
			k.statuses, k.bodies = k.statuses[:answers], k.bodies[:answers]
		}
	}
	return k
}

// read reads one answer. It reports whether there was one.
func (k *talk) read(in *bufio.Reader) bool {
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		k.closed = !errors.Is(err, os.ErrDeadlineExceeded)
		return false
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	k.statuses, k.bodies = append(k.statuses, res.StatusCode), append(k.bodies, string(body))
	return true
}

// A breaksOff is a text after which the sender closes its side.
type breaksOff struct{ io.Reader }

// Addresses that the senders of the tests use.
const (
	abuser  = "127.0.0.2"
	healthy = "127.0.0.3"
)

// serves makes sure that other senders are served meanwhile, and returns how long the slowest of them waited.
func serves(t *testing.T, g *gateway, source string, times int) (slowest time.Duration) {
	t.Helper()
	for n := range times {
		body := fmt.Sprintf("healthy %d %d", time.Now().UnixNano(), n)
		text := fmt.Sprintf("POST /in/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			source, len(body), body)
		k := say(t, g, healthy, strings.NewReader(text), 1, closes)
		if !k.is(http.StatusAccepted) {
			t.Errorf("another sender is answered %v", k)
		}
		slowest = max(slowest, k.took)
	}
	return slowest
}

// zeros returns a reader of n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// chunks encodes r as a chunked body.
func chunks(r io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				if _, err := fmt.Fprintf(in, "%x\r\n%s\r\n", n, buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				io.WriteString(in, "0\r\n\r\n")
				in.Close()
				return
			}
		}
	}()
	return out
}

// TestAmbiguousRequests writes requests to the socket that no client library writes: requests that two readers
// could understand differently, and text that is no request. No event is stored twice or with the wrong body, and
// the connection is closed after anything ambiguous.
func TestAmbiguousRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t, "--read-timeout", "5s")
	newProducer(g, newLedger()).sources()
	const post = "POST /in/plain HTTP/1.1\r\nHost: x\r\n"
	const chunked = post + "Transfer-Encoding: chunked\r\n"
	smuggled := func(body string) string { return post + "Content-Length: 2\r\n\r\n" + body }
	cases := []struct {
		name, text string
		want       []int
		after      fate
		stored     []string // bodies of events; each case has its own
	}{
		{"control", post + "Content-Length: 2\r\n\r\nc1", []int{202}, stays, []string{"c1"}},
		{"control, two in a row", post + "Content-Length: 2\r\n\r\nc2" + post + "Content-Length: 2\r\n\r\nc3",
			[]int{202, 202}, stays, []string{"c2", "c3"}},
		{"control, chunked", chunked + "\r\n2\r\nc4\r\n0\r\n\r\n", []int{202}, either, []string{"c4"}},

		{"L12 two Content-Length", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", []int{400},
			closes, nil},
		{"two in one line", post + "Content-Length: 5, 6\r\n\r\nhello!", []int{400}, closes, nil},
		{"Content-Length with a sign", post + "Content-Length: +5\r\n\r\nhello", []int{400}, closes, nil},
		{"Content-Length below 0", post + "Content-Length: -1\r\n\r\n", []int{400}, closes, nil},
		{"Content-Length in hex", post + "Content-Length: 0x5\r\n\r\nhello", []int{400}, closes, nil},
		{"Content-Length beyond 63 bits", post + "Content-Length: 9223372036854775808\r\n\r\n", []int{400},
			closes, nil},
		{"blank before the colon", post + "Content-Length : 5\r\n\r\nhello", []int{400}, closes, nil},
		{"L11 Content-Length shorter than what comes", post + "Content-Length: 2\r\n\r\nl1 and more\r\n\r\n",
			[]int{202, 400}, closes, []string{"l1"}},

		{"Transfer-Encoding and Content-Length", chunked + "Content-Length: 4\r\n\r\n2\r\nt1\r\n0\r\n\r\n" +
			smuggled("s1"),
			[]int{202}, closes, []string{"t1"}},
		{"Content-Length, then Transfer-Encoding",
			post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nt3\r\n0\r\n\r\nX" + smuggled("s2"),
			[]int{202}, closes, []string{"t3"}},
		{"L06 an unknown Transfer-Encoding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []int{501},
			closes, nil},
		{"chunked twice", chunked + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{501}, closes, nil},
		{"chunked and identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", []int{501},
			closes, nil},
		{"chunked in HTTP/1.0, which has no such thing: no body",
			"POST /in/plain HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nt2\r\n0\r\n\r\n", []int{202}, closes,
			[]string{""}},

		{"L08 a bare line feed after a chunk's size", chunked + "\r\n5\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"a bare line feed after a chunk", chunked + "\r\n5\r\nhello\n0\r\n\r\n", []int{400}, closes, nil},
		{"L09 a chunk larger than there can be", chunked + "\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
			[]int{408}, closes, nil},
		{"a chunk's size with a sign", chunked + "\r\n+5\r\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"a chunk's size in words", chunked + "\r\nfive\r\nhello\r\n0\r\n\r\n", []int{400}, closes, nil},
		{"L07 a chunk extension of 1 MiB", chunked + "\r\n5;a=" + strings.Repeat("b", 1<<20) +
			"\r\nhello\r\n0\r\n\r\n",
			[]int{400}, closes, nil},

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
		{"a target that is none", "POST in/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{400},
			closes, nil},

		{"L17 a whole URL", "POST http://o.example/in/plain HTTP/1.1\r\nHost: " +
			"o.example\r\nContent-Length: 2\r\n\r\nu1",
			[]int{202}, stays, []string{"u1"}},
		{"L18 a path to be cleaned", "POST /in/src/../plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
			[]int{404}, stays, nil},
		{"L18 two slashes", "POST //in/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", []int{404},
			stays, nil},
		{"L18 an escaped slash", "POST /in/plain%2f HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
			[]int{404}, stays, nil},
		{"L18 a slash behind", "POST /in/plain/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nu2", []int{202}, stays,
			[]string{"u2"}},
		{"L18 two slashes behind", "POST /in/plain// HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
			[]int{404}, stays, nil},
		{"L18 a path parameter", "POST /in/plain;x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
			[]int{404}, stays, nil},
		{"L19 another method in a header", "GET /in/plain HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\n\r\n",
			[]int{405}, stays, nil},
	}
	var all sync.WaitGroup
	var want []string
	for _, c := range cases {
		want = append(want, c.stored...)
		all.Go(func() {
			k := say(t, g, abuser, strings.NewReader(c.text), len(c.want), c.after)
			if !k.is(c.want...) || !k.met(c.after) {
				t.Errorf("%s: answered %v, want %v, closed: %t", c.name, k, c.want, c.after == closes)
			}
		})
	}
	all.Wait()
	var stored []string
	for _, ev := range listEvents(t, g.client()) {
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
