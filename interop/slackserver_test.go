package interop

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// slackServer starts a server that takes messages as Slack's incoming webhooks do, and refuses what Slack refuses.
func slackServer(t *testing.T) *server {
	t.Helper()
	return listen(t, func(w http.ResponseWriter, c call) {
		if complaint := judgeMessage(c); complaint != "" {
			t.Errorf("Slack would not take this, %s: %s", complaint, c.body)
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		}
		w.Write([]byte("ok"))
	})
}

// A slackMessage is what of a message the rules are about.
type slackMessage struct {
	Text        string       `json:"text"`
	Blocks      []slackBlock `json:"blocks"`
	Attachments []struct {
		Blocks []slackBlock `json:"blocks"`
	} `json:"attachments"`
}

type slackBlock struct {
	Type     string         `json:"type"`
	Text     *slackText     `json:"text"`
	Fields   []slackText    `json:"fields"`
	Elements []slackElement `json:"elements"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type slackElement struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"` // text of a text object, a text object of a button
	URL      string          `json:"url"`
	ActionID string          `json:"action_id"`
}

// judgeMessage returns what Slack would not like about a request, "" if it would take it. Source:
// https://docs.slack.dev/reference/block-kit and
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
func judgeMessage(c call) string {
	kind, _, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	var m slackMessage
	switch {
	case c.method != http.MethodPost:
		return "the method is " + c.method
	case err != nil || kind != "application/json":
		return "the type is " + c.header.Get("Content-Type")
	case json.Unmarshal(c.body, &m) != nil:
		return "it is no message"
	case m.Text == "": // Slack takes blocks without it, and nobody is notified in words then
		return "it has no text"
	case len(m.Attachments) > 100:
		return "too many attachments"
	}
	complaint := judgeBlocks(m.Blocks)
	for _, a := range m.Attachments {
		if complaint == "" {
			complaint = judgeBlocks(a.Blocks)
		}
	}
	return complaint
}

func judgeBlocks(blocks []slackBlock) string {
	actions := map[string]bool{}
	between := func(text *slackText, kind string, most int) bool {
		return text != nil && (kind == "" || text.Type == kind) && text.Text != "" &&
			utf8.RuneCountInString(text.Text) <= most
	}
	if len(blocks) > 50 {
		return "more than 50 blocks"
	}
	for _, b := range blocks {
		switch b.Type {
		case "header":
			if !between(b.Text, "plain_text", 150) {
				return "header"
			}
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || b.Text != nil && !between(b.Text, "", 3000) || len(b.Fields) > 10 {
				return "section"
			}
			for _, f := range b.Fields {
				if !between(&f, "", 2000) {
					return "field"
				}
			}
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				return "context"
			}
		case "actions":
			if len(b.Elements) == 0 || len(b.Elements) > 25 {
				return "actions"
			}
			for _, e := range b.Elements {
				var text slackText
				if json.Unmarshal(e.Text, &text) != nil || !between(&text, "plain_text", 75) || len(e.URL) > 3000 ||
					len(e.ActionID) > 255 || actions[e.ActionID] {
					return "button"
				}
				actions[e.ActionID] = true
			}
		default:
			return "a block " + b.Type
		}
	}
	return ""
}

func TestJudgeMessage(t *testing.T) {
	button := `{"type":"button","text":{"type":"plain_text","text":"Open"},"action_id":"a"}`
	for body, want := range map[string]string{
		`{"text":"a"}`: "",
		`{"text":"a","attachments":[{"blocks":[{"type":"header","text":{"type":"plain_text","text":"a"}}]}]}`: "",
		`[]`:            "it is no message",
		`{"blocks":[]}`: "it has no text",
		`{"text":"a","blocks":[{"type":"header","text":{"type":"mrkdwn","text":"a"}}]}`: "header",
		`{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":""}}]}`: "section",
		`{"text":"a","attachments":[{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` + strings.Repeat("é",
			3001) + `"}}]}]}`: "section",
		`{"text":"a","blocks":[{"type":"actions","elements":[` + button + `,` + button +
			`]}]}`: "button",
		`{"text":"a","blocks":[{"type":"marquee"}]}`: "a block marquee",
	} {
		if got := judgeMessage(call{method: http.MethodPost, header: http.Header{"Content-Type": {"application/json"}},
			body: []byte(body)}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
