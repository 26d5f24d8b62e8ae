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
	"testing"
	"time"
)

// dial connects to g from one of the loopback interface's addresses.
func dial(t testing.TB, g *gateway, from string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", g.address())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A talk is what came of bytes written to a connection.
type talk struct {
	statuses []int // of the answers, in order
	bodies   []string
	closed   bool // by the gateway
	took     time.Duration
}

func (k talk) String() string {
	return fmt.Sprintf("%v, closed: %t, after %v", k.statuses, k.closed, k.took.Round(time.Millisecond))
}

func (k talk) is(statuses ...int) bool { return slices.Equal(k.statuses, statuses) }

// say writes text while it reads answers: for no longer than first until the first of them, and then until none has
// come for a moment. That the gateway stops listening half-way is not an error.
func say(t testing.TB, g *gateway, from, text string, first time.Duration) (k talk) {
	t.Helper()
	return sayFrom(t, g, from, strings.NewReader(text), first)
}

func sayFrom(t testing.TB, g *gateway, from string, text io.Reader, first time.Duration) (k talk) {
	t.Helper()
	const moment = 700 * time.Millisecond // net/http closes half a second after its last answer
	c := dial(t, g, from)
	defer c.Close()
	began := time.Now()
	go func() {
		io.Copy(c, text)
		if _, ok := text.(*breaksOff); ok {
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	in := bufio.NewReader(c)
	for patience := first; ; patience = moment {
		c.SetReadDeadline(time.Now().Add(patience))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			k.closed = !errors.Is(err, os.ErrDeadlineExceeded)
			k.took = time.Since(began)
			return k
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		k.statuses, k.bodies = append(k.statuses, res.StatusCode), append(k.bodies, string(body))
	}
}

// breaksOff is a text after which the sender hangs up.
type breaksOff struct{ io.Reader }

// Addresses that the tests come from.
const (
	abuser  = "127.0.0.2"
	healthy = "127.0.0.3"
)

// serves makes sure that others are served meanwhile, and returns how long the slowest of them waited.
func serves(t *testing.T, g *gateway, source string, times int) (slowest time.Duration) {
	t.Helper()
	for n := range times {
		body := fmt.Sprintf("healthy %d %d", time.Now().UnixNano(), n)
		k := say(t, g, healthy, fmt.Sprintf("POST /in/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", source, len(body), body), 5*time.Second)
		if !k.is(http.StatusAccepted) {
			t.Errorf("another sender is answered %v", k)
		}
		slowest = max(slowest, k.took)
	}
	return slowest
}

// zeros is that many zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// chunks writes r as a chunked body.
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
