package sharepoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
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
	err := provider.CheckOneClientState("client_state", s.ClientState)
	if err := bellhop.Join("", err, checkGUID("subscription_id", s.SubscriptionID), checkGUID("resource", s.Resource)); err != nil {
		return nil, err
	}
	return &renderer{env: env, state: s.ClientState[0], subscription: s.SubscriptionID, resource: s.Resource}, nil
}

type renderer struct {
	env          provider.Env
	state        string
	subscription string // "" is one of the event's source
	resource     string // "" is one of the event's subject
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Handshake asks the receiver for consent, as SharePoint does when a subscription is made.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	g, err := provider.EchoHandshake(r.env, at, parameter)
	if err != nil {
		return g, fmt.Errorf("sharepoint: %w", err)
	}
	g.Request.Header.Set(StateHeader, r.state)
	return g, nil
}

// HandshakeByDefault implements [provider.Handshaker]: receivers of thin notifications need not know the handshake.
func (*renderer) HandshakeByDefault() bool { return false }

// Render sends ev in a batch of one.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	return r.RenderBatch([]*bellhop.Event{ev}, at)
}

// RenderBatch sends events that came from SharePoint with this destination's client state in the place of theirs, and
// otherwise as they are; and any other as a thin notification. The header repeats the client state, for receivers
// look in one place or the other.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	items, err := provider.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) { return r.item(ev, at) })
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("sharepoint: %w", err)
	}
	return provider.OutboundRequest{Body: slices.Concat([]byte(`{"value":`), items, []byte("}")), Header: http.Header{
		"Content-Type": {"application/json"},
		StateHeader:    {r.state},
	}}, nil
}

// item returns the item that carries ev.
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
	err = provider.Object(item, func(name, value []byte) {
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
