package graph

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// sendSettings are the settings of a destination.
type sendSettings struct {
	ClientState    provider.Secrets `json:"client_state"`
	SubscriptionID string           `json:"subscription_id"`
	TenantID       string           `json:"tenant_id"`

	Certificate    string `json:"encryption_certificate"`
	CertificateID  string `json:"encryption_certificate_id"`
	TokenKey       string `json:"token_key"`
	TokenKeyID     string `json:"token_key_id"`
	AppID          string `json:"app_id"`
	PublisherAppID string `json:"publisher_app_id"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	errs := []error{microsoft.CheckOneClientState("client_state", s.ClientState)}
	r := &renderer{env: env, subscription: zeroGUID, tenant: zeroGUID}
	errs = append(errs,
		setID(&r.subscription, "subscription_id", s.SubscriptionID), setID(&r.tenant, "tenant_id", s.TenantID))
	rich, err := s.rich()
	if err := bellhop.Join("", append(errs, err)...); err != nil {
		return nil, err
	}
	r.rich = rich
	r.state, err = json.Marshal(s.ClientState[0])
	return r, err
}

// zeroGUID is the default of ids that a destination may leave out.
const zeroGUID = "00000000-0000-0000-0000-000000000000"

func setID(id *string, path, text string) error {
	if text == "" {
		return nil
	}
	*id = text
	return checkID(path, text)
}

// rich is the configuration of rich notifications.
type rich struct {
	certificate   *x509.Certificate
	certificateID string
	key           *rsa.PrivateKey // signs validation tokens
	keyID         string
	audience      string
	publisher     string
}

// rich returns nil if the destination sends no content.
func (s *sendSettings) rich() (*rich, error) {
	required := []struct{ path, value string }{
		{"encryption_certificate", s.Certificate}, {"encryption_certificate_id", s.CertificateID},
		{"token_key", s.TokenKey}, {"token_key_id", s.TokenKeyID}, {"app_id", s.AppID},
	}
	var errs []error
	for _, r := range required {
		if r.value == "" {
			errs = append(errs, bellhop.Invalid(r.path, "required to send content: encryption_certificate, "+
				"encryption_certificate_id, token_key, token_key_id and app_id belong together"))
		}
	}
	if len(errs) == len(required) && s.PublisherAppID == "" {
		return nil, nil
	}
	r := &rich{certificateID: s.CertificateID, keyID: s.TokenKeyID, publisher: PublisherAppID}
	var err error
	if s.Certificate != "" {
		if r.certificate, err = parseCertificate(s.Certificate); err != nil {
			errs = append(errs, bellhop.Invalid("encryption_certificate", err.Error()))
		}
	}
	if s.TokenKey != "" {
		if r.key, err = parsePrivateKey(s.TokenKey); err != nil {
			errs = append(errs, bellhop.Invalid("token_key", err.Error()))
		}
	}
	errs = append(errs, setID(&r.audience, "app_id", s.AppID),
		setID(&r.publisher, "publisher_app_id", s.PublisherAppID))
	return r, bellhop.Join("", errs...)
}

// A renderer renders notifications of one subscription.
type renderer struct {
	env          provider.Env
	state        []byte // the client state, as JSON
	subscription string // of events of other systems
	tenant       string // of events of other systems
	rich         *rich  // nil: no content is sent
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Handshake asks the receiver to accept, as Graph does when a subscription is created.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	g, err := microsoft.EchoHandshake(r.env, at, parameter)
	if err != nil {
		return g, fmt.Errorf("graph: %w", err)
	}
	g.Request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	return g, nil
}

// HandshakeByDefault implements [provider.Handshaker]: a receiver of Graph's format may not know Graph's handshake.
func (*renderer) HandshakeByDefault() bool { return false }

// Render sends ev in a batch of one.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends an event that came from Graph unchanged, except that it carries the destination's client state,
// and that decrypted content is encrypted for the destination's certificate. Any other event becomes the
// notification of a change.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	var tenants []string // of rich items
	items, err := strictjson.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) {
		it, err := r.item(ev, at)
		if err == nil && it.sealed != nil && !slices.Contains(tenants, it.tenant) {
			tenants = append(tenants, it.tenant)
		}
		return it.body, err
	})
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("graph: %w", err)
	}
	body := append([]byte(`{"value":`), items...)
	if tenants != nil {
		tokens, err := r.tokens(tenants, at.Time)
		if err != nil {
			return provider.OutboundRequest{}, fmt.Errorf("graph: %w", err)
		}
		body = append(append(body, `,"validationTokens":`...), tokens...)
	}
	return provider.OutboundRequest{
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   append(body, '}'),
	}, nil
}

// tokens returns the validationTokens as JSON, one for each tenant.
func (r *renderer) tokens(tenants []string, at time.Time) ([]byte, error) {
	if r.rich == nil {
		return nil, errors.New("settings.token_key: required to send encryptedContent, which receivers accept only " +
			"with validation tokens")
	}
	var list []string
	for _, tenant := range tenants {
		token, err := signToken(r.rich.key, r.rich.keyID, tenant, r.rich.audience, r.rich.publisher, at)
		if err != nil {
			return nil, err
		}
		list = append(list, token)
	}
	return json.Marshal(list)
}

// item returns the item that carries ev.
func (r *renderer) item(ev *bellhop.Event, at provider.AttemptInfo) (item, error) {
	it := readItem(ev.Body)
	if it.err != nil || it.eventType() != ev.Type {
		return r.newItem(ev, at)
	}
	if it.content != nil && it.sealed == nil {
		if err := r.seal(&it); err != nil {
			return it, err
		}
	}
	it.body = r.withState(&it)
	return it, nil
}

// seal encrypts decrypted content into an encryptedContent again.
func (r *renderer) seal(it *item) error {
	if r.rich == nil {
		return errors.New("settings.encryption_certificate: required to send content that was received encrypted")
	}
	sealed, err := Seal(r.env.Rand, it.content, r.rich.certificate, r.rich.certificateID)
	if err != nil {
		return err
	}
	value, err := json.Marshal(sealed)
	if err != nil {
		return err
	}
	// The member exists, since it.content was read from it.
	it.body, _ = strictjson.ReplaceMember(it.body, memberContent, memberEncrypted, value)
	it.sealed = &sealed
	return nil
}

// withState returns the body of it with the destination's client state. The source's client state must not be sent
// on.
func (r *renderer) withState(it *item) []byte {
	if sameText(it.state, r.state) {
		return it.body
	}
	if body, ok := strictjson.ReplaceMember(it.body, memberState, memberState, r.state); ok {
		return body
	}
	return strictjson.AddMember(it.body, memberState, r.state)
}

func sameText(a, b []byte) bool {
	textA, okA := strictjson.Text(a)
	textB, okB := strictjson.Text(b)
	return okA && okB && textA == textB || bytes.Equal(a, b)
}

// A changeNotification is the item for an event of another system.
type changeNotification struct {
	ID             string            `json:"id"`
	SubscriptionID string            `json:"subscriptionId"`
	ExpiresAt      string            `json:"subscriptionExpirationDateTime"`
	ClientState    json.RawMessage   `json:"clientState"`
	ChangeType     string            `json:"changeType"`
	Resource       string            `json:"resource"`
	TenantID       string            `json:"tenantId"`
	ResourceData   resourceData      `json:"resourceData"`
	Encrypted      *EncryptedContent `json:"encryptedContent,omitempty"`
}

type resourceData struct {
	ODataType string `json:"@odata.type"`
	ODataID   string `json:"@odata.id"`
	ID        string `json:"id"`
	Type      string `json:"type"`
	Subject   string `json:"subject,omitempty"`
}

// An eventResource is the resource of a rich item for an event of another system.
type eventResource struct {
	ODataType   string          `json:"@odata.type"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source,omitempty"`
	Subject     string          `json:"subject,omitempty"`
	Time        time.Time       `json:"time"`
	ContentType string          `json:"contentType,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`       // the body, if it can be embedded as JSON
	DataBase64  []byte          `json:"dataBase64,omitempty"` // the body otherwise
}

const (
	odataType = "#Bellhop.Event"
	// lifetime is the lifetime of the subscription in notifications of a destination that does not expire.
	lifetime = 3 * 24 * time.Hour
)

// newItem returns the item for ev, an event of another system. The notification has the event's id. The body is
// sent as content if the destination has a certificate. The resource contains only the event's id, since some
// receivers fetch it with a token of theirs.
func (r *renderer) newItem(ev *bellhop.Event, at provider.AttemptInfo) (item, error) {
	resource := "bellhop/events/" + ev.ID
	c := changeNotification{
		ID:             ev.ID,
		SubscriptionID: r.subscription,
		ExpiresAt:      microsoft.FormatTime(at.Expiry(ev.ReceivedAt.Add(lifetime))),
		ClientState:    r.state,
		ChangeType:     changeType(ev.Type),
		Resource:       resource,
		TenantID:       r.tenant,
		ResourceData: resourceData{
			ODataType: odataType, ODataID: resource, ID: ev.ID, Type: ev.Type, Subject: ev.Subject,
		},
	}
	if r.rich != nil {
		plain, err := json.Marshal(newEventResource(ev))
		if err != nil {
			return item{}, err
		}
		sealed, err := Seal(r.env.Rand, plain, r.rich.certificate, r.rich.certificateID)
		if err != nil {
			return item{}, err
		}
		c.Encrypted = &sealed
	}
	body, err := json.Marshal(c)
	return item{body: body, tenant: r.tenant, sealed: c.Encrypted}, err
}

// changeType returns the changeType of an event type: its last word if that is "updated" or "deleted", else
// "created".
func changeType(eventType string) string {
	switch last := strings.ToLower(eventType[strings.LastIndexByte(eventType, '.')+1:]); last {
	case "updated", "deleted":
		return last
	}
	return "created"
}

func newEventResource(ev *bellhop.Event) eventResource {
	c := eventResource{
		ODataType: odataType, ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject,
		Time: ev.HappenedAt().UTC(), ContentType: ev.ContentType,
	}
	if data, ok := strictjson.Embed(ev.Body); ok {
		c.Data = data
	} else {
		c.DataBase64 = ev.Body
	}
	return c
}
