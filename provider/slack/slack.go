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
	"time"

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
	s, tolerance, err := readSettings(raw)
	if err != nil {
		return nil, err
	}
	return &receiver{secrets: s.SigningSecret.Bytes(), tolerance: tolerance, now: env.Now}, nil
}

func readSettings(raw json.RawMessage) (s settings, tolerance time.Duration, err error) {
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return s, 0, err
	}
	tolerance, err = provider.Tolerance("tolerance", s.Tolerance, DefaultTolerance)
	return s, tolerance, bellhop.Join("", checkSecrets(s.SigningSecret), err)
}

// checkSecrets refuses the other secrets of a Slack app.
func checkSecrets(secrets provider.Secrets) error {
	if err := secrets.Check("signing_secret"); err != nil {
		return err
	}
	return secrets.CheckNot("signing_secret",
		provider.Lookalike{Prefixes: []string{"xoxb-", "xoxp-", "xoxa-", "xoxe", "xapp-"}, Why: "is a token of the " +
			"app, which Slack does not sign with: use the Signing Secret under Basic Information, App Credentials"},
		provider.Lookalike{Prefixes: []string{"https://"}, Why: "is a URL: use the Signing Secret under Basic " +
			"Information, App Credentials"},
		provider.Lookalike{Prefixes: []string{"v0="}, Why: "is a signature: use the secret that makes it"})
}
