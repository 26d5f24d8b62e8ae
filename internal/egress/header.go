package egress

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxHeaderValueBytes bounds the value of one custom header.
const MaxHeaderValueBytes = 8 << 10

// reserved are the header names, in lower case, that nobody may set on a destination: those that frame the
// message, belong to one hop, change the flow, carry our own signature, claim where a request came from, unlock a
// cloud's metadata service, or ask for a reply that we would have to inflate.
var reserved = []string{
	"accept-encoding", "cookie", "cookie2",
	"webhook-id", "webhook-timestamp", "webhook-signature",
	"forwarded", "via", "x-real-ip", "x-original-url", "x-rewrite-url", "x-http-method-override",
	"metadata", "metadata-flavor", "metadata-token", "x-metadata-token", "x-google-metadata-request",
}

// reservedPrefixes are beginnings of such names.
var reservedPrefixes = []string{"x-forwarded-", "svix-", "x-aws-ec2-metadata-", "x-bellhop-"}

// framing are the headers that say where a message ends, for whom it is, or what the connection does: whoever else set one
// could hide a request in a body. Those that begin with "proxy-" and "bellhop-" go with them.
var framing = []string{
	"host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade", "http2-settings", "expect",
}

// Framing reports whether a header is for Bellhop alone to set, whoever renders the request.
func Framing(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains(framing, lower) || strings.HasPrefix(lower, "proxy-") || strings.HasPrefix(lower, "bellhop-")
}

// CheckHeader returns nil if a destination may send the custom header "name: value", or an error that says why not.
func (c *Client) CheckHeader(name, value string) error {
	if !validToken(name) {
		return errors.New("a header name consists of letters, digits and !#$%&'*+-.^_`|~")
	}
	lower := strings.ToLower(name)
	if Framing(name) || slices.Contains(reserved, lower) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return fmt.Errorf("header %s is set by Bellhop itself or not for sending; choose another name", name)
	}
	if len(value) > MaxHeaderValueBytes {
		return fmt.Errorf("header %s: the value is longer than %d bytes", name, MaxHeaderValueBytes)
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b >= 0x7f {
			return fmt.Errorf("header %s: the value has a control or non-ASCII character at byte %d", name, i)
		}
	}
	return nil
}

// AppendHeader appends the line "name: value\r\n" to dst, as [Request].Header wants it. name is a token in
// canonical form. Bytes of value that would end the line become spaces, so that no value can add a header.
func AppendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	if strings.ContainsAny(value, "\r\n\x00") {
		value = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(value)
	}
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// validToken reports whether s is a token in the sense of RFC 9110, section 5.6.2.
func validToken(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0) {
			return false
		}
	}
	return s != ""
}
