package eventgrid

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
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
