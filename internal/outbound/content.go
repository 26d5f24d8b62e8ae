package outbound

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// typeCloudEvents is the type of destinations that send binary CloudEvents as such.
const typeCloudEvents = "cloudevents"

// readable returns ev as renderers and actions read it: with its Content-Encoding undone, and a binary CloudEvent in
// the JSON format if the destination would lose the attributes in its headers. A destination that sends the bytes as
// received gets ev itself. No body becomes larger than room bytes: the door has checked each by the limit of its
// source, which may be another by now. ev does not change.
func (t *Target) readable(ev *bellhop.Event, room int64) (*bellhop.Event, error) {
	if t.verbatim {
		return ev, nil
	}
	coding, err := contentcoding.OfEvent(ev)
	if err == nil && coding == contentcoding.None {
		return t.structured(ev), nil
	}
	copied := *ev
	if err == nil {
		copied.Body, err = contentcoding.Decode(coding, ev.Body, room, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the body as received cannot be read: %w", err)
	}
	copied.Header = bellhop.NewHeader(ev.Header.HTTP(), func(name string) bool { return name == contentcoding.Header })
	return t.structured(&copied), nil
}

// structured returns ev, or the same event in the JSON format if it is a binary CloudEvent and t gets those whole.
func (t *Target) structured(ev *bellhop.Event) *bellhop.Event {
	if !t.whole || ev.Header.Get("Ce-Id") == "" {
		return ev
	}
	whole, ok := cloudevents.Structured(ev)
	if !ok {
		return ev
	}
	whole.Header = ev.Header // for the hops, and for what other systems put there
	return whole
}

// appendAttributes appends the ce- headers of ev, if it is a binary CloudEvent, but for those with a name in taken, in
// canonical form: the settings set these.
func appendAttributes(h []byte, ev *bellhop.Event, taken map[string]bool) []byte {
	if ev.Header.Get("Ce-Id") == "" || !cloudevents.IsBinary(ev) {
		return h
	}
	for line := range bytes.Lines(ev.Header) {
		name, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ": ")
		if strings.HasPrefix(name, "Ce-") && !taken[name] {
			h = egress.AppendHeader(h, name, value)
		}
	}
	return h
}

// asSent puts an event into format raw or standard: its bytes, and what the headers of its request say about them.
// taken are the headers of the settings, in canonical form.
func asSent(ev *bellhop.Event, taken map[string]bool) (content, error) {
	c := content{body: ev.Body, kind: ev.ContentType, header: appendAttributes(nil, ev, taken)}
	coding, err := contentcoding.OfEvent(ev)
	if err == nil && coding != contentcoding.None {
		c.header = egress.AppendHeader(c.header, contentcoding.Header, string(coding))
	}
	return c, nil
}
