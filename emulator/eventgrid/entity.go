package eventgrid

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// An entity is an event subscription in JSON.
type entity struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Properties properties `json:"properties"`
}

// properties are what a creator sets, and what the service adds.
type properties struct {
	Topic                  string          `json:"topic,omitempty"`             // read-only
	State                  string          `json:"provisioningState,omitempty"` // read-only
	Labels                 []string        `json:"labels,omitempty"`
	Destination            *destination    `json:"destination,omitempty"`
	WithIdentity           *withIdentity   `json:"deliveryWithResourceIdentity,omitempty"`
	Filter                 *filter         `json:"filter,omitempty"`
	Schema                 string          `json:"eventDeliverySchema,omitempty"`
	Retry                  *retryPolicy    `json:"retryPolicy,omitempty"`
	ExpiresAt              *string         `json:"expirationTimeUtc,omitempty"`
	DeadLetter             *deadLetter     `json:"deadLetterDestination,omitempty"`
	DeadLetterWithIdentity json.RawMessage `json:"deadLetterWithResourceIdentity,omitempty"`
}

// withIdentity is a destination that is reached by the identity of the topic. The stand-in takes it as a destination.
type withIdentity struct {
	Identity    json.RawMessage `json:"identity,omitempty"`
	Destination *destination    `json:"destination,omitempty"`
}

// A destination is where events go.
type destination struct {
	Type       string     `json:"endpointType"`
	Properties destinated `json:"properties"`
}

// destinated are the properties of a destination. Those of destinations other than a webhook are kept as they came.
type destinated struct {
	URL         string             `json:"endpointUrl,omitempty"`     // never shown
	BaseURL     string             `json:"endpointBaseUrl,omitempty"` // read-only
	MaxEvents   *int               `json:"maxEventsPerBatch,omitempty"`
	KiB         *int               `json:"preferredBatchSizeInKilobytes,omitempty"`
	TenantID    string             `json:"azureActiveDirectoryTenantId,omitempty"`
	Application string             `json:"azureActiveDirectoryApplicationIdOrUri,omitempty"`
	Attributes  []attributeMapping `json:"deliveryAttributeMappings,omitempty"`
	ResourceID  string             `json:"resourceId,omitempty"`
	QueueName   string             `json:"queueName,omitempty"`
}

// An attributeMapping is a header of each delivery.
type attributeMapping struct {
	Name       string `json:"name"`
	Type       string `json:"type"` // "Static" or "Dynamic"
	Properties struct {
		Value       *string `json:"value,omitempty"` // null is shown for a secret
		IsSecret    bool    `json:"isSecret,omitempty"`
		SourceField string  `json:"sourceField,omitempty"`
	} `json:"properties"`
}

type retryPolicy struct {
	Attempts *int `json:"maxDeliveryAttempts,omitempty"`
	Minutes  *int `json:"eventTimeToLiveInMinutes,omitempty"`
}

type deadLetter struct {
	Type       string `json:"endpointType"`
	Properties struct {
		ResourceID string `json:"resourceId"`
		Container  string `json:"blobContainerName"`
	} `json:"properties"`
}

// The provisioning states.
const (
	stateCreating  = "Creating"
	stateUpdating  = "Updating"
	stateSucceeded = "Succeeded"
	stateFailed    = "Failed"
	stateManual    = "AwaitingManualAction"
)

// The schemas of deliveries and of topics.
const (
	gridSchema   = "EventGridSchema"
	cloudSchema  = "CloudEventSchemaV1_0"
	customSchema = "CustomInputSchema"
)

// webhook is the only type of destination that the stand-in delivers to.
const webhook = "WebHook"

var destinationTypes = []string{webhook, "EventHub", "StorageQueue", "ServiceBusQueue", "ServiceBusTopic",
	"HybridConnection", "AzureFunction"}

// complete checks what a creator asks for, and fills in the defaults.
func (p *properties) complete(now time.Time, httpsOnly bool) error {
	if p.Destination == nil && p.WithIdentity != nil {
		p.Destination = p.WithIdentity.Destination
	}
	if p.Destination == nil {
		return invalid("The destination of the event subscription cannot be null.")
	}
	if p.Schema == "" {
		p.Schema = gridSchema
	}
	if !slices.Contains([]string{gridSchema, cloudSchema}, p.Schema) {
		return invalid("The event delivery schema '%s' is not supported for this topic.", p.Schema)
	}
	if p.Retry == nil {
		p.Retry = &retryPolicy{}
	}
	p.Retry.Attempts, p.Retry.Minutes = orDefault(p.Retry.Attempts, 30), orDefault(p.Retry.Minutes, 1440)
	if p.Filter == nil {
		p.Filter = &filter{}
	}
	switch expiry, err := p.expiry(); {
	case err != nil:
		return err
	case !expiry.IsZero() && !expiry.After(now):
		return invalid("Invalid expiration time. The expiration time must be in the future.")
	case *p.Retry.Attempts < 1 || *p.Retry.Attempts > 30:
		return invalid("maxDeliveryAttempts must be between 1 and 30.")
	case *p.Retry.Minutes < 1 || *p.Retry.Minutes > 1440:
		return invalid("eventTimeToLiveInMinutes must be between 1 and 1440.")
	case p.DeadLetter != nil && (p.DeadLetter.Type != "StorageBlob" || p.DeadLetter.Properties.ResourceID == "" ||
		p.DeadLetter.Properties.Container == ""):
		return invalid("The dead letter destination must be a StorageBlob with resourceId and blobContainerName.")
	}
	if err := p.Filter.compile(); err != nil {
		return err
	}
	return p.Destination.check(httpsOnly)
}

