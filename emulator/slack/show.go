package slack

import (
	"html"
	"io"
	"net/http"
	"strings"
)

// This file shows messages: as plain text, and as a page.

// plain returns a message as a reader sees it, as plain text. Blocks are shown in place of the text, as in Slack.
func (m *message) plain() string {
	var lines []string
	add := func(text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			lines = append(lines, text)
		}
	}
	if m.thread != "" {
		add("reply to " + m.thread)
	}
	if len(m.blocks) == 0 {
		add(textObject{m.styled, m.text}.plain())
	}
	for _, b := range m.blocks {
		add(b.plain())
	}
	for _, a := range m.attachments {
		add(barred(a.plain()))
	}
	return strings.Join(lines, "\n")
}

// barred puts a bar before each line, as Slack does beside an attachment.
func barred(text string) string { return "| " + strings.ReplaceAll(text, "\n", "\n| ") }

func (t textObject) plain() string {
	if !t.styled {
		return withEmoji(t.text)
	}
	return plainText(readMrkdwn(t.text))
}

func (t textObject) html() string {
	if !t.styled {
		return htmlText([]span{{text: t.text}})
	}
	return htmlText(readMrkdwn(t.text))
}

func (b block) plain() string {
	var lines []string
	switch {
	case b.kind == "divider":
		return "----"
	case b.kind == "image":
		return "[image: " + b.alt + "]" + spaced(b.text)
	case b.words != nil:
		return strings.Join(b.words, " ")
	case b.text != nil:
		lines = append(lines, b.text.plain())
	}
	for _, f := range b.fields { // a label and its value share a line
		lines = append(lines, strings.Replace(f.plain(), "\n", ": ", 1))
	}
	var row []string
	for _, e := range b.elements {
		row = append(row, e.plain())
	}
	if b.accessory != nil {
		row = append(row, b.accessory.plain())
	}
	if row != nil {
		lines = append(lines, strings.Join(row, "  "))
	}
	return strings.Join(lines, "\n")
}

// spaced returns a text after a blank; "" for none.
func spaced(t *textObject) string {
	if t == nil {
		return ""
	}
	return " " + t.plain()
}

func (e element) plain() string {
	switch {
	case e.kind == "image":
		return "[image: " + e.alt + "]"
	case e.kind == "button" && e.url != "":
		return "[" + e.text.plain() + ": " + e.url + "]"
	case e.kind == "plain_text" || e.kind == "mrkdwn":
		return e.text.plain()
	case e.text.text == "":
		return "[" + e.kind + "]"
	}
	return "[" + e.text.plain() + "]"
}

func (a attachment) plain() string {
	var lines []string
	for _, text := range []string{a.pretext, a.author, a.title, a.text} {
		if text != "" {
			lines = append(lines, textObject{true, text}.plain())
		}
	}
	for _, f := range a.fields {
		lines = append(lines, f.title+": "+textObject{true, f.value}.plain())
	}
	for _, b := range a.blocks {
		lines = append(lines, b.plain())
	}
	if lines == nil {
		lines = append(lines, a.fallback)
	}
	if a.footer != "" {
		lines = append(lines, a.footer)
	}
	return strings.Join(lines, "\n")
}

