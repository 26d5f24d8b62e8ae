package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
)

// A head is what the status line and headers say about a reply and its connection.
//
// Receivers write headers in many ways, and every client reads most of them. A line that this package cannot read
// costs the connection (close), never the reply, unless the line could say where the reply ends. If that is in
// doubt, the status is still the server's answer; no more of the reply is read.
type head struct {
	status      int
	length      int64 // Content-Length; -1 without one
	chunked     bool  // Transfer-Encoding: chunked
	http10      bool  // the reply is HTTP/1.0
	close       bool  // no other request may follow on the connection
	doubt       bool  // two readers could disagree where the reply ends
	contentType string
	retryAfter  string
	all         http.Header // nil unless headers are kept

	seen     [framingHeader + 1]bool // the headers that occurred
	last     headerName              // of the line before, for a line that continues it; otherHeader if it is not kept
	lastName string                  // its name, if headers are kept
}

// A headerName is a header that this package reads.
type headerName int

const (
	otherHeader headerName = iota
	connectionHeader
	retryAfterHeader
	contentTypeHeader
	framingHeader // Content-Length or Transfer-Encoding
)

// readHead reads a status line and headers of at most *budget bytes, and subtracts their size from *budget. It
// keeps all headers if keep is set.
func readHead(in *bufio.Reader, budget *int, keep bool) (h head, err error) {
	if keep {
		h.all = http.Header{}
	}
	if first, err := in.Peek(1); err == nil && first[0] != 'H' && first[0] != 'h' {
		return h, notHTTP(first) // before reading a line that may never end
	}
	line, err := readLine(in, budget)
	if err != nil {
		return h, err
	}
	if err = h.takeStatusLine(line); err != nil {
		return h, err
	}
	h.length = -1
	for {
		if line, err = readLine(in, budget); err != nil {
			return h, err
		}
		switch {
		case len(line) == 0:
			h.doubt = h.doubt || h.chunked && (h.length >= 0 || h.http10)
			return h, nil
		case line[0] == ' ' || line[0] == '\t':
			h.takeFolded(trim(line))
		default:
			h.take(line)
		}
	}
}

// takeStatusLine reads "HTTP/1.1 200 OK". The reason phrase may be missing.
func (h *head) takeStatusLine(line []byte) error {
	const version = "http/1.1"
	if len(line) < len(version) || !foldEqual(line[:len("http/")], "http/") || !digit(line[5]) || line[6] != '.' ||
		!digit(line[7]) {
		return notHTTP(line)
	}
	switch string(line[5:8]) {
	case "1.1":
	case "1.0":
		h.http10 = true
	default:
		h.close = true
	}
	rest := line[len(version):]
	code := trim(rest)
	if len(code) == len(rest) || len(code) < 3 || len(code) > 3 && code[3] != ' ' && code[3] != '\t' {
		return notHTTP(line)
	}
	h.close = h.close || !bytes.HasPrefix(line, []byte("HTTP/")) || rest[0] != ' ' || rest[1] == ' ' ||
		bytes.IndexByte(rest[1:], '\t') >= 0
	for _, b := range code[:3] {
		if !digit(b) {
			return notHTTP(line)
		}
		h.status = h.status*10 + int(b-'0')
	}
	if h.status < 100 {
		return notHTTP(line)
	}
	return nil
}

// notHTTP is the error for a line that is not a status line. It names the protocol that the line seems to be of.
func notHTTP(line []byte) ProtocolError {
	switch {
	case len(line) > 0 && (line[0] == 0x15 || line[0] == 0x16):
		return "the reply is not HTTP; the server seems to speak TLS on this port: use https://"
	case bytes.HasPrefix(line, []byte("HTTP/")):
		return "the reply is not HTTP/1.1"
	}
	return "the reply is not HTTP"
}

// take reads one header line.
func (h *head) take(line []byte) {
	h.last, h.lastName = otherHeader, ""
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		h.close = true
		return
	}
	name, value := line[:colon], trim(line[colon+1:])
	if name[colon-1] <= ' ' || name[0] < ' ' { // some readers take it for the name without the blank
		h.close = true
		switch nameOf(bytes.TrimFunc(name, func(r rune) bool { return r <= ' ' })) {
		case framingHeader, connectionHeader:
			h.doubt = true
		}
	}
	if h.all != nil {
		h.lastName = http.CanonicalHeaderKey(string(name))
		h.all[h.lastName] = append(h.all[h.lastName], string(value))
	}
	h.last = nameOf(name)
	first := !h.seen[h.last]
	h.seen[h.last] = true
	switch {
	case h.last == connectionHeader:
		h.close = h.close || hasToken(value, "close")
	case h.last == retryAfterHeader && first:
		h.retryAfter = string(value)
	case h.last == contentTypeHeader && first:
		h.contentType = contentType(value)
	case h.last == framingHeader:
		if len(name) == len("content-length") {
			h.takeLength(value)
			return
		}
		h.doubt = h.doubt || h.chunked || !foldEqual(value, "chunked")
		h.chunked = true
	case !first: // the first one counts
		h.last = otherHeader
	}
}

