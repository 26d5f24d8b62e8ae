package sharepoint

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

type sendSettings struct {
	ClientState    provider.Secrets `json:"client_state"`
	SubscriptionID string           `json:"subscription_id"`
	Resource       string           `json:"resource"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	err := microsoft.CheckOneClientState("client_state", s.ClientState)
	if err := bellhop.Join("", err, checkGUID("subscription_id", s.SubscriptionID),
		checkGUID("resource", s.Resource)); err != nil {
		return nil, err
	}
	r := &renderer{state: s.ClientState[0], subscription: s.SubscriptionID, resource: s.Resource}
	return &microsoft.BatchRenderer{Name: "sharepoint", Parameter: parameter, Env: env, State: r.state,
		Item: r.item}, nil
}

// A renderer renders the items of one destination. The client state is in the items and in the header, because
// receivers check one or the other.
type renderer struct {
	state        string
	subscription string // "" derives one from the source of the event
	resource     string // "" derives one from the subject of the event
}

// item returns the item for ev. An event that came from SharePoint keeps its bytes, except that this destination's
// client state replaces its own. Any other event becomes a thin notification.
func (r *renderer) item(ev *bellhop.Event, at provider.AttemptInfo) ([]byte, error) {
	n, err := parse(ev.Body)
	switch {
	case err != nil || n.subscription == "" || ev.Type != TypeChanged:
		return json.Marshal(r.newItem(ev, at))
	case n.state == r.state:
		return ev.Body, nil
	}
	return withState(ev.Body, r.state)
}

// withState returns item with state as its client state and every other member unchanged. The state that the item
// came with is a secret between its sender and us.
func withState(item []byte, state string) ([]byte, error) {
	quoted, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	if body, ok := strictjson.ReplaceMember(item, memberState, memberState, quoted); ok {
		return body, nil
	}
	return strictjson.AddMember(item, memberState, quoted), nil
}

// An item is a notification in SharePoint's form.
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
	// lifetime is the maximal lifetime of a subscription, which is shown for a destination without an expiry.
	lifetime = 180 * 24 * time.Hour
	// noGUID is the id of tenants and webs, which Bellhop does not have.
	noGUID = "00000000-0000-0000-0000-000000000000"
)

// newItem returns a notification about an event of another system, with the same bytes on each attempt while the
// destination stays the same. Like those of SharePoint, it says neither which item changed nor how.
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

// newGUID derives a GUID from the SHA-256 of names.
func newGUID(names ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", names))
	return provider.NewGUID([16]byte(sum[:16]), 8)
}

// checkGUID accepts "" and GUIDs.
func checkGUID(path, text string) error {
	if text != "" && !provider.IsGUID(text) {
		return bellhop.Invalid(path, "use a GUID, such as 5c77031a-9621-4dfc-bb5d-57803a94e91d")
	}
	return nil
}
