package egress

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"time"
)

// Defaults of a [Request].
const (
	DefaultTimeout    = 30 * time.Second
	DefaultReplyBytes = 4 << 10
)

// A Request is one request to be made. It is not changed and may be used again.
type Request struct {
	Target *Target
	Method string // a token; "" is POST
	// Header is rendered lines, "Name: value\r\n" each, as [AppendHeader] writes them; names in canonical form.
	// Host, Content-Length and, where it has none, User-Agent are added.
	Header []byte
	Body   []byte
	// Timeout of the whole attempt, from looking the name up to the last byte of the reply. 0 is DefaultTimeout;
	// a deadline of the context counts as well.
	Timeout time.Duration
	// ReplyBytes is how much of the reply's body to keep; 0 is DefaultReplyBytes, negative is none.
	ReplyBytes int
	// ReplyHeader keeps the reply's headers, which costs what deliveries need not pay.
	ReplyHeader bool
}

func (r *Request) method() string {
	if r.Method == "" {
		return "POST"
	}
	return r.Method
}

func (r *Request) keep() int {
	switch {
	case r.ReplyBytes < 0:
		return 0
	case r.ReplyBytes == 0:
		return DefaultReplyBytes
	}
	return r.ReplyBytes
}

// appendHead appends all that comes before the body to b.
func (r *Request) appendHead(b []byte) []byte {
	method := r.method()
	b = append(b, method...)
	b = append(b, r.Target.head...)
	if !bytes.Contains(r.Header, userAgent) {
		b = append(b, r.Target.agent...)
	}
	b = append(b, r.Header...)
	if len(r.Body) > 0 || method != "GET" && method != "HEAD" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

var userAgent = []byte("User-Agent: ")

// copiedBody is up to which length a body is copied behind the head, to leave in the same system call and,
// with TLS, in the same record.
const copiedBody = 14 << 10

// maxPooled is the capacity up to which a buffer is worth keeping.
const maxPooled = 32 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// writeTo writes r to w. sent reports whether any of it may have left.
func (r *Request) writeTo(w net.Conn) (sent bool, err error) {
	buffer := buffers.Get().(*[]byte)
	b := r.appendHead((*buffer)[:0])
	var n int64
	if len(r.Body) <= copiedBody {
		var short int
		b = append(b, r.Body...)
		short, err = w.Write(b)
		n = int64(short)
	} else {
		n, err = (&net.Buffers{b, r.Body}).WriteTo(w)
	}
	if cap(b) <= maxPooled {
		*buffer = b
		buffers.Put(buffer)
	}
	return n > 0 || err == nil, err
}
