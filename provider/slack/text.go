package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Slack has two kinds of text. In plain_text everything is what it is. In mrkdwn three characters are written
// otherwise, and nothing else is: quotes that are escaped as in HTML would be shown so. Without a "<" as it is, no
// data can mention a channel or a person, or pose as a link.
//
// Every function here takes a limit in characters as written, and cuts what is longer, with an ellipsis, behind a
// whole character.

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

// codeBlock returns text as code, its lines as they are, or "" for no text.
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

// cut writes each character of text as show says, but white space and controls at either end.
func cut(text string, limit int, show func(r rune) string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	var b strings.Builder
	written, end := 0, 0 // end is where an ellipsis still fits
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

// oneLine replaces what breaks a line, steers a terminal, or turns the direction of what follows.
func oneLine(r rune) string {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return " "
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return "\uFFFD"
	}
	return string(r)
}

// noBacktick leaves out what would end the code.
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
