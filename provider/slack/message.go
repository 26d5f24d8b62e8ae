package slack

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// Limits of a message, in characters and elements. Slack refuses a message that exceeds one. The messages of this
// package stay far below its other limits: 50 blocks, 2000 characters in a field, 10 elements in a context.
// Source: https://docs.slack.dev/reference/block-kit
const (
	maxHeader  = 150  // of a header's text
	maxSection = 3000 // of a section's text
	maxFields  = 10   // of a section
	maxButtons = 25   // of an actions block
	maxButton  = 75   // of a button's text
	maxURL     = 3000
)

// A message is the body of a request to an incoming webhook.
type message struct {
	Text        string       `json:"text"`
	Blocks      []block      `json:"blocks,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
	UnfurlLinks *bool        `json:"unfurl_links,omitempty"`
	Channel     string       `json:"channel,omitempty"`
	Username    string       `json:"username,omitempty"`
}

// An attachment shows its blocks beside a coloured bar.
type attachment struct {
	Color    string  `json:"color"`
	Fallback string  `json:"fallback"`
	Blocks   []block `json:"blocks"`
}

// A block is a header, section, actions or context block.
type block struct {
	Type     string       `json:"type"`
	Text     *textObject  `json:"text,omitempty"`
	Fields   []textObject `json:"fields,omitempty"`
	Elements []element    `json:"elements,omitempty"`
}

// A textObject is a text in one of Slack's two forms. The text is never empty.
type textObject struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji bool   `json:"emoji,omitempty"`
}

// An element is a button of an actions block, or a text object of a context block.
type element struct {
	Type     string `json:"type"`
	Text     any    `json:"text"` // a text object, or text
	URL      string `json:"url,omitempty"`
	ActionID string `json:"action_id,omitempty"`
}

func header(title string) block {
	return block{Type: "header", Text: &textObject{Type: "plain_text", Text: plain(title, maxHeader), Emoji: true}}
}

func section(text string) block { return block{Type: "section", Text: marked(text)} }

func footer(text string) block {
	return block{Type: "context", Elements: []element{{Type: "mrkdwn", Text: text}}}
}

func marked(content string) *textObject { return &textObject{Type: "mrkdwn", Text: content} }

// fields lays out labelled values as sections of at most maxFields. Empty values are left out.
type fields []textObject

// add appends a value under a label. The value is mrkdwn already; the label is plain text.
func (f *fields) add(label, value string) {
	if value != "" {
		*f = append(*f, *marked("*" + cmp.Or(mrkdwn(label, maxLabel), "-") + "*\n" + value))
	}
}

func (f fields) blocks() (blocks []block) {
	for len(f) > 0 {
		n := min(len(f), maxFields)
		blocks = append(blocks, block{Type: "section", Fields: f[:n:n]})
		f = f[n:]
	}
	return blocks
}

// Lengths, in characters, at which parts of an alarm are cut so that no block exceeds its limit.
const (
	maxName = 500
	maxURI  = 1500
)

// asAlarm parses ev as a notification of Boro.
func asAlarm(ev *bellhop.Event) (boro.Notification, bool) {
	if !strings.HasPrefix(ev.Type, "boro.") {
		return boro.Notification{}, false
	}
	n, err := boro.Parse(ev.Body)
	return n, err == nil && plain(n.Status, maxName) != ""
}

// describeAlarm shows a notification in its usual form: its state, the stream, the probe that registered it, and
// links to it.
func describeAlarm(n *boro.Notification) content {
	title := plain(n.Status, maxName)
	if trigger := plain(n.Trigger, maxName); trigger != "" {
		title += ": " + trigger
	}
	c := content{title: title, text: mrkdwn(title, maxName), fallback: title, colour: colours[n.Status]}
	if level := mrkdwn(n.Level, maxLabel); level != "" {
		c.text += " (" + level + ")"
	}
	if task := plain(n.Task, maxName); task != "" {
		c.text += " on " + mrkdwn(task, maxName)
		c.fallback += " on " + task
	}
	c.blocks = append(c.blocks, header(title), section(alarmLine(n)))
	c.blocks = append(c.blocks, alarmFields(n).blocks()...)
	if text := representation(n); text != "" {
		c.blocks = append(c.blocks, section(text))
	}
	if buttons := alarmButtons(n.Links); len(buttons) > 0 {
		c.blocks = append(c.blocks, block{Type: "actions", Elements: buttons})
	}
	if line := alarmContext(n); line != "" {
		c.blocks = append(c.blocks, footer(line))
	}
	return c
}

var (
	colours = map[string]string{boro.StatusActive: "#d00000", boro.StatusCleared: "#2eb67d",
		boro.StatusEvent: "#ecb22e"}
	emoji = map[string]string{boro.StatusActive: ":red_circle:", boro.StatusCleared: ":large_green_circle:",
		boro.StatusEvent: ":large_yellow_circle:"}
)

func alarmLine(n *boro.Notification) string {
	line := cmp.Or(emoji[n.Status], ":white_circle:") + " *" +
		cmp.Or(mrkdwn(n.Trigger, maxName), mrkdwn(n.Status, maxName)) + "*"
	if uri := code(n.TaskURI, maxURI); uri != "" {
		line += " on " + uri
	}
	return line
}

func alarmFields(n *boro.Notification) (f fields) {
	began := "Time"
	if n.Status == boro.StatusActive || n.Status == boro.StatusCleared {
		began = "Started"
	}
	for _, field := range [...]struct{ label, value string }{
		{"Project", n.Project}, {"Probe", n.Probe}, {"Task", n.Task}, {"Level", n.Level},
		{began, n.Time}, {"Ended", n.TimeEnd}, {"Duration", n.Duration}, {"Errors", n.Count},
	} {
		f.add(field.label, mrkdwn(field.value, maxName))
	}
	return f
}

// representation names the representation of the stream.
func representation(n *boro.Notification) string {
	description, uri := mrkdwn(n.SubtaskDescription, maxName), code(n.SubtaskURI, maxURI)
	if description == "" && uri == "" {
		return ""
	}
	return strings.Join(slices.DeleteFunc([]string{"*Representation*", description, uri},
		func(s string) bool { return s == "" }), "\n")
}

// alarmButtons returns a button for each link that a browser can open, at most one per type.
func alarmButtons(links []boro.Link) (list buttons) {
	for _, link := range links {
		list.add(link.Type, link.Href)
	}
	return list
}

// buttons are those of an actions block.
type buttons []element

// add adds a button that opens a link, if a browser can open it. There is at most one of a kind: Slack refuses two
// buttons with one action_id.
func (b *buttons) add(kind, href string) {
	kind = plain(kind, maxButton-len("Open "))
	id := "open_" + kind
	there := slices.ContainsFunc(*b, func(e element) bool { return e.ActionID == id })
	if kind == "" || there || !followable(href) || len(*b) == maxButtons {
		return
	}
	*b = append(*b, element{Type: "button", Text: textObject{Type: "plain_text", Text: "Open " + kind}, URL: href,
		ActionID: id})
}

// addLinks adds a button for each member of a JSON object, if all of them are links. It reports whether they are.
func (b *buttons) addLinks(object []byte) bool {
	links := buttons{}
	count := 0
	err := strictjson.Object(object, func(name, value []byte) {
		count++
		href, _ := strictjson.Text(value)
		links.add(strings.ToValidUTF8(string(name), "\uFFFD"), href)
	})
	if err != nil || count == 0 || len(links) < count {
		return false
	}
	for _, link := range links {
		b.add(strings.TrimPrefix(link.ActionID, "open_"), link.URL)
	}
	return true
}

// followable reports whether Slack accepts href as the URL of a button.
func followable(href string) bool {
	u, err := url.Parse(href)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && len(href) <= maxURL &&
		provider.Visible(href) && !strings.ContainsAny(href, "\"<>\\^`{|}")
}

