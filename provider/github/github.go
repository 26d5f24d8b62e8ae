// Package github receives and sends the webhooks of GitHub: those of repositories, organizations, enterprises and
// GitHub Apps, on github.com and on GitHub Enterprise Server.
//
// A request carries one event as a JSON object, or as a form whose only field, payload, is that object. Its
// X-Hub-Signature-256 header signs the body's bytes with a secret that both sides know. Nothing else is signed: not
// the name of the event, X-GitHub-Event, nor the id of the delivery, X-GitHub-Delivery. There is no timestamp, so a
// captured request never expires. Two requests are the same event if X-GitHub-Delivery and the body are equal or,
// with the setting repeat "body", if the body alone is.
//
// Without the server: call [Verify] with the headers, the body as it was received and the secret. [Sign] returns
// the value of the header.
//
// Sources:
//   - https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
//   - https://docs.github.com/en/webhooks/webhook-events-and-payloads
//   - https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks
package github

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives and sends GitHub's webhooks.
type Provider struct{}

var _ provider.Sender = Provider{}

type settings struct {
	Secret    provider.Secrets `json:"secret"`
	AllowSHA1 bool             `json:"allow_sha1"`
	Repeat    string           `json:"repeat"`
}

// The values of the setting repeat.
const (
	repeatDelivery = "delivery" // the default
	repeatBody     = "body"
)

var repeats = []string{repeatDelivery, repeatBody}

// checkSecrets refuses the other secrets of GitHub, which do not sign webhooks.
func checkSecrets(secrets provider.Secrets) error {
	if err := secrets.Check("secret"); err != nil {
		return err
	}
	return secrets.CheckNot("secret",
		provider.Lookalike{
			Prefixes: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"},
			Why: "is an access token of GitHub, which does not sign webhooks: use the text under Secret in the " +
				"webhook's settings",
		},
		provider.Lookalike{Prefixes: []string{"sha256=", "sha1="}, Why: "is a signature: use the secret that " +
			"makes it"})
}

// Open implements [provider.Provider].
func (Provider) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	repeat, err := provider.OneOf("repeat", s.Repeat, repeatDelivery, repeats...)
	if err := bellhop.Join("", checkSecrets(s.Secret), err); err != nil {
		return nil, err
	}
	return &receiver{allowSHA1: s.AllowSHA1, secrets: s.Secret.Bytes(), byDelivery: repeat == repeatDelivery}, nil
}
