package boro

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// A Message is what a signature covers.
type Message struct {
	Method string
	URI    string      // the target as in the request line: path and query, "/" where it is empty
	Header http.Header // Content-Type, which may be absent, and Date
	Body   []byte
}

// signedParts are the parts of a message that are signed, without the hash of its body.
type signedParts struct {
	method, contentType, uri, dateText string
	date                               time.Time
}

// read takes the signed parts out of m. Since nothing but commas divides them, there is none in a method or a type,
// and a date is of one form and length: then only one message has a given text.
func (m Message) read() (s signedParts, err error) {
	if s.dateText, err = signature.Single(m.Header, "Date"); err != nil {
		return s, err
	}
	if s.date, err = time.Parse(http.TimeFormat, s.dateText); err != nil || s.date.Format(http.TimeFormat) != s.dateText {
		return s, fmt.Errorf("%w: Date is not such as Sun, 22 Nov 2026 08:15:30 GMT", signature.ErrMalformed)
	}
	if s.contentType, err = signature.Optional(m.Header, "Content-Type"); err != nil {
		return s, err
	}
	s.method, s.uri = strings.ToUpper(m.Method), originForm(m.URI)
	if strings.Contains(s.method, ",") || strings.Contains(s.contentType, ",") {
		return s, fmt.Errorf("%w: a comma in the method or the Content-Type", signature.ErrMalformed)
	}
	return s, nil
}

func (s *signedParts) canonical(hash string) []byte {
	return []byte(s.method + "," + s.contentType + "," + hash + "," + s.uri + "," + s.dateText)
}

// originForm returns target without the scheme and host that a proxy may be sent (RFC 9112, section 3.2.2).
func originForm(target string) string {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			target = target[len(scheme):]
			target = target[len(target)-len(strings.TrimLeftFunc(target, func(r rune) bool { return r != '/' && r != '?' })):]
			break
		}
	}
	if target == "" {
		return "/"
	}
	return target
}

func hashText(sum []byte, enc signature.Encoding) string {
	if enc == signature.Hex {
		return hex.EncodeToString(sum)
	}
	return base64.StdEncoding.EncodeToString(sum)
}
