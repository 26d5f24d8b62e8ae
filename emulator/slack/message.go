package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
)

// The limits of a message, in characters and elements.
// Sources: https://docs.slack.dev/reference/block-kit/blocks,
// https://docs.slack.dev/changelog/2018-truncating-really-long-messages
const (
	maxText        = 40000 // of the top-level text; the rest is cut off
	maxAttachments = 100
	maxBlocks      = 50
	maxID          = 255 // of a block_id and an action_id
	maxTextObject  = 3000
	maxHeader      = 150
	maxFields      = 10
	maxField       = 2000
	maxActions     = 25
	maxContext     = 10
	maxButton      = 75
	maxURL         = 3000
	maxValue       = 2000
	maxAlt         = 2000
	maxMarkdown    = 12000 // of all markdown blocks of a message
)

// A message is one that Slack accepts.
type message struct {
	text        string
	styled      bool // the text is mrkdwn
	thread      string
	blocks      []block
	attachments []attachment
}

// An attachment is shown beside a coloured bar. Its texts are those of old, or it has blocks.
type attachment struct {
	color                              string // "" is grey
	pretext, title, link, text, footer string
	author, fallback, imageURL         string
	fields                             []pair
	blocks                             []block
}

type pair struct{ title, value string }

// A block is a part of a message. Which fields it has depends on its kind.
type block struct {
	kind      string
	text      *textObject // of header, section, markdown, and the title of an image
	fields    []textObject
	elements  []element
	accessory *element // of a section
	imageURL  string
	alt       string
	words     []string // of a block whose parts are not read one by one: rich_text, table, video
}

// A textObject is a text in one of two forms.
type textObject struct {
	styled bool // mrkdwn
	text   string
}

// An element is a button, an image, a text of a context block, or something that only an app can use.
type element struct {
	kind     string
	text     textObject
	url      string
	style    string
	imageURL string
	alt      string
}

// parse reads a message as Slack does, or says why Slack refuses it. Slack ignores members that it does not know, and
// some, such as channel and username, in a message to the webhook of an app.
func parse(body []byte) (*message, *refusal) {
	r := &reader{code: "invalid_payload"}
	o := r.object("", body)
	if r.problem != nil {
		return nil, refused("invalid_payload", "the body is no JSON object")
	}
	m := &message{text: o.text("text", 1<<22), styled: o.flag("mrkdwn", true), thread: o.text("thread_ts", 100)}
	if runes := []rune(m.text); len(runes) > maxText {
		m.text = string(runes[:maxText])
	}
	attachments := o.list("attachments", 1<<20)
	r.code = "invalid_blocks"
	blocks := o.list("blocks", maxBlocks)
	r.code = "invalid_payload"
	if r.problem != nil {
		return nil, r.problem
	}
	switch {
	case len(attachments) > maxAttachments:
		return nil, refused("too_many_attachments", "attachments: %d; at most %d", len(attachments), maxAttachments)
	case m.text == "" && len(blocks) == 0 && len(attachments) == 0:
		return nil, refused("no_text", "there is neither a text, nor blocks, nor attachments")
	}
	for i, text := range attachments {
		m.attachments = append(m.attachments, r.attachment(fmt.Sprintf("attachments[%d]", i), text))
	}
	r.code = "invalid_blocks"
	m.blocks = r.blocks("blocks", blocks)
	if r.problem != nil {
		return nil, r.problem
	}
	return m, nil
}

// attachment reads an attachment. Slack ignores members that it does not know there.
func (r *reader) attachment(path string, text json.RawMessage) attachment {
	o := r.object(path, text)
	a := attachment{color: o.text("color", 100), pretext: o.text("pretext", maxText), title: o.text("title", maxText),
		link: o.text("title_link", maxURL), text: o.text("text", maxText), footer: o.text("footer", 300),
		author: o.text("author_name", maxText), fallback: o.text("fallback", maxText),
		imageURL: o.text("image_url", maxURL)}
	for i, text := range o.list("fields", 1000) {
		f := r.object(fmt.Sprintf("%s.fields[%d]", path, i), text)
		a.fields = append(a.fields, pair{f.text("title", maxText), f.text("value", maxText)})
	}
	list := o.list("blocks", maxBlocks)
	before := r.code
	r.code = "invalid_blocks"
	a.blocks = r.blocks(path+".blocks", list)
	r.code = before
	return a
}

