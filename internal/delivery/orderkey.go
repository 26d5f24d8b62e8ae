package delivery

import (
	"encoding/binary"
	"math/bits"

	"github.com/bellhop-gateway/bellhop"
)

// orderKey returns the key of ev in the order o: 64 bits of a hash, never 0. It returns 0 if o is no order. Events
// whose keys collide wait for one another too, so the hash has a secret key: otherwise somebody who chooses the
// subjects could have one event hold back those of another subject.
func (h *orderHash) orderKey(o bellhop.Order, ev *bellhop.Event) int64 {
	s := sipHash{v0: h.v0, v1: h.v1, v2: h.v2, v3: h.v3}
	switch o {
	case bellhop.OrderSource:
		s.write(ev.SourceID)
	case bellhop.OrderSubject:
		s.write(ev.SourceID)
		s.write("\x00")
		s.write(ev.Subject)
	default:
		return 0
	}
	return int64(s.sum() | 1)
}

// An orderHash is the state of SipHash-2-4 after its key.
type orderHash struct{ v0, v1, v2, v3 uint64 }

func newOrderHash(key [16]byte) orderHash {
	k0, k1 := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	return orderHash{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573}
}

// A sipHash is SipHash-2-4 with a result of 64 bits. The standard library has it in hash/maphash only, with a key
// that no other process can have.
// Source: https://www.aumasson.jp/siphash/siphash.pdf
type sipHash struct {
	v0, v1, v2, v3 uint64
	word           uint64 // the bytes since the last whole word, the first one lowest
	n              uint64 // bytes written
}

// write adds the bytes of text.
func (s *sipHash) write(text string) {
	for ; len(text) >= 8; text = text[8:] {
		next, shift := binary.LittleEndian.Uint64([]byte(text[:8])), s.n%8*8
		s.compress(s.word | next<<shift)
		s.word = next >> (64 - shift) // 0 for a shift of 0
		s.n += 8
	}
	for i := range len(text) {
		s.word |= uint64(text[i]) << (s.n % 8 * 8)
		if s.n++; s.n%8 == 0 {
			s.compress(s.word)
			s.word = 0
		}
	}
}

// sum returns the hash of the bytes written. Nothing may be written afterwards.
func (s *sipHash) sum() uint64 {
	s.compress(s.word | s.n<<56)
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (s *sipHash) compress(word uint64) {
	s.v3 ^= word
	s.round()
	s.round()
	s.v0 ^= word
}

func (s *sipHash) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
