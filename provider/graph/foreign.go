package graph

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// A change is an item made of another system's event.
type change struct {
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

// content is the resource of a rich item made of another system's event.
type content struct {
	ODataType   string          `json:"@odata.type"`
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source,omitempty"`
	Subject     string          `json:"subject,omitempty"`
	Time        time.Time       `json:"time"`
	ContentType string          `json:"contentType,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`       // the body, where JSON can hold it
	DataBase64  []byte          `json:"dataBase64,omitempty"` // the body, where it cannot
}

const (
	odataType = "#Bellhop.Event"
	// lifetime is that of the subscription that there is not, where the destination has no end.
	lifetime = 3 * 24 * time.Hour
)

// newItem tells of an event of another system: its id is the notification's, and its body travels as content where
// the destination has a certificate. The resource is made of the event's id alone, since receivers are known to fetch
// what stands there with a token of theirs.
func (r *renderer) newItem(ev *bellhop.Event, at provider.AttemptInfo) (item, error) {
	resource := "bellhop/events/" + ev.ID
	c := change{
		ID:             ev.ID,
		SubscriptionID: r.subscription,
		ExpiresAt:      microsoft.FormatTime(at.Expiry(ev.ReceivedAt.Add(lifetime))),
		ClientState:    r.state,
		ChangeType:     changeOf(ev.Type),
		Resource:       resource,
		TenantID:       r.tenant,
		ResourceData:   resourceData{ODataType: odataType, ODataID: resource, ID: ev.ID, Type: ev.Type, Subject: ev.Subject},
	}
	if r.rich != nil {
		plain, err := json.Marshal(newContent(ev))
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

// changeOf is the change that the last word of an event's type speaks of, or that something is there: the event.
func changeOf(eventType string) string {
	switch last := strings.ToLower(eventType[strings.LastIndexByte(eventType, '.')+1:]); last {
	case "updated", "deleted":
		return last
	}
	return "created"
}

func newContent(ev *bellhop.Event) content {
	c := content{ODataType: odataType, ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(), ContentType: ev.ContentType}
	if strictjson.Embeddable(ev.Body) {
		c.Data = ev.Body
	} else {
		c.DataBase64 = ev.Body
	}
	return c
}
