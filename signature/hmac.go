package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
)

// HMAC describes one scheme of the HMAC family: what a system writes into its signature header. What it hashes,
// the body alone or something in front of it, the caller passes as the message.
//
// GitHub's X-Hub-Signature-256 is HMAC{SHA256, Hex, "sha256="} over the body.
type HMAC struct {
	Hash     Hash
	Encoding Encoding
	Prefix   string // in front of the encoded hash, compared exactly; may be ""
}

// Hash names a hash function.
type Hash string

// The hash functions. SHA1 is for systems that offer nothing else; as an HMAC it is not known to be broken.
const (
	SHA1   Hash = "sha1"
	SHA256 Hash = "sha256"
	SHA384 Hash = "sha384"
	SHA512 Hash = "sha512"
)

// Check reports an unknown hash or encoding. Sign and Verify return the same error.
func (s HMAC) Check() error {
	if newHash, _ := s.Hash.open(); newHash == nil {
		return fmt.Errorf("signature: no hash %q; there are sha1, sha256, sha384 and sha512", s.Hash)
	}
	if !s.Encoding.known() {
		return fmt.Errorf("signature: no encoding %q; there are hex, hex-upper, base64 and base64url", s.Encoding)
	}
	return nil
}

// Sign returns the header value, prefix included, for the parts of message one after the other.
// It returns ErrKey for an empty key.
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

// Verify reports whether value is what Sign returns for one of keys and message. It returns ErrMissing for no
// value, ErrMalformed for a wrong prefix, encoding or length, and else ErrMismatch.
// Several keys are those in use while a key is being replaced. An empty key never matches, nor do no keys.
func (s HMAC) Verify(value string, keys [][]byte, message ...[]byte) error {
	if err := s.Check(); err != nil {
		return err
	}
	if value == "" {
		return ErrMissing
	}
	newHash, size := s.Hash.open()
	text, ok := strings.CutPrefix(value, s.Prefix)
	if !ok {
		return ErrMalformed
	}
	var got, sum [maxSize]byte
	if !s.Encoding.decode(got[:size], text) {
		return ErrMalformed
	}
	for _, key := range keys {
		if len(key) > 0 && hmac.Equal(got[:size], mac(sum[:0], newHash, key, message)) {
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
