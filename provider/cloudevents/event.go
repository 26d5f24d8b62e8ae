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

// The media types of events in the JSON format.
const (
	MediaType      = "application/cloudevents+json"
	BatchMediaType = "application/cloudevents-batch+json"
)

// The versions of the specification. 0.3 is accepted only with the setting accept_03.
const (
	version   = "1.0"
	version03 = "0.3"
)

// Parse reads one event in the JSON format: the body of a structured request, or an item of a batch. Type, Subject
// and Time of the result are those of the event, ProviderID is made of source and id (see [RepeatKey]), ContentType
// is [MediaType], and Body is item. A null attribute counts as absent, and so does an empty subject. The error is
// provider.ErrBody if a required attribute is missing, or if an attribute or its name is invalid.
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

// members are the members of the JSON format that this package reads. The Value of a member that is null is nil.
type members struct {
	specversion, id, source, kind, subject, time strictjson.Member
	data, dataBase64                             strictjson.Member
}

func readMembers(item []byte) (members, error) {
	m := members{
		specversion: strictjson.Member{Name: "specversion"}, id: strictjson.Member{Name: "id"},
		source: strictjson.Member{Name: "source"}, kind: strictjson.Member{Name: "type"},
		subject: strictjson.Member{Name: "subject"}, time: strictjson.Member{Name: "time"},
		data: strictjson.Member{Name: "data"}, dataBase64: strictjson.Member{Name: "data_base64"},
	}
	all := [...]*strictjson.Member{
		&m.specversion, &m.id, &m.source, &m.kind, &m.subject, &m.time, &m.data, &m.dataBase64,
	}
	err := strictjson.FindAll(item, all[:]...)
	for _, member := range all {
		if member.Is("null") {
			member.Value = nil
		}
	}
	switch {
	case err != nil:
	case m.data.Value != nil && m.dataBase64.Value != nil && m.specversion.Text() != version03: // there an extension
		err = fmt.Errorf("%w: both data and data_base64", provider.ErrBody)
	case m.specversion.Text() == version:
		err = checkMembers(item)
	}
	return m, err
}

func (m *members) attributes() (attributes, error) {
	for _, required := range [...]*strictjson.Member{&m.specversion, &m.id, &m.source, &m.kind} {
		if _, ok := strictjson.Text(required.Value); required.Value != nil && !ok {
			return attributes{}, fmt.Errorf("%w: %s is not a text", provider.ErrBody, required.Name)
		}
	}
	return attributes{
		specversion: m.specversion.Text(), id: m.id.Key(), source: m.source.Key(), kind: m.kind.Text(),
		subject: m.subject.Text(), time: m.time.Text(),
	}, nil
}

// attributes are the attributes that become fields of a bellhop.Event, in any mode.
type attributes struct{ specversion, id, source, kind, subject, time string }

// event checks the required attributes and returns the event.
func (a attributes) event(versions []string) (bellhop.Event, error) {
	switch {
	case a.specversion == "":
		return bellhop.Event{}, fmt.Errorf("%w: no specversion", provider.ErrBody)
	case !slices.Contains(versions, a.specversion):
		return bellhop.Event{}, fmt.Errorf("%w: unsupported specversion", provider.ErrBody)
	case a.id == "":
		return bellhop.Event{}, fmt.Errorf("%w: no id", provider.ErrBody)
	case a.source == "":
		return bellhop.Event{}, fmt.Errorf("%w: no source", provider.ErrBody)
	case a.kind == "":
		return bellhop.Event{}, fmt.Errorf("%w: no type", provider.ErrBody)
	case len(a.kind) > bellhop.MaxTypeLength || strings.ContainsFunc(a.kind, unicode.IsControl):
		const format = "%w: a type of more than %d bytes, or with control characters"
		return bellhop.Event{}, fmt.Errorf(format, provider.ErrBody, bellhop.MaxTypeLength)
	}
	return bellhop.Event{
		Type:       a.kind,
		Subject:    provider.Subject(a.subject),
		ProviderID: RepeatKey(a.source, a.id),
		Time:       provider.Time(strings.ToUpper(a.time)),
	}, nil
}

