package sharepoint

import (
	"bytes"
	"encoding/json"

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
