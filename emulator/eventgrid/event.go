package eventgrid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An event is one event on its way to subscriptions. It is not changed once it is made.
type event struct {
	id, topic, subject, kind, time, dataVersion string
	data                                        json.RawMessage // nil if there is none

	// cloud has all attributes and the data of an event that was published as a CloudEvent; nil for any other.
	cloud map[string]json.RawMessage
}

// gridEvent reads an event in Event Grid's schema. An event without a time has the time now.
func gridEvent(item json.RawMessage, topic, now string) (event, error) {
	var in struct {
		ID          *string         `json:"id"`
		Subject     *string         `json:"subject"`
		Type        *string         `json:"eventType"`
		Time        *string         `json:"eventTime"`
		DataVersion *string         `json:"dataVersion"`
		Data        json.RawMessage `json:"data"`
	}
	if json.Unmarshal(item, &in) != nil {
		return event{}, errors.New("is not an event in Event Grid's schema")
	}
	for name, member := range map[string]*string{"id": in.ID, "subject": in.Subject, "eventType": in.Type} {
		if member == nil || *member == "" {
			return event{}, errors.New("has no " + name)
		}
	}
	ev := event{id: *in.ID, topic: topic, subject: *in.Subject, kind: *in.Type, time: now, data: in.Data}
	if in.Time != nil && *in.Time != "" {
		ev.time = *in.Time
	}
	if in.DataVersion != nil {
		ev.dataVersion = *in.DataVersion
	}
	return ev, nil
}

// cloudEvent reads a CloudEvent in JSON.
func cloudEvent(item json.RawMessage) (event, error) {
	var all map[string]json.RawMessage
	if json.Unmarshal(item, &all) != nil || all == nil {
		return event{}, errors.New("is not a CloudEvent")
	}
	text := func(name string) (value string) {
		json.Unmarshal(all[name], &value) // anything else counts as missing
		return value
	}
	for _, name := range []string{"id", "source", "specversion", "type"} {
		if text(name) == "" {
			return event{}, errors.New("has no " + name)
		}
	}
	if text("specversion") != "1.0" {
		return event{}, errors.New("has another specversion than 1.0")
	}
	return event{id: text("id"), topic: text("source"), subject: text("subject"), kind: text("type"),
		time: text("time"),
		data: all["data"], cloud: all}, nil
}

// binaryEvent reads a CloudEvent whose attributes are headers.
func binaryEvent(r *http.Request) (event, error) {
	all := map[string]string{}
	for name, values := range r.Header {
		if attribute, ok := strings.CutPrefix(name, "Ce-"); ok {
			all[strings.ToLower(attribute)] = values[0]
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return event{}, errors.New("cannot be read")
	}
	members := map[string]any{}
	for name, value := range all {
		members[name] = value
	}
	media := r.Header.Get("Content-Type")
	switch {
	case len(body) == 0:
	case strings.Contains(media, "json") && json.Valid(body):
		members["data"] = json.RawMessage(body)
	case utf8.Valid(body):
		members["data"], members["datacontenttype"] = string(body), media
	default:
		members["data_base64"], members["datacontenttype"] = base64.StdEncoding.EncodeToString(body), media
	}
	text, err := json.Marshal(members)
	if err != nil {
		return event{}, errors.New("cannot be read")
	}
	return cloudEvent(text)
}

// lookup returns the value of a member for a filter: of the event by the name that either schema has for it, or
// "data.…". It is nil if there is none.
func (ev *event) lookup(name string) any {
	switch strings.ToLower(name) {
	case "id":
		return ev.id
	case "topic", "source":
		return ev.topic
	case "subject":
		return ev.subject
	case "eventtype", "type":
		return ev.kind
	case "dataversion":
		return ev.dataVersion
	}
	first, rest, nested := strings.Cut(name, ".")
	raw := ev.cloud[first]
	if first == "data" {
		raw = ev.data
	}
	var value any
	json.Unmarshal(raw, &value) // it is valid, or there is none
	for nested {
		first, rest, nested = strings.Cut(rest, ".")
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[first]
	}
	return value
}

// extra are members that a dead letter has beside those of its event.
type extra map[string]any

// inGrid returns the event in Event Grid's schema.
func (ev *event) inGrid(more extra) json.RawMessage {
	data := ev.data
	if data == nil {
		data = json.RawMessage("{}")
	}
	all := map[string]any{"id": ev.id, "topic": ev.topic, "subject": ev.subject, "eventType": ev.kind,
		"eventTime": ev.time, "data": data, "dataVersion": ev.dataVersion, "metadataVersion": "1"}
	maps.Copy(all, more)
	return marshal(all)
}

// inCloud returns the event as a CloudEvent.
func (ev *event) inCloud(more extra) json.RawMessage {
	all := map[string]any{}
	for name, value := range ev.cloud {
		all[name] = value
	}
	if ev.cloud == nil {
		all = map[string]any{"id": ev.id, "source": ev.topic, "specversion": "1.0", "type": ev.kind}
		for name, value := range map[string]string{"subject": ev.subject, "time": ev.time} {
			if value != "" {
				all[name] = value
			}
		}
		if ev.data != nil {
			all["data"] = ev.data
		}
	}
	for name, value := range more {
		all[strings.ToLower(name)] = value
	}
	return marshal(all)
}

// marshal encodes what can always be encoded: what was decoded before, and texts.
func marshal(v any) json.RawMessage {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	if err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

func itoa(n int) string { return strconv.Itoa(n) }