// RepeatKey returns the ProviderID of the event with this source and id, which together identify it: both,
// separated by a blank, or a hash if that is too long. A blank in source, which the specification forbids, counts
// as "%20".
func RepeatKey(source, id string) string {
	return provider.RepeatKey(strings.ReplaceAll(source, " ", "%20") + " " + id)
}

// content is an event to encode, in any mode.
type content struct {
	whole []byte // the event in the JSON format as received; if nil, the other fields are encoded

	attributes  []attribute // without datacontenttype
	contentType string      // of data; "" without data
	data        []byte
	binary      bool // the event was received in binary mode
}

type attribute struct{ name, text string }

// newContent returns ev, which is not a CloudEvent, as a CloudEvent with this source. The result is the same on
// each attempt.
func newContent(ev *bellhop.Event, source string) content {
	c := content{attributes: []attribute{
		{"specversion", version}, {"id", ev.ID}, {"source", source}, {"type", ev.Type},
		{"time", ev.HappenedAt().UTC().Format(time.RFC3339Nano)},
	}}
	if ev.Subject != "" {
		c.attributes = append(c.attributes, attribute{"subject", ev.Subject})
	}
	c.setData(ev)
	return c
}

// receivedJSON returns ev as received. ok is false if it is not a CloudEvent in the JSON format, or if the
// CloudEvent has another type than ev: then it is the data of another system's event.
func receivedJSON(ev *bellhop.Event) (c content, ok bool) {
	if !isJSON(mediaType(ev.ContentType)) {
		return c, false
	}
	received, err := parse(ev.Body, version, version03)
	sameType := received.Type == ev.Type || strings.HasPrefix(ev.Type, "cloudevents.")
	c.whole = strictjson.TrimBOM(ev.Body)
	if subject, _ := strictjson.Find(ev.Body, "subject"); string(subject) == `""` { // null is the valid way to say so
		c.whole, _ = strictjson.ReplaceMember(c.whole, "subject", "subject", []byte("null"))
	}
	return c, err == nil && sameType
}

// Structured returns ev, a CloudEvent that was received in either form, in the JSON format: with the same type,
// subject, time and ProviderID, and without the headers of binary mode. ok is false for the event of another system.
// Of a binary event, all attributes are texts in the result.
func Structured(ev *bellhop.Event) (structured *bellhop.Event, ok bool) {
	c, ok := receivedBinary(ev)
	if !ok {
		c, ok = receivedJSON(ev)
	}
	if !ok {
		return nil, false
	}
	copied := *ev
	copied.Header, copied.ContentType, copied.Body = nil, MediaType, c.appendJSON(nil)
	return &copied, true
}

// IsBinary reports whether ev was received as a binary CloudEvent: its attributes are in the ce- headers.
func IsBinary(ev *bellhop.Event) bool {
	_, ok := receivedBinary(ev)
	return ok
}

// receivedBinary returns ev with the attributes of its stored headers. ok is false if it was not received as a
// binary CloudEvent.
func receivedBinary(ev *bellhop.Event) (c content, ok bool) {
	if ev.Header.Get("Ce-Id") == "" || isCloudEvents(mediaType(ev.ContentType)) {
		return c, false
	}
	h := ev.Header.HTTP()
	a, err := headerAttributes(h)
	if err != nil {
		return c, false
	}
	received, err := a.event([]string{version, version03})
	if err != nil || received.Type != ev.Type || received.ProviderID != ev.ProviderID {
		return c, false
	}
	c = content{attributes: decodeAttributes(h), binary: true}
	c.setData(ev)
	return c, true
}

