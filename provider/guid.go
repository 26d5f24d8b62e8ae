package provider

import "fmt"

// NewGUID returns b as a GUID: a UUID (RFC 9562) of that version, which takes the place of six of its bits. Version 4 is
// for random bytes, 8 for those of a hash.
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
