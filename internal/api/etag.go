package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file makes entity tags (RFC 9110, section 8.8.3), and compares them.
//
// The tag of a noun has two parts: its version, which is when a person or the gateway changed it last, and a hash of
// the answer. If-None-Match compares both, because an answer also shows what changes by itself, such as when the
// latest event came. If-Match compares only the version: what changes by itself spoils no change that was decided on
// an earlier answer.

// A Precondition is the part of the input of a change that says for which version of the noun it is meant.
type Precondition struct {
	IfMatch string `header:"If-Match" maxLength:"1024" doc:"The ETag of the answer that the change is based on. If the noun has changed since, the answer is 412 and nothing is changed"`
}

// check returns an error if the precondition names other versions of a noun that was changed at updatedAt.
func (p Precondition) check(noun string, updatedAt time.Time) error {
	if p.IfMatch == "" || strings.TrimSpace(p.IfMatch) == "*" {
		return nil
	}
	tags, err := tagsOf(p.IfMatch)
	if err != nil {
		return err
	}
	for _, tag := range tags {
		version, _, _ := strings.Cut(tag, "-")
		if version == versionText(updatedAt) {
			return nil
		}
	}
	return bellhop.Changed(noun)
}

// tagsOf returns the opaque texts of the strong tags of a header: "a", "b". Weak ones never match, and are left out.
func tagsOf(header string) (tags []string, err error) {
	for text := range strings.SplitSeq(header, ",") {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, `W/"`) {
			continue
		}
		tag, opened := strings.CutPrefix(text, `"`)
		tag, closed := strings.CutSuffix(tag, `"`)
		if !opened || !closed || strings.Contains(tag, `"`) {
			return nil, bellhop.Invalid("If-Match", `use the ETag of an answer with its quotes, or *`)
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// versionText writes when a noun was changed last, to the microsecond.
func versionText(at time.Time) string {
	if at.IsZero() {
		return "0"
	}
	return strconv.FormatInt(at.UnixMicro(), 36)
}

// etag returns the tag of an answer with that body about a noun that was changed at updatedAt.
func etag(updatedAt time.Time, body any) string {
	text, err := json.Marshal(body)
	if err != nil { // the answer cannot be written either
		return ""
	}
	sum := sha256.Sum256(text)
	return `"` + versionText(updatedAt) + "-" + hex.EncodeToString(sum[:8]) + `"`
}

// tagged is the output of an operation that shows one noun with its tag.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"Names this answer: for If-None-Match, and for If-Match of a change that is based on it"`
	Body T
}

// taggedBy returns an answer about a noun that was changed at updatedAt.
func taggedBy[T any](updatedAt time.Time, body T) *tagged[T] {
	return &tagged[T]{etag(updatedAt, body), body}
}

// isKnown reports whether the client of r has the answer with that tag already: whether If-None-Match names it.
func isKnown(r *http.Request, tag string) bool {
	given := strings.Join(r.Header.Values("If-None-Match"), ",")
	if given == "" || tag == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	known := slices.Collect(strings.SplitSeq(given, ","))
	return slices.ContainsFunc(known, func(text string) bool {
		text = strings.TrimSpace(text)
		return text == "*" || strings.TrimPrefix(text, "W/") == tag
	})
}
