// Package ams receives and sends the job notifications of Azure Media Services v2.
//
// Media Services posts one JSON document for each change of a job, a task or a notification endpoint. Its
// ms-signature header signs the body's bytes with a key that both sides know, and its ms-mediaservices-accountid
// header repeats the account named in the body. There is no handshake. No timestamp limits how long a request is
// valid, so a captured request never expires; the document's ETag identifies repeats.
//
// Without the server: call [Verify] with the headers, the body as it was received and the Base64-decoded key. It
// does not compare the account in the header with the account in the body; a receiver of [Provider.Open] does.
// [Sign] returns the value of the header. The service is retired; senders and receivers of its notifications are
// still in use.
//
// A subscription is a notification endpoint of the account, which is registered with the key of the source:
// subscription.go.
//
// Sources:
//
//	-
//	  https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks
//	- https://github.com/Azure-Samples/media-services-dotnet-functions-integration
package ams

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends Media Services notifications.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	SigningKey provider.Secrets `json:"signing_key"`
	AccountID  string           `json:"account_id"`
	Lenient    bool             `json:"lenient"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := decodeKeys(s.SigningKey)
	if err := bellhop.Join("", err, checkAccountID(s.AccountID)); err != nil {
		return nil, err
	}
	r := &receiver{keys: keys, account: s.AccountID, scheme: strict, subscribed: env.Subscribed}
	if s.Lenient {
		r.scheme = lenient
	}
	return r, nil
}

func decodeKeys(secrets provider.Secrets) ([][]byte, error) {
	return provider.ReadSecrets("signing_key", secrets, func(text string) ([]byte, error) {
		return signature.DecodeKey(text, signature.KeyBase64)
	})
}

// checkAccountID accepts "" and any text that can be the value of a header.
func checkAccountID(id string) error {
	if len(id) > 128 || !provider.Visible(id) {
		return bellhop.Invalid("account_id", "use the id of the account, such as 7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67")
	}
	return nil
}
