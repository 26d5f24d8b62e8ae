package outbound

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// readable returns ev as renderers and actions read it: with its Content-Encoding undone. A destination that sends the
// bytes as received gets ev itself. No body becomes larger than room bytes: the door has checked each by the limit of
// its source, which may be another by now. ev does not change.
func (t *Target) readable(ev *bellhop.Event, room int64) (*bellhop.Event, error) {
	if t.verbatim {
		return ev, nil
	}
	coding, err := contentcoding.OfEvent(ev)
	if err == nil && coding == contentcoding.None {
		return ev, nil
	}
	copied := *ev
	if err == nil {
		copied.Body, err = contentcoding.Decode(coding, ev.Body, room, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("the body as received cannot be read: %w", err)
	}
	copied.Header = bellhop.NewHeader(ev.Header.HTTP(), func(name string) bool { return name == contentcoding.Header })
	return &copied, nil
}

// asSent puts an event into format raw: its bytes, and what the headers of its request say about them.
func asSent(ev *bellhop.Event) (content, error) {
	c := content{body: ev.Body, kind: ev.ContentType}
	coding, err := contentcoding.OfEvent(ev)
	if err == nil && coding != contentcoding.None {
		c.header = egress.AppendHeader(nil, contentcoding.Header, string(coding))
	}
	return c, nil
}
