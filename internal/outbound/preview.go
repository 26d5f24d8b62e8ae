package outbound

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Preview returns whether d wants ev, and the request that a first attempt would send now; an action sends none.
// Preview sends and keeps nothing. Its errors are those of [Opener.Check].
func (o *Opener) Preview(d bellhop.Destination, ev bellhop.Event) (p bellhop.Preview, err error) {
	t, err := o.open(d)
	if err != nil {
		return p, err
	}
	p.Why, err = t.Matcher.Explain(&ev)
	if err != nil {
		p.MatchError = err.Error()
	}
	if p.Why == "" && t.LeavesOut(&ev) {
		p.Why = "an action made the event, and " + d.Type + " does not work on those"
	}
	if t.performer != nil {
		return p, nil
	}
	at := provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "preview", Attempt: 1, Time: o.now(), URL: d.URL,
		ExpiresAt: d.ExpiresAt}
	m, err := t.renderSafely([]*bellhop.Delivery{{ID: at.DeliveryID, Event: &ev}}, at)
	if err == nil {
		err = t.access.checkClash(m.header)
	}
	switch {
	case errors.Is(err, provider.ErrSkip):
		p.Skipped = err.Error()
	case err != nil:
		p.Error = err.Error()
	default:
		p.Method, p.Header, p.Body = cmp.Or(m.method, http.MethodPost), readHeader(m.header), m.body
		if t.access != nil && t.access.member != "" {
			p.Header.Set(authorization, "…") // a secret, or a token that is not fetched for a preview
		}
	}
	return p, nil
}

// readHeader parses a rendered header block.
func readHeader(block []byte) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(string(block), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}
