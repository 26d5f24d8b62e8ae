package cloudevents

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// content is an event to be written, in whichever mode.
type content struct {
	whole []byte // the event in the JSON format, as it came; nil if it is made of the rest

	attributes  []attribute // without datacontenttype
	contentType string      // of data; "" if there is none
	data        []byte
	binary      bool // it came in this mode
}

type attribute struct{ name, text string }

// described returns ev, which is no CloudEvent, as one that comes from source. It is the same for each attempt.
func described(ev *bellhop.Event, source string) content {
	c := content{attributes: []attribute{
		{"specversion", version}, {"id", ev.ID}, {"source", source}, {"type", ev.Type}, {"time", ev.HappenedAt().UTC().Format(time.RFC3339Nano)},
	}}
	if ev.Subject != "" {
		c.attributes = append(c.attributes, attribute{"subject", ev.Subject})
	}
	c.setData(ev)
	return c
}

// receivedJSON returns ev as it came; ok is false if it is no CloudEvent in the JSON format, or one of another type:
// that is what some system sent as the data of its own event.
func receivedJSON(ev *bellhop.Event) (c content, ok bool) {
	if !isJSON(mediaType(ev.ContentType)) {
		return c, false
	}
	came, err := parse(ev.Body, version, version03)
	return content{whole: ev.Body}, err == nil && (came.Type == ev.Type || strings.HasPrefix(ev.Type, "cloudevents."))
}

// receivedBinary returns ev as the headers that were kept of it say; ok is false if it did not come as a binary
// CloudEvent.
func receivedBinary(ev *bellhop.Event) (c content, ok bool) {
	if ev.Header.Get("Ce-Id") == "" || isCloudEvents(mediaType(ev.ContentType)) {
		return c, false
	}
	h := ev.Header.HTTP()
	a, err := headerAttributes(h)
	if err != nil {
		return c, false
	}
	came, err := a.event([]string{version, version03})
	if err != nil || came.Type != ev.Type || came.ProviderID != ev.ProviderID {
		return c, false
	}
	c = content{attributes: allAttributes(h), binary: true}
	c.setData(ev)
	return c, true
}

func (c *content) setData(ev *bellhop.Event) {
	if len(ev.Body) > 0 {
		c.data, c.contentType = ev.Body, provider.SendContentType(ev)
	}
}

// allAttributes returns those of the headers, extensions included, in the order of their names. One that is twice
// there, has an unfit name or cannot be decoded is left out; of those that the specification requires there is none such.
func allAttributes(h http.Header) (all []attribute) {
	for _, header := range slices.Sorted(maps.Keys(h)) {
		name, ok := strings.CutPrefix(header, headerPrefix)
		text, err := DecodeHeaderValue(h[header][0])
		name = strings.ToLower(name)
		if ok && err == nil && len(h[header]) == 1 && text != "" && attributeName(name) {
			all = append(all, attribute{name, text})
		}
	}
	return all
}

// attributeName reports whether name can be an attribute's in each mode: letters and digits, and not what the JSON format
// calls the data.
func attributeName(name string) bool {
	return name != "" && name != "data" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// canBeBinary reports whether the binary mode can carry c: a body must not be empty, nor of a type that means another
// mode.
func (c *content) canBeBinary() bool {
	return len(c.data) > 0 && !isCloudEvents(mediaType(c.contentType))
}

// setHeaders writes the attributes of the binary mode.
func (c *content) setHeaders(h http.Header) {
	for _, a := range c.attributes {
		h.Set(headerPrefix+a.name, EncodeHeaderValue(a.text))
	}
}
