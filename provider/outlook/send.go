package outlook

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

type sendSettings struct {
	ClientState provider.Secrets `json:"client_state"`
	ResourceURL string           `json:"resource_url"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	err := microsoft.CheckOneClientState("client_state", s.ClientState)
	if err := bellhop.Join("", err, checkResourceURL(s.ResourceURL)); err != nil {
		return nil, err
	}
	resources := "urn:bellhop:event:" // the id of the event follows
	if s.ResourceURL != "" {
		resources = strings.TrimSuffix(s.ResourceURL, "/") + "/"
	}
	return &microsoft.BatchRenderer{Name: "outlook", Parameter: parameter, Env: env, State: s.ClientState[0],
			Item: func(ev *bellhop.Event, at provider.AttemptInfo) ([]byte, error) {
				return itemOf(ev, resources, at)
			}},
		nil
}

// checkResourceURL accepts "" and URLs to which the id of an event can be appended.
func checkResourceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		strings.ContainsAny(text, "?#") {
		return bellhop.Invalid("resource_url", "use a URL without user, query and fragment, such as "+
			"https://bellhop.example.com/api/v1/events")
	}
	return nil
}

// itemOf returns the item for ev: the bytes of an event that came from Outlook, or a thin notification about any
// other event. resources precedes the id of an event in its resource URL.
func itemOf(ev *bellhop.Event, resources string, at provider.AttemptInfo) ([]byte, error) {
	if n, err := parse(ev.Body); err == nil && n.eventType == ev.Type {
		return ev.Body, nil
	}
	return json.Marshal(newItem(ev, resources+ev.ID, at))
}

// An item is a notification in Outlook's form.
type item struct {
	ODataType      string  `json:"@odata.type"`
	ID             *string `json:"Id"` // always null
	SubscriptionID string  `json:"SubscriptionId"`
	ExpiresAt      string  `json:"SubscriptionExpirationDateTime"`
	SequenceNumber int
	ChangeType     string
	Resource       string
	ResourceData   resourceData
}

type resourceData struct {
	ODataType string `json:"@odata.type"`
	ODataID   string `json:"@odata.id"`
	ETag      string `json:"@odata.etag"`
	ID        string `json:"Id"`
	Type      string
	Subject   string `json:",omitempty"`
}

// lifetime is the maximal lifetime of a subscription, which is shown for a destination without an expiry.
const lifetime = 3 * 24 * time.Hour

// newItem returns a notification about an event of another system, with the same bytes on each attempt while the
// destination stays the same. resource is the URL of the event. The subject of the event is never the resource,
// because receivers fetch the Resource with their own token.
//
// Receivers drop notifications with an equal SubscriptionId and SequenceNumber, and take a missing number for a
// loss. Consecutive numbers need a counter, and a renderer has no memory. So each event is the only notification
// of a subscription of its own, named after its id.
func newItem(ev *bellhop.Event, resource string, at provider.AttemptInfo) item {
	return item{
		ODataType:      "#Microsoft.OutlookServices.Notification",
		SubscriptionID: base64.StdEncoding.EncodeToString([]byte(ev.ID)),
		ExpiresAt:      microsoft.FormatTime(at.Expiry(ev.ReceivedAt.Add(lifetime))),
		SequenceNumber: 1,
		ChangeType:     "Created",
		Resource:       resource,
		ResourceData: resourceData{
			ODataType: "#Bellhop.Event",
			ODataID:   resource,
			ETag:      `W/"` + ev.ID + `"`,
			ID:        ev.ID,
			Type:      ev.Type,
			Subject:   ev.Subject,
		},
	}
}
