package egress

import "strings"

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
