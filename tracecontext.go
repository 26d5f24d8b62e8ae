package bellhop

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// The headers of W3C Trace Context, and TraceHeader: the header of an event that names the span in which this gateway
// took the request, in the form of traceparent. Only a server that traces sets it, and no sender can.
const (
	TraceparentHeader = "Traceparent"
	TracestateHeader  = "Tracestate"
	TraceHeader       = "Bellhop-Trace"
)

// MaxTracestateBytes bounds a tracestate that is passed on. W3C asks for at least as much.
const MaxTracestateBytes = 512

// maxTracestateMembers is the most that W3C allows.
const maxTracestateMembers = 32

// A TraceContext says to which trace a request belongs: that of W3C Trace Context. The zero value belongs to none.
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte // of the caller's span
	Flags   byte    // bit 0: the caller keeps the trace
	State   string  // of the vendors on the way; "" is none
}

// ParseTraceparent parses a value of the header traceparent. Of a later version it reads what version 00 has, as W3C
// asks. ok is false if it is malformed.
func ParseTraceparent(text string) (c TraceContext, ok bool) {
	const length = 55 // 00-TRACE…-SPAN…-01
	if len(text) < length || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return c, false
	}
	var version, flags [1]byte
	if !lowerHex(version[:], text[:2]) || version[0] == 0xff || len(text) > length && (version[0] == 0 ||
		text[length] != '-' || len(text) > MaxTracestateBytes) {
		return c, false
	}
	isHex := lowerHex(c.TraceID[:], text[3:35]) && lowerHex(c.SpanID[:], text[36:52]) &&
		lowerHex(flags[:], text[53:55])
	if !isHex || c.TraceID == ([16]byte{}) || c.SpanID == ([8]byte{}) {
		return TraceContext{}, false
	}
	if c.Flags = flags[0]; version[0] != 0 {
		c.Flags &= 1 // the meaning of the others may have changed
	}
	return c, true
}

// lowerHex decodes text, which has twice the length of to, and reports whether it is all lower-case hexadecimal.
func lowerHex(to []byte, text string) bool {
	for i := range len(text) {
		if b := text[i]; !('0' <= b && b <= '9' || 'a' <= b && b <= 'f') {
			return false
		}
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}

// Traceparent returns the value of the header traceparent, in version 00.
func (c TraceContext) Traceparent() string {
	b := append(make([]byte, 0, 55), "00-"...)
	b = append(hex.AppendEncode(b, c.TraceID[:]), '-')
	b = append(hex.AppendEncode(b, c.SpanID[:]), '-')
	return string(hex.AppendEncode(b, []byte{c.Flags}))
}

// ReadTraceContext returns the trace context of a request. ok is false if it has none, or a malformed one. A malformed
// or too long tracestate is left out.
func ReadTraceContext(h http.Header) (c TraceContext, ok bool) {
	parents := h[TraceparentHeader]
	if len(parents) != 1 { // two contradict each other
		return c, false
	}
	if c, ok = ParseTraceparent(parents[0]); ok {
		c.State = tracestate(h[TracestateHeader])
	}
	return c, ok
}

// TraceContextOf returns the trace context with which an event came, from its header: see [ReadTraceContext].
func TraceContextOf(h Header) (c TraceContext, ok bool) {
	if !bytes.Contains(h, []byte(TraceparentHeader+": ")) {
		return c, false // of most events
	}
	return ReadTraceContext(h.HTTP())
}

// tracestate returns the members of the headers tracestate as one value; "" if one is malformed, or they are too many.
func tracestate(values []string) string {
	all := strings.Join(values, ",")
	if len(all) > MaxTracestateBytes {
		return ""
	}
	var members, keys []string
	for member := range strings.SplitSeq(all, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue // W3C allows it
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || !tracestateKey(key) || !tracestateValue(value) || slices.Contains(keys, key) {
			return ""
		}
		members, keys = append(members, member), append(keys, key)
	}
	if len(members) > maxTracestateMembers {
		return ""
	}
	return strings.Join(members, ",")
}

// tracestateKey reports whether s is a key of a vendor, or of one of its tenants: "vendor" or "tenant@vendor".
func tracestateKey(s string) bool {
	tenant, vendor, ok := strings.Cut(s, "@")
	if ok && (len(tenant) > 241 || len(vendor) > 14 || !keyPart(vendor) || '0' <= vendor[0] && vendor[0] <= '9') {
		return false
	}
	return len(s) <= 256 && keyPart(tenant)
}

// keyPart reports whether s begins with a lower-case letter or a digit, and goes on with these and _-*/.
func keyPart(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || i > 0 && strings.IndexByte("_-*/", b) >= 0) {
			return false
		}
	}
	return s != ""
}

// tracestateValue reports whether s is a value: printable ASCII without a comma or an equals sign.
func tracestateValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' || b == ',' || b == '=' {
			return false
		}
	}
	return s != "" && len(s) <= 256 && s[len(s)-1] != ' '
}
