package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/bellhop-gateway/bellhop/provider"
)

// bodyChunk is how much of a body is expected on trust. Most are shorter, and read in one piece.
const bodyChunk = 16 << 10

// readBody reads the whole body, at most limit bytes of it. It returns how many bytes of the door's budget the
// request holds, which the caller gives back. Both memory and budget grow with what has come, not with what was
// announced: whoever announces much and sends nothing keeps nobody out.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, reserved int64, err error) {
	if r.ContentLength > limit {
		return nil, 0, errTooLarge
	}
	if stacked(r.Header) {
		return nil, 0, provider.ErrEncoding
	}
	in, whole := r.Body, r.ContentLength
	if whole < 0 {
		in, whole = http.MaxBytesReader(w, r.Body, limit), limit+1
	}
	for size := min(bodyChunk, whole); ; size = min(2*size, whole) {
		more, err := d.reserve(size - reserved)
		if reserved += more; err != nil {
			return nil, reserved, err
		}
		body = append(make([]byte, 0, size), body...)
		for int64(len(body)) < size {
			n, err := in.Read(body[len(body):size])
			body = body[:len(body)+n]
			if err == io.EOF { // and not io.ErrUnexpectedEOF: of a body that breaks off nothing is taken
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