// expiry returns when the subscription ends; zero is never.
func (p *properties) expiry() (time.Time, error) {
	if p.ExpiresAt == nil || *p.ExpiresAt == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, *p.ExpiresAt)
	if err != nil {
		return at, invalid("Invalid expiration time.")
	}
	return at, nil
}

// check checks a destination, and fills in the defaults of a webhook.
func (d *destination) check(httpsOnly bool) error {
	p := &d.Properties
	if !slices.Contains(destinationTypes, d.Type) {
		return invalid("The endpoint type '%s' is not supported.", d.Type)
	}
	if len(p.Attributes) > 10 {
		return invalid("At most 10 delivery attribute mappings are allowed.")
	}
	for _, a := range p.Attributes {
		static := a.Type == "Static" && a.Properties.Value != nil && len(*a.Properties.Value) <= 4096
		if a.Name == "" || !static && (a.Type != "Dynamic" || a.Properties.SourceField == "") {
			return invalid("The delivery attribute mapping '%s' is not valid.", a.Name)
		}
	}
	if d.Type != webhook {
		return nil
	}
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (httpsOnly || u.Scheme != "http") {
		return invalid("The specified url is not a valid https endpoint.")
	}
	u.RawQuery, u.Fragment = "", ""
	p.BaseURL = u.String()
	p.MaxEvents, p.KiB = orDefault(p.MaxEvents, 1), orDefault(p.KiB, 64)
	if *p.MaxEvents < 1 || *p.MaxEvents > 5000 || *p.KiB < 1 || *p.KiB > 1024 {
		return invalid("maxEventsPerBatch must be between 1 and 5000, and " +
			"preferredBatchSizeInKilobytes between 1 and 1024.")
	}
	return nil
}

// shown returns the entity as it is shown: without the URL of the endpoint and the values of secret headers.
func (e entity) shown() entity {
	if e.Properties.Destination == nil {
		return e
	}
	d := *e.Properties.Destination
	d.Properties.URL = ""
	d.Properties.Attributes = slices.Clone(d.Properties.Attributes)
	for i := range d.Properties.Attributes {
		if d.Properties.Attributes[i].Properties.IsSecret {
			d.Properties.Attributes[i].Properties.Value = nil
		}
	}
	if e.Properties.WithIdentity != nil {
		e.Properties.WithIdentity = &withIdentity{e.Properties.WithIdentity.Identity, &d}
		e.Properties.Destination = nil
		return e
	}
	e.Properties.Destination = &d
	return e
}

// A subscription is an event subscription. System.mu guards it.
type subscription struct {
	entity
	scope     string // canonical
	expiresAt time.Time
	base      string // URL of the stand-in, as the latest caller sees it

	// live are the properties by which events are delivered: those of the latest validation that succeeded; nil
	// before.
	live *properties
	// validation is the handshake under way or waiting for its manual part; nil if there is none.
	validation *validation
	waiting    []event // of PublishTo, for the first validation
}

// key identifies a subscription.
func key(scope, name string) string { return canonical(scope) + "\n" + strings.ToLower(name) }

func (sub *subscription) key() string { return key(sub.scope, sub.Name) }

// newSubscription returns a subscription that a PUT describes.
func (s *System) newSubscription(t target, p properties, base string) (*subscription, error) {
	if len(t.name) < 3 || len(t.name) > 64 || strings.Trim(t.name, nameLetters) != "" {
		return nil, invalid("The event subscription name '%s' must be 3 to 64 letters, digits and dashes.", t.name)
	}
	if err := p.complete(s.now(), s.opts.HTTPSOnly); err != nil {
		return nil, err
	}
	p.Topic, p.State = topicOf(t.scope), stateCreating
	sub := &subscription{scope: canonical(t.scope), base: base, entity: entity{ID: t.id(), Name: t.name,
		Type: namespaceProper + "/eventSubscriptions", Properties: p}}
	sub.expiresAt, _ = p.expiry() // complete has read it
	return sub, nil
}

// nameLetters are those of a name.
const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// A validation is the proof that the owner of an endpoint wants its events.
type validation struct {
	code     string
	token    string    // of the URL of the manual part
	deadline time.Time // of the manual part; zero while the handshake is under way
	answer   string    // what the endpoint answered in place of the code
	op       *operation
}

func newValidation(op *operation) *validation {
	return &validation{code: emulator.NewID(), token: emulator.NewID(), op: op}
}
