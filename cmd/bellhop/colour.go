package main

import (
	"io"
	"strings"
)

// This file colours what is printed on a terminal: states and errors. There are no colours elsewhere, with NO_COLOR
// (https://no-color.org) and where TERM is dumb.

// A colour is the parameter of the control sequence that sets it; "" is none.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// coloursOf are the colours of the words that states, outcomes and results begin with.
var coloursOf = map[string]colour{
	"active": green, "delivered": green, "ready": green, "accepted": green, "done": green, "whole": green, "ok": green,
	"filled": green, "yes": green, "created": green, "renewed": green,
	"dead": red, "failed": red, "failing": red, "refused": red, "closed": red, "removed": red, "expired": red,
	"revoked": red, "unknown": red, "signed_out": red, "no": red,
	"pending": yellow, "sending": yellow, "renewing": yellow, "paused": yellow, "disabled": yellow,
	"unverified": yellow,
	"partial":    yellow, "cancelled": yellow, "running": yellow, "waiting": yellow, "filling": yellow, "open": yellow,
}

// colourOf returns the colour of a value below or beside its title.
func colourOf(title, value string) colour {
	switch strings.ToLower(title) {
	case "state", "outcome", "test", "matches":
		if strings.Contains(value, ", held back") {
			return yellow
		}
		word, _, _ := strings.Cut(value, ":")
		word, _, _ = strings.Cut(word, " ")
		return coloursOf[strings.TrimSuffix(word, ",")]
	case "error", "match error":
		return red
	}
	return ""
}

// paint returns text in a colour. text has no control characters: it was cleaned.
func paint(text string, c colour) string {
	if c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// mayColour reports whether the environment allows colours on a terminal.
func (e *env) mayColour() bool {
	return e.getenv != nil && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// coloured reports whether stdout gets colours.
func (e *env) coloured() bool { return e.columns() > 0 && e.mayColour() }

// talk returns text for stderr, coloured if that is a terminal.
func (e *env) talk(text string, c colour) string {
	if e.isTerminal(e.stderr) && e.mayColour() {
		return paint(text, c)
	}
	return text
}

// isTerminal reports whether w is a terminal. A test says so for its own stderr.
func (e *env) isTerminal(w io.Writer) bool {
	return w == e.stderr && e.talkWidth != nil && e.talkWidth() > 0 || isTerminal(w)
}
