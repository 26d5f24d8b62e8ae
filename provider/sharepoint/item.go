package sharepoint

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
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
	// lifetime is the longest that a subscription has: that of one whose destination has no end.
	lifetime = 180 * 24 * time.Hour
	// noGUID is where Bellhop has nothing like it: tenants and webs.
	noGUID = "00000000-0000-0000-0000-000000000000"
)

// newItem tells of an event of another system, with the same bytes on each attempt while the destination stays
// the same: something that the event's source
// knows has changed. As SharePoint's own, it says neither what nor how.
func (r *renderer) newItem(ev *bellhop.Event, at provider.AttemptInfo) item {
	it := item{
		SubscriptionID: r.subscription,
		ClientState:    r.state,
		ExpiresAt:      microsoft.FormatTime(at.Expiry(ev.ReceivedAt.Add(lifetime))),
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

// newGUID returns a GUID that is the same for the same names, out of their SHA-256.
func newGUID(names ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", names))
	return provider.NewGUID([16]byte(sum[:16]), 8)
}

// checkGUID lets through "" and GUIDs.
func checkGUID(path, text string) error {
	if text != "" && !provider.IsGUID(text) {
		return bellhop.Invalid(path, "use a GUID, such as 5c77031a-9621-4dfc-bb5d-57803a94e91d")
	}
	return nil
}
