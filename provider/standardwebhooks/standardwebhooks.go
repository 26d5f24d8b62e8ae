// Package standardwebhooks understands Standard Webhooks: every system that signs as the specification of that name
// says, under the names webhook-* or, as the customers of Svix do, svix-*.
//
// A request carries webhook-id, which is the same for each attempt; webhook-timestamp, the time of this attempt; and
// webhook-signature, one or more signatures of both and the body. Any body is taken, for its bytes are signed; if it
// is a JSON object with a "type" and a "timestamp", the event gets them.
//
// Without the server: signature.ParseStandardKey reads the secret, and verifying is [signature.VerifyStandardHeader].
//
// Sources:
//   - https://www.standardwebhooks.com
//   - https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package standardwebhooks

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Provider receives and sends Standard Webhooks.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	Secret    provider.Secrets `json:"secret"`
	Tolerance string           `json:"tolerance"`
	Family    string           `json:"header_family"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := parseKeys(s.Secret, "whsk_", "is a private key; a source only verifies, with the whpk_ that belongs to it")
	tolerance, toleranceErr := provider.Tolerance("tolerance", s.Tolerance, signature.StandardTolerance)
	family, familyErr := readFamily(s.Family, "")
	if err := bellhop.Join("", err, toleranceErr, familyErr); err != nil {
		return nil, err
	}
	return &receiver{keys: keys, tolerance: tolerance, family: family, now: env.Now}, nil
}

type sendSettings struct {
	Secret provider.Secrets `json:"secret"`
	Family string           `json:"header_family"`
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	keys, err := parseKeys(s.Secret, "whpk_", "is a public key, which cannot sign; use a whsec_ or whsk_")
	family, familyErr := readFamily(s.Family, familyWebhook)
	if err := bellhop.Join("", err, familyErr); err != nil {
		return nil, err
	}
	return &renderer{keys: keys, family: family}, nil
}

// parseKeys reads secrets. Those of the kind that begins with unfit are refused for the reason given.
func parseKeys(secrets provider.Secrets, unfit, reason string) ([]signature.StandardKey, error) {
	return provider.ReadSecrets("secret", secrets, func(text string) (signature.StandardKey, error) {
		if strings.HasPrefix(text, unfit) {
			return signature.StandardKey{}, errors.New(reason)
		}
		return signature.ParseStandardKey(text)
	})
}