// pageHead and pageFoot surround the messages of the page, which loads nothing and runs nothing. It loads itself again
// every few seconds.
const (
	pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Slack stand-in</title>
<style>
body{font:15px/1.45 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#1d1c1d}
article{margin:0 0 1.5em}article>small{color:#616061}h3{margin:.3em 0}.refused{color:#b00020}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:.5em 1em;margin:.3em 0}.context{color:#616061;font-size:13px}
.attachment{border-left:4px solid #ddd;padding-left:.8em;margin:.3em 0}.button{border:1px solid #bbb;border-radius:4px;
padding:.2em .7em;margin-right:.4em;color:inherit;text-decoration:none;display:inline-block}.danger{color:#b00020}
.primary{color:#007a5a}code,pre{background:#f4f4f4;border:1px solid #ddd;border-radius:3px}code{color:#c01343;
padding:0 .2em}pre{padding:.5em;white-space:pre-wrap}p{margin:.3em 0}mark{background:#e8f5fa;color:#1264a3}
</style></head><body><h1>Messages</h1>
`
	pageFoot = "</body></html>\n"
)

// writePage answers with the messages as a page, newest first.
func writePage(w http.ResponseWriter, messages []Message) {
	var b strings.Builder
	b.WriteString(pageHead)
	if len(messages) == 0 {
		b.WriteString("<p>No message yet.</p>\n")
	}
	for i := len(messages) - 1; i >= 0; i-- {
		m := messages[i]
		b.WriteString("<article><small>" + html.EscapeString(m.Channel) + " · " + m.At.Format("2006-01-02 15:04:05") +
			" UTC</small>\n")
		if m.parsed != nil {
			b.WriteString(m.parsed.html())
		} else {
			b.WriteString(`<p class="refused">refused: ` + html.EscapeString(m.Refused+": "+m.Problem) + "</p>")
		}
		b.WriteString("</article>\n")
	}
	b.WriteString(pageFoot)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri "+
		"'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	io.WriteString(w, b.String())
}

// html returns the message as HTML, escaped.
func (m *message) html() string {
	var b strings.Builder
	if m.thread != "" {
		b.WriteString(`<p class="context">reply to ` + html.EscapeString(m.thread) + "</p>")
	}
	if len(m.blocks) == 0 && m.text != "" {
		b.WriteString("<p>" + textObject{m.styled, m.text}.html() + "</p>")
	}
	for _, block := range m.blocks {
		b.WriteString(block.html())
	}
	for _, a := range m.attachments {
		b.WriteString(a.html())
	}
	return b.String()
}

func (b block) html() string {
	switch {
	case b.kind == "divider":
		return "<hr>"
	case b.kind == "header":
		return "<h3>" + b.text.html() + "</h3>"
	case b.kind == "image":
		return "<p>" + html.EscapeString("[image: "+b.alt+"]"+spaced(b.text)) + "</p>"
	case b.words != nil:
		return "<p>" + html.EscapeString(strings.Join(b.words, " ")) + "</p>"
	}
	out := ""
	if b.text != nil {
		out = "<p>" + b.text.html() + "</p>"
	}
	if b.fields != nil {
		out += `<div class="fields">`
		for _, f := range b.fields {
			out += "<div>" + f.html() + "</div>"
		}
		out += "</div>"
	}
	if b.elements != nil {
		out += `<p class="` + html.EscapeString(b.kind) + `">`
		for _, e := range b.elements {
			out += e.html() + " "
		}
		out += "</p>"
	}
	if b.accessory != nil {
		out += "<p>" + b.accessory.html() + "</p>"
	}
	return out
}

func (e element) html() string {
	switch {
	case e.kind == "button" && isLink(e.url):
		return anchor(e.url, e.text.plain(), strings.TrimSpace("button "+e.style))
	case e.kind == "button":
		class := strings.TrimSpace("button " + e.style)
		return `<span class="` + class + `">` + html.EscapeString(e.text.plain()) + "</span>"
	case e.kind == "plain_text" || e.kind == "mrkdwn":
		return e.text.html()
	}
	return html.EscapeString(e.plain())
}

func (a attachment) html() string {
	var b strings.Builder
	b.WriteString(`<div class="attachment"`)
	if color := colorOf(a.color); color != "" {
		b.WriteString(` style="border-color:` + color + `"`)
	}
	b.WriteString(">")
	for _, text := range []string{a.pretext, a.author} {
		if text != "" {
			b.WriteString("<p>" + textObject{true, text}.html() + "</p>")
		}
	}
	if a.title != "" {
		b.WriteString("<p><b>" + anchor(a.link, a.title, "") + "</b></p>")
	}
	if a.text != "" {
		b.WriteString("<p>" + textObject{true, a.text}.html() + "</p>")
	}
	for _, f := range a.fields {
		b.WriteString("<p><b>" + html.EscapeString(f.title) + "</b> " + textObject{true, f.value}.html() + "</p>")
	}
	for _, block := range a.blocks {
		b.WriteString(block.html())
	}
	if a.footer != "" {
		b.WriteString(`<p class="context">` + html.EscapeString(a.footer) + "</p>")
	}
	b.WriteString("</div>")
	return b.String()
}

// colors are those that have a name.
var colors = map[string]string{"good": "#2eb886", "warning": "#daa038", "danger": "#a30200"}

// colorOf returns a colour in hex, "#d00000", or "" if text names none.
func colorOf(text string) string {
	if named := colors[text]; named != "" {
		return named
	}
	text = "#" + strings.TrimPrefix(text, "#")
	if len(text) != 7 || strings.Trim(text[1:], "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return text
}
