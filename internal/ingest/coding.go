package ingest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/provider"
)

// codingOf returns the content coding of a body with header h. The error is provider.ErrEncoding.
func codingOf(h http.Header) (contentcoding.Coding, error) {
	coding, err := contentcoding.Of(h[contentcoding.Header])
	if err != nil {
		return coding, provider.ErrEncoding
	}
	return coding, nil
}

// decode sets req.Decoded if the body has a content coding. The decoded body is within the source's limit, and has a
// part of the door's budget like the body itself. u is that of the body; the caller releases the returned one, also on
// an error. One body is decoded for each processor at a time, which bounds the windows of the decoders.
func (d *Door) decode(w http.ResponseWriter, r *http.Request, src *source, req *provider.Request,
	u *upload) (*upload, error) {
	coding, err := codingOf(req.Header)
	if err != nil || coding == contentcoding.None {
		return u, err
	}
	select {
	case d.decoders <- struct{}{}:
		defer func() { <-d.decoders }()
	case <-r.Context().Done():
		return u, errUnread
	}
	free := int64(freeBytes - len(req.Body)) // as far as the body leaves it
	req.Decoded, err = contentcoding.Decode(coding, req.Body, src.limit, func(n int64) error {
		if u == nil && n <= free {
			free -= n
			return nil
		}
		if u == nil {
			u = newUpload(w, r, src.ID)
			u.whole = true // it waits for nobody, so it gives way to nobody
		}
		return d.budget.reserve(u, n)
	})
	return u, decodeError(err)
}

// decodeError returns the refusal for an error of contentcoding.Decode.
func decodeError(err error) error {
	switch {
	case errors.Is(err, contentcoding.ErrTooLarge):
		return errTooLarge
	case errors.Is(err, contentcoding.ErrMalformed):
		return fmt.Errorf("%w: %w", provider.ErrBody, err)
	}
	return err
}

// keepCoded gives ev, an event of req, the body as it was sent if the decoded one is all of it. Such an event is a
// repeat of one whose body was encoded in another way, or not at all.
func keepCoded(ev *bellhop.Event, req *provider.Request) {
	if req.Decoded == nil {
		return
	}
	if sameBytes(ev.Body, req.Decoded) {
		ev.Body = req.Body
	}
	if sameBytes(ev.Body, req.Body) && ev.Fingerprint == ([32]byte{}) {
		ev.Fingerprint = sha256.Sum256(req.Decoded)
	}
}

// A storedHeader makes the headers of the events of one request, each once.
type storedHeader struct {
	src         *source
	req         *provider.Request
	trace       string         // of the events, in the form of traceparent; mostly ""
	whole, bare bellhop.Header // bare is without the Content-Encoding
}

// of returns the header of ev. It has the Content-Encoding only if the body of ev is that of the request.
func (h *storedHeader) of(ev *bellhop.Event) bellhop.Header {
	if h.req.Decoded == nil || sameBytes(ev.Body, h.req.Body) {
		if h.whole == nil {
			h.whole = withTrace(bellhop.NewHeader(h.req.Header, h.src.dropsHeader), h.trace)
		}
		return h.whole
	}
	if h.bare == nil {
		h.bare = withTrace(bellhop.NewHeader(h.req.Header, func(name string) bool {
			return name == contentcoding.Header || h.src.dropsHeader(name)
		}), h.trace)
	}
	return h.bare
}

// sameBytes reports whether a and b are the same bytes in memory.
func sameBytes(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
