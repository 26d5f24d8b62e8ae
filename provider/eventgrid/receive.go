package eventgrid

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers that Event Grid adds to what it posts, in canonical form; on the wire it writes them in lower case.
const (
	EventTypeHeader        = "Aeg-Event-Type"
	SubscriptionNameHeader = "Aeg-Subscription-Name"
	DeliveryCountHeader    = "Aeg-Delivery-Count"
	DataVersionHeader      = "Aeg-Data-Version"
	MetadataVersionHeader  = "Aeg-Metadata-Version"
)

// What EventTypeHeader says.
const (
	headerNotification = "Notification"
	headerValidation   = "SubscriptionValidation"
	headerDeletion     = "SubscriptionDeletion"
)

type receiver struct {
	env           provider.Env
	cloud         cloud
	proofs        []proof // all are to hold; none takes events from anyone
	manual        bool    // validation events are answered by a call to their URL
	subscriptions []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	var names []string
	for _, p := range r.proofs {
		if header, ok := p.(*headerSecret); ok {
			names = append(names, header.name)
		}
	}
	return names
}

// Receive answers the handshakes of both schemas, and reads what is delivered in either. A validation event carries
// the proofs that a delivery does, so it is answered to nobody else; an OPTIONS request cannot, and says only what
// anyone may know: that Event Grid is welcome.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("eventgrid: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, asked, err := cloudevents.Consent(req, []string{r.cloud.domain}, 0)
	switch {
	case asked:
		return provider.Receipt{Reply: reply}, err
	case req.Method != http.MethodPost:
		return provider.Receipt{}, provider.ErrMethod
	}
	if err := r.authenticate(ctx, req); err != nil {
		return provider.Receipt{}, err
	}
	items, err := Items(req.Body)
	if err != nil {
		return provider.Receipt{}, err
	}
	v, asked, err := ReadValidation(req.Header, items)
	switch {
	case err != nil:
		return provider.Receipt{}, err
	case asked:
		reply, err := r.validate(v)
		return provider.Receipt{Reply: reply}, err
	}
	return readItems(items)
}

// authenticate checks what proves who sent req, and then the name of the subscription, which proves nothing.
func (r *receiver) authenticate(ctx context.Context, req *provider.Request) error {
	for _, p := range r.proofs {
		if err := p.check(ctx, req); err != nil {
			return err
		}
	}
	if len(r.subscriptions) == 0 {
		return nil
	}
	name, err := signature.Single(req.Header, SubscriptionNameHeader)
	if err != nil || !slices.ContainsFunc(r.subscriptions, func(known string) bool { return strictjson.EqualFold(name, known) }) {
		return fmt.Errorf("%w: not one of settings.subscriptions", provider.ErrForbidden)
	}
	return nil
}

// readItems makes an event of each item. Those that make none are refused alone: Event Grid would never again send
// what came with them. It is told only where none is left, since then there is nothing that it could lose.
func readItems(items [][]byte) (provider.Receipt, error) {
	receipt := provider.Receipt{Status: http.StatusOK, Events: make([]bellhop.Event, 0, len(items))}
	for i, item := range items {
		ev, err := Parse(item)
		if err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: err})
			continue
		}
		receipt.Events = append(receipt.Events, ev)
	}
	if len(items) > 0 && len(receipt.Events) == 0 {
		return provider.Receipt{}, receipt.Refused[0].Err
	}
	return receipt, nil
}

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
