package http1

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// A Reply is a server's reply. A redirect is a reply like any other.
type Reply struct {
	Status      int
	ContentType string // as sent; "" if the server sent none
	RetryAfter  string // as sent: seconds or a date; "" if the server sent none
	Body        []byte // as sent, never inflated; at most as many bytes as were asked for
	Truncated   bool   // the body was longer than Body, or where it ends is in doubt
	Reused      bool   // the connection had served a request before

	Header http.Header // without trailers; nil unless the request asked for it
}

// MaxHeaderBytes bounds all headers and trailers of one exchange, those of interim replies included. Browsers and
// curl read as much.
const MaxHeaderBytes = 256 << 10

// Further bounds of what a server may send.
const (
	maxInterim       = 5        // interim (1xx) replies
	maxDrainBytes    = 64 << 10 // bytes of a body that are read beyond the kept ones, to use the connection again
	maxChunkOverhead = 16 << 10 // bytes of chunk extensions and padding
)

// A ProtocolError says why the bytes of a server are not an HTTP/1.1 reply.
type ProtocolError string

func (e ProtocolError) Error() string { return string(e) }

func isProtocolError(err error) bool {
	if err == nil {
		return false
	}
	var bad ProtocolError
	return errors.As(err, &bad)
}

// statusSwitching is 101, the only 1xx status that ends an exchange.
const statusSwitching = http.StatusSwitchingProtocols

// readReply reads the reply to a request from in. It keeps at most keep bytes of the body, and the headers if
// keepHeader is set. noBody says that the request was a HEAD. reusable reports whether another request may
// follow on the connection. If the connection fails within the body, the reply is returned too, with the part that
// arrived. A body that breaks the rules is no error: the part that was read is kept,
// and Truncated is set.
func readReply(in *bufio.Reader, noBody bool, keep int, keepHeader bool) (reply *Reply, reusable bool, err error) {
	budget := MaxHeaderBytes
	h, err := readFinalHead(in, &budget, keepHeader)
	if err != nil {
		return nil, false, err
	}
	if h.status == statusSwitching {
		return nil, false, ProtocolError("the server switched protocols (101), which was not asked for")
	}
	reply = &Reply{Status: h.status, ContentType: h.contentType, RetryAfter: h.retryAfter, Header: h.all}
	whole := true
	switch {
	case h.doubt:
		whole, reply.Truncated = false, true
	case noBody, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		whole = h.length <= 0 && !h.chunked // otherwise a body may follow, which such a reply must not have
	case h.chunked:
		whole, err = readChunks(in, reply, keep, &budget)
	case h.length >= 0:
		whole, err = readLength(in, reply, keep, h.length)
	default:
		whole, err = false, readToEnd(in, reply, keep)
	}
	if isProtocolError(err) { // the end of the body is in doubt; the status is not
		whole, reply.Truncated, err = false, true, nil
	}
	// Bytes after the reply answer no request of ours. They must not be taken for the next reply. Those that are not
	// in this buffer yet are found by closedByPeer.
	reusable = err == nil && whole && !h.close && !h.http10 && in.Buffered() == 0
	return reply, reusable, err
}

// readFinalHead reads heads up to the first that is not interim: of status 200 or above, or 101.
func readFinalHead(in *bufio.Reader, budget *int, keepHeader bool) (head, error) {
	sloppy := false // an interim reply said close, or was in doubt: the connection is not used again
	for range maxInterim + 1 {
		h, err := readHead(in, budget, keepHeader)
		sloppy = sloppy || h.close || h.doubt
		h.close = h.close || sloppy
		if err != nil || h.status >= 200 || h.status == statusSwitching {
			return h, err
		}
	}
	return head{}, ProtocolError("more than " + strconv.Itoa(maxInterim) + " interim replies (1xx)")
}

// readLength reads a body of length bytes into reply, and keeps at most keep of them. whole reports whether all
// of the body was read from in. Once enough is kept, an error costs the connection and nothing else.
func readLength(in *bufio.Reader, reply *Reply, keep int, length int64) (whole bool, err error) {
	kept := min(length, int64(keep))
	if kept > 0 {
		reply.Body = make([]byte, kept)
		n, err := io.ReadFull(in, reply.Body)
		if err != nil {
			reply.Body = reply.Body[:n]
			return false, unexpected(err)
		}
	}
	rest := length - kept
	if rest == 0 {
		return true, nil
	}
	reply.Truncated = true
	if rest > maxDrainBytes {
		return false, nil
	}
	_, err = in.Discard(int(rest))
	return err == nil, nil
}

// readToEnd reads a body that ends where the connection ends into reply, and keeps at most keep bytes of it.
func readToEnd(in *bufio.Reader, reply *Reply, keep int) error {
	for len(reply.Body) < keep {
		if _, err := in.Peek(1); err != nil {
			return endOf(err)
		}
		take(in, reply, keep, in.Buffered())
	}
	if reply.Truncated {
		return nil
	}
	_, err := in.Peek(1)
	reply.Truncated = err == nil
	return endOf(err)
}

// endOf returns err, but nil for io.EOF, which is how a body without length ends.
func endOf(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// take moves n bytes from the buffer of in to reply. It drops those beyond keep.
func take(in *bufio.Reader, reply *Reply, keep, n int) {
	b, _ := in.Peek(n)
	kept := min(n, keep-len(reply.Body))
	reply.Body = append(reply.Body, b[:kept]...)
	reply.Truncated = reply.Truncated || kept < n
	in.Discard(n)
}
