package signature

import (
	"crypto/ed25519"
	"strings"
)

// ed25519Key is a public key, or a private one, which verifies as well.
type ed25519Key struct {
	private ed25519.PrivateKey // nil if it is public
	public  ed25519.PublicKey
}

func (e *ed25519Key) prefix() string {
	if e.private == nil {
		return prefixPublic
	}
	return prefixPrivate
}

func (e *ed25519Key) version() string { return versionEd25519 }
func (e *ed25519Key) signs() bool     { return e.private != nil }

func (e *ed25519Key) appendEntry(dst []byte, text signedText) []byte {
	sig := ed25519.Sign(e.private, text.whole())
	dst = append(dst, versionEd25519+","...)
	return strictBase64.AppendEncode(dst, sig)
}

func (e *ed25519Key) matches(text signedText, value string) bool {
	var message []byte // built when there is an entry to verify
	var sig [ed25519.SignatureSize]byte
	for entry := range strings.SplitSeq(value, " ") {
		if !decodeEntry(sig[:], entry, versionEd25519) {
			continue
		}
		if message == nil {
			message = text.whole()
		}
		if ed25519.Verify(e.public, message, sig[:]) {
			return true
		}
	}
	return false
}

// smallOrders are the y coordinates of Ed25519's points of order 1, 2, 4 and 8, little-endian without the sign
// bit, those not reduced modulo p included. For such a key one signature fits an eighth of all messages or more.
// Source: https://github.com/jedisct1/libsodium, ge25519_has_small_order
var smallOrders = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

func smallOrder(key ed25519.PublicKey) bool {
	y := [ed25519.PublicKeySize]byte(key)
	y[31] &= 0x7f
	for _, weak := range smallOrders {
		if string(y[:]) == weak {
			return true
		}
	}
	return false
}
