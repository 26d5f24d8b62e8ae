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
type head struct {
	status      int
	length      int64 // Content-Length; -1 without one
	chunked     bool  // Transfer-Encoding: chunked
	http10      bool  // the reply is HTTP/1.0
	close       bool  // the server closes the connection after this reply
	contentType string
	retryAfter  string
	all         http.Header // nil unless headers are kept
}

// readHead reads a status line and headers of at most *budget bytes, and subtracts their size from *budget. It
// keeps all headers if keep is set.
func readHead(in *bufio.Reader, budget *int, keep bool) (h head, err error) {
	if keep {
		h.all = http.Header{}
	}
	if first, err := in.Peek(1); err == nil && first[0] != 'H' {
		return h, notHTTP(first) // before reading a line that may never end
	}
	line, err := readLine(in, budget)
	if err != nil {
		return h, err
	}
	if h.status, h.http10, err = parseStatusLine(line); err != nil {
		return h, err
	}
	h.length = -1
	known := false // the previous line was a header that h keeps
	for {
		if line, err = readLine(in, budget); err != nil {
			return h, err
		}
		switch {
		case len(line) == 0:
			return h, h.check()
		case line[0] == ' ' || line[0] == '\t': // a folded line: obsolete, and harmless in a header that is not kept
			if known || keep {
				return h, ProtocolError("a header of the reply is folded over two lines")
			}
		default:
			if known, err = h.take(line); err != nil {
				return h, err
			}
		}
	}
}

// parseStatusLine reads "HTTP/1.1 200 OK". The reason phrase may be missing.
func parseStatusLine(line []byte) (status int, http10 bool, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < len("1 200") || !digit(rest[0]) || rest[1] != ' ' ||
		len(rest) > len("1 200") && rest[5] != ' ' {
		return 0, false, notHTTP(line)
	}
	for _, b := range rest[2:5] {
		if !digit(b) {
			return 0, false, notHTTP(line)
		}
		status = status*10 + int(b-'0')
	}
	if status < 100 {
		return 0, false, notHTTP(line)
	}
	return status, rest[0] == '0', nil
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

// take reads one header line. known reports whether it is a header that h keeps.
func (h *head) take(line []byte) (known bool, err error) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false, ProtocolError("a header line of the reply has no name")
	}
	if b := line[colon-1]; b == ' ' || b == '\t' {
		return false, ProtocolError("a header line of the reply has a space before its colon")
	}
	name, value := line[:colon], trim(line[colon+1:])
	if h.all != nil {
		h.all.Add(string(name), string(value))
	}
	switch len(name) {
	case len("connection"):
		if foldEqual(name, "connection") {
			h.close = h.close || hasToken(value, "close")
			return true, nil
		}
	case len("retry-after"):
		if foldEqual(name, "retry-after") {
			h.retryAfter = string(value)
			return true, nil
		}
	case len("content-type"):
		if foldEqual(name, "content-type") {
			h.contentType = contentType(value)
			return true, nil
		}
	case len("content-length"):
		if foldEqual(name, "content-length") {
			return true, h.takeLength(value)
		}
	case len("transfer-encoding"):
		if foldEqual(name, "transfer-encoding") {
			if h.chunked || !foldEqual(value, "chunked") {
				return true, ProtocolError("the reply has a transfer encoding other than chunked")
			}
			h.chunked = true
			return true, nil
		}
	}
	return false, nil
}

// takeLength reads a Content-Length: digits only. If the header occurs twice, both must be equal.
func (h *head) takeLength(value []byte) error {
	n := int64(0)
	for _, b := range value {
		if !digit(b) || n > math.MaxInt64/10-1 {
			return ProtocolError("the reply's Content-Length is not a number")
		}
		n = n*10 + int64(b-'0')
	}
	if len(value) == 0 || h.length >= 0 && h.length != n {
		return ProtocolError("the reply's Content-Length is empty or contradicts itself")
	}
	h.length = n
	return nil
}

// check refuses a head that two readers could understand differently.
func (h *head) check() error {
	switch {
	case h.chunked && h.length >= 0:
		return ProtocolError("the reply's length is given in two ways (Content-Length and Transfer-Encoding)")
	case h.chunked && h.http10:
		return ProtocolError("the reply is HTTP/1.0 and chunked, which HTTP/1.0 does not have")
	}
	return nil
}

const errHeaderSize = ProtocolError("the reply's headers are larger than 32 KiB")

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

// readLongLine reads the rest of a line that does not fit into the buffer of in.
func readLongLine(in *bufio.Reader, line []byte, budget *int) ([]byte, error) {
	for {
		more, err := in.ReadSlice('\n')
		*budget -= len(more)
		if *budget < 0 {
			return nil, errHeaderSize
		}
		line = append(line, more...)
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
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
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
