package provider

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

// MaxTokenBytes bounds the token of a handshake.
const MaxTokenBytes = 4 << 10

// PlainToken reports whether token can be echoed as the answer to a handshake: 1 to [MaxTokenBytes] bytes of UTF-8
// without control characters and separators of lines or paragraphs.
func PlainToken(token string) bool {
	return token != "" && len(token) <= MaxTokenBytes && utf8.ValidString(token) && !strings.ContainsFunc(token, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// NewGUID returns b as a GUID: a UUID (RFC 9562) of that version, which takes the place of six of its bits. Version 4 is
// for random bytes, 8 for those of a hash.
func NewGUID(b [16]byte, version byte) string {
	b[6], b[8] = b[6]&0x0f|version<<4, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsGUID reports whether text is 36 characters in the form of a GUID, its hex digits in either case.
func IsGUID(text string) bool {
	const form = "00000000-0000-0000-0000-000000000000"
	if len(text) != len(form) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		digit := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if form[i] == '0' && !digit || form[i] == '-' && c != '-' {
			return false
		}
	}
	return true
}
