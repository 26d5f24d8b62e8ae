package eventgrid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/signature"
)

// sendSettings are those of a destination.
type sendSettings struct {
	Schema           string           `json:"schema"`
	SubscriptionName string           `json:"subscription_name"`
	Topic            string           `json:"topic"`
	Header           string           `json:"header"`
	HeaderSecret     provider.Secrets `json:"header_secret"`
}

// The schemas of a destination.
const (
	schemaEventGrid   = "eventgrid"
	schemaCloudEvents = "cloudevents"
)

// OpenSender implements [provider.Sender]. The Renderer is a [provider.Batcher], a [provider.Handshaker] and a
// [provider.ReplyJudge].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Schema == schemaCloudEvents {
		return newCloudRenderer(env, s)
	}
	return &renderer{sender{s}, env}, nil
}

func (s *sendSettings) check() error {
	_, err := provider.OneOf("schema", s.Schema, schemaEventGrid, schemaEventGrid, schemaCloudEvents)
	errs := []error{err}
	if s.SubscriptionName != "" {
		errs = append(errs, checkName("subscription_name", s.SubscriptionName))
	}
	if !provider.Visible(s.Topic) || len(s.Topic) > maxTopic {
		errs = append(errs, bellhop.Invalid("topic", "use at most 512 printable ASCII characters without a blank, such as /contoso/orders"))
	}
	if s.Header != "" || s.HeaderSecret != nil {
		errs = append(errs, s.HeaderSecret.CheckOne("header_secret"))
		if len(s.HeaderSecret) == 1 {
			errs = append(errs, checkSecretHeader(s.Header, s.HeaderSecret))
		}
	}
	return bellhop.Join("", errs...)
}

// maxTopic bounds the topic that a destination names.
const maxTopic = 512

// defaultName is that of the subscription that destinations deliver for where they name none.
const defaultName = "BELLHOP"

// sender is what destinations of either schema have in common.
type sender struct{ sendSettings }

// addHeaders adds the headers that Event Grid adds to what it posts.
func (s *sender) addHeaders(h http.Header, eventType, dataVersion string, at provider.AttemptInfo) {
	name := s.SubscriptionName
	if name == "" {
		name = defaultName
	}
	if !provider.Printable(dataVersion) || len(dataVersion) > maxHeaderValue {
		dataVersion = ""
	}
	h[EventTypeHeader] = []string{eventType}
	h[SubscriptionNameHeader] = []string{strings.ToUpper(name)}
	h[DeliveryCountHeader] = []string{strconv.Itoa(max(0, at.Attempt-1))}
	h[DataVersionHeader] = []string{dataVersion}
	h[MetadataVersionHeader] = []string{metadataVersion}
	if s.Header != "" {
		h.Set(s.Header, s.HeaderSecret[0])
	}
}

// topic is where an event comes from that did not come from Event Grid.
func (s *sender) topic(source string) string {
	if s.Topic == "" {
		return "/in/" + source
	}
	return s.Topic
}

var _ provider.ReplyJudge = (*sender)(nil)

// Judge takes for success what Event Grid does, and gives up where it does. 410 stops the destination, as anywhere.
// Source: https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry
func (*sender) Judge(status int, _ []byte) bellhop.Outcome {
	switch {
	case status >= 200 && status <= 204:
		return bellhop.OutcomeDelivered
	case status > 204 && status <= 299:
		return bellhop.OutcomeRetry
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusRequestEntityTooLarge:
		return bellhop.OutcomeDead
	}
	return ""
}

// renderer delivers in Event Grid's own schema.
type renderer struct {
	sender
	env provider.Env
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Render delivers a batch of one, since Event Grid's schema knows nothing else.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch delivers an array, in which an event in this schema keeps its bytes and any other is put into it. What
// publishers leave out, and Event Grid adds, is added.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	eventType, dataVersion := headerNotification, ""
	body, err := strictjson.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) {
		item, version, err := r.item(ev)
		if ev == events[0] {
			dataVersion = version
		}
		return item, err
	})
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	if len(events) == 1 && events[0].Type == DeletedType {
		eventType = headerDeletion
	}
	h := http.Header{"Content-Type": {contentType}}
	r.addHeaders(h, eventType, dataVersion, at)
	return provider.OutboundRequest{Header: h, Body: body}, nil
}

// item returns ev in Event Grid's schema, and its data version.
func (r *renderer) item(ev *bellhop.Event) (item []byte, dataVersion string, err error) {
	f, own := readOwn(ev)
	switch {
	case own && !f.cloudEvent:
		return completed(ev.Body, f, r.topic(ev.Source)), f.dataVersion, nil
	case own:
		item, err = encode(fromCloudEvent(f, ev))
	default:
		item, err = encode(newDocument(ev, r.topic(ev.Source)))
	}
	return item, documentVersion, err
}

// readOwn reads an event that came from Event Grid, in either schema. own is false for any other.
func readOwn(ev *bellhop.Event) (f fields, own bool) {
	f, err := readFields(ev.Body)
	return f, err == nil && f.id != "" && f.kind != "" && f.kind == ev.Type
}

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

// cloudRenderer delivers CloudEvents: as any sender of theirs does, with Event Grid's headers beside.
type cloudRenderer struct {
	sender
	one  provider.Renderer // an object
	many provider.Batcher  // an array
}

