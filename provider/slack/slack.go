// Package slack understands Slack, which both calls and is called.
//
// Slack calls an app's Request URL with events, slash commands and what people do with the app's messages. Each call
// is signed: X-Slack-Signature is an HMAC of X-Slack-Request-Timestamp and the body. Before Slack sends events to a
// URL, it asks for a challenge to be repeated, in a call that is signed as well.
//
// Without the server: [Verify] with the headers, the body as it came, the time and the signing secret; then repeat the
// challenge of a url_verification. [Provider.OpenCaller] calls as Slack does.
//
// To Slack goes another form: a message to an incoming webhook, whose URL is its only secret. [Provider.OpenSender]
// writes one for any event, and shows an alarm of Boro's as what it is.
//
// Sources:
//   - https://docs.slack.dev/authentication/verifying-requests-from-slack
//   - https://docs.slack.dev/apis/events-api
//   - https://docs.slack.dev/interactivity/implementing-slash-commands
//   - https://docs.slack.dev/interactivity/handling-user-interaction
//   - https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
//   - https://docs.slack.dev/reference/block-kit
package slack

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives what Slack calls with, calls as Slack does, and sends messages to Slack.
type Provider struct{}

var (
	_ provider.Sender = Provider{}
	_ provider.Caller = Provider{}
)

type settings struct {
	SigningSecret provider.Secrets `json:"signing_secret"` // their characters are the keys
	Tolerance     string           `json:"tolerance"`
}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	s, err := readSettings(raw)
	if err != nil {
		return nil, err
	}
	tolerance, err := provider.Tolerance("tolerance", s.Tolerance, DefaultTolerance)
	if err != nil {
		return nil, err
	}
	return &receiver{secrets: s.SigningSecret.Bytes(), tolerance: tolerance, now: env.Now}, nil
}

func readSettings(raw json.RawMessage) (s settings, err error) {
	err = provider.DecodeSettings(raw, &s)
	if err == nil {
		err = bellhop.Join("", s.SigningSecret.Check("signing_secret"))
	}
	return s, err
}
