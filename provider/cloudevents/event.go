package cloudevents

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

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
