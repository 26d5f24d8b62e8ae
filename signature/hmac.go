package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// HMAC is one scheme of the HMAC family: how a system writes the keyed hash of a message into a header. The caller
// passes the message, which is the body alone in some systems, and more than the body in others.
//
// GitHub's X-Hub-Signature-256 is HMAC{SHA256, Hex, "sha256="} over the body.
type HMAC struct {
	Hash     Hash
	Encoding Encoding
	Prefix   string // precedes the encoded hash, and is compared exactly; may be ""
}

// Hash names a hash function.
type Hash string

// The hash functions. SHA1 is for systems that offer no other; HMAC-SHA1 is not known to be broken.
const (
	SHA1   Hash = "sha1"
	SHA256 Hash = "sha256"
	SHA384 Hash = "sha384"
	SHA512 Hash = "sha512"
)

// Check returns an error if the hash or the encoding is unknown. Sign and Verify return the same error.
func (s HMAC) Check() error {
	if newHash, _ := s.Hash.open(); newHash == nil {
		return fmt.Errorf("signature: no hash %q; there are sha1, sha256, sha384 and sha512", s.Hash)
	}
	if !s.Encoding.known() {
		return fmt.Errorf("signature: no encoding %q; there are hex, hex-upper, base64 and base64url", s.Encoding)
	}
	return nil
}

// Sign returns the header value, prefix included, for the concatenated parts of message. It returns ErrKey for an
// empty key.
func (s HMAC) Sign(key []byte, message ...[]byte) (string, error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	if len(key) == 0 {
		return "", keyError("it is empty")
	}
	newHash, _ := s.Hash.open()
	var sum [maxSize]byte
	var text [maxText]byte
	out := append(text[:0], s.Prefix...)
	return string(s.Encoding.append(out, mac(sum[:0], newHash, key, message))), nil
}

// Verify reports whether value is what Sign returns for message and one of keys, of which there are several while
// a key is being replaced. It returns ErrMissing for an empty value, ErrMalformed for a wrong prefix, encoding or
// length, and ErrMismatch otherwise. An empty key never matches, and neither does an empty list of keys.
func (s HMAC) Verify(value string, keys [][]byte, message ...[]byte) error {
	sum, err := s.Read(value)
	if err != nil {
		return err
	}
	return sum.Verify(keys, message...)
}

// Read is the first step of Verify, which needs neither a key nor the message: it decodes value. Its errors are those
// of Verify except ErrMismatch. So a request whose signature has not the form of the scheme can be refused before its
// body is read.
func (s HMAC) Read(value string) (Sum, error) {
	if err := s.Check(); err != nil {
		return Sum{}, err
	}
	if value == "" {
		return Sum{}, ErrMissing
	}
	text, ok := strings.CutPrefix(value, s.Prefix)
	sum := Sum{hash: s.Hash}
	_, size := s.Hash.open()
	if !ok || !s.Encoding.decode(sum.bytes[:size], text) {
		return Sum{}, ErrMalformed
	}
	return sum, nil
}

// A Sum is a decoded signature of an HMAC scheme. The zero Sum is not valid for any message.
type Sum struct {
	hash  Hash
	bytes [maxSize]byte // as many as the hash has; the others are 0
}

// Verify is the second step of [HMAC.Verify]: it returns nil if one of keys made the sum for message, else
// ErrMismatch.
func (s *Sum) Verify(keys [][]byte, message ...[]byte) error {
	newHash, size := s.hash.open()
	if newHash == nil {
		return ErrMismatch
	}
	var sum [maxSize]byte
	for _, key := range keys {
		if len(key) > 0 && hmac.Equal(s.bytes[:size], mac(sum[:0], newHash, key, message)) {
			return nil
		}
	}
	return ErrMismatch
}

// open returns the hash function and the size of its sums in bytes, or nil.
func (h Hash) open() (func() hash.Hash, int) {
	switch h {
	case SHA1:
		return sha1.New, sha1.Size
	case SHA256:
		return sha256.New, sha256.Size
	case SHA384:
		return sha512.New384, sha512.Size384
	case SHA512:
		return sha512.New, sha512.Size
	}
	return nil, 0
}

