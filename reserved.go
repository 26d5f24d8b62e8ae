package bellhop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// framingHeaders delimit a message, name its host or control the connection. If a setting could set such a header,
// it could smuggle a request in a body. Headers that begin with "proxy-" and "bellhop-" belong to them. All lists
// are in lower case.
var framingHeaders = []string{
	"host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "upgrade",
	"http2-settings", "expect",
}

// reservedHeaders are further headers that the settings of a destination must not set. They contradict the body,
// carry our own signature, claim the origin of a request, unlock the metadata service of a cloud, or request a
// compressed reply.
var (
	reservedHeaders = []string{
		"content-encoding", "accept-encoding", "cookie", "cookie2",
		"webhook-id", "webhook-timestamp", "webhook-signature",
		"forwarded", "via", "x-real-ip", "x-original-url", "x-rewrite-url", "x-http-method-override",
		"metadata", "metadata-flavor", "metadata-token", "x-metadata-token", "x-google-metadata-request",
	}
	reservedBeginnings = []string{"x-forwarded-", "svix-", "x-aws-ec2-metadata-", "x-bellhop-"}
)

// FramingHeader reports whether only Bellhop itself may set a header, whoever renders the request.
func FramingHeader(name string) bool {
	lower := strings.ToLower(name)
	return slices.Contains(framingHeaders, lower) || strings.HasPrefix(lower, "proxy-") ||
		strings.HasPrefix(lower, "bellhop-")
}

// ReservedHeader reports whether the settings of a destination must not set a header, because Bellhop sets it or
// because it must not be sent.
func ReservedHeader(name string) bool {
	lower := strings.ToLower(name)
	return FramingHeader(name) || slices.Contains(reservedHeaders, lower) ||
		slices.ContainsFunc(reservedBeginnings, func(b string) bool { return strings.HasPrefix(lower, b) })
}

// MaxHeaderValueBytes bounds the value of one header in the settings of a destination.
const MaxHeaderValueBytes = 8 << 10

// CheckHeader returns an error unless the settings of a destination may set the header "name: value". The error does
// not repeat the value.
func CheckHeader(name, value string) error {
	switch {
	case !HeaderName(name):
		return errors.New("a header name consists of letters, digits and !#$%&'*+-.^_`|~")
	case ReservedHeader(name):
		return fmt.Errorf("header %s is reserved: Bellhop sets it, or it must not be sent; choose another name", name)
	case len(value) > MaxHeaderValueBytes:
		return fmt.Errorf("header %s: the value is longer than %d bytes", name, MaxHeaderValueBytes)
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b >= 0x7f {
			return fmt.Errorf("header %s: the value has a control or non-ASCII character at byte %d", name, i)
		}
	}
	return nil
}

// HeaderName reports whether s can be the name of a header: a token in the sense of RFC 9110, section 5.6.2.
func HeaderName(s string) bool {
	for i := range len(s) {
		b := s[i]
		alphanumeric := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return s != ""
}
