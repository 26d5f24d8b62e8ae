// Package outlook receives and sends the push notifications of the Outlook REST API, version 2.0.
//
// Outlook posts batches of thin notifications, which name an item of a mailbox that was created, updated or
// deleted. The ClientState header of the request repeats a text that was chosen with the subscription; there is no
// other proof of the sender. The notifications of a subscription are numbered, so that losses can be detected.
// Before a subscription starts, its URL must answer a handshake: it gets a POST with a token in the query and
// returns the token as plain text.
//
// Without the server, call [Verify] before you read the body, and answer the handshake yourself. [Provider.Open]
// does both and detects gaps. Microsoft switched the service off in March 2024 and replaced it by Microsoft Graph;
// other software still uses the format.
//
// Sources:
//   - https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations
//   - https://learn.microsoft.com/en-us/previous-versions/office/office-365-api/api/beta/notify-rest-operations-beta
package outlook

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// Provider receives and sends Outlook notifications.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	ClientState     provider.Secrets `json:"client_state"`
	Unauthenticated bool             `json:"unauthenticated"`
	Subscriptions   bool             `json:"subscriptions_only"`
	Gaps            string           `json:"gaps"`
}

// The values of the setting gaps.
const (
	gapsAll   = "all"
	gapsBatch = "batch"
	gapsNone  = "none"
)

var gapChoices = []string{gapsAll, gapsBatch, gapsNone}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	gaps, err := provider.OneOf("gaps", s.Gaps, gapsAll, gapChoices...)
	if err := bellhop.Join("", microsoft.CheckSourceState(s.ClientState, s.Unauthenticated, s.Subscriptions),
		err); err != nil {
		return nil, err
	}
	r := &receiver{gaps: gaps != gapsNone, BatchReader: microsoft.BatchReader{
		Name: "outlook", Parameter: parameter, States: s.ClientState, StateInHeader: true, FoldNames: true,
		Unchecked: s.Unauthenticated, Subscribed: env.Subscribed,
	}}
	if gaps == gapsAll {
		r.memory = newMemory()
	}
	return r, nil
}
