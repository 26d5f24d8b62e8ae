package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRefusalIsSeen: a sender that sends all of a large body before it reads the answer sees the answer of a request
// that is refused without reading the body. A reverse proxy sends so; it would answer 502 after a broken connection.
func TestRefusalIsSeen(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	if code, body := r.call("POST", "/api/v1/sources", `{"name":"signed","provider":"generic",
		"settings":{"scheme":"hmac","header":"X-Sig","secret":"0123456789abcdef0123456789abcdef"}}`); code != 201 {
		t.Fatal(code, body)
	}
	for name, c := range map[string]struct {
		path, header string
		want         int
	}{
		"too large":               {"/in/src", "Content-Length: 1500000\r\n", http.StatusRequestEntityTooLarge},
		"too large, in one chunk": {"/in/src", "Transfer-Encoding: chunked\r\n", http.StatusRequestEntityTooLarge},
		"no signature":            {"/in/signed", "Content-Length: 900000\r\n", http.StatusUnauthorized},
		"no such source":          {"/in/sorce", "Content-Length: 1500000\r\n", http.StatusNotFound},
		"no such coding": {"/in/src", "Content-Encoding: x\r\nContent-Length: 900000\r\n",
			http.StatusUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.front.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			body := make([]byte, 1_500_000) // over the limit; the server reads on for two seconds alone
			if strings.Contains(c.header, "900000") {
				body = body[:900_000]
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\n%s\r\n", c.path, c.header)
			if c.header == "Transfer-Encoding: chunked\r\n" {
				fmt.Fprintf(conn, "%x\r\n", len(body))
				body = append(body, "\r\n0\r\n\r\n"...)
			}
			if _, err := conn.Write(body); err != nil {
				t.Errorf("sending: %v", err)
			}
			reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, reply.Body)
			if reply.StatusCode != c.want {
				t.Errorf("%s, want %d", reply.Status, c.want)
			}
		})
	}
}
