package slack

import "cmp"

// Limits of a message in characters and elements. Where one is exceeded, Slack refuses the whole message. Its further
// ones, of 50 blocks, 2000 characters in a field and 10 elements in a context, nothing here comes near.
// Source: https://docs.slack.dev/reference/block-kit
const (
	maxHeader  = 150  // of a header's text
	maxSection = 3000 // of a section's text
	maxFields  = 10   // of a section
	maxButtons = 25   // of an actions block
	maxButton  = 75   // of a button's text
	maxURL     = 3000
)

// A message is what an incoming webhook takes.
type message struct {
	Text        string       `json:"text"`
	Blocks      []block      `json:"blocks,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
	UnfurlLinks *bool        `json:"unfurl_links,omitempty"`
	Channel     string       `json:"channel,omitempty"`
	Username    string       `json:"username,omitempty"`
}

// An attachment shows its blocks beside a bar of a colour.
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

// A textObject is text in one of its two forms, of which the text is never empty.
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

// fields lays out labelled values, those that are not empty, as sections of at most maxFields.
type fields []textObject

// add appends a value, which is as mrkdwn wants it, under a label, which is not.
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
