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
	resources := "urn:bellhop:event:" // an event's id follows
	if s.ResourceURL != "" {
		resources = strings.TrimSuffix(s.ResourceURL, "/") + "/"
	}
	return &microsoft.BatchRenderer{Name: "outlook", Parameter: parameter, Env: env, State: s.ClientState[0],
		Item: func(ev *bellhop.Event, at provider.AttemptInfo) ([]byte, error) { return itemOf(ev, resources, at) }}, nil
}

// checkResourceURL lets through "" and what an event's id can be put behind.
func checkResourceURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#") {
		return bellhop.Invalid("resource_url", "use a URL without user, query and fragment, such as https://bellhop.example.com/api/v1/events")
	}
	return nil
}

// itemOf returns the item that carries ev: an event that came from Outlook as it is, and any other as a thin
// notification of it. resources precedes an event's id where a receiver asks for it.
func itemOf(ev *bellhop.Event, resources string, at provider.AttemptInfo) ([]byte, error) {
	if n, err := parse(ev.Body); err == nil && n.eventType == ev.Type {
		return ev.Body, nil
	}
	return json.Marshal(newItem(ev, resources+ev.ID, at))
}

// An item is a notification as Outlook writes it.
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

// lifetime is the longest that a subscription has: that of one whose destination has no end.
const lifetime = 3 * 24 * time.Hour

// newItem tells of an event of another system, with the same bytes on each attempt while the destination stays the same. resource is what it can be asked
// for at; the event's subject never is, for receivers are known to fetch the Resource with a token of theirs.
//
// Receivers fold what has a SubscriptionId and a SequenceNumber in common, and take a number left out for a loss. Numbers
// that neither repeat nor jump would have to be counted, and a renderer remembers nothing. So each event is the first
// and only notification of a subscription of its own, named after its id.
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