func (c *content) setData(ev *bellhop.Event) {
	if len(ev.Body) > 0 {
		c.data, c.contentType = ev.Body, provider.SendContentType(ev)
		if faultOfText("datacontenttype", c.contentType) != "" { // a stored event may have any Content-Type
			c.contentType = "application/octet-stream"
		}
	}
}

// decodeAttributes returns the attributes in the headers, with extensions, sorted by name. It leaves out an
// attribute that occurs twice, has an invalid name or cannot be decoded; the required attributes were checked
// before.
func decodeAttributes(h http.Header) (all []attribute) {
	for _, header := range slices.Sorted(maps.Keys(h)) {
		name, ok := strings.CutPrefix(header, headerPrefix)
		text, err := DecodeHeaderValue(h[header][0])
		name = strings.ToLower(name)
		if ok && err == nil && len(h[header]) == 1 && text != "" && isAttributeName(name) {
			all = append(all, attribute{name, text})
		}
	}
	return all
}

// isAttributeName reports whether name is a valid attribute name in every mode: lower-case letters and digits, and
// not "data", the member of the JSON format.
func isAttributeName(name string) bool {
	return name != "" && name != "data" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// canBeBinary reports whether binary mode can carry c: the body must not be empty, and its type must not be the
// type of another mode.
func (c *content) canBeBinary() bool {
	return len(c.data) > 0 && !isCloudEvents(mediaType(c.contentType))
}

// setHeaders sets the headers of binary mode.
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

// appendData appends JSON data unchanged, other text as a string, and all other data in Base64. JSON that strict
// readers refuse is also in Base64, so that no receiver refuses the event for it.
func (c *content) appendData(b []byte) []byte {
	kind, parameters, _ := mime.ParseMediaType(c.contentType)
	value, embeddable := strictjson.Embed(c.data)
	switch {
	case isJSON(kind) && embeddable:
		return append(append(b, `"data":`...), value...)
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
	b, _ = jsontext.AppendQuote(b, text) // the error is about invalid UTF-8 only, which it has replaced
	return b
}

func isJSON(kind string) bool {
	return kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

func isText(kind string) bool {
	xml := kind == "application/xml" || strings.HasSuffix(kind, "+xml")
	return xml || !isJSON(kind) && strings.HasPrefix(kind, "text/")
}

// isUTF8 reports whether a charset parameter names UTF-8 or a subset of it.
func isUTF8(charset string) bool {
	return charset == "" || strictjson.EqualFold(charset, "utf-8") || strictjson.EqualFold(charset, "us-ascii")
}

// EncodeHeaderValue returns the text of an attribute as the value of its ce- header. Each byte of the UTF-8
// text that is a blank, a double quote, a percent sign or not printable ASCII becomes "%" and two upper-case
// hex digits. Source:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
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

// DecodeHeaderValue returns the text of an attribute from the value of its ce- header. It removes the quotes and
// backslashes of a quoted string, and then decodes each "%" with two hex digits, once. A "+" stays a "+".
//
// It also accepts the output of older senders: plain UTF-8, and a "%" or a quote that is not encoded. The error
// is provider.ErrBody if the result is not UTF-8. Source:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
func DecodeHeaderValue(value string) (string, error) {
	text := unescape(unquote(value))
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: the value of a ce- header is not UTF-8", provider.ErrBody)
	}
	return text, nil
}

// unquote returns the text of a quoted string (RFC 9110, section 5.6.4), and any other text unchanged.
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
			i++
			if i == len(value) {
				return value
			}
		}
		b.WriteByte(value[i])
	}
	return value
}

// unescape decodes percent-encoded bytes, once.
func unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if c, ok := decodeEscape(value[i:]); ok {
			b.WriteByte(c)
			i += 2
		} else {
			b.WriteByte(value[i])
		}
	}
	return b.String()
}

// decodeEscape returns the byte at the start of text, encoded as "%" and two hex digits.
func decodeEscape(text string) (c byte, ok bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[1:3], 16, 8)
	return byte(n), err == nil
}
