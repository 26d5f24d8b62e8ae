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

// The values of EventTypeHeader.
const (
	headerNotification = "Notification"
	headerValidation   = "SubscriptionValidation"
	headerDeletion     = "SubscriptionDeletion"
)

type receiver struct {
	name           string // of the provider, before its errors
	env            provider.Env
	cloud          cloud
	authenticators []authenticator // a request must pass all; without any, events are accepted from anyone
	manual         bool            // validation events are answered by calling their URL
	subscriptions  []string
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	var names []string
	for _, p := range r.authenticators {
		if header, ok := p.(*headerSecret); ok {
			names = append(names, header.name)
		}
	}
	return names
}

// CheckHeader implements [provider.HeaderChecker]. Of an Entra token it sees only whether there is one, because the
// key that verifies it may have to be fetched.
func (r *receiver) CheckHeader(req *provider.Request) error {
	return provider.Named("eventgrid", r.checkHeader(req))
}

func (r *receiver) checkHeader(req *provider.Request) error {
	_, asked, err := r.answerOptions(req)
	if asked || err != nil {
		return err
	}
	for _, a := range r.authenticators {
		if token, ok := a.(*bearer); ok { // what follows is judged once the token is known to be good
			return token.checkPresent(req.Header)
		}
		if err := a.authenticate(context.Background(), req); err != nil {
			return err
		}
	}
	return r.checkSubscription(req.Header)
}

// answerOptions answers the handshake of CloudEvents, if req asks for it. Any other request must be a POST.
func (r *receiver) answerOptions(req *provider.Request) (reply *provider.Reply, asked bool, err error) {
	reply, asked, err = cloudevents.AnswerHandshake(req, []string{r.cloud.domain}, 0)
	if !asked && req.Method != http.MethodPost {
		err = provider.ErrMethod
	}
	return reply, asked, err
}

// Receive answers the handshakes of both schemas and reads deliveries in either. A validation event is
// authenticated like a delivery, so only Event Grid gets an answer. An OPTIONS request cannot be authenticated; its
// answer says only that Event Grid may deliver here, which is not secret.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return receipt, nil
}

func (r *receiver) receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	reply, asked, err := r.answerOptions(req)
	if asked || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	if err := r.authenticate(ctx, req); err != nil {
		return provider.Receipt{}, err
	}
	items, err := Items(req.Content())
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
	receipt, err := readItems(items)
	if err == nil {
		receipt.Heard = r.heard(req.Header, receipt.Events)
	}
	return receipt, err
}

// authenticate authenticates req, and then checks the name of the subscription, which is not authenticated.
func (r *receiver) authenticate(ctx context.Context, req *provider.Request) error {
	for _, a := range r.authenticators {
		if err := a.authenticate(ctx, req); err != nil {
			return err
		}
	}
	return r.checkSubscription(req.Header)
}

func (r *receiver) checkSubscription(h http.Header) error {
	if len(r.subscriptions) == 0 {
		return nil
	}
	name, err := signature.Single(h, SubscriptionNameHeader)
	named := func(known string) bool { return strictjson.EqualFold(name, known) }
	if err != nil || !slices.ContainsFunc(r.subscriptions, named) {
		return fmt.Errorf("%w: the subscription is not in settings.subscriptions", provider.ErrForbidden)
	}
	return nil
}

// readItems returns one event for each item. An invalid item is refused alone, because after an error status Event
// Grid would never send its neighbours again. If all items are invalid, the whole request is an error: no event can
// be lost.
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

// The types of Event Grid's own events.
const (
	ValidationType = "Microsoft.EventGrid.SubscriptionValidationEvent"
	DeletedType    = "Microsoft.EventGrid.SubscriptionDeletedEvent"
)

// contentType is the content type of an event in Event Grid's schema.
const contentType = "application/json; charset=utf-8"

