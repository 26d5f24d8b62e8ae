package slack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

type sendSettings struct {
	Colour   string `json:"colour"`
	Channel  string `json:"channel"`
	Username string `json:"username"`
}

// colourings are the values of the setting colour.
var colourings = []string{"none", "attachment"}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	_, colourErr := provider.OneOf("colour", s.Colour, "none", colourings...)
	if err := bellhop.Join("", colourErr, checkName("channel", s.Channel),
		checkName("username", s.Username)); err != nil {
		return nil, err
	}
	return &renderer{s}, nil
}

// neutral is the colour of a message without a state.
const neutral = "#8d8d8d"

// maxNameLength bounds the name of a channel or user, in characters; Slack's own names have at most 80.
const maxNameLength = 80

func checkName(path, name string) error {
	if utf8.RuneCountInString(name) > maxNameLength || plain(name, maxNameLength) != name {
		return bellhop.Invalid(path, "use a name of at most 80 characters, without blanks at its ends")
	}
	return nil
}

type renderer struct{ sendSettings }

var _ provider.ReplyJudge = (*renderer)(nil)

// Render renders a message about ev, the same on each attempt. Slack has no message ids to recognize a repeat by,
// so a message whose answer was lost is shown twice.
func (r *renderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	body, err := strictjson.Encode(r.message(ev))
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("slack: %w", err)
	}
	return provider.OutboundRequest{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, nil
}

func (r *renderer) message(ev *bellhop.Event) message {
	var c content
	if n, ok := asAlarm(ev); ok {
		c = describeAlarm(&n)
	} else {
		c = describe(ev)
	}
	m := message{Channel: r.Channel, Username: r.Username}
	if r.Colour == "attachment" {
		m.Text = mrkdwn(c.title, maxName)
		m.Attachments = []attachment{{Color: cmp.Or(c.colour, neutral), Fallback: c.fallback, Blocks: c.blocks}}
		return m
	}
	m.Text, m.Blocks, m.UnfurlLinks = c.text, c.blocks, new(bool)
	return m
}

// forbidden lists the codes of Slack for a webhook that may not post to its channel. A 403 without one of them
// comes from another server, such as a proxy, and may be temporary.
// Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
var forbidden = []string{"action_prohibited", "posting_to_general_channel_denied", "team_disabled", "invalid_token"}

// Judge implements [provider.ReplyJudge]. Slack answers in plain text: "ok", or the code of an error.
//
//	200           delivered, unless the body is a web page, which Slack does not send
//	400           the message is invalid, and a retry would be too
//	403           with one of Slack's codes: the webhook cannot be used any more
//	404, 410      the webhook is deleted, or its channel is archived
//	other         decided by the status: 429 after Retry-After, 5xx by the schedule
//
// Other systems that accept Slack's messages answer 200 with words other than "ok". A retry would show the message
// twice.
func (r *renderer) Judge(status int, body []byte) bellhop.Outcome {
	body = bytes.TrimSpace(body)
	switch status {
	case http.StatusOK:
		if bytes.HasPrefix(body, []byte("<")) {
			return bellhop.OutcomeRetry
		}
		return bellhop.OutcomeDelivered
	case http.StatusBadRequest:
		return bellhop.OutcomeDead
	case http.StatusForbidden:
		if slices.Contains(forbidden, string(body)) {
			return bellhop.OutcomeDisable
		}
	case http.StatusNotFound, http.StatusGone:
		return bellhop.OutcomeDisable
	}
	return ""
}