// blocks reads blocks. No two may have one block_id.
func (r *reader) blocks(path string, list []json.RawMessage) []block {
	var blocks []block
	ids := map[string]bool{}
	markdown := 0
	for i, text := range list {
		o := r.object(fmt.Sprintf("%s[%d]", path, i), text)
		if id := o.text("block_id", maxID); id != "" {
			if ids[id] {
				o.fail(o.at("block_id"), "another block has it")
			}
			ids[id] = true
		}
		b := r.block(o, text)
		if b.kind == "markdown" {
			if markdown += len([]rune(b.text.text)); markdown > maxMarkdown {
				o.fail(o.at("text"), "the markdown blocks of a message have %d characters; at most %d", markdown,
					maxMarkdown)
			}
		}
		if r.problem != nil {
			return nil
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// wordy are the kinds of blocks whose parts are not read one by one.
var wordy = []string{"rich_text", "video", "file", "table", "input", "context_actions", "task_card", "plan"}

// block reads a block without its block_id.
func (r *reader) block(o *object, text json.RawMessage) block {
	b := block{kind: o.needed("type", 100)}
	switch b.kind {
	case "header":
		b.text = o.textObject("text", maxHeader, "plain_text")
		if b.text == nil {
			o.fail(o.at("text"), "it is missing")
		}
	case "section":
		r.section(o, &b)
	case "divider":
	case "image":
		b.text = o.textObject("title", maxAlt, "plain_text")
		b.imageURL, b.alt = o.image()
	case "context":
		b.elements = r.elements(o, maxContext, contextKinds)
	case "actions":
		b.elements = r.elements(o, maxActions, actionKinds)
	case "markdown":
		b.text = &textObject{styled: true, text: o.needed("text", maxMarkdown)}
	default:
		if !slices.Contains(wordy, b.kind) {
			o.fail(o.at("type"), "there is no block %q", b.kind)
		}
		b.words = wordsIn(text, 20)
		return b
	}
	o.end()
	return b
}

// section reads a section, which has a text, fields, or both.
func (r *reader) section(o *object, b *block) {
	b.text = o.textObject("text", maxTextObject, "plain_text", "mrkdwn")
	list := o.list("fields", maxFields)
	for i, text := range list {
		if f := r.textObject(r.object(fmt.Sprintf("%s[%d]", o.at("fields"), i), text), maxField, "plain_text",
			"mrkdwn"); f != nil {
			b.fields = append(b.fields, *f)
		}
	}
	if b.text == nil && len(list) == 0 {
		o.fail(o.at("text"), "a section needs a text or fields")
	}
	o.flag("expand", false)
	if text := o.take("accessory"); text != nil {
		e := r.element(r.object(o.at("accessory"), text), accessoryKinds)
		b.accessory = &e
	}
}

// textObject takes a text object of at most most characters; nil if it is not there.
func (o *object) textObject(name string, most int, kinds ...string) *textObject {
	text := o.take(name)
	if text == nil {
		return nil
	}
	return o.reader.textObject(o.reader.object(o.at(name), text), most, kinds...)
}

// textObject reads a text object. Only plain text may say how it treats emoji, and only mrkdwn how it treats links.
func (r *reader) textObject(o *object, most int, kinds ...string) *textObject {
	kind := o.oneOf("type", kinds...)
	if kind == "" {
		o.fail(o.at("type"), "it is missing")
	}
	t := &textObject{styled: kind == "mrkdwn", text: o.needed("text", most)}
	if t.styled {
		o.flag("verbatim", false)
	} else {
		o.flag("emoji", true)
	}
	o.end()
	return t
}

// The kinds of elements by where they may be.
var (
	contextKinds = []string{"plain_text", "mrkdwn", "image"}
	interactive  = []string{"checkboxes", "radio_buttons", "overflow", "datepicker", "timepicker", "workflow_button",
		"static_select", "external_select", "users_select", "conversations_select", "channels_select"}
	actionKinds    = slices.Concat([]string{"button", "datetimepicker", "rich_text_input"}, interactive)
	accessoryKinds = slices.Concat([]string{"button", "image", "multi_static_select", "multi_external_select",
		"multi_users_select", "multi_conversations_select", "multi_channels_select"}, interactive)
)

// elements reads the elements of a block, of which there is at least one. No two may have one action_id.
func (r *reader) elements(o *object, most int, kinds []string) []element {
	list := o.list("elements", most)
	if len(list) == 0 {
		o.fail(o.at("elements"), "there must be at least one")
	}
	var elements []element
	ids := map[string]bool{}
	for i, text := range list {
		e := r.object(fmt.Sprintf("%s[%d]", o.at("elements"), i), text)
		var id string
		if json.Unmarshal(e.left["action_id"], &id) == nil && id != "" {
			if ids[id] {
				e.fail(e.at("action_id"), "another element of the block has it")
			}
			ids[id] = true
		}
		elements = append(elements, r.element(e, kinds))
	}
	return elements
}

// element reads an element of one of kinds.
func (r *reader) element(o *object, kinds []string) element {
	e := element{}
	var kind string
	if json.Unmarshal(o.left["type"], &kind) != nil || !slices.Contains(kinds, kind) {
		o.fail(o.at("type"), "there is no element %q here", kind)
		return e
	}
	e.kind = kind
	switch kind {
	case "plain_text", "mrkdwn":
		if t := r.textObject(o, maxTextObject, "plain_text", "mrkdwn"); t != nil {
			e.text = *t
		}
		return e
	case "image":
		o.drop("type")
		e.imageURL, e.alt = o.image()
	case "button":
		o.drop("type", "confirm")
		if t := o.textObject("text", maxButton, "plain_text"); t != nil {
			e.text = *t
		} else {
			o.fail(o.at("text"), "it is missing")
		}
		o.text("action_id", maxID)
		o.text("value", maxValue)
		o.text("accessibility_label", maxButton)
		e.style = o.oneOf("style", "primary", "danger")
		if e.url = o.text("url", maxURL); e.url != "" && !isURL(e.url) {
			o.fail(o.at("url"), "it is no URL with a scheme and a host")
		}
	default: // only an app can use it
		o.text("action_id", maxID)
		if t := o.textObject("placeholder", 150, "plain_text"); t != nil {
			e.text = *t
		}
		return e
	}
	o.end()
	return e
}

// image takes the members of an image: a URL, or a file of Slack, and the text for those who do not see it.
func (o *object) image() (at, alt string) {
	at, alt = o.text("image_url", maxURL), o.needed("alt_text", maxAlt)
	file := o.take("slack_file")
	switch {
	case at == "" && file == nil:
		o.fail(o.at("image_url"), "it is missing")
	case at != "" && !isURL(at):
		o.fail(o.at("image_url"), "it is no URL with a scheme and a host")
	}
	return at, alt
}

// isURL reports whether text is a whole URL, or the address of a mailbox.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "")
}

// wordsIn returns the texts of any JSON that a reader sees, in their order, down to a depth.
func wordsIn(text json.RawMessage, depth int) []string {
	var object map[string]json.RawMessage
	var list []json.RawMessage
	var words []string
	switch {
	case depth == 0:
	case json.Unmarshal(text, &object) == nil:
		for _, name := range []string{"title", "label", "text", "elements", "rows", "element", "placeholder"} {
			var word string
			if json.Unmarshal(object[name], &word) == nil && word != "" {
				words = append(words, word)
			} else if object[name] != nil {
				words = append(words, wordsIn(object[name], depth-1)...)
			}
		}
	case json.Unmarshal(text, &list) == nil:
		for _, item := range list {
			words = append(words, wordsIn(item, depth-1)...)
		}
	}
	return words
}
