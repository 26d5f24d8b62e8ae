package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSmugglingClosesTheConnection: no path of the server takes another request on the connection of a request whose
// end a proxy may have found elsewhere. The bytes that follow are not answered.
func TestSmugglingClosesTheConnection(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	key := "Authorization: Bearer " + r.opts.AdminKey + "\r\nContent-Type: application/json\r\n"
	const next = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
	event := `{"type":"a.b","data":1}`
	for _, line := range []string{
		"POST /in/src", "POST /in/nobody", "POST //in/src", "POST /agree/x", "GET /agree/x", "POST /api/v1/events",
		"POST /api/v1/nothing", "GET /api/v1/sources", "GET /healthz", "POST /healthz", "GET /readyz", "GET /metrics",
		"GET /openapi.json", "GET /", "OPTIONS *", "OPTIONS /in/src", "PRI /x", "HEAD /healthz",
	} {
		for name, text := range map[string]string{
			"Content-Length and chunked": line + " HTTP/1.1\r\nHost: h\r\n" + key +
				"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" +
				fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(event), event),
			"an empty chunked body": line + " HTTP/1.1\r\nHost: h\r\n" + key +
				"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
			"chunked in HTTP/1.0": line + " HTTP/1.0\r\nHost: h\r\n" + key +
				"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: " +
				fmt.Sprintf("%d\r\n\r\n%s", len(event), event),
		} {
			if answers := pipelined(t, r.front.Addr(), text+next, strings.HasPrefix(line, "HEAD")); answers != 1 {
				t.Errorf("%s, %s: %d answers", line, name, answers)
			}
		}
		plain := line + " HTTP/1.1\r\nHost: h\r\n" + key + "Content-Length: " + fmt.Sprintf("%d\r\n\r\n%s", len(event),
			event)
		if line == "OPTIONS *" {
			continue // net/http ends the connection
		}
		if answers := pipelined(t, r.front.Addr(), plain+next, strings.HasPrefix(line, "HEAD")); answers != 2 {
			t.Errorf("%s, as usual: %d answers", line, answers)
		}
	}
}

// pipelined writes text to a new connection in one piece, and returns how many answers there are before the server
// closes the connection, or before the answer that tells that the server is alive.
func pipelined(t *testing.T, addr net.Addr, text string, head bool) (answers int) {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(c, text)
	in := bufio.NewReader(c)
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	for answers < 2 {
		reply, err := http.ReadResponse(in, &http.Request{Method: method})
		if os.IsTimeout(err) {
			t.Errorf("%.40q: the connection stays open without an answer", text)
		}
		if err != nil {
			return answers
		}
		method = http.MethodGet
		answers++
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	return answers
}
