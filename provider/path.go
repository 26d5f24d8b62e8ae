package provider

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxResourcePath is the longest path of a resource, in bytes.
const maxResourcePath = 2048

// maxDecoding is how often a path is decoded to find what it hides: a server behind a proxy may decode it twice.
const maxDecoding = 4

// ResourcePath returns the path of a resource that a notification names, such as "Users/1/Messages/2=", escaped and
// with a leading slash. A notification is weakly authenticated, so its resource must stay below the path that it is
// joined to: a scheme, a host, a query, an empty segment, and a segment "." or ".." are refused, also if they are
// percent-encoded, and so are encoded slashes and control characters. The error does not repeat the resource.
func ResourcePath(resource string) (string, error) {
	path := strings.TrimPrefix(resource, "/")
	switch {
	case path == "":
		return "", errors.New("it is empty")
	case len(path) > maxResourcePath:
		return "", errors.New("it is longer than 2048 bytes")
	case strings.Contains(path, "://"):
		return "", errors.New("it names a scheme and a host, not a path alone")
	case strings.ContainsAny(path, "?#"):
		return "", errors.New("it has a query or a fragment")
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(path, "/") {
		text, err := plainSegment(segment)
		if err != nil {
			return "", err
		}
		b.WriteByte('/')
		writeSegment(&b, text)
	}
	return b.String(), nil
}

// plainSegment returns a segment of a path, decoded once.
func plainSegment(segment string) (string, error) {
	if segment == "" {
		return "", errors.New("it has an empty segment, as // makes one")
	}
	once, err := url.PathUnescape(segment)
	if err != nil {
		return "", errors.New("its percent-encoding cannot be read")
	}
	for decoded, n := once, 0; ; n++ {
		for _, c := range decoded {
			if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0xfffd {
				return "", errors.New("it has a control character, or is not UTF-8")
			}
		}
		switch {
		case decoded == "." || decoded == "..":
			return "", errors.New("it has . or .. as a segment")
		case strings.ContainsAny(decoded, `/\`):
			return "", errors.New("it has an encoded slash, or a backslash")
		}
		next, err := url.PathUnescape(decoded)
		if err != nil || next == decoded { // what cannot be decoded any further is a text
			return once, nil
		}
		if n == maxDecoding {
			return "", errors.New("it is percent-encoded too often")
		}
		decoded = next
	}
}

// writeSegment writes a segment of a path. The characters that OData uses in keys, as in Users('1'), stay as they are.
func writeSegment(b *strings.Builder, text string) {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}

// SameOrigin reports whether a and b have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// maxRetryAfter bounds the wait that an answer may ask for.
const maxRetryAfter = 24 * time.Hour

// RetryAfter returns how long an answer asks to wait: the longer of Retry-After, in seconds or as a date, and
// RateLimit-Reset, in seconds; at most a day. It is 0 if neither asks for anything. Source:
// https://learn.microsoft.com/en-us/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online
func RetryAfter(h http.Header, now time.Time) (wait time.Duration) {
	for _, name := range []string{"Retry-After", "Ratelimit-Reset"} {
		text := strings.TrimSpace(h.Get(name))
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err == nil {
			wait = max(wait, time.Duration(seconds)*time.Second)
			continue
		}
		at, err := http.ParseTime(text)
		if err == nil && name == "Retry-After" {
			wait = max(wait, at.Sub(now))
		}
	}
	return min(wait, maxRetryAfter)
}

// LowerASCII returns s with its letters A to Z in lower case, as long as s: an index into the result is one into s.
// That is not so with strings.ToLower, which makes some letters, and bytes that are no UTF-8, longer.
func LowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}