func alarmContext(n *boro.Notification) string {
	var parts []string
	for _, part := range [...]struct{ label, value string }{
		{"sequence ", n.SequenceID}, {"reference ", n.ReferenceNumber}, {"profile ", mrkdwn(n.Profile, maxName)},
	} {
		if part.value != "" {
			parts = append(parts, part.label+part.value)
		}
	}
	return strings.Join(parts, " | ")
}

// A content is the text of a message before it is put into one of the two layouts.
type content struct {
	title    string // plain, not empty
	text     string // in mrkdwn; shown by notifications and screen readers
	fallback string // the same as plain text, for a message with attached blocks
	colour   string // "" is neutral
	blocks   []block
}

// Bounds of the shown parts of an event, in characters or members.
const (
	maxLabel   = 100
	maxValue   = 300
	maxMembers = 20
)

// describe shows any event: its type, subject, source, time and body.
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

// describeBody shows a body: the first members of a JSON object, a text, or only the size and type of any other
// body. A member that is an object of links, such as the urls of a published asset, becomes buttons. more is the
// number of members that are not shown.
func describeBody(ev *bellhop.Event) (blocks []block, more int) {
	var members fields
	var links buttons
	err := strictjson.Object(ev.Body, func(name, value []byte) {
		if links.addLinks(value) {
			return
		}
		if len(members) < maxMembers {
			members.add(strings.ToValidUTF8(string(name), "\uFFFD"), describeValue(value))
		} else {
			more++
		}
	})
	if err == nil {
		blocks = members.blocks()
		if len(links) > 0 {
			blocks = append(blocks, block{Type: "actions", Elements: links})
		}
		return blocks, more
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

// Slack has two kinds of text. In plain_text every character stands for itself. In mrkdwn three characters are
// escaped (&, < and >); other escapes of HTML would be shown as they are. Without an unescaped "<" no data can
// mention a channel or a person, or look like a link.
//
// Each function below takes a limit in characters as encoded. It cuts a longer text after a whole character and
// adds an ellipsis.

// plain returns text for a plain_text object, on one line.
func plain(text string, limit int) string { return cut(text, limit, oneLine) }

// mrkdwn returns text for a mrkdwn object, on one line.
func mrkdwn(text string, limit int) string {
	return cut(text, limit, func(r rune) string { return escape(oneLine(r)) })
}

// code returns text as code on one line, or "" for no text.
func code(text string, limit int) string {
	text = cut(text, limit-len("``"), func(r rune) string { return escape(noBacktick(oneLine(r))) })
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// codeBlock returns text as a block of code with its lines, or "" for no text.
func codeBlock(text string, limit int) string {
	text = cut(text, limit-len("``````"), func(r rune) string {
		if r == '\n' || r == '\t' {
			return string(r)
		}
		return escape(noBacktick(oneLine(r)))
	})
	if text == "" {
		return ""
	}
	return "```" + text + "```"
}

// cut encodes each character of text with show. It drops white space and control characters at both ends.
func cut(text string, limit int, show func(r rune) string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	var b strings.Builder
	written, end := 0, 0 // end is the last position where an ellipsis still fits
	for _, r := range text {
		piece := show(r)
		written += utf8.RuneCountInString(piece)
		if written > limit {
			return b.String()[:end] + "…"
		}
		b.WriteString(piece)
		if written < limit {
			end = b.Len()
		}
	}
	return b.String()
}

// oneLine replaces characters that break a line, control a terminal, or change the direction of text.
func oneLine(r rune) string {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return " "
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return "\uFFFD"
	}
	return string(r)
}

// noBacktick drops the character that ends code.
func noBacktick(text string) string {
	if text == "`" {
		return ""
	}
	return text
}

func escape(text string) string {
	switch text {
	case "&":
		return "&amp;"
	case "<":
		return "&lt;"
	case ">":
		return "&gt;"
	}
	return text
}
