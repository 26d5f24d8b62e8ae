// Package eventgrid understands what Azure Event Grid delivers to webhooks, and delivers as Event Grid does.
//
// Event Grid posts events, several at a time if its subscription says so, in its own schema or as CloudEvents. It signs
// nothing. What a request proves is what the subscription adds to each of them: a secret in the query of the URL, a
// secret in a header, or a token of Microsoft Entra. Before it delivers anything it asks whether the URL wants it: by a
// validation event that is to be answered with a code, or in CloudEvents' schema by an OPTIONS request.
//
// What it is answered decides over what becomes of an event: after 400, 401, 403 and 413 it is never sent again.
//
// Without the server: compare the code of the query, or the header's secret, with signature.EqualToken, which takes
// constant time, and read with [Items], [ReadValidation] and [Parse]. Tokens of Entra are verified by [Provider.Open] only.
// [SignSAS] and [VerifySAS], the tokens with which publishers post to a topic, are for code of yours: nothing here uses them.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/event-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/cloud-event-schema
//   - https://learn.microsoft.com/en-us/azure/event-grid/delivery-and-retry
//   - https://learn.microsoft.com/en-us/azure/event-grid/security-authentication
package eventgrid

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends Event Grid's deliveries.
type Provider struct{}

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	where, cloudErr := findCloud(s.Cloud)
	proofs, proofErr := s.proofs(env, where)
	manual, manualErr := s.manual()
	if err := bellhop.Join("", proofErr, cloudErr, manualErr, checkNames("subscriptions", s.Subscriptions)); err != nil {
		return nil, err
	}
	return &receiver{env: env, cloud: where, proofs: proofs, manual: manual, subscriptions: s.Subscriptions}, nil
}
