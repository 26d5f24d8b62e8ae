package interop

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// slackServer starts a server that plays Slack's incoming webhooks. It refuses the messages that Slack refuses, and
// reports each of them as an error of the test.
func slackServer(t *testing.T) *server {
	t.Helper()
	return listen(t, func(w http.ResponseWriter, c call) {
		if problem := messageProblem(c); problem != "" {
			t.Errorf("Slack would refuse this message (%s): %s", problem, c.body)
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		}
		w.Write([]byte("ok"))
	})
}

// A slackMessage has the members of a message that Slack's rules concern.
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
	Text     json.RawMessage `json:"text"` // a string in a text object, a text object in a button
	URL      string          `json:"url"`
	ActionID string          `json:"action_id"`
}

// messageProblem returns the first rule of Slack that a request breaks, or "" if Slack would accept it. Source:
// https://docs.slack.dev/reference/block-kit and
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
func messageProblem(c call) string {
	kind, _, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	var m slackMessage
	switch {
	case c.method != http.MethodPost:
		return "the method is " + c.method
	case err != nil || kind != "application/json":
		return "the content type is " + c.header.Get("Content-Type")
	case json.Unmarshal(c.body, &m) != nil:
		return "the body is not a message"
	case m.Text == "": // Slack accepts blocks without a text, but its notifications are empty then
		return "the message has no text"
	case len(m.Attachments) > 100:
		return "too many attachments"
	}
	problem := blocksProblem(m.Blocks)
	for _, a := range m.Attachments {
		if problem == "" {
			problem = blocksProblem(a.Blocks)
		}
	}
	return problem
}

// blocksProblem returns the type of the first block or element that breaks a rule, or "" if all follow the rules.
func blocksProblem(blocks []slackBlock) string {
	actions := map[string]bool{}
	// valid reports whether text is present, has this type ("" for any), is not empty and has at most most characters.
	valid := func(text *slackText, kind string, most int) bool {
		return text != nil && (kind == "" || text.Type == kind) && text.Text != "" &&
			utf8.RuneCountInString(text.Text) <= most
	}
	if len(blocks) > 50 {
		return "more than 50 blocks"
	}
	for _, b := range blocks {
		switch b.Type {
		case "header":
			if !valid(b.Text, "plain_text", 150) {
				return "header"
			}
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || b.Text != nil && !valid(b.Text, "", 3000) || len(b.Fields) > 10 {
				return "section"
			}
			for _, f := range b.Fields {
				if !valid(&f, "", 2000) {
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
				if json.Unmarshal(e.Text, &text) != nil || !valid(&text, "plain_text", 75) || len(e.URL) > 3000 ||
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

func TestMessageProblem(t *testing.T) {
	button := `{"type":"button","text":{"type":"plain_text","text":"Open"},"action_id":"a"}`
	for body, want := range map[string]string{
		`{"text":"a"}`: "",
		`{"text":"a","attachments":[{"blocks":[{"type":"header","text":{"type":"plain_text","text":"a"}}]}]}`: "",
		`[]`:            "the body is not a message",
		`{"blocks":[]}`: "the message has no text",
		`{"text":"a","blocks":[{"type":"header","text":{"type":"mrkdwn","text":"a"}}]}`: "header",
		`{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":""}}]}`: "section",
		`{"text":"a","attachments":[{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` +
			strings.Repeat("é",
				3001) + `"}}]}]}`: "section",
		`{"text":"a","blocks":[{"type":"actions","elements":[` + button + `,` + button +
			`]}]}`: "button",
		`{"text":"a","blocks":[{"type":"marquee"}]}`: "a block marquee",
	} {
		if got := messageProblem(
			call{method: http.MethodPost, header: http.Header{"Content-Type": {"application/json"}},
				body: []byte(body)}); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}
