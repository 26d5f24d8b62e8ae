package cloudevents

import (
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The media types of events that are JSON.
const (
	MediaType      = "application/cloudevents+json"
	BatchMediaType = "application/cloudevents-batch+json"
)

// The versions of the specification. 0.3 is taken only where that is asked for.
const (
	version   = "1.0"
	version03 = "0.3"
)

// Parse reads one event in the JSON format: the body of a structured request, or an item of a batch. Its type, subject
// and time are those of the event, its ProviderID is made of source and id (see [RepeatKey]), its ContentType is
// [MediaType], and its Body is item. An attribute that is null is none. A subject or a time that is not as it should be
// is left out; what the specification requires is required, and the lack of it provider.ErrBody.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
func Parse(item []byte) (bellhop.Event, error) { return parse(item, version) }

func parse(item []byte, versions ...string) (bellhop.Event, error) {
	members, err := readMembers(item)
	if err != nil {
		return bellhop.Event{}, err
	}
	a, err := members.attributes()
	if err != nil {
		return bellhop.Event{}, err
	}
	ev, err := a.event(versions)
	ev.ContentType, ev.Body = MediaType, item
	return ev, err
}

// members are those of the JSON format that make an event of ours, as written; nil where there is none, or null.
type members struct {
	specversion, id, source, kind, subject, time []byte
	data, dataBase64                             []byte
}

func readMembers(item []byte) (members, error) {
	var m members
	err := strictjson.Object(item, func(name, value []byte) {
		if place := m.place(string(name)); place != nil && string(value) != "null" {
			*place = value
		}
	})
	if err == nil && m.data != nil && m.dataBase64 != nil {
		err = fmt.Errorf("%w: both data and data_base64", provider.ErrBody)
	}
	return m, err
}

func (m *members) place(name string) *[]byte {
	switch name {
	case "specversion":
		return &m.specversion
	case "id":
		return &m.id
	case "source":
		return &m.source
	case "type":
		return &m.kind
	case "subject":
		return &m.subject
	case "time":
		return &m.time
	case "data":
		return &m.data
	case "data_base64":
		return &m.dataBase64
	}
	return nil
}

func (m *members) attributes() (attributes, error) {
	var a attributes
	for _, required := range []struct {
		name  string
		value []byte
		text  *string
	}{
		{"specversion", m.specversion, &a.specversion}, {"id", m.id, &a.id}, {"source", m.source, &a.source}, {"type", m.kind, &a.kind},
	} {
		text, ok := strictjson.Text(required.value)
		if required.value != nil && !ok {
			return a, fmt.Errorf("%w: %s is no text", provider.ErrBody, required.name)
		}
		*required.text = text
	}
	a.id, _ = strictjson.Key(m.id)
	a.source, _ = strictjson.Key(m.source)
	a.subject, _ = strictjson.Text(m.subject)
	a.time, _ = strictjson.Text(m.time)
	return a, nil
}

// attributes are the texts that make an event of ours, whatever the mode they came in.
type attributes struct{ specversion, id, source, kind, subject, time string }

// event checks what the specification requires.
func (a attributes) event(versions []string) (bellhop.Event, error) {
	switch {
	case a.specversion == "":
		return bellhop.Event{}, fmt.Errorf("%w: no specversion", provider.ErrBody)
	case !slices.Contains(versions, a.specversion):
		return bellhop.Event{}, fmt.Errorf("%w: a specversion that is not taken", provider.ErrBody)
	case a.id == "":
		return bellhop.Event{}, fmt.Errorf("%w: no id", provider.ErrBody)
	case a.source == "":
		return bellhop.Event{}, fmt.Errorf("%w: no source", provider.ErrBody)
	case a.kind == "":
		return bellhop.Event{}, fmt.Errorf("%w: no type", provider.ErrBody)
	case len(a.kind) > bellhop.MaxTypeLength || strings.ContainsFunc(a.kind, unicode.IsControl):
		return bellhop.Event{}, fmt.Errorf("%w: a type over %d bytes, or with control characters", provider.ErrBody, bellhop.MaxTypeLength)
	}
	return bellhop.Event{
		Type:       a.kind,
		Subject:    provider.Subject(a.subject),
		ProviderID: RepeatKey(a.source, a.id),
		Time:       provider.Time(a.time),
	}, nil
}

// RepeatKey returns the ProviderID of the event that has this source and id, which together are its own alone:
// the two with a blank between them, or a hash of that where it is too long. A blank in source, where none may be,
// counts as "%20".
func RepeatKey(source, id string) string {
	return provider.RepeatKey(strings.ReplaceAll(source, " ", "%20") + " " + id)
}

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

// appendJSON appends the event in the JSON format.
func (c *content) appendJSON(b []byte) []byte {
	if c.whole != nil {
		return append(b, c.whole...)
	}
	b = append(b, '{')
	for i, a := range c.attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, a.name, a.text)
	}
	if len(c.data) > 0 {
		b = appendMember(append(b, ','), "datacontenttype", c.contentType)
		b = c.appendData(append(b, ','))
	}
	return append(b, '}')
}

