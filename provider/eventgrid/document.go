package eventgrid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// A document is an event as Event Grid writes it. Its readers want every member to be there.
type document struct {
	ID              string          `json:"id"`
	Topic           string          `json:"topic"`
	Subject         string          `json:"subject"`
	Data            json.RawMessage `json:"data"`
	EventType       string          `json:"eventType"`
	EventTime       string          `json:"eventTime"`
	DataVersion     string          `json:"dataVersion"`
	MetadataVersion string          `json:"metadataVersion"`
}

const (
	metadataVersion = "1"   // there is no other
	documentVersion = "1.0" // of the data that is written here
)

// newDocument writes ev, of another system, as Event Grid would: the same on each attempt.
func newDocument(ev *bellhop.Event, topic string) document {
	return document{
		ID: ev.ID, Topic: topic, Subject: ev.Subject, Data: newData(ev), EventType: ev.Type, EventTime: microsoft.FormatTime(ev.HappenedAt()),
		DataVersion: documentVersion, MetadataVersion: metadataVersion,
	}
}

// completed returns an item with the topic and the metadata version that Event Grid gives to what is published to it,
// and otherwise as it is. Vendors' readers refuse an event without them.
func completed(item []byte, f fields, topic string) []byte {
	if f.hasTopic && f.hasMetadata {
		return item
	}
	whole := slices.Clone(bytes.TrimSuffix(bytes.TrimRight(item, " \t\r\n"), []byte("}")))
	if !f.hasTopic {
		quoted, _ := encode(topic) // a string always can be
		whole = append(append(whole, `,"topic":`...), quoted...)
	}
	if !f.hasMetadata {
		whole = append(whole, `,"metadataVersion":"`+metadataVersion+`"`...)
	}
	return append(whole, '}')
}

// fromCloudEvent writes ev, which came as the CloudEvent f, in Event Grid's schema. Extensions have no place there.
func fromCloudEvent(f fields, ev *bellhop.Event) document {
	d := newDocument(ev, f.topic)
	d.ID, d.Data = f.id, f.data
	if d.Data == nil {
		d.Data = bytesData(f.mediaType, f.base64)
	}
	if text := timeText(f, ev); text != "" {
		d.EventTime = text
	}
	return d
}

// timeText is the time that f says, with as many digits as it had; "" where it is none.
func timeText(f fields, ev *bellhop.Event) string {
	if ev.Time.IsZero() {
		return ""
	}
	return f.time
}

// newData returns ev's body as data: JSON as it is, other text as a JSON string, and bytes as an object that says so.
func newData(ev *bellhop.Event) json.RawMessage {
	switch body := bytes.TrimSpace(ev.Body); {
	case strictjson.Embeddable(body):
		return body
	case len(body) > 0 && utf8.Valid(ev.Body) && !strings.Contains(ev.ContentType, "json"):
		text, _ := encode(string(ev.Body)) // a string always can be
		return text
	}
	return bytesData(provider.SendContentType(ev), base64.StdEncoding.EncodeToString(ev.Body))
}

// bytesData returns as data what is neither JSON nor text, in Base64. Of nothing it is {}, since readers refuse null.
func bytesData(contentType, encoded string) json.RawMessage {
	if encoded == "" {
		return json.RawMessage("{}")
	}
	data, _ := encode(map[string]string{"contentType": contentType, "data_base64": encoded}) // strings always can be
	return data
}

func encode(v any) ([]byte, error) {
	b, err := strictjson.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("eventgrid: write an event: %w", err)
	}
	return b, nil
}
