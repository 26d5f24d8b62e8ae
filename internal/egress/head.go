package egress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
)

// head is what the head of a reply says about the reply and its connection.
type head struct {
	status      int
	length      int64 // of the body; -1 if it was not said
	chunked     bool
	old         bool // HTTP/1.0
	close       bool // the server closes the connection after this reply
	contentType string
	retryAfter  string
	all         http.Header // nil where they are not kept
}

// readHead reads a status line and headers, at most *budget bytes, which it counts down. All headers are kept if keep is set.
func readHead(in *bufio.Reader, budget *int, keep bool) (h head, err error) {
	if keep {
		h.all = http.Header{}
	}
	if first, err := in.Peek(1); err == nil && first[0] != 'H' {
		return h, notHTTP(first) // its line may never end
	}
	line, err := readLine(in, budget)
	if err != nil {
		return h, err
	}
	if h.status, h.old, err = parseStatusLine(line); err != nil {
		return h, err
	}
	h.length = -1
	framing := false // the last line was a header of ours
	for {
		if line, err = readLine(in, budget); err != nil {
			return h, err
		}
		switch {
		case len(line) == 0:
			return h, h.check()
		case line[0] == ' ' || line[0] == '\t': // a folded line: obsolete, and harmless in headers we do not read
			if framing || keep {
				return h, badReply("a header of the reply that counts is folded")
			}
		default:
			if framing, err = h.take(line); err != nil {
				return h, err
			}
		}
	}
}

// parseStatusLine reads "HTTP/1.1 200 OK"; the reason may be missing.
func parseStatusLine(line []byte) (status int, old bool, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < len("1 200") || !digit(rest[0]) || rest[1] != ' ' || len(rest) > len("1 200") && rest[5] != ' ' {
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

// notHTTP says what line, which should have been a status line, seems to be instead.
func notHTTP(line []byte) badReply {
	switch {
	case len(line) > 0 && (line[0] == 0x15 || line[0] == 0x16):
		return "the reply is not HTTP; the server seems to speak TLS on this port: use https://"
	case bytes.HasPrefix(line, []byte("HTTP/")):
		return "the reply is not HTTP/1.1"
	}
	return "the reply is not HTTP"
}

// take reads one header line. known reports whether it was one that h keeps.
func (h *head) take(line []byte) (known bool, err error) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false, badReply("a header line of the reply has no name")
	}
	if b := line[colon-1]; b == ' ' || b == '\t' {
		return false, badReply("a header line of the reply has a space before its colon")
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
				return true, badReply("the reply has a transfer encoding other than chunked")
			}
			h.chunked = true
			return true, nil
		}
	}
	return false, nil
}

// takeLength reads a Content-Length: digits only, and the same if it is there twice.
func (h *head) takeLength(value []byte) error {
	n := int64(0)
	for _, b := range value {
		if !digit(b) || n > math.MaxInt64/10-1 {
			return badReply("the reply's Content-Length is not a number")
		}
		n = n*10 + int64(b-'0')
	}
	if len(value) == 0 || h.length >= 0 && h.length != n {
		return badReply("the reply's Content-Length is empty or contradicts itself")
	}
	h.length = n
	return nil
}

// check refuses a head that two readers could understand differently.
func (h *head) check() error {
	switch {
	case h.chunked && h.length >= 0:
		return badReply("the reply's length is given in two ways (Content-Length and Transfer-Encoding)")
	case h.chunked && h.old:
		return badReply("the reply is HTTP/1.0 and chunked, which HTTP/1.0 does not have")
	}
	return nil
}

// readLine reads a line, without its end, of at most *budget bytes, which it counts down. The line is valid
// until the next read.
func readLine(in *bufio.Reader, budget *int) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if *budget -= len(line); *budget < 0 {
		return nil, badReply("the reply's headers are larger than 32 KiB")
	}
	if err == bufio.ErrBufferFull {
		return readLongLine(in, bytes.Clone(line), budget)
	}
	if err != nil {
		return nil, unexpected(err)
	}
	return cutEnd(line), nil
}

// readLongLine reads the rest of a line that is longer than the buffer of in.
func readLongLine(in *bufio.Reader, line []byte, budget *int) ([]byte, error) {
	for {
		more, err := in.ReadSlice('\n')
		if *budget -= len(more); *budget < 0 {
			return nil, badReply("the reply's headers are larger than 32 KiB")
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

// unexpected marks an end within a reply as such.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
