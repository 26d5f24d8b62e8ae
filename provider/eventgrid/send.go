package eventgrid

import (
	"bytes"
	"cmp"
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

// sendSettings are the settings of a destination.
type sendSettings struct {
	Schema           string           `json:"schema"`
	SubscriptionName string           `json:"subscription_name"`
	Topic            string           `json:"topic"`
	Header           string           `json:"header"`
	HeaderSecret     provider.Secrets `json:"header_secret"`
}

// The values of the setting schema.
const (
	schemaEventGrid   = "eventgrid"
	schemaCloudEvents = "cloudevents"
)

var schemas = []string{schemaEventGrid, schemaCloudEvents}

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
	_, err := provider.OneOf("schema", s.Schema, schemaEventGrid, schemas...)
	errs := []error{err}
	if s.SubscriptionName != "" {
		errs = append(errs, checkName("subscription_name", s.SubscriptionName))
	}
	if !provider.Visible(s.Topic) || len(s.Topic) > maxTopic {
		errs = append(errs, bellhop.Invalid("topic", "use at most 512 printable ASCII characters without blanks, "+
			"such as /contoso/orders"))
	}
	if s.Header != "" || s.HeaderSecret != nil {
		errs = append(errs, s.HeaderSecret.CheckOne("header_secret"))
		if len(s.HeaderSecret) == 1 {
			errs = append(errs, checkSecretHeader(s.Header, s.HeaderSecret))
		}
	}
	return bellhop.Join("", errs...)
}

// maxTopic is the longest topic that a destination may have, in bytes.
const maxTopic = 512

// defaultName is the default name of a destination's subscription.
const defaultName = "BELLHOP"

// sender is the common part of the renderers of both schemas.
type sender struct{ sendSettings }

// addHeaders adds the headers that Event Grid sends with each request.
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

// topic returns the topic of an event of another system.
func (s *sender) topic(source string) string {
	if s.Topic == "" {
		return "/in/" + source
	}
	return s.Topic
}

var _ provider.ReplyJudge = (*sender)(nil)

// Judge treats as success what Event Grid does, and gives up where Event Grid does. 410 disables the destination,
// as for every type.
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

// renderer renders events in Event Grid's own schema.
type renderer struct {
	sender
	env provider.Env
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Render returns a batch of one, since Event Grid's schema has no other form.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch returns an array. An event in Event Grid's schema keeps its bytes, and any other is converted to it.
// Members that publishers omit and Event Grid adds are added.
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

// item returns ev in Event Grid's schema, and the data version.
func (r *renderer) item(ev *bellhop.Event) (item []byte, dataVersion string, err error) {
	if structured, ok := cloudevents.Structured(ev); ok {
		ev = structured
	}
	f, native := readNative(ev)
	switch {
	case native && !f.cloudEvent:
		return complete(ev, f, r.topic(ev.Source)), cmp.Or(f.dataVersion, documentVersion), nil
	case native:
		item, err = encodeWithData(fromCloudEvent(f, ev))
	default:
		item, err = encode(newDocument(ev, r.topic(ev.Source)))
	}
	return item, documentVersion, err
}

// encodeWithData is encode for data that came from outside, which may be nested deeper than the encoder allows.
func encodeWithData(d document) ([]byte, error) {
	data := d.Data
	d.Data = json.RawMessage("{}")
	item, err := encode(d)
	if err != nil {
		return nil, err
	}
	item, _ = strictjson.ReplaceMember(item, "data", "data", data)
	return item, nil
}

// readNative reads an event that came from Event Grid, in either schema. native is false for any other event.
func readNative(ev *bellhop.Event) (f fields, native bool) {
	f, err := readFields(ev.Body)
	return f, err == nil && f.id != "" && f.kind != "" && f.kind == ev.Type
}

// A document is an event in Event Grid's schema. Its readers require every member.
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
	metadataVersion = "1"   // the only version
	documentVersion = "1.0" // of data that this package writes
)

