// Package ams understands the job notifications of Azure Media Services v2.
//
// Media Services posts one JSON document per change of a job, a task or a notification endpoint. Its ms-signature
// header signs the body's bytes with a key that both sides know, and its ms-mediaservices-accountid header repeats
// the account named in the body. There is no handshake, and no timestamp that would make a caught request stale:
// repeats are known by the document's ETag.
//
// Without the server: [Verify] with the headers, the body as it came and the key after Base64 decoding; that the account
// of header and body agree is [Provider.Open]'s to see. [Sign] makes the header's value. The service is retired; the pair lives on in other code.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks
//   - https://github.com/Azure-Samples/media-services-dotnet-functions-integration
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
func (Provider) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := decodeKeys(s.SigningKey)
	if err := bellhop.Join("", err, checkAccountID(s.AccountID)); err != nil {
		return nil, err
	}
	r := &receiver{keys: keys, account: s.AccountID, verify: Verify}
	if s.Lenient {
		r.verify = VerifyLenient
	}
	return r, nil
}

func decodeKeys(secrets provider.Secrets) ([][]byte, error) {
	return provider.ReadSecrets("signing_key", secrets, func(text string) ([]byte, error) {
		return signature.DecodeKey(text, signature.KeyBase64)
	})
}

// checkAccountID lets through "" and what can stand in a header.
func checkAccountID(id string) error {
	if len(id) > 128 || !provider.Visible(id) {
		return bellhop.Invalid("account_id", "use the account's id, such as 7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67")
	}
	return nil
}
