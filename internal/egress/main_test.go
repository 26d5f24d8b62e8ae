package egress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain is also the server of the benchmarks, in a process of its own so that its CPU time is not counted.
func TestMain(m *testing.M) {
	if os.Getenv("EGRESS_SINK") != "" {
		sink()
		return
	}
	code := m.Run()
	if left := goroutinesLeft(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// goroutinesLeft returns the stacks of goroutines that still run code of this room after a second.
func goroutinesLeft() string {
	var left []string
	for range 100 {
		buf := make([]byte, 1<<20)
		left = nil
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "internal/egress") && !strings.Contains(g, "TestMain") {
				left = append(left, g)
			}
		}
		if left == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

// sink prints its address, and answers every request with 200 and a short body until its standard input ends.
func sink() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

func answer(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 16<<10)
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n" +
		"Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n\r\nok")
	for {
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				for _, b := range bytes.TrimSpace(value) {
					length = length*10 + int(b-'0')
				}
			}
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}
