package delivery

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Preview says whether d wants ev, and what its first attempt now would send. Nothing is sent or kept. Its errors are
// those of CheckDestination.
func (e *Engine) Preview(d bellhop.Destination, ev bellhop.Event) (p bellhop.Preview, err error) {
	dst, err := e.open(d)
	if err != nil {
		return p, err
	}
	p.Why, err = dst.matcher.Explain(&ev)
	if err != nil {
		p.MatchError = err.Error()
	}
	at := provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "preview", Attempt: 1, Time: e.now(), URL: dst.URL, ExpiresAt: dst.ExpiresAt}
	m, err := dst.renderSafely([]*bellhop.Delivery{{ID: at.DeliveryID, Event: &ev}}, at)
	if err == nil {
		err = dst.access.clash(m.header)
	}
	switch {
	case errors.Is(err, provider.ErrSkip):
		p.Skipped = err.Error()
	case err != nil:
		p.Error = err.Error()
	default:
		p.Method, p.Header, p.Body = cmp.Or(m.method, http.MethodPost), readHeader(m.header), m.body
		if dst.access != nil && dst.access.member != "" {
			p.Header.Set(authorization, "…") // which may be a token that is not fetched for this
		}
	}
	return p, nil
}

// readHeader takes a rendered header block apart.
func readHeader(block []byte) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(string(block), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}
