package http1

import (
	"bytes"
	"net"
	"strconv"
	"sync"
	"time"
)

// A Request is one request to be made. Do does not change it. Host and User-Agent are the caller's;
// Content-Length is added.
type Request struct {
	Key      string    // requests with the same key may use the same connections
	Deadline time.Time // of the whole exchange; the zero Time is none

	Method    string // a token
	Head      string // what follows the method, with the Host header: " /path?query HTTP/1.1\r\nHost: …\r\n"
	UserAgent string // "User-Agent: …\r\n", which is sent if Header has no such line
	Header    []byte // further lines, "Name: value\r\n" each, with names in canonical form
	Body      []byte

	KeepBytes  int  // how many bytes of the reply's body to keep
	KeepHeader bool // whether to keep the reply's headers
}

// appendHead appends everything that precedes the body to b.
func (r *Request) appendHead(b []byte) []byte {
	b = append(b, r.Method...)
	b = append(b, r.Head...)
	if !bytes.Contains(r.Header, userAgent) {
		b = append(b, r.UserAgent...)
	}
	b = append(b, r.Header...)
	if len(r.Body) > 0 || r.Method != "GET" && r.Method != "HEAD" {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

var userAgent = []byte("User-Agent: ")

// copiedBody is the length up to which a body is copied behind the head, so that both leave in the same system
// call and, with TLS, in the same record.
const copiedBody = 14 << 10

// maxPooled is the capacity up to which a buffer returns to buffers.
const maxPooled = 32 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// writeTo writes r to w. sent reports whether any byte of it may have left.
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