func mac(dst []byte, newHash func() hash.Hash, key []byte, message [][]byte) []byte {
	m := hmac.New(newHash, key)
	for _, part := range message {
		m.Write(part)
	}
	return m.Sum(dst)
}

// Encoding names how a hash is written as text. Each hash has exactly one text, except that Hex has one for each case.
type Encoding string

// The encodings. All are read strictly: no white space, no missing or superfluous padding, no unused bits that are
// set.
const (
	Hex       Encoding = "hex"       // lower case is written, either is read
	UpperHex  Encoding = "hex-upper" // upper case alone is written and read
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

// append appends the text of sum to dst.
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

// decode reads text into sum, a hash of at most maxSize bytes, and reports whether text stands for exactly
// len(sum) bytes. It checks the length before and after decoding, since Go's base64 skips line breaks.
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

// decodeStrict decodes src and returns its number of bytes, which may be more than sum has room for: the texts of
// 32 and of 33 bytes are equally long.
func decodeStrict(enc *base64.Encoding, sum, src []byte) (int, error) {
	var buf [maxText]byte
	n, err := enc.Decode(buf[:], src)
	copy(sum, buf[:n])
	return n, err
}

// KeyEncoding names how the text of a key stands for its bytes. Similar systems differ in it, and a key that is
// decoded wrongly verifies nothing. So it belongs to the settings of a source and is never guessed.
type KeyEncoding string

// The encodings of keys.
const (
	Text KeyEncoding = "text" // the bytes are the text itself, in UTF-8
	// hex digits in either case, also after "0x", or with blanks or colons between them
	KeyHex    KeyEncoding = "hex"
	KeyBase64 KeyEncoding = "base64" // base64 of either alphabet, with or without padding
)

// DecodeKey decodes the text of a key. It returns ErrKey, with a reason that never repeats the text, if the text
// is empty or not in the encoding.
func DecodeKey(text string, enc KeyEncoding) ([]byte, error) {
	if text == "" {
		return nil, keyError("it is empty")
	}
	switch enc {
	case Text:
		return []byte(text), nil
	case KeyHex:
		return decodeHexKey(text)
	case KeyBase64:
		return decodeBase64Key(text)
	}
	return nil, keyError(fmt.Sprintf("no key encoding %q; there are text, hex and base64", enc))
}

// decodeHexKey reads the forms in which products and tools show hex: "0x" in front, and blanks or colons between the
// digits.
func decodeHexKey(text string) ([]byte, error) {
	digits := strings.NewReplacer(" ", "", ":", "").Replace(strings.TrimSpace(text))
	if len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X") {
		digits = digits[2:]
	}
	key, err := hex.DecodeString(digits)
	if err != nil || len(key) == 0 {
		return nil, keyError("it is not hex: an even number of digits 0-9 and a-f")
	}
	return key, nil
}

// decodeBase64Key reads the forms in which products and tools show base64: the standard alphabet or the one for URLs,
// with or without padding. It ignores the unused bits of the last digit, as the systems that
// issue keys do: made-up keys may have them set.
func decodeBase64Key(text string) ([]byte, error) {
	digits := strings.TrimSpace(text)
	if strings.ContainsAny(digits, " \t\r\n") { // Go's decoder would skip line breaks
		return nil, keyError("there is white space in it")
	}
	digits = strings.TrimSuffix(strings.TrimSuffix(digits, "="), "=")
	if digits == "" {
		return nil, keyError("it is empty")
	}
	enc := base64.RawStdEncoding
	if strings.ContainsAny(digits, "-_") {
		enc = base64.RawURLEncoding
	}
	key, err := enc.DecodeString(digits)
	if err != nil {
		return nil, keyError("it is not in base64: letters, digits, + and / (or - and _), and = at its end")
	}
	return key, nil
}

func keyError(why string) error { return fmt.Errorf("%w: %s", ErrKey, why) }
