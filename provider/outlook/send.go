package outlook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
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
	err := provider.CheckOneClientState("client_state", s.ClientState)
	if err := bellhop.Join("", err, checkResourceURL(s.ResourceURL)); err != nil {
		return nil, err
	}
	r := &renderer{env: env, state: s.ClientState[0], resources: "urn:bellhop:event:"}
	if s.ResourceURL != "" {
		r.resources = strings.TrimSuffix(s.ResourceURL, "/") + "/"
	}
	return r, nil
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

// A renderer has one client state, and so has each request: it travels in the header.
type renderer struct {
	env       provider.Env
	state     string
	resources string // in front of an event's id
}

var (
	_ provider.Batcher    = (*renderer)(nil)
	_ provider.Handshaker = (*renderer)(nil)
)

// Handshake asks the receiver for consent, as Outlook does when a subscription is made.
func (r *renderer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	g, err := provider.EchoHandshake(r.env, at, parameter)
	if err != nil {
		return g, fmt.Errorf("outlook: %w", err)
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

// RenderBatch sends events that came from Outlook as they are, and any other as a thin notification of it.
func (r *renderer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	items, err := provider.JoinItems(events, func(ev *bellhop.Event) ([]byte, error) { return r.item(ev, at) })
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("outlook: %w", err)
	}
	return provider.OutboundRequest{Body: slices.Concat([]byte(`{"value":`), items, []byte("}")), Header: http.Header{
		"Content-Type": {"application/json"},
		StateHeader:    {r.state},
	}}, nil
}

// item returns the item that carries ev.
func (r *renderer) item(ev *bellhop.Event, at provider.AttemptInfo) ([]byte, error) {
	if n, err := parse(ev.Body); err == nil && n.eventType == ev.Type {
		return ev.Body, nil
	}
	return json.Marshal(newItem(ev, r.resources+ev.ID, at))
}