// appendData writes JSON as it is, other text as a string, and all else in Base64: JSON that strict readers refuse
// among it, so that nobody refuses the event for it.
func (c *content) appendData(b []byte) []byte {
	kind, parameters, _ := mime.ParseMediaType(c.contentType)
	switch {
	case isJSON(kind) && strictjson.Embeddable(c.data):
		return append(append(b, `"data":`...), c.data...)
	case isText(kind) && isUTF8(parameters["charset"]) && utf8.Valid(c.data):
		return appendMember(b, "data", string(c.data))
	}
	return append(base64.StdEncoding.AppendEncode(append(b, `"data_base64":"`...), c.data), '"')
}

func appendMember(b []byte, name, text string) []byte {
	b = appendText(b, name)
	return appendText(append(b, ':'), text)
}

func appendText(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text) // its error is about UTF-8 alone, which it has replaced
	return b
}

func isJSON(kind string) bool {
	return kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

func isText(kind string) bool {
	return !isJSON(kind) && strings.HasPrefix(kind, "text/") || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
}

// isUTF8 reports whether text in charset, as a media type names it, is UTF-8.
func isUTF8(charset string) bool {
	return charset == "" || strictjson.EqualFold(charset, "utf-8") || strictjson.EqualFold(charset, "us-ascii")
}

// EncodeHeaderValue writes the text of an attribute as the value of its ce- header: each byte of its UTF-8 that is a
// blank, a double quote, a percent sign or no printable ASCII becomes "%" and two upper-case hex digits.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
func EncodeHeaderValue(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DecodeHeaderValue returns the text of the attribute whose ce- header has this value: quotes and backslashes of a
// quoted string are taken away first, then each "%" with two hex digits is decoded, once. A "+" is a plus.
//
// It takes what older senders write too: UTF-8 as it is, and a "%" or a quote that stands for itself. What is not
// UTF-8 in the end is provider.ErrBody.
func DecodeHeaderValue(value string) (string, error) {
	text := unescape(unquote(value))
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: the value of a ce- header is not UTF-8", provider.ErrBody)
	}
	return text, nil
}

// unquote returns the text of a quoted string (RFC 9110, section 5.6.4), and anything else as it is.
func unquote(value string) string {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '"' && i == len(value)-1:
			return b.String()
		case value[i] == '"':
			return value
		case value[i] == '\\':
			if i++; i == len(value) {
				return value
			}
		}
		b.WriteByte(value[i])
	}
	return value
}

// unescape decodes percent signs, once.
func unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if c, ok := escaped(value[i:]); ok {
			b.WriteByte(c)
			i += 2
		} else {
			b.WriteByte(value[i])
		}
	}
	return b.String()
}

// escaped returns the byte that text begins with, written as "%" and two hex digits.
func escaped(text string) (c byte, ok bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[1:3], 16, 8)
	return byte(n), err == nil
}