// Items returns the items of body: the elements of an array, or body itself if it is one object. They are slices of
// body. The error is provider.ErrBody if body is not JSON or has more than [provider.MaxItems] items, which is the
// most that Event Grid puts into one request.
func Items(body []byte) ([][]byte, error) {
	body = bytes.Trim(body, " \t\r\n")
	if bytes.HasPrefix(body, []byte("{")) {
		return [][]byte{body}, nil
	}
	return strictjson.Items(body, provider.MaxItems)
}

// Parse reads one item, in Event Grid's schema or as a CloudEvent. Type, Subject and Time of the event are those of
// the item, ProviderID is made of topic (or source) and id, and Body is item. The error is provider.ErrBody if the
// item has no id or no type, or if the type is longer than 255 bytes or has control characters. Any other member
// may be absent or of another kind, and then counts as empty.
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
		const format = "%w: an eventType of more than %d bytes, or with control characters"
		return bellhop.Event{}, fmt.Errorf(format, provider.ErrBody, bellhop.MaxTypeLength)
	}
	return bellhop.Event{
		Type:        f.kind,
		Subject:     provider.Subject(f.subjectText()),
		ProviderID:  repeatKey(f.topic, f.id),
		Time:        provider.Time(f.time),
		ContentType: contentType,
		Body:        item,
	}, nil
}

// repeatKey returns the key that identifies an event. The case of the topic differs between events of one resource,
// so it is ignored.
func repeatKey(topic, id string) string {
	if topic == "" {
		return provider.RepeatKey(id)
	}
	return cloudevents.RepeatKey(strings.ToLower(topic), id)
}

// fields are the members of an item that this package reads, under the names of Event Grid's schema. A member that
// is absent or of another kind is empty.
type fields struct {
	cloudEvent bool // the item has a specversion, which Event Grid's own schema does not have

	id, topic, subject, kind, time string
	dataVersion                    string
	data                           []byte // as written; nil if absent

	hasTopic, hasSubject, hasDataVersion bool // the members are texts, of any length
	metadata                             string

	mediaType, base64 string // of a CloudEvent: datacontenttype and data_base64
}

// readFields reads an item in either schema. It reads the members of the other schema only to tell the two apart.
func readFields(item []byte) (fields, error) {
	id, subject := strictjson.Member{Name: "id"}, strictjson.Member{Name: "subject"}
	data, version := strictjson.Member{Name: "data"}, strictjson.Member{Name: "specversion"}
	topic, source := strictjson.Member{Name: "topic"}, strictjson.Member{Name: "source"}
	eventType, kind := strictjson.Member{Name: "eventType"}, strictjson.Member{Name: "type"}
	eventTime, at := strictjson.Member{Name: "eventTime"}, strictjson.Member{Name: "time"}
	dataVersion, metadata := strictjson.Member{Name: "dataVersion"}, strictjson.Member{Name: "metadataVersion"}
	mediaType, base64 := strictjson.Member{Name: "datacontenttype"}, strictjson.Member{Name: "data_base64"}
	err := strictjson.FindAll(item, &id, &subject, &data, &version, &topic, &source, &eventType, &kind,
		&eventTime, &at, &dataVersion, &metadata, &mediaType, &base64)
	f := fields{
		cloudEvent: version.Value != nil, id: id.Key(), topic: topic.Key(), subject: subject.Text(),
		kind: eventType.Text(), time: eventTime.Text(), dataVersion: dataVersion.Text(), data: data.Value,
		hasTopic: isText(topic), hasSubject: isText(subject), hasDataVersion: isText(dataVersion),
		metadata:  metadata.Text(),
		mediaType: mediaType.Text(), base64: base64.Text(),
	}
	if f.cloudEvent {
		f.topic, f.kind, f.time = source.Key(), kind.Text(), at.Text()
	}
	return f, err
}

func isText(m strictjson.Member) bool {
	_, ok := strictjson.Text(m.Value)
	return ok
}

// subjectText returns the subject. The event of a deleted subscription has none; its subject is that subscription.
func (f *fields) subjectText() string {
	if f.subject != "" || !strictjson.EqualFold(f.kind, DeletedType) {
		return f.subject
	}
	return strictjson.FindText(strictjson.Unwrap(f.data), "eventSubscriptionId")
}
