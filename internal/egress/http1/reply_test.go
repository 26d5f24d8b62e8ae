package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// wellFormed are replies that this package and net/http must understand in the same way.
var wellFormed = []string{
	wiretest.OKReply,
	"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 202 Accepted, thank you\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"HTTP/1.1 200 OK\ncontent-length:2\nCONTENT-TYPE:  text/plain \t\n\nok",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n00\r\nTrailer: x\r\nAnother: y\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\nuntil the connection closes",
	"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the connection closes",
	"HTTP/1.0 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
	"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 503 Unavailable\r\nRetry-After: Sun, 22 Nov 2026 10:00:00 GMT\r\nConnection: close\r\n\r\n",
	"HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Security-Policy: " + strings.Repeat("default-src 'self'; ", 500) +
		"\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 599 Odd\r\nContent-Type: " + strings.Repeat("x", 5000) + "\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("x", 70000),
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + strings.Repeat("x", 0x11170) +
		"\r\n1\r\ny\r\n0\r\n\r\n",
}

func TestReplyAgreesWithNetHTTP(t *testing.T) {
	for _, text := range wellFormed {
		for _, method := range []string{"POST", "HEAD"} {
			for _, keep := range []int{0, 1, 1 << 20} {
				for _, in := range []io.Reader{strings.NewReader(text),
					iotest.OneByteReader(strings.NewReader(text))} {
					reply, _, err := readReply(bufio.NewReaderSize(in, 4<<10), method == "HEAD", keep, false)
					agree(t, text, method, keep, reply, err)
				}
			}
		}
	}
}

// agree compares a reply, as it was read from text, with what net/http reads.
func agree(t *testing.T, text, method string, keep int, reply *Reply, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%.80q: %v", text, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.80q: net/http: %v", text, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%.80q: net/http: %v", text, err)
	}
	kept := body[:min(keep, len(body))]
	if reply.Status != res.StatusCode || !bytes.Equal(reply.Body, kept) ||
		reply.Truncated != (len(kept) < len(body)) ||
		reply.ContentType != res.Header.Get("Content-Type") || reply.RetryAfter != res.Header.Get("Retry-After") {
		t.Errorf("%.80q, %s, keep %d: got %d, %d bytes, truncated %v, %q, %q; net/http %d, %d bytes", text,
			method, keep, reply.Status, len(reply.Body), reply.Truncated, reply.ContentType, reply.RetryAfter,
			res.StatusCode, len(body))
	}
}

// FuzzReadReply: whatever a server sends, there is no panic, no more is kept than was asked for, and no more is
// read than the bounds allow. If a reply is accepted whole, net/http reads the same status and body.
func FuzzReadReply(f *testing.F) {
	for _, text := range wellFormed {
		if len(text) < 1000 { // the fuzzer is slow with long ones
			f.Add([]byte(text), 100, false)
		}
	}
	for _, text := range []string{"HTTP/1.1 100 Continue\r\n\r\n" + wiretest.OKReply, "\x15\x03\x01", "220 hello\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok"} {
		f.Add([]byte(text), 10, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, keep int, head bool) {
		keep = max(0, min(keep, 1<<16))
		source := &counter{r: bytes.NewReader(text)}
		in := bufio.NewReaderSize(source, 4<<10)
		reply, reusable, err := readReply(in, head, keep, !head)
		const slack = 4<<10 + MaxHeaderBytes + maxChunkOverhead
		if read := source.n; read > slack+6*(keep+maxDrainBytes+4<<10) { // a chunk of one byte takes six
			t.Errorf("read %d bytes to keep %d", read, keep)
		}
		if reply == nil {
			if err == nil {
				t.Error("neither reply nor error")
			}
			return
		}
		if len(reply.Body) > keep {
			t.Errorf("kept %d of %d bytes", len(reply.Body), keep)
		}
		if reply.Status < 200 || reply.Status > 999 {
			t.Errorf("status %d", reply.Status)
		}
		if err != nil || !reusable || head {
			return
		}
		whole := text[:source.n-in.Buffered()]
		for bytes.HasPrefix(whole, []byte("HTTP/1.")) && whole[9] == '1' {
			// ReadResponse does not skip interim replies
			_, rest, ok := bytes.Cut(whole, []byte("\n\r\n"))
			if short, other, found := bytes.Cut(whole, []byte("\n\n")); found &&
				(!ok || len(short) < len(whole)-len(rest)) {
				rest = other
			}
			whole = rest
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(whole)), &http.Request{Method: "POST"})
		if err != nil {
			return // net/http is stricter about headers that are not kept here
		}
		body, err := io.ReadAll(res.Body)
		if err != nil && (strings.Contains(err.Error(), "MIME header") || strings.Contains(err.Error(), "trailer")) {
			return // net/http is stricter about trailers, which are dropped here
		}
		if err != nil || res.StatusCode != reply.Status || !bytes.HasPrefix(body, reply.Body) ||
			len(body) > len(reply.Body) != reply.Truncated {
			t.Errorf("got %d %q; net/http %d %q, %v", reply.Status, reply.Body, res.StatusCode, body, err)
		}
	})
}

// A counter counts the bytes that are read from r.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}
