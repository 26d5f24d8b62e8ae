// Package ams understands the job notifications of Azure Media Services v2.
//
// Media Services posts one JSON document per change of a job, a task or a notification endpoint. Its ms-signature
// header signs the body's bytes with a key that both sides know, and its ms-mediaservices-accountid header repeats
// the account named in the body. There is no handshake, and no timestamp that would make a caught request stale:
// repeats are known by the document's ETag.
//
// [Sign] and [Verify] need nothing else of this project. The service is retired; the pair lives on in other code.
//
// Sources:
//   - https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks
//   - https://github.com/Azure-Samples/media-services-dotnet-functions-integration
package ams

import (
	"encoding/json"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends Media Services notifications.
type Provider struct{}

var _ provider.Sender = Provider{}

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	key := provider.Setting{Name: "signing_key", Title: "Signing key", Required: true, Secret: true,
		Doc:     "The key given to Media Services with the notification endpoint, in Base64. A list of up to 4 while it is being replaced.",
		Example: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
	keyToSend := key
	keyToSend.Doc = "The key that the receiver knows, in Base64."
	const account = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	return provider.Info{
		Name:    "ams",
		Title:   "Azure Media Services",
		Summary: "Job, task and endpoint notifications of Media Services v2, signed with HMAC-SHA256 in ms-signature.",
		Links: []string{
			"https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks",
		},
		Key: "signing_key",
		Settings: []provider.Setting{
			key,
			{Name: "account_id", Title: "Account id", Example: account,
				Doc: "The only account whose notifications are taken, compared without regard to case. Default: any account that header and body agree on."},
			{Name: "lenient", Title: "Lenient", Example: "true", Kind: provider.KindFlag,
				Doc: "Takes a signature in lower-case hex too, which Media Services' own receiver refuses. Default: false."},
		},
		SendSettings: []provider.Setting{
			keyToSend,
			{Name: "account_id", Title: "Account id", Example: account,
				Doc: "The account to send as. Required for events that did not come from Media Services; those that did keep their own, which must be this one if it is set."},
		},
	}
}

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
	const path = "signing_key"
	if err := secrets.Check(path); err != nil {
		return nil, err
	}
	var keys [][]byte
	var errs []error
	for i, text := range secrets {
		key, err := signature.DecodeKey(text, signature.KeyBase64)
		if err != nil {
			err = bellhop.Invalid(secrets.Path(path, i), err.Error())
		}
		keys, errs = append(keys, key), append(errs, err)
	}
	return keys, bellhop.Join("", errs...)
}

// checkAccountID lets through "" and what can stand in a header.
func checkAccountID(id string) error {
	ok := func(r rune) bool { return r > ' ' && r < 0x7f }
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return !ok(r) }) {
		return bellhop.Invalid("account_id", "use the account's id, such as 7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67")
	}
	return nil
}