// nameOf returns which header the name is.
func nameOf(name []byte) headerName {
	switch len(name) {
	case len("connection"):
		if foldEqual(name, "connection") {
			return connectionHeader
		}
	case len("retry-after"):
		if foldEqual(name, "retry-after") {
			return retryAfterHeader
		}
	case len("content-type"):
		if foldEqual(name, "content-type") {
			return contentTypeHeader
		}
	case len("content-length"):
		if foldEqual(name, "content-length") {
			return framingHeader
		}
	case len("transfer-encoding"):
		if foldEqual(name, "transfer-encoding") {
			return framingHeader
		}
	}
	return otherHeader
}

// takeFolded reads a line that continues the header before it (obs-fold in RFC 9112, section 5.2).
func (h *head) takeFolded(value []byte) {
	h.close = true
	switch h.last {
	case framingHeader:
		h.doubt = true
	case retryAfterHeader:
		h.retryAfter += " " + string(value)
	case contentTypeHeader:
		h.contentType += " " + string(value)
	}
	if values := h.all[h.lastName]; len(values) > 0 {
		values[len(values)-1] += " " + string(value)
	}
}

// takeLength reads a Content-Length: digits only. It may occur several times, also as a list, if all are equal
// (RFC 9110, section 8.6).
func (h *head) takeLength(list []byte) {
	for more := true; more; {
		var value []byte
		value, list, more = bytes.Cut(list, []byte(","))
		h.close = h.close || more
		n, ok := decimal(trim(value))
		if !ok || h.length >= 0 && h.length != n {
			h.doubt = true
			return
		}
		h.length = n
	}
}

// decimal reads a number of digits alone.
func decimal(value []byte) (n int64, ok bool) {
	for _, b := range value {
		if !digit(b) || n > math.MaxInt64/10-1 {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, len(value) > 0
}

const errHeaderSize = ProtocolError("the reply's headers are larger than 256 KiB")

// readLine reads a line of at most *budget bytes, and subtracts its size from *budget. It returns the line
// without its end. The line is valid until the next read.
func readLine(in *bufio.Reader, budget *int) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	*budget -= len(line)
	if *budget < 0 {
		return nil, errHeaderSize
	}
	if err == bufio.ErrBufferFull {
		return readLongLine(in, bytes.Clone(line), budget)
	}
	if err != nil {
		return nil, unexpected(err)
	}
	return cutEnd(line), nil
}

// maxLineBytes bounds how much of a long line is kept. It is read to its end.
const maxLineBytes = 32 << 10

// readLongLine reads the rest of a line that does not fit into the buffer of in.
func readLongLine(in *bufio.Reader, line []byte, budget *int) ([]byte, error) {
	for {
		more, err := in.ReadSlice('\n')
		*budget -= len(more)
		if *budget < 0 {
			return nil, errHeaderSize
		}
		line = append(line, more[:min(len(more), max(0, maxLineBytes-len(line)))]...)
		if err == nil {
			return cutEnd(line), nil
		}
		if err != bufio.ErrBufferFull {
			return nil, unexpected(err)
		}
	}
}

// unexpected returns err, but io.ErrUnexpectedEOF for io.EOF: the connection ended within the reply.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cutEnd removes "\n" or "\r\n" from the end of line.
func cutEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// trim removes spaces and tabs from both ends of b.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n-- {
		b = b[:n-1]
	}
	return b
}

// foldEqual reports whether b equals lower, which is in lower case, without regard to case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether list, which is separated by commas, has token, which is in lower case.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		first, rest, _ := bytes.Cut(list, []byte(","))
		if foldEqual(trim(first), token) {
			return true
		}
		list = rest
	}
	return false
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// contentType returns string(value), without an allocation for the most common values.
func contentType(value []byte) string {
	for _, common := range [...]string{"application/json", "text/plain; charset=utf-8", "text/plain",
		"application/json; charset=utf-8", "text/html; charset=utf-8", "text/html"} {
		if string(value) == common {
			return common
		}
	}
	return string(value)
}
