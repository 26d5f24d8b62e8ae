package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// Alphanumeric reports whether text consists of ASCII letters, digits and the characters in more, which is ASCII too.
// It is true for "".
func Alphanumeric(text, more string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

// Visible reports whether text consists of visible ASCII characters: no blank, no control character.
func Visible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Printable reports whether text is printable ASCII without a blank at either end, so that it comes out of a header as
// it went in.
func Printable(text string) bool {
	return strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r > '~'
	})
}

// MaxTokenBytes bounds the token of a handshake.
const MaxTokenBytes = 4 << 10

// PlainToken reports whether token can be echoed as the answer to a handshake: 1 to [MaxTokenBytes] bytes of UTF-8
// without control characters and separators of lines or paragraphs.
func PlainToken(token string) bool {
	return token != "" && len(token) <= MaxTokenBytes && utf8.ValidString(token) &&
		!strings.ContainsFunc(token, func(r rune) bool {
			return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
		})
}

// NewGUID returns b as a GUID: a UUID (RFC 9562) of that version, which replaces six bits of b. Version 4 is for
// random bytes, 8 for those of a hash.
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

// Query returns the decoded values of the parameter name in the query of target, in their order. Names are compared by
// case. A name or value with invalid percent-encoding is taken as it stands.
func Query(target, name string) []string {
	return query(target, func(key string) bool { return key == name })
}

// QueryFold is [Query] without regard to the case of names.
func QueryFold(target, name string) []string {
	return query(target, func(key string) bool { return strictjson.EqualFold(key, name) })
}

func query(target string, wanted func(key string) bool) []string {
	_, query, _ := strings.Cut(target, "?")
	var values []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if wanted(unescape(key)) {
			values = append(values, unescape(value))
		}
	}
	return values
}

func unescape(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return text
	}
	return plain
}

// MaxWebHookRate is the highest rate, in requests a minute, that is read from a WebHook-Request-Rate or
// WebHook-Allowed-Rate header.
const MaxWebHookRate = 999_999_999

// AllowedRate reads the WebHook-Allowed-Rate header, by which a receiver agrees to a rate: a whole number of
// requests a minute, from 1 to [MaxWebHookRate], or "*", which is any rate and returned as 0. given is false if
// there is no such header; it is an error if there is another value or more than one.
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
func AllowedRate(h http.Header) (perMinute int, given bool, err error) {
	values := h.Values("WebHook-Allowed-Rate")
	if len(values) == 0 {
		return 0, false, nil
	}
	if len(values) == 1 && values[0] == "*" {
		return 0, true, nil
	}
	perMinute, ok := WebHookRate(values[0])
	if !ok || len(values) > 1 {
		return 0, true, errors.New("WebHook-Allowed-Rate must be a number of requests a minute, or *")
	}
	return perMinute, true, nil
}

// WebHookRate reads a whole number of requests a minute, from 1 to [MaxWebHookRate].
func WebHookRate(text string) (perMinute int, ok bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	perMinute, _ = strconv.Atoi(text)
	return perMinute, perMinute > 0
}
