package sharepoint

import (
	"bytes"
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
	if err := bellhop.Join("", err, checkGUID("subscription_id", s.SubscriptionID), checkGUID("resource", s.Resource)); err != nil {
		return nil, err
	}
	r := &renderer{state: s.ClientState[0], subscription: s.SubscriptionID, resource: s.Resource}
	return &microsoft.BatchRenderer{Name: "sharepoint", Parameter: parameter, Env: env, State: r.state, Item: r.item}, nil
}

// A renderer writes the items of one destination. Items have the client state that the header has too, since receivers
// look in one place or the other.
type renderer struct {
	state        string
	subscription string // "" is one of the event's source
	resource     string // "" is one of the event's subject
}

// item returns the item that carries ev: an event that came from SharePoint with this destination's client state in the
// place of its own, and otherwise as it is; any other event as a thin notification.
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

// withState returns an item with state as its client state, every other member as it is written. The state that it
// came with is a secret between its sender and us.
func withState(item []byte, state string) ([]byte, error) {
	quoted, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	separator := byte('{')
	add := func(name, value []byte) {
		quotedName, _ := json.Marshal(string(name)) // of a string, there is no error
		body.WriteByte(separator)
		body.Write(quotedName)
		body.WriteByte(':')
		body.Write(value)
		separator = ','
	}
	replaced := false
	err = strictjson.Object(item, func(name, value []byte) {
		if string(name) == memberState {
			value, replaced = quoted, true
		}
		add(name, value)
	})
	if !replaced {
		add([]byte(memberState), quoted)
	}
	body.WriteByte('}')
	return body.Bytes(), err
}

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
