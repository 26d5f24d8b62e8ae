package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// firstRead is how many bytes of a body the first buffer holds. Most bodies are shorter and fit into it.
const firstRead = 16 << 10

// readBody reads the whole body, or fails if it is longer than limit bytes. reserved is the part of the door's budget
// that the request holds, also on an error; the caller gives it back. Memory and budget grow with the bytes that have
// arrived, not with the announced length: a sender that announces much and sends nothing keeps no other sender out.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, reserved int64, err error) {
	if r.ContentLength > limit {
		return nil, 0, errTooLarge
	}
	if encodedTwice(r.Header) {
		return nil, 0, provider.ErrEncoding
	}
	in, whole := r.Body, r.ContentLength
	if whole < 0 { // unknown: one byte more than limit shows that the body is too large
		in, whole = http.MaxBytesReader(w, r.Body, limit), limit+1
	}
	for size := min(firstRead, whole); ; size = min(2*size, whole) {
		if err := d.reserve(size - reserved); err != nil {
			return nil, reserved, err
		}
		reserved = size
		body = append(make([]byte, 0, size), body...)
		for int64(len(body)) < size {
			n, err := in.Read(body[len(body):size])
			body = body[:len(body)+n]
			if err == io.EOF { // a body that breaks off ends with io.ErrUnexpectedEOF instead, and is refused
				return body, reserved, nil
			}
			if err != nil {
				return nil, reserved, readError(err)
			}
		}
		switch {
		case size == r.ContentLength:
			return body, reserved, nil
		case size > limit:
			return nil, reserved, errTooLarge
		}
	}
}

// reserve takes n bytes of the budget of bodies in flight, or none and fails.
func (d *Door) reserve(n int64) error {
	if d.inFlight.Add(n) > d.opts.MaxBytesInFlight {
		d.inFlight.Add(-n)
		return errBusy
	}
	return nil
}

// encodedTwice reports whether the body has more than one content encoding. Only attacks have that.
func encodedTwice(h http.Header) bool {
	values := h["Content-Encoding"]
	return len(values) > 1 || len(values) == 1 && strings.Contains(values[0], ",")
}

func readError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	}
	return errUnread
}

// record returns the form in which req is stored: bounded, and without anything that may be a secret. The caller adds
// the outcome.
func (d *Door) record(src *source, req *provider.Request) *bellhop.Request {
	return &bellhop.Request{
		SourceID: src.ID, Method: clip(req.Method, 32), Target: clip(maskQuery(withoutOrigin(req.Target)), 2048),
		RemoteAddr: req.RemoteAddr, Header: bellhop.NewHeader(req.Header, src.dropsHeader),
		Body: req.Body, BodyBytes: int64(len(req.Body)), ReceivedAt: req.ReceivedAt,
	}
}

// dropsHeader reports whether the header may carry a secret. Of a source that could not be opened this is unknown, so
// every header of its requests is dropped.
func (s *source) dropsHeader(name string) bool { return s.receiver == nil || s.secretHeaders[name] }

// withoutOrigin removes scheme, user and host from a target that is a whole URL. The user part may be a password.
func withoutOrigin(target string) string {
	scheme := strings.Index(target, "://")
	if scheme < 0 || strings.HasPrefix(target, "/") {
		return target
	}
	rest := target[scheme+3:]
	return rest[max(0, strings.IndexByte(rest, '/')):]
}

// maskQuery replaces the values in a target's query by "…" and keeps the names. A parameter without "=" may be a
// value, so it is replaced whole.
func maskQuery(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	masked := strings.Split(query, "&")
	for i, p := range masked {
		name, _, hasValue := strings.Cut(p, "=")
		switch {
		case hasValue:
			masked[i] = name + "=…"
		case p != "":
			masked[i] = "…"
		}
	}
	return path + "?" + strings.Join(masked, "&")
}

// clip returns the first n bytes of s.
func clip(s string, n int) string { return s[:min(len(s), n)] }
