package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// These functions turn input of strangers into fields of an event that every database accepts.

// MaxItems is how many items of a batch a provider accepts unless its system sets another bound.
const MaxItems = 5000

// Word reports whether text can be an event's type as it is: 1 to 255 letters, digits, ".", "_", "-" and "/".
func Word(text string) bool {
	return text != "" && len(text) <= bellhop.MaxTypeLength && Alphanumeric(text, "._-/")
}

// Subject returns text as an event's subject. Control characters and bytes that are not UTF-8 become U+FFFD, and a
// text longer than bellhop.MaxSubjectLength bytes is cut after a whole character.
func Subject(text string) string {
	if !clean(text) {
		text = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return utf8.RuneError
			}
			return r
		}, text)
	}
	if len(text) <= bellhop.MaxSubjectLength {
		return text
	}
	end := bellhop.MaxSubjectLength
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// RepeatKey returns id as an event's ProviderID. An id that is longer than bellhop.MaxProviderIDLength bytes, has
// control characters or is not UTF-8 is replaced by its SHA-256 in hex.
func RepeatKey(id string) string {
	if len(id) <= bellhop.MaxProviderIDLength && clean(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// ContentType returns the Content-Type of h, or "" if it is longer than 255 bytes or not printable ASCII.
func ContentType(h http.Header) string {
	text := h.Get("Content-Type")
	if len(text) > 255 {
		return ""
	}
	for i := range len(text) {
		if text[i] < 0x20 || text[i] > 0x7e {
			return ""
		}
	}
	return text
}

// SendContentType returns the Content-Type for sending ev's body: the event's own or, if it has none, application/json
// for JSON and application/octet-stream for other bytes.
func SendContentType(ev *bellhop.Event) string {
	switch {
	case ev.ContentType != "":
		return ev.ContentType
	case json.Valid(strictjson.TrimBOM(ev.Body)):
		return "application/json"
	}
	return "application/octet-stream"
}

// Time reads a time in the form of RFC 3339, with any number of digits after the second. It returns the zero Time
// for any other text, and for a time that is not between 1970 and 2199, since no clock shows such a time.
func Time(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC()
	if err != nil || t.Year() < 1970 || t.Year() > 2199 {
		return time.Time{}
	}
	return t
}

func clean(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}
