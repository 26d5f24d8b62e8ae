package cloudevents

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/provider"
)

// EncodeHeaderValue writes the text of an attribute as the value of its ce- header: each byte of its UTF-8 that is a
// blank, a double quote, a percent sign or no printable ASCII becomes "%" and two upper-case hex digits.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
func EncodeHeaderValue(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DecodeHeaderValue returns the text of the attribute whose ce- header has this value: quotes and backslashes of a
// quoted string are taken away first, then each "%" with two hex digits is decoded, once. A "+" is a plus.
//
// It takes what older senders write too: UTF-8 as it is, and a "%" or a quote that stands for itself. What is not
// UTF-8 in the end is provider.ErrBody.
func DecodeHeaderValue(value string) (string, error) {
	text := unescape(unquote(value))
	if !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: the value of a ce- header is not UTF-8", provider.ErrBody)
	}
	return text, nil
}

// unquote returns the text of a quoted string (RFC 9110, section 5.6.4), and anything else as it is.
func unquote(value string) string {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '"' && i == len(value)-1:
			return b.String()
		case value[i] == '"':
			return value
		case value[i] == '\\':
			if i++; i == len(value) {
				return value
			}
		}
		b.WriteByte(value[i])
	}
	return value
}

// unescape decodes percent signs, once.
func unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if c, ok := escaped(value[i:]); ok {
			b.WriteByte(c)
			i += 2
		} else {
			b.WriteByte(value[i])
		}
	}
	return b.String()
}

// escaped returns the byte that text begins with, written as "%" and two hex digits.
func escaped(text string) (c byte, ok bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[1:3], 16, 8)
	return byte(n), err == nil
}