// newDocument returns ev, an event of another system, in Event Grid's schema. The result is the same on each
// attempt.
func newDocument(ev *bellhop.Event, topic string) document {
	return document{
		ID: ev.ID, Topic: topic, Subject: ev.Subject, Data: newData(ev),
		EventType: ev.Type, EventTime: microsoft.FormatTime(ev.HappenedAt()),
		DataVersion: documentVersion, MetadataVersion: metadataVersion,
	}
}

// complete returns ev, which came in Event Grid's schema as f, with every member that Microsoft's readers require,
// each of its type. Publishers and custom topics omit some of them. All other bytes are unchanged.
func complete(ev *bellhop.Event, f fields, topic string) []byte {
	item := ev.Body
	text := func(name, value, fallback string) {
		if value == "" {
			quoted, _ := encode(fallback) // encoding a string cannot fail
			item = setMember(item, name, quoted)
		}
	}
	if !f.hasTopic {
		text("topic", "", topic)
	}
	if !f.hasSubject {
		text("subject", "", ev.Subject)
	}
	if f.data == nil || string(f.data) == "null" {
		item = setMember(item, "data", []byte("{}"))
	}
	if provider.Time(f.time).IsZero() {
		text("eventTime", "", microsoft.FormatTime(ev.HappenedAt()))
	}
	if !f.hasDataVersion {
		text("dataVersion", "", documentVersion)
	}
	text("metadataVersion", f.metadata, metadataVersion)
	return item
}

// setMember returns object with value as the member name, which is replaced if there is one, and else added at the
// end.
func setMember(object []byte, name string, value []byte) []byte {
	if changed, ok := strictjson.ReplaceMember(object, name, name, value); ok {
		return changed
	}
	whole := bytes.TrimSuffix(bytes.TrimRight(object, " \t\r\n"), []byte("}"))
	return slices.Concat(whole, []byte(`,"`+name+`":`), value, []byte("}"))
}

// fromCloudEvent returns ev, which came as the CloudEvent f, in Event Grid's schema. Extensions are lost: the
// schema has no place for them.
func fromCloudEvent(f fields, ev *bellhop.Event) document {
	d := newDocument(ev, f.topic)
	d.ID, d.Data = f.id, f.data
	if d.Data == nil || string(d.Data) == "null" {
		d.Data = bytesData(f.mediaType, f.base64)
	}
	if text := timeText(f, ev); text != "" {
		d.EventTime = text
	}
	return d
}

// timeText returns the time of f with its original digits, or "" if it is invalid.
func timeText(f fields, ev *bellhop.Event) string {
	if ev.Time.IsZero() {
		return ""
	}
	return f.time
}

// newData returns ev's body as data: JSON unchanged, other text as a JSON string, and other bytes as bytesData
// does.
func newData(ev *bellhop.Event) json.RawMessage {
	body, ok := strictjson.Embed(ev.Body)
	switch {
	case ok:
		return body
	case len(bytes.TrimSpace(ev.Body)) > 0 && utf8.Valid(ev.Body) && !strings.Contains(ev.ContentType, "json"):
		text, _ := encode(string(ev.Body)) // encoding a string cannot fail
		return text
	}
	return bytesData(provider.SendContentType(ev), base64.StdEncoding.EncodeToString(ev.Body))
}

// bytesData returns an object with the content type and the Base64 text. For an empty text it is {}, since readers
// refuse null.
func bytesData(contentType, encoded string) json.RawMessage {
	if encoded == "" {
		return json.RawMessage("{}")
	}
	// Encoding strings cannot fail.
	data, _ := encode(map[string]string{"contentType": contentType, "data_base64": encoded})
	return data
}

func encode(v any) ([]byte, error) {
	b, err := strictjson.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("write an event: %w", err)
	}
	return b, nil
}

