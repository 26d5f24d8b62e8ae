package slack_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// checkMessage says what Slack would refuse in a message, or what data could do in it that it should not.
func checkMessage(body []byte) error {
	var m struct {
		Text        string
		Blocks      []checkedBlock
		Attachments []struct {
			Color, Fallback string
			Blocks          []checkedBlock
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if err := checkText("text", m.Text, 4000, true); err != nil {
		return err
	}
	if len(m.Attachments) > 100 || len(m.Blocks) > 0 == (len(m.Attachments) > 0) {
		return fmt.Errorf("%d blocks and %d attachments", len(m.Blocks), len(m.Attachments))
	}
	for _, a := range m.Attachments {
		if !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(a.Color) || a.Fallback == "" {
			return fmt.Errorf("attachment %+v", a)
		}
		m.Blocks = append(m.Blocks, a.Blocks...)
	}
	if len(m.Blocks) == 0 || len(m.Blocks) > 50 {
		return fmt.Errorf("%d blocks", len(m.Blocks))
	}
	for i, b := range m.Blocks {
		if err := b.check(); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

type checkedText struct {
	Type, Text string
	Emoji      *bool
}

func (c *checkedText) check(kind string, limit int) error {
	if c == nil || c.Type != kind || c.Emoji != nil && kind != "plain_text" {
		return fmt.Errorf("%+v is not %s", c, kind)
	}
	return checkText(kind, c.Text, limit, kind == "mrkdwn")
}

type checkedBlock struct {
	Type     string
	Text     *checkedText
	Fields   []checkedText
	Elements []json.RawMessage
}

func (b *checkedBlock) check() error {
	switch b.Type {
	case "header":
		return b.Text.check("plain_text", 150)
	case "section":
		if (b.Text == nil) == (b.Fields == nil) || len(b.Fields) > 10 {
			return fmt.Errorf("section with %v and %d fields", b.Text, len(b.Fields))
		}
		for _, f := range b.Fields {
			if err := f.check("mrkdwn", 2000); err != nil {
				return err
			}
		}
		if b.Text != nil {
			return b.Text.check("mrkdwn", 3000)
		}
		return nil
	case "context":
		return b.checkElements(10, func(raw []byte) error {
			var text checkedText
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
			return text.check("mrkdwn", 3000)
		})
	case "actions":
		seen := map[string]bool{}
		return b.checkElements(25, func(raw []byte) error { return checkButton(raw, seen) })
	}
	return fmt.Errorf("type %q", b.Type)
}

func (b *checkedBlock) checkElements(limit int, check func(raw []byte) error) error {
	if len(b.Elements) == 0 || len(b.Elements) > limit {
		return fmt.Errorf("%d elements", len(b.Elements))
	}
	for _, raw := range b.Elements {
		if err := check(raw); err != nil {
			return err
		}
	}
	return nil
}

func checkButton(raw []byte, seen map[string]bool) error {
	var button struct {
		Type, URL string
		Text      *checkedText
		ActionID  string `json:"action_id"`
	}
	if err := json.Unmarshal(raw, &button); err != nil {
		return err
	}
	u, err := url.Parse(button.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(button.URL) > 3000 {
		return fmt.Errorf("leads to %q", button.URL)
	}
	if button.Type != "button" || button.ActionID == "" || utf8.RuneCountInString(button.ActionID) > 255 ||
		seen[button.ActionID] {
		return fmt.Errorf("%+v", button)
	}
	seen[button.ActionID] = true
	return button.Text.check("plain_text", 75)
}

var entity = regexp.MustCompile(`&(amp|lt|gt);`)

func checkText(what, text string, limit int, isMrkdwn bool) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "" || n > limit:
		return fmt.Errorf("%s has %d characters", what, n)
	case strings.ContainsAny(text, "\x00\x1b\u202e\u2028"):
		return fmt.Errorf("%s has what no text has: %q", what, text)
	case isMrkdwn && strings.ContainsAny(entity.ReplaceAllString(text, ""), "<>&"):
		return fmt.Errorf("%s is not escaped: %q", what, text)
	case isMrkdwn && strings.Count(text, "`")%2 != 0 && strings.HasPrefix(text, "```"):
		return fmt.Errorf("%s leaves its code block: %q", what, text)
	}
	return nil
}
