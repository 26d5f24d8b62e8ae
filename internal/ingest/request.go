package ingest

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/provider"
)

// firstRead is how many bytes of a body the first buffer holds. Most bodies are shorter and fit into it.
const firstRead = 16 << 10

// readBody reads the whole body, or fails if it is longer than the source's limit. The upload is the body's part of
// the door's budget, also on an error; the caller releases it. It is nil for a body within freeBytes. Memory and
// budget grow with the bytes that have arrived, not with the announced length: a sender that announces much and sends
// nothing keeps no other sender out.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, src *source, req *provider.Request) (body []byte,
	u *upload, err error) {
	if r.ContentLength > src.limit {
		return nil, nil, errTooLarge
	}
	coding, err := codingOf(r.Header)
	if err != nil {
		return nil, nil, err
	}
	// Of a small body that is not to be decoded it saves nothing.
	if src.receiver != nil && (r.ContentLength < 0 || r.ContentLength > freeBytes || coding != contentcoding.None) {
		if err := d.checkHeader(src, req); err != nil {
			return nil, nil, err
		}
	}
	in, whole := r.Body, r.ContentLength
	if whole < 0 { // unknown: one byte more than the limit shows that the body is too large
		in, whole = http.MaxBytesReader(plain(w), r.Body, src.limit), src.limit+1
	}
	held := int64(freeBytes)
	for size := min(firstRead, whole); ; size = min(2*size, whole) {
		if size > held {
			if u == nil {
				u = newUpload(w, r, src.ID)
				u.read.Store(int64(len(body)))
			}
			if err := d.budget.reserve(u, size-held); err != nil {
				return nil, u, err
			}
			held = size
		}
		body = append(make([]byte, 0, size), body...)
		for int64(len(body)) < size {
			n, err := in.Read(body[len(body):size])
			body = body[:len(body)+n]
			if u != nil {
				u.read.Store(int64(len(body)))
			}
			if err == io.EOF { // a body that breaks off ends with io.ErrUnexpectedEOF instead, and is refused
				return body, u, d.budget.settle(u)
			}
			if err != nil {
				return nil, u, cmp.Or(d.budget.settle(u), readError(err))
			}
		}
		switch {
		case size == r.ContentLength:
			return body, u, d.budget.settle(u)
		case size > src.limit:
			return nil, u, cmp.Or(d.budget.settle(u), error(errTooLarge))
		}
	}
}

// Bounds of discard.
const (
	discardBytes = bellhop.MaxMaxBodyBytes
	discardTime  = 2 * time.Second
)

// brokenOff are the refusals after which nothing more of the body is read: it does not come, or too much comes at
// once.
var brokenOff = []error{errUnread, errSlow, errCut, errBusy}

// discard reads and drops what is left of the body of a refused request. A sender, or a proxy, that still sends when
// the connection is closed sees a broken connection in place of the answer (RFC 9112, section 9.6).
func discard(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.Header["Expect"] != nil { // such a sender waits for the answer before it sends
		return
	}
	c := http.NewResponseController(w)
	if c.Flush() == nil && c.SetReadDeadline(time.Now().Add(discardTime)) == nil {
		io.CopyN(io.Discard, r.Body, discardBytes)
	}
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
		SourceID: src.ID, Source: src.Name, Method: clip(req.Method, 32),
		Target:     clip(maskQuery(withoutOrigin(req.Target)), 2048),
		RemoteAddr: req.RemoteAddr, Header: bellhop.NewHeader(req.Header, src.dropsHeader),
		Body: req.Body, BodyBytes: int64(len(req.Body)), ReceivedAt: req.ReceivedAt,
	}
}

// dropsHeader reports whether the header may carry a secret. Of a source that could not be opened this is unknown, so
// every header of its requests is dropped.
func (s *source) dropsHeader(name string) bool {
	if name == bellhop.SampleHeader {
		return s.sample == nil
	}
	return s.receiver == nil || s.secretHeaders[name]
}

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