var (
	_ provider.Batcher    = (*cloudRenderer)(nil)
	_ provider.Handshaker = (*cloudRenderer)(nil)
)

func newCloudRenderer(env provider.Env, s sendSettings) (*cloudRenderer, error) {
	open := func(mode string) (provider.Renderer, error) {
		raw, err := encode(map[string]string{"mode": mode, "origin": clouds["public"].domain, "source": s.Topic})
		if err != nil {
			return nil, err
		}
		return cloudevents.Provider{}.OpenSender(env, raw)
	}
	one, err := open("structured")
	many, batchErr := open("batch")
	if err := errors.Join(err, batchErr); err != nil {
		return nil, err
	}
	return &cloudRenderer{sender{s}, one, many.(provider.Batcher)}, nil
}

// Render delivers one object. A CloudEvent keeps its bytes; what came in Event Grid's own schema is written as Event
// Grid would, had it been asked for CloudEvents.
func (r *cloudRenderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	ev, err := r.cloudEvent(ev)
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	m, err := r.one.Render(ev, at)
	return r.complete(m, at), err
}

// RenderBatch delivers an array.
func (r *cloudRenderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	list := make([]*bellhop.Event, len(events))
	for i, ev := range events {
		var err error
		if list[i], err = r.cloudEvent(ev); err != nil {
			return provider.OutboundRequest{}, err
		}
	}
	m, err := r.many.RenderBatch(list, at)
	return r.complete(m, at), err
}

// Handshake asks as the Web Hooks specification has it, under the name of Event Grid.
func (r *cloudRenderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	return r.one.(provider.Handshaker).Handshake(at)
}

// HandshakeByDefault implements [provider.Handshaker].
func (*cloudRenderer) HandshakeByDefault() bool { return true }

func (r *cloudRenderer) complete(m provider.OutboundRequest, at provider.AttemptInfo) provider.OutboundRequest {
	if m.Header != nil {
		r.addHeaders(m.Header, headerNotification, "", at)
	}
	return m
}

// cloudEvent returns ev as what is to be sent in JSON: without the headers that say that it came as a binary one.
func (r *cloudRenderer) cloudEvent(ev *bellhop.Event) (*bellhop.Event, error) {
	copied := *ev
	copied.Header = nil
	f, own := readOwn(ev)
	if !own || f.cloudEvent {
		return &copied, nil
	}
	if f.topic == "" {
		f.topic = r.topic(ev.Source)
	}
	body, err := encode(cloudDocument{
		ID: f.id, Source: f.topic, SpecVersion: "1.0", Type: f.kind, Subject: f.subject, Time: timeText(f, ev), Data: f.data,
	})
	copied.Body, copied.ContentType = body, cloudevents.MediaType
	return &copied, err
}

// A cloudDocument is an event as Event Grid writes it in CloudEvents' schema.
type cloudDocument struct {
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	SpecVersion string          `json:"specversion"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"`
	Time        string          `json:"time,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

// Handshake asks by a validation event. The receiver agrees by 200 and the event's code, or by 200 without it and a call
// to the validation URL later, where there is one.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	code, err := newGUID(r.env.Rand)
	if err != nil {
		return provider.HandshakeRequest{}, err
	}
	body, err := encode([]document{{
		ID: code, Topic: r.topic(""), Data: validationData(code, at.Callback), EventType: ValidationType,
		EventTime: microsoft.FormatTime(at.Time), DataVersion: "2", MetadataVersion: metadataVersion,
	}})
	h := http.Header{"Content-Type": {contentType}}
	r.addHeaders(h, headerValidation, "2", at)
	read := func(status int, _ http.Header, body []byte) (provider.HandshakeResult, error) {
		return readAgreement(status, body, code, at.Callback != "")
	}
	return provider.HandshakeRequest{Request: provider.OutboundRequest{Header: h, Body: body}, Read: read}, err
}

// HandshakeByDefault implements [provider.Handshaker]: Event Grid delivers nowhere before it was told to.
func (*renderer) HandshakeByDefault() bool { return true }

func validationData(code, callback string) []byte {
	data := map[string]string{"validationCode": code}
	if callback != "" {
		data["validationUrl"] = callback
	}
	b, _ := encode(data) // strings always can be
	return b
}

// readAgreement reads the answer to a validation event with this code. later is whether there was a URL to call.
func readAgreement(status int, body []byte, code string, later bool) (provider.HandshakeResult, error) {
	if status != http.StatusOK {
		return provider.HandshakeResult{}, fmt.Errorf("answered the validation with status %d; it must be 200", status)
	}
	var answered string
	err := strictjson.Object(body, func(name, value []byte) {
		if string(name) == "validationResponse" {
			answered, _ = strictjson.Text(value)
		}
	})
	switch {
	case err == nil && signature.EqualToken(answered, code):
		return provider.HandshakeResult{}, nil
	case answered != "":
		return provider.HandshakeResult{}, errors.New("answered with another validationResponse than data.validationCode")
	case later:
		return provider.HandshakeResult{Pending: true, Reason: "answered without a validationResponse"}, nil
	}
	return provider.HandshakeResult{}, errors.New(`answered without {"validationResponse":"…"}, which must repeat data.validationCode`)
}

// newGUID returns a random id as Microsoft writes them.
func newGUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a validation code: %w", err)
	}
	return provider.NewGUID(b, 4), nil
}
