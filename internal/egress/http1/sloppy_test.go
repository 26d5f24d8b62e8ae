package http1

import (
	"bufio"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

const ok2 = "Content-Length: 2\r\n\r\nok"

// sloppy are replies that some receivers send and other clients read: curl, browsers, net/http or Python's
// requests. The status of each is the answer. The connection serves another request only where a reply is
// well-formed.
var sloppy = []struct {
	name   string
	text   string
	status int
	body   string // "" if where it ends is in doubt
	reuse  bool
}{
	{"no reason phrase", "HTTP/1.1 200\r\n" + ok2, 200, "ok", true},
	{"an empty reason phrase", "HTTP/1.1 200 \r\n" + ok2, 200, "ok", true},
	{"a reason phrase that is no ASCII", "HTTP/1.1 200 Gr\xfc\xdfe \xe2\x9c\x93\r\n" + ok2, 200, "ok", true},
	{"two spaces before the status", "HTTP/1.1  202 Accepted\r\n" + ok2, 202, "ok", false},
	{"a tab before the reason phrase", "HTTP/1.1 200\tOK\r\n" + ok2, 200, "ok", false},
	{"the version in lower case", "http/1.1 200 ok\r\n" + ok2, 200, "ok", false},
	{"the version in mixed case", "HTtP/1.1 200 ok\r\n" + ok2, 200, "ok", false},
	{"a version 2.0 in text", "HTTP/2.0 200 OK\r\n" + ok2, 200, "ok", false},
	{"a version 1.2", "HTTP/1.2 200 OK\r\n" + ok2, 200, "ok", false},
	{"line ends of LF alone", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok", true},
	{"a status that is not registered", "HTTP/1.1 299 Odd\r\n" + ok2, 299, "ok", true},

	{"a space before the colon", "HTTP/1.1 200 OK\r\nServer : x\r\n" + ok2, 200, "ok", false},
	{"a tab before the colon", "HTTP/1.1 200 OK\r\nServer\t: x\r\n" + ok2, 200, "ok", false},
	{"a folded header", "HTTP/1.1 200 OK\r\nX-Long: a\r\n\tb\r\n c\r\n" + ok2, 200, "ok", false},
	{"a folded first line", "HTTP/1.1 200 OK\r\n b: c\r\n" + ok2, 200, "ok", false},
	{"a line without a colon", "HTTP/1.1 200 OK\r\nhello world\r\n" + ok2, 200, "ok", false},
	{"a line without a name", "HTTP/1.1 200 OK\r\n: x\r\n" + ok2, 200, "ok", false},
	{"a control character in a value", "HTTP/1.1 200 OK\r\nX-A: a\x01\x7fb\r\n" + ok2, 200, "ok", true},
	{"a NUL in a value", "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n" + ok2, 200, "ok", true},
	{"a CR in a value", "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n" + ok2, 200, "ok", true},
	{"a value that is no ASCII",
		"HTTP/1.1 200 OK\r\nX-Gr\xc3\xbc\xc3\x9fe: Stra\xdfe \xe2\x82\xac\r\n" + ok2, 200, "ok", true},
	{"a name with a blank", "HTTP/1.1 200 OK\r\nX Powered By: us\r\n" + ok2, 200, "ok", true},
	{"a name with other characters", "HTTP/1.1 200 OK\r\nX-(A)@: us\r\n" + ok2, 200, "ok", true},
	{"a value that is empty", "HTTP/1.1 200 OK\r\nServer:\r\n" + ok2, 200, "ok", true},
	{"a date that is none",
		"HTTP/1.1 200 OK\r\nDate: today\r\nExpires: -1\r\nLast-Modified: 0\r\n" + ok2, 200, "ok", true},
	{"a cookie that is none", "HTTP/1.1 200 OK\r\nSet-Cookie: =;;\x02 a b\r\nSet-Cookie:\r\n" + ok2, 200, "ok", true},
	{"a content type that is none", "HTTP/1.1 200 OK\r\nContent-Type: json;;=\r\n" + ok2, 200, "ok", true},
	{"a Retry-After that is none", "HTTP/1.1 200 OK\r\nRetry-After: soon\r\n" + ok2, 200, "ok", true},
	{"40 KiB of headers",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("Set-Cookie: "+strings.Repeat("c", 4000)+"\r\n", 10) + ok2,
		200, "ok", true},
	{"one header of 100 KiB",
		"HTTP/1.1 200 OK\r\nX-Debug: " + strings.Repeat("d", 100<<10) + "\r\n" + ok2, 200, "ok", true},
	{"a Connection in odd words",
		"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, ,Foo\r\nKeep-Alive: x\r\n" + ok2, 200, "ok", true},
	{"interim replies that are sloppy", "HTTP/1.1 100\r\nhello\r\nContent-Length: x\r\n\r\nHTTP/1.1 200 OK\r\n" + ok2,
		200, "ok", false},

	{"a length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + ok2, 200, "ok", true},
	{"a length as a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200, "ok", false},
	{"a length with zeros before it", "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok", 200, "ok", true},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + ok2, 200, "", false},
	{"two lengths as a list", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", 200, "", false},
	{"an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", 200, "", false},
	{"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", 200, "", false},
	{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", 200, "", false},
	{"a length in words", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", 200, "", false},
	{"a length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", 200, "", false},
	{"a folded length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok", 200, "", false},
	{"a length with a space before its colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", 200, "", false},
	{"a length after a control character", "HTTP/1.1 200 OK\r\n\x0bContent-Length: 2\r\n\r\nok", 200, "", false},
	{"a length and chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + ok2, 200, "", false},
	{"chunked twice",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "", false},
	{"chunked in two headers",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		200, "", false},
	{"an encoding of identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n" + ok2, 200, "", false},
	{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200,
		"", false},
	{"a chunk line of LF alone", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", 200, "", false},
	{"a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok", 200, "", false},
	{"a body that is chunked in name only",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{\"ok\":true}", 200, "", false},
	{"a 204 with a length", "HTTP/1.1 204 No Content\r\n" + ok2, 204, "", false},
	{"an HTTP/1.0 that is kept alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + ok2, 200, "ok", false},
}

// TestSloppyReplies: a reply that any mainstream client reads has its status here too.
func TestSloppyReplies(t *testing.T) {
	for _, s := range sloppy {
		for _, in := range []*bufio.Reader{bufio.NewReaderSize(strings.NewReader(s.text), 4<<10),
			bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(s.text)), 4<<10)} {
			reply, reuse, err := readReply(in, false, 1<<10, true)
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
				continue
			}
			// What a buffer holds after the reply depends on how the bytes arrive.
			if in.Buffered() == 0 && reuse != s.reuse || reuse && !s.reuse {
				t.Errorf("%s: another request may follow: %v, want %v", s.name, reuse, s.reuse)
			}
			if reply.Status != s.status || string(reply.Body) != s.body {
				t.Errorf("%s: got %d %q, want %d %q", s.name, reply.Status, reply.Body, s.status, s.body)
			}
			if s.body == "" && s.status != 204 && !reply.Truncated {
				t.Errorf("%s: a body that was not read does not say so", s.name)
			}
		}
	}
}

// TestNoReply: bytes that no client takes for a reply are none.
func TestNoReply(t *testing.T) {
	for _, text := range []string{"", "\r\n", "ok", "HTTP", "HTTP/1.1\r\n\r\n", "HTTP/1.1 \r\n\r\n",
		"HTTP/1.1 2\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n",
		"HTTP/1.1 099\r\n\r\n", "HTTP/1.1 -20\r\n\r\n",
		"HTTP/1.1200 OK\r\n\r\n", "HTTP/1 200 OK\r\n\r\n", "HTTP/x.1 200 OK\r\n\r\n", "HTTPS/1.1 200 OK\r\n\r\n",
		" HTTP/1.1 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "hello\r\n\r\n", "ICY 200 OK\r\n\r\n"} {
		reply, reuse, err := readReply(bufio.NewReader(strings.NewReader(text)), false, 1<<10, false)
		if reply != nil || reuse || err == nil {
			t.Errorf("%q is read as %+v", text, reply)
		}
	}
}

// TestKeptHeaders: sloppy lines lose nothing of the headers around them, and a folded one is joined.
func TestKeptHeaders(t *testing.T) {
	const text = "HTTP/1.1 429 Slow\r\nRetry-After: Sun,\r\n  22 Nov 2026\r\n\t10:00:00 GMT\r\nhello\r\n" +
		"Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Type: text/html\r\n b\r\nX-A: one\r\n two\r\n" + ok2
	reply, _, err := readReply(bufio.NewReader(strings.NewReader(text)), false, 10, true)
	if err != nil || reply.RetryAfter != "Sun, 22 Nov 2026 10:00:00 GMT" ||
		reply.ContentType != "text/plain; charset=utf-8" ||
		reply.Header.Get("X-A") != "one two" || reply.Header.Get("Retry-After") != reply.RetryAfter {
		t.Errorf("got %+v, %v", reply, err)
	}
	var bad ProtocolError
	large := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 50<<10)
	_, _, err = readReply(bufio.NewReader(strings.NewReader(large)), false, 10, false)
	if !errors.As(err, &bad) || bad != errHeaderSize {
		t.Errorf("headers of 300 KiB: %v", err)
	}
}
