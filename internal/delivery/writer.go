package delivery

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// An httpWriter writes the requests of a destination of type http. Where there are keys, every format is signed.
type httpWriter struct {
	keys    signingKeys
	fixed   []byte // the headers of the settings
	hasType bool   // with the content type among them
	content func(*bellhop.Event) (content, error)
}

// one writes an event under its own id.
func (w *httpWriter) one(ev *bellhop.Event, at provider.AttemptInfo) (rendered, error) {
	c, err := w.content(ev)
	if err != nil {
		return rendered{}, err
	}
	h, err := w.head(ev.ID, c, at)
	return rendered{header: appendIDs(h, ev, at), body: c.body}, err
}

// many writes a JSON array, under the id of the first delivery: another attempt may have others beside it.
func (w *httpWriter) many(events []*bellhop.Event, at provider.AttemptInfo) (rendered, error) {
	body := []byte{'['}
	for i, ev := range events {
		c, err := w.content(ev)
		if err != nil {
			return rendered{}, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, c.body...)
	}
	body = append(body, ']')
	h, err := w.head(at.DeliveryID, content{body: body, kind: "application/json"}, at)
	return rendered{header: appendBatchIDs(h, events, at), body: body}, err
}

// head writes the headers that are not about Bellhop's own ids.
func (w *httpWriter) head(id string, c content, at provider.AttemptInfo) ([]byte, error) {
	h := append(append(make([]byte, 0, 768), w.fixed...), c.header...)
	if c.kind != "" && !w.hasType {
		h = egress.AppendHeader(h, "Content-Type", c.kind)
	}
	h = append(append(append(h, "webhook-id: "...), id...), "\r\nwebhook-timestamp: "...)
	h = append(strconv.AppendInt(h, at.Time.Unix(), 10), "\r\n"...)
	keys := w.keys.at(at.Time)
	if len(keys) == 0 {
		return h, nil
	}
	signed, err := signature.SignStandard(keys, id, at.Time, c.body)
	return append(append(append(h, "webhook-signature: "...), signed...), "\r\n"...), err
}

// readHeaders renders the headers of a destination's settings, in canonical names, and says whether the content type
// is among them, which then holds for all that is sent.
func readHeaders(headers map[string]string) (rendered []byte, hasType bool, err error) {
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if err := bellhop.CheckHeader(name, headers[name]); err != nil {
			errs = append(errs, bellhop.Invalid("headers."+name, err.Error()))
		} else if seen[canonical] {
			errs = append(errs, bellhop.Invalid("headers."+name, "is there twice, in different cases"))
		}
		seen[canonical] = true
		rendered = egress.AppendHeader(rendered, canonical, headers[name])
	}
	return rendered, seen["Content-Type"], bellhop.Join("", errs...)
}

// appendIDs writes the headers by which a receiver tells what it has already, and we an event that goes in circles.
func appendIDs(h []byte, ev *bellhop.Event, at provider.AttemptInfo) []byte {
	h = append(append(append(h, "Bellhop-Event-Id: "...), ev.ID...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(bellhop.Hops(ev.Header)+1), 10), "\r\n"...)
}

// appendBatchIDs writes them for several events: the delivery is that of the first, the hops are the most of any.
func appendBatchIDs(h []byte, events []*bellhop.Event, at provider.AttemptInfo) []byte {
	hops := 0
	for _, ev := range events {
		hops = max(hops, bellhop.Hops(ev.Header))
	}
	h = append(append(append(h, "Bellhop-Batch: "...), strconv.Itoa(len(events))...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(hops+1), 10), "\r\n"...)
}