// cloudRenderer renders CloudEvents as package cloudevents does, and adds Event Grid's headers.
type cloudRenderer struct {
	sender
	one  provider.Renderer // for one event: a JSON object
	many provider.Batcher  // for a batch: an array
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

// Render returns one object. A CloudEvent keeps its bytes; an event in Event Grid's own schema becomes the
// CloudEvent that Event Grid would make of it.
func (r *cloudRenderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	ev, err := r.cloudEvent(ev)
	if err != nil {
		return provider.OutboundRequest{}, err
	}
	m, err := r.one.Render(ev, at)
	return r.complete(m, at), err
}

// RenderBatch returns an array.
func (r *cloudRenderer) RenderBatch(
	events []*bellhop.Event, at provider.AttemptInfo,
) (provider.OutboundRequest, error) {
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

// Handshake makes the handshake of the Web Hooks specification, with Event Grid's domain as the origin.
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

// cloudEvent returns a copy of ev to be sent as JSON, without the headers of binary mode.
func (r *cloudRenderer) cloudEvent(ev *bellhop.Event) (*bellhop.Event, error) {
	if structured, ok := cloudevents.Structured(ev); ok {
		return structured, nil
	}
	copied := *ev
	copied.Header = nil
	f, native := readNative(ev)
	if !native || f.cloudEvent {
		return &copied, nil
	}
	if f.topic == "" {
		f.topic = r.topic(ev.Source)
	}
	body, err := encode(cloudDocument{
		ID: f.id, Source: f.topic, SpecVersion: "1.0", Type: f.kind, Subject: f.subject, Time: timeText(f, ev),
	})
	if err == nil && f.data != nil {
		body = setMember(body, "data", f.data)
	}
	copied.Body, copied.ContentType = body, cloudevents.MediaType
	return &copied, err
}

// A cloudDocument is an event that Event Grid converted to the CloudEvents schema.
type cloudDocument struct {
	ID          string `json:"id"`
	Source      string `json:"source"`
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	Subject     string `json:"subject,omitempty"`
	Time        string `json:"time,omitempty"`
	// data follows, as it was received
}

// Handshake sends a validation event. The receiver accepts by answering 200 with the event's code, or by answering
// 200 without it and requesting the validation URL later, if there is one.
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
		return readValidationReply(status, body, code, at.Callback != "")
	}
	return provider.HandshakeRequest{Request: provider.OutboundRequest{Header: h, Body: body}, Read: read}, err
}

// HandshakeByDefault implements [provider.Handshaker]: Event Grid delivers to no URL before it is validated.
func (*renderer) HandshakeByDefault() bool { return true }

func validationData(code, callback string) []byte {
	data := map[string]string{"validationCode": code}
	if callback != "" {
		data["validationUrl"] = callback
	}
	b, _ := encode(data) // encoding strings cannot fail
	return b
}

// readValidationReply reads the answer to a validation event with this code. later says that the event had a URL.
func readValidationReply(status int, body []byte, code string, later bool) (provider.HandshakeResult, error) {
	if status != http.StatusOK {
		return provider.HandshakeResult{}, fmt.Errorf("answered the validation with status %d; it must be 200", status)
	}
	response := strictjson.Member{Name: "validationResponse"}
	err := strictjson.FindAll(body, &response)
	answered := response.Text()
	switch {
	case err == nil && signature.EqualToken(answered, code):
		return provider.HandshakeResult{}, nil
	case answered != "":
		return provider.HandshakeResult{},
			errors.New("answered with a validationResponse that is not data.validationCode")
	case later:
		return provider.HandshakeResult{Pending: true, Reason: "answered without a validationResponse"}, nil
	}
	return provider.HandshakeResult{}, errors.New("answered without data.validationCode as validationResponse")
}

// newGUID returns a random GUID as Microsoft writes it.
func newGUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a validation code: %w", err)
	}
	return provider.NewGUID(b, 4), nil
}
