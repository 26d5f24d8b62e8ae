// Package slack receives the calls of Slack to an app, and sends messages to Slack.
//
// Slack calls the Request URL of an app with events, slash commands and interactions with the app's messages. Each
// call is signed: X-Slack-Signature is an HMAC over X-Slack-Request-Timestamp and the body. Before Slack sends
// events to a URL, the URL must repeat a challenge, which comes in a signed call too.
//
// Without the server, call [Verify] with the headers, the raw body, the time and the signing secret, and repeat
// the challenge of a url_verification. [OpenCaller] calls as Slack does.
//
// Messages to Slack have another form: they go to an incoming webhook, whose URL is its only secret.
// [Provider.OpenSender] renders a message for any event, and a special one for an alarm of Boro.
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

// Provider receives Slack's calls, makes such calls, and sends messages to Slack.
type Provider struct{}

var (
	_ provider.Sender   = Provider{}
	_ provider.Emulator = Provider{}
)

type settings struct {
	SigningSecret provider.Secrets `json:"signing_secret"` // the key is the text of the secret
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
