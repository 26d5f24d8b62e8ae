package provider

import "strings"

// EqualFold compares a with b, of which one is ASCII, without regard to case. As many bytes are as many letters then,
// so that none of the letters that Unicode folds to ASCII gets through, such as the Kelvin sign for a k.
func EqualFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// Alphanumeric reports whether text has only ASCII letters, digits and what is in more, which is ASCII too. "" has
// nothing else.
func Alphanumeric(text, more string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

// HeaderName reports whether text can be the name of a header: a token in the sense of RFC 9110, section 5.6.2.
func HeaderName(text string) bool { return text != "" && Alphanumeric(text, "!#$%&'*+-.^_`|~") }

// Visible reports whether text has only ASCII characters that can be seen: no blank, no control character.
func Visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Printable reports whether text is printable ASCII without a blank at either end, so that it comes out of a header as
// it went in.
func Printable(text string) bool {
	return strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
