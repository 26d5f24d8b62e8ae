package slack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
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

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	var s sendSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	_, colourErr := provider.OneOf("colour", s.Colour, "none", "none", "attachment")
	if err := bellhop.Join("", colourErr, checkName("channel", s.Channel), checkName("username", s.Username)); err != nil {
		return nil, err
	}
	return &renderer{s}, nil
}

// neutral is the colour of what has no state.
const neutral = "#8d8d8d"

// maxNameLength bounds a channel's or user's name in characters: Slack's own are no longer than 80.
const maxNameLength = 80

func checkName(path, name string) error {
	if utf8.RuneCountInString(name) > maxNameLength || plain(name, maxNameLength) != name {
		return bellhop.Invalid(path, "use a name of at most 80 characters, without blanks around it")
	}
	return nil
}

type renderer struct{ sendSettings }

var _ provider.ReplyJudge = (*renderer)(nil)

// Render writes a message that tells of ev. It is the same on each attempt: Slack has no id by which it could know a
// repeat, so one that came without our knowing is shown twice.
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
