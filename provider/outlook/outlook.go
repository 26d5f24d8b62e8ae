// Package outlook understands the push notifications of the Outlook REST API, version 2.0.
//
// Outlook posts batches of thin notifications: which item of a mailbox was created, updated or deleted. The ClientState
// header of the request repeats a text that was chosen when the subscription was made; that is all the proof there is.
// Notifications of a subscription are numbered, so that what was lost can be seen. A new subscription's URL is asked for
// consent first: a POST with a token in the query, which comes back as plain text.
//
// Without the server: [Verify], before the body is read. The handshake is yours to answer then; [Provider.Open] does
// both, and finds gaps. The service was switched off in March 2024 and Microsoft Graph took its
// place; the form lives on in other code.
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
	Gaps            string           `json:"gaps"`
}

// What the setting gaps can be.
const (
	gapsAll   = "all"
	gapsBatch = "batch"
	gapsNone  = "none"
)

// Open implements [provider.Provider].
func (Provider) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	gaps, err := provider.OneOf("gaps", s.Gaps, gapsAll, gapsAll, gapsBatch, gapsNone)
	if err := bellhop.Join("", microsoft.CheckSourceState(s.ClientState, s.Unauthenticated), err); err != nil {
		return nil, err
	}
	r := &receiver{gaps: gaps != gapsNone, BatchReader: microsoft.BatchReader{
		Name: "outlook", Parameter: parameter, States: s.ClientState, StateInHeader: true, FoldNames: true,
	}}
	if gaps == gapsAll {
		r.memory = newMemory()
	}
	return r, nil
}
