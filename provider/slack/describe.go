package slack

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A content is what a message says, before it is known in which form.
type content struct {
	title    string // plain, not empty
	text     string // in mrkdwn: what notifications and screen readers tell
	fallback string // plain: the same where blocks are attached
	colour   string // "" is neutral
	blocks   []block
}

// Bounds of what is shown of any event, in characters; members are counted.
const (
	maxLabel   = 100
	maxValue   = 300
	maxMembers = 20
)

// describe shows any event: its type, what it is about, where it came from and when, and what its body says.
func describe(ev *bellhop.Event) content {
	title := cmp.Or(plain(ev.Type, maxHeader), "event")
	c := content{title: title, text: mrkdwn(title, maxHeader), fallback: title}
	if subject := mrkdwn(ev.Subject, maxValue); subject != "" {
		c.text += ": " + subject
		c.fallback += ": " + plain(ev.Subject, maxValue)
	}
	if source := mrkdwn(ev.Source, maxLabel); source != "" {
		c.text += " (" + source + ")"
	}
	var about fields
	about.add("Subject", mrkdwn(ev.Subject, maxValue))
	about.add("Source", mrkdwn(ev.Source, maxLabel))
	about.add("Time", eventTime(ev))
	body, more := describeBody(ev)
	c.blocks = append(append([]block{header(title)}, about.blocks()...), body...)
	line := "event " + cmp.Or(mrkdwn(ev.ID, maxLabel), "-")
	if more > 0 {
		line += fmt.Sprintf(" | %d more members", more)
	}
	c.blocks = append(c.blocks, footer(line))
	return c
}

func eventTime(ev *bellhop.Event) string {
	at := ev.HappenedAt()
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// describeBody shows a body: the first members of a JSON object, text as it is, and of anything else only what it is.
// more is how many members are not shown.
func describeBody(ev *bellhop.Event) (blocks []block, more int) {
	var members fields
	err := strictjson.Object(ev.Body, func(name, value []byte) {
		if len(members) < maxMembers {
			members.add(strings.ToValidUTF8(string(name), "\uFFFD"), describeValue(value))
		} else {
			more++
		}
	})
	if err == nil {
		return members.blocks(), more
	}
	if utf8.Valid(ev.Body) {
		if text := codeBlock(string(ev.Body), maxSection); text != "" {
			return []block{section(text)}, 0
		}
	}
	if len(ev.Body) == 0 {
		return nil, 0
	}
	return []block{section(fmt.Sprintf("%d bytes, %s", len(ev.Body), code(provider.SendContentType(ev), maxLabel)))}, 0
}

// describeValue returns a JSON value as mrkdwn: objects and arrays as code.
func describeValue(value []byte) string {
	shown := string(value)
	if shown[0] == '{' || shown[0] == '[' {
		return code(shown, maxValue)
	}
	if text, ok := strictjson.Text(value); ok {
		shown = text
	}
	return cmp.Or(mrkdwn(shown, maxValue), "-")
}
