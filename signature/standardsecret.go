package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strings"
	"sync"
)

// symmetric is a shared secret. Keyed hashes are kept for the next message: keying them costs more than the
// rest of a small message.
type symmetric struct{ pool sync.Pool }

// keyed is a keyed hash with room for what goes in and out of it, so that a message costs no allocation.
type keyed struct {
	hash.Hash
	head []byte
	sum  [sha256.Size]byte
}

func newSymmetric(secret []byte) *symmetric {
	return &symmetric{sync.Pool{New: func() any {
		return &keyed{Hash: hmac.New(sha256.New, secret)}
	}}}
}

func (s *symmetric) prefix() string  { return prefixSymmetric }
func (s *symmetric) version() string { return versionSymmetric }
func (s *symmetric) signs() bool     { return true }

func (s *symmetric) appendEntry(dst []byte, text signedText) []byte {
	sum := s.sum(text)
	dst = append(dst, versionSymmetric+","...)
	return strictBase64.AppendEncode(dst, sum[:])
}

func (s *symmetric) matches(text signedText, value string) bool {
	want := s.sum(text)
	var got [sha256.Size]byte
	for entry := range strings.SplitSeq(value, " ") {
		if decodeEntry(got[:], entry, versionSymmetric) && hmac.Equal(got[:], want[:]) {
			return true
		}
	}
	return false
}

func (s *symmetric) sum(text signedText) [sha256.Size]byte {
	k := s.pool.Get().(*keyed)
	defer s.pool.Put(k)
	k.Reset()
	k.head = text.head(k.head[:0])
	k.Write(k.head)
	k.Write(text.body)
	k.Sum(k.sum[:0])
	return k.sum
}
