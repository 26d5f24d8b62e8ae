package egress

import (
	"bufio"
	"net/http"
	"strconv"
)

// A Reply is what came back. Redirects are replies like any other.
type Reply struct {
	Status      int
	ContentType string // as sent; "" if it was not
	RetryAfter  string // as sent: seconds or a date; "" if it was not
	Body        []byte // as sent, never inflated; at most as much as was asked for
	Truncated   bool   // there was more of the body than Body holds
	Reused      bool   // the connection had served a request before

	Header http.Header // where the request asked for it; without trailers
}

// Bounds of what a server may send.
const (
	maxHeaderBytes   = 32 << 10 // of all headers and trailers of one exchange, interim replies included
	maxInterim       = 5        // interim (1xx) replies
	maxDrainBytes    = 64 << 10 // of a body that are read, beyond what is kept, so that the connection can be used again
	maxChunkOverhead = 16 << 10 // of chunk extensions and padding
)

// badReply says why what a server sent is not HTTP as we accept it.
type badReply string

func (b badReply) Error() string { return string(b) }

// readReply reads the reply to a request from in and keeps at most keep bytes of its body, and its headers if
// header is set; noBody says that the request was a HEAD. reusable reports whether another request may follow on the connection. If an error occurs
// within the body, the reply is returned as far as it came.
func readReply(in *bufio.Reader, noBody bool, keep int, header bool) (reply *Reply, reusable bool, err error) {
	budget := maxHeaderBytes
	var h head
	for interim := 0; ; interim++ {
		if h, err = readHead(in, &budget, header); err != nil {
			return nil, false, err
		}
		if h.status >= 200 {
			break
		}
		if h.status == 101 {
			return nil, false, badReply("the server switched protocols (101), which was not asked for")
		}
		if interim == maxInterim {
			return nil, false, badReply("more than " + strconv.Itoa(maxInterim) + " interim replies (1xx)")
		}
	}
	reply = &Reply{Status: h.status, ContentType: h.contentType, RetryAfter: h.retryAfter, Header: h.all}
	whole := true
	switch {
	case noBody, h.status == 304:
	case h.status == 204:
		whole = h.length <= 0 && !h.chunked // or a body that has no place there is about to come
	case h.chunked:
		whole, err = readChunks(in, reply, keep, &budget)
	case h.length >= 0:
		whole, err = readLength(in, reply, keep, h.length)
	default:
		whole, err = false, readToEnd(in, reply, keep)
	}
	// Bytes after the reply answer no request of ours; they must not answer the next one.
	reusable = err == nil && whole && !h.close && !h.old && in.Buffered() == 0
	return reply, reusable, err
}
