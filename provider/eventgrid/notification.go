package eventgrid

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// The types of the events that Event Grid sends for itself.
const (
	ValidationType = "Microsoft.EventGrid.SubscriptionValidationEvent"
	DeletedType    = "Microsoft.EventGrid.SubscriptionDeletedEvent"
)

// contentType is that of an event in Event Grid's schema.
const contentType = "application/json; charset=utf-8"

// Items returns the items of body: those of an array, or the one object that body is. They are parts of body.
// Its error is provider.ErrBody: not JSON, or more than [provider.MaxItems], which is how many events Event Grid puts into
// one request.
func Items(body []byte) ([][]byte, error) {
	body = bytes.Trim(body, " \t\r\n")
	if bytes.HasPrefix(body, []byte("{")) {
		return [][]byte{body}, nil
	}
	return strictjson.Items(body, provider.MaxItems)
}

// Parse reads one item, in Event Grid's schema or as a CloudEvent. The event's Type, Subject and Time are what the item
// says, its ProviderID is made of topic (or source) and id, and its Body is item. An item without an id or a type, or
// with a type that is longer than 255 bytes or has control characters, is provider.ErrBody; whatever else is absent or
// of another kind counts as empty.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/event-schema
func Parse(item []byte) (bellhop.Event, error) {
	f, err := readFields(item)
	switch {
	case err != nil:
		return bellhop.Event{}, err
	case f.cloudEvent:
		return cloudevents.Parse(item)
	case f.id == "":
		return bellhop.Event{}, fmt.Errorf("%w: no id", provider.ErrBody)
	case f.kind == "":
		return bellhop.Event{}, fmt.Errorf("%w: no eventType", provider.ErrBody)
	case len(f.kind) > bellhop.MaxTypeLength || strings.ContainsFunc(f.kind, unicode.IsControl):
		return bellhop.Event{}, fmt.Errorf("%w: an eventType over %d bytes, or with control characters", provider.ErrBody, bellhop.MaxTypeLength)
	}
	return bellhop.Event{
		Type:        f.kind,
		Subject:     provider.Subject(f.about()),
		ProviderID:  repeatKey(f.topic, f.id),
		Time:        provider.Time(f.time),
		ContentType: contentType,
		Body:        item,
	}, nil
}

// repeatKey makes one of what is one event's alone. The case of a topic varies between events of one resource.
func repeatKey(topic, id string) string {
	if topic == "" {
		return provider.RepeatKey(id)
	}
	return cloudevents.RepeatKey(strings.ToLower(topic), id)
}

// fields are those of an item that are looked at, under the names of Event Grid's schema. What is absent or of another
// kind is empty.
type fields struct {
	cloudEvent bool // there is a specversion, which Event Grid's own schema does not know

	id, topic, subject, kind, time string
	dataVersion                    string
	data                           []byte // as written; nil where there is none
	hasTopic, hasMetadata          bool   // topic, metadataVersion: whatever they are

	mediaType, base64 string // of a CloudEvent: of data that is not JSON
}

// readFields reads an item in either schema.
func readFields(item []byte) (fields, error) {
	var f, cloudEvent fields
	err := strictjson.Object(item, func(name, value []byte) {
		switch string(name) {
		case "specversion":
			f.cloudEvent = true
		case "data":
			f.data = value
		case "metadataVersion":
			f.hasMetadata = true
		default:
			f.hasTopic = f.hasTopic || string(name) == "topic"
			if text := textOf(string(name), &f, &cloudEvent); text != nil {
				if *text, _ = strictjson.Text(value); text == &f.id || text == &f.topic {
					*text, _ = strictjson.Key(value)
				}
			}
		}
	})
	if f.cloudEvent {
		f.topic, f.kind, f.time = cloudEvent.topic, cloudEvent.kind, cloudEvent.time
	}
	return f, err
}

// textOf returns the place of the text that is called name in one of the schemas, or in both.
func textOf(name string, eventGrid, cloudEvent *fields) *string {
	switch name {
	case "id":
		return &eventGrid.id
	case "subject":
		return &eventGrid.subject
	case "topic":
		return &eventGrid.topic
	case "eventType":
		return &eventGrid.kind
	case "eventTime":
		return &eventGrid.time
	case "dataVersion":
		return &eventGrid.dataVersion
	case "source":
		return &cloudEvent.topic
	case "type":
		return &cloudEvent.kind
	case "time":
		return &cloudEvent.time
	case "datacontenttype":
		return &eventGrid.mediaType
	case "data_base64":
		return &eventGrid.base64
	}
	return nil
}

// about is the subject or, where a subscription was deleted, that subscription: such events have no subject.
func (f *fields) about() string {
	if f.subject != "" || !strictjson.EqualFold(f.kind, DeletedType) {
		return f.subject
	}
	return strictjson.FindText(f.data, "eventSubscriptionId")
}
