package outlook

import (
	"encoding/json"
	"net/url"
	"strings"

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
