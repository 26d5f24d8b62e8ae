package signature

import (
	"encoding/base64"
	"encoding/hex"
)

// Encoding names how a hash is written as text. Each hash has one text, or with Hex one for each case.
type Encoding string

// The encodings. All are strict: no white space, no missing or superfluous padding, no stray bits.
const (
	Hex       Encoding = "hex"       // lower case is written, either is read
	UpperHex  Encoding = "hex-upper" // upper case is written, and nothing else is read
	Base64    Encoding = "base64"    // the standard alphabet with padding
	Base64URL Encoding = "base64url" // the alphabet for URLs without padding
)

const (
	maxSize = 64          // of a hash in bytes: SHA-512
	maxText = 2 * maxSize // of an encoded hash: hex
)

var (
	strictBase64    = base64.StdEncoding.Strict()
	strictBase64URL = base64.RawURLEncoding.Strict()
)

func (e Encoding) known() bool {
	return e == Hex || e == UpperHex || e == Base64 || e == Base64URL
}

// append writes sum behind dst.
func (e Encoding) append(dst, sum []byte) []byte {
	switch e {
	case Base64:
		return strictBase64.AppendEncode(dst, sum)
	case Base64URL:
		return strictBase64URL.AppendEncode(dst, sum)
	}
	start := len(dst)
	dst = hex.AppendEncode(dst, sum)
	if e == UpperHex {
		for i, c := range dst[start:] {
			if c >= 'a' {
				dst[start+i] = c - 'a' + 'A'
			}
		}
	}
	return dst
}

// decode reads text into sum, a hash of at most maxSize bytes, and reports whether it is the text of exactly as
// many bytes. The length is checked before and after, since Go's base64 skips line breaks.
func (e Encoding) decode(sum []byte, text string) bool {
	var buf [maxText]byte
	if len(text) != e.textSize(len(sum)) {
		return false
	}
	src := buf[:copy(buf[:], text)]
	var n int
	var err error
	switch e {
	case Base64:
		n, err = decodeStrict(strictBase64, sum, src)
	case Base64URL:
		n, err = decodeStrict(strictBase64URL, sum, src)
	case UpperHex:
		for _, c := range src {
			if c >= 'a' {
				return false
			}
		}
		fallthrough
	case Hex:
		n, err = hex.Decode(sum, src)
	}
	return err == nil && n == len(sum)
}

func (e Encoding) textSize(size int) int {
	switch e {
	case Base64:
		return strictBase64.EncodedLen(size)
	case Base64URL:
		return strictBase64URL.EncodedLen(size)
	}
	return hex.EncodedLen(size)
}

// decodeStrict decodes src and returns how many bytes it stands for, which may be more than sum takes: texts of 32
// and of 33 bytes are equally long.
func decodeStrict(enc *base64.Encoding, sum, src []byte) (int, error) {
	var buf [maxText]byte
	n, err := enc.Decode(buf[:], src)
	copy(sum, buf[:n])
	return n, err
}
