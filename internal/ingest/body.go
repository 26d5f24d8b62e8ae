package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/bellhop-gateway/bellhop/provider"
)

// bodyChunk is how a body of unknown length grows at first.
const bodyChunk = 8 << 10

// readBody reads the whole body, at most limit bytes of it. It returns how many bytes of the door's budget the
// request holds, which the caller gives back.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, reserved int64, err error) {
	if r.ContentLength > limit {
		return nil, 0, errTooLarge
	}
	if stacked(r.Header) {
		return nil, 0, provider.ErrEncoding
	}
	if r.ContentLength >= 0 {
		if reserved, err = d.reserve(r.ContentLength); err != nil {
			return nil, 0, err
		}
		body = make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, reserved, readError(err)
		}
		return body, reserved, nil
	}
	in := http.MaxBytesReader(w, r.Body, limit)
	for size := int64(bodyChunk); ; size = min(2*size, limit+1) {
		more, err := d.reserve(size - reserved)
		if reserved += more; err != nil {
			return nil, reserved, err
		}
		body = append(make([]byte, 0, size), body...)
		for len(body) < cap(body) {
			n, err := in.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			if err == io.EOF { // and not io.ErrUnexpectedEOF: of a body that breaks off nothing is taken
				return body, reserved, nil
			}
			if err != nil {
				return nil, reserved, readError(err)
			}
		}
		if int64(len(body)) > limit {
			return nil, reserved, errTooLarge
		}
	}
}

// reserve takes n bytes of the budget of bodies in flight.
func (d *Door) reserve(n int64) (int64, error) {
	if d.inFlight.Add(n) > d.opts.MaxBytesInFlight {
		d.inFlight.Add(-n)
		return 0, errBusy
	}
	return n, nil
}

// stacked reports whether the body is encoded more than once, which only attacks are.
func stacked(h http.Header) bool {
	values := h["Content-Encoding"]
	if len(values) == 0 {
		return false
	}
	if len(values) > 1 {
		return true
	}
	for i := range len(values[0]) {
		if values[0][i] == ',' {
			return true
		}
	}
	return false
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
