package outlook

import (
	"encoding/base64"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

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
