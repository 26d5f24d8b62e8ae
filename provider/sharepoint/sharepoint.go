// Package sharepoint receives and sends the list webhooks of SharePoint Online.
//
// SharePoint posts batches of thin notifications, which only say that a list has changed; the receiver asks the
// list for the changes. Each item repeats the clientState that was chosen with its subscription, and the
// ClientState header often does too; there is no other proof of the sender. Before a subscription starts, its URL
// must answer a handshake: it gets a POST with a token in the query and returns the token as plain text.
//
// Without the server, call [VerifyHeader] if the header is present and [VerifyItem] for each item, and answer the
// handshake yourself. [Provider.Open] does both.
//
// Sources:
//   - https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks
//   - https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks
//   - https://www.codemag.com/article/1707031
package sharepoint

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// Provider receives and sends SharePoint notifications.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	ClientState     provider.Secrets `json:"client_state"`
	StrictHandshake bool             `json:"strict_handshake"`
	Unauthenticated bool             `json:"unauthenticated"`
	Subscriptions   bool             `json:"subscriptions_only"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &receiver{microsoft.BatchReader{Name: "sharepoint", Parameter: parameter, States: s.ClientState,
		StrictHandshake: s.StrictHandshake, Unchecked: s.Unauthenticated, Subscribed: env.Subscribed}}, nil
}

func (s *settings) check() error {
	err := microsoft.CheckSourceState(s.ClientState, s.Unauthenticated, s.Subscriptions)
	if err == nil && s.Unauthenticated && s.StrictHandshake {
		return bellhop.Invalid("strict_handshake", "leave it out: without client_state there is nothing to check")
	}
	return err
}
