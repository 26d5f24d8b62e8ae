package sharepoint

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An item is a notification as SharePoint writes it.
type item struct {
	SubscriptionID string `json:"subscriptionId"`
	ClientState    string `json:"clientState"`
	ExpiresAt      string `json:"expirationDateTime"`
	Resource       string `json:"resource"`
	TenantID       string `json:"tenantId"`
	SiteURL        string `json:"siteUrl"`
	WebID          string `json:"webId"`
}

const (
	// dateTime is how SharePoint writes a time in a notification: UTC, seven digits behind the second.
	dateTime = "2006-01-02T15:04:05.0000000Z"
	// lifetime is the longest that a subscription has.
	lifetime = 180 * 24 * time.Hour
	// noGUID is where Bellhop has nothing like it: tenants and webs.
	noGUID = "00000000-0000-0000-0000-000000000000"
)

// newItem tells of an event of another system, with the same bytes on each attempt: something that the event's source
// knows has changed. As SharePoint's own, it says neither what nor how.
func (r *renderer) newItem(ev *bellhop.Event) item {
	it := item{
		SubscriptionID: r.subscription,
		ClientState:    r.state,
		ExpiresAt:      ev.ReceivedAt.UTC().Add(lifetime).Format(dateTime),
		Resource:       r.resource,
		TenantID:       noGUID,
		SiteURL:        "/",
		WebID:          noGUID,
	}
	if it.SubscriptionID == "" {
		it.SubscriptionID = newGUID("source", ev.Source)
	}
	if it.Resource == "" {
		it.Resource = newGUID("subject", ev.Source, ev.Subject)
	}
	return it
}

// newGUID returns a GUID that is the same for the same names: a UUID of version 8, out of their SHA-256.
// Source: https://www.rfc-editor.org/rfc/rfc9562
func newGUID(names ...string) string {
	b := sha256.Sum256(fmt.Appendf(nil, "%q", names))
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// checkGUID lets through "" and GUIDs.
func checkGUID(path, text string) error {
	if text != "" && !guid.MatchString(text) {
		return bellhop.Invalid(path, "use a GUID, such as 5c77031a-9621-4dfc-bb5d-57803a94e91d")
	}
	return nil
}
