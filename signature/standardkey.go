package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
)

// Prefixes of the keys of Standard Webhooks. The bytes of the key follow in base64.
const (
	prefixSymmetric = "whsec_" // optional
	prefixPrivate   = "whsk_"
	prefixPublic    = "whpk_"
)

// Sizes of a shared secret in bytes. The specification asks for 24 to 64, but libraries take secrets of any size, so
// that there are senders with shorter and with longer ones.
const (
	wantSecretBytes = 24
	maxSecretBytes  = 512
)

// A StandardKey is a key of Standard Webhooks: a shared secret, or one half of an Ed25519 pair.
// It is safe for concurrent use, cheap to copy, and prints its kind only.
// The zero StandardKey signs nothing and matches nothing.
type StandardKey struct {
	hidden func() standardScheme // a function, since package fmt prints the content of any other value
}

func newStandardKey(s standardScheme) StandardKey {
	return StandardKey{func() standardScheme { return s }}
}

// scheme returns nil for the zero key.
func (k StandardKey) scheme() standardScheme {
	if k.hidden == nil {
		return nil
	}
	return k.hidden()
}

// ParseStandardKey reads a key as it is issued: "whsec_", which is optional, and the bytes of a shared secret in
// base64; "whsk_" and the 64 bytes of an Ed25519 private key (seed, then public key); or "whpk_" and the 32 bytes of
// a public key. It reads the forms in which products show a key: with "v1," or "v1a," in front, with white space
// around, and base64 of either alphabet with or without padding. A shared secret has 1 to 512 bytes; see
// [StandardKey.Short]. It returns ErrKey with a reason that never repeats the text.
func ParseStandardKey(text string) (StandardKey, error) {
	keys, err := ParseStandardKeys(text)
	switch {
	case err != nil:
		return StandardKey{}, err
	case len(keys) > 1:
		return StandardKey{}, keyError(fmt.Sprintf("it is %d keys; give one, or a list", len(keys)))
	}
	return keys[0], nil
}

// ParseStandardKeys is [ParseStandardKey] for a text with one key or several: a product that is replacing a key, or
// that has a public and a private one, shows them in one text, separated by "|", ",", ":" or white space.
func ParseStandardKeys(text string) ([]StandardKey, error) {
	var keys []StandardKey
	for _, one := range splitStandardKeys(text) {
		key, err := parseStandardKey(one)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, keyError("it is empty")
	case len(keys) > MaxStandardEntries:
		return nil, keyError(fmt.Sprintf("it is %d keys; use at most %d", len(keys), MaxStandardEntries))
	}
	return keys, nil
}

// splitStandardKeys splits text into keys. "v1" and "v1a" are the versions that the keys are for, and left out.
func splitStandardKeys(text string) (keys []string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("|,: \t\r\n", r) }) {
		if word != versionSymmetric && word != versionEd25519 {
			keys = append(keys, word)
		}
	}
	return keys
}

func hasKeyPrefix(text string) bool {
	for _, prefix := range []string{prefixSymmetric, prefixPrivate, prefixPublic} {
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// apiKeys begin the keys by which a program calls a sender's API. They are often mistaken for the secret of a webhook.
var apiKeys = []string{"sk_", "rk_", "pk_", "testsk_"}

// parseStandardKey parses one key, without white space.
func parseStandardKey(text string) (StandardKey, error) {
	if rest, ok := strings.CutPrefix(text, prefixPrivate); ok {
		return parsePrivate(rest)
	}
	if rest, ok := strings.CutPrefix(text, prefixPublic); ok {
		return parsePublic(rest)
	}
	rest, ok := strings.CutPrefix(text, prefixSymmetric)
	if hasKeyPrefix(rest) {
		return StandardKey{}, keyError("its prefix is there twice, or not in lower case: whsec_, whpk_ or whsk_")
	}
	for _, prefix := range apiKeys {
		if !ok && strings.HasPrefix(text, prefix) {
			return StandardKey{}, keyError("it is a key of the sender's API; the secret of the webhook, which the " +
				"sender shows beside the endpoint, begins with whsec_")
		}
	}
	secret, err := decodeBase64Key(rest)
	if err != nil {
		return StandardKey{}, err
	}
	if len(secret) > maxSecretBytes {
		return StandardKey{}, keyError(fmt.Sprintf("a whsec_ secret has at most %d bytes, this one has %d",
			maxSecretBytes, len(secret)))
	}
	return newStandardKey(newSymmetric(secret)), nil
}

// Short reports whether k is a shared secret of fewer than 24 bytes, the least that the specification asks for.
func (k StandardKey) Short() bool {
	s, ok := k.scheme().(*symmetric)
	return ok && s.short
}

// Private reports whether k is an Ed25519 private key, which a receiver must not have.
func (k StandardKey) Private() bool { return k.isEd25519(true) }

// Public reports whether k is an Ed25519 public key, which cannot sign.
func (k StandardKey) Public() bool { return k.isEd25519(false) }

func (k StandardKey) isEd25519(signs bool) bool {
	s, ok := k.scheme().(*ed25519Key)
	return ok && s.signs() == signs
}

func parsePrivate(text string) (StandardKey, error) {
	key, err := decodeBase64Key(text)
	if err != nil {
		return StandardKey{}, err
	}
	if len(key) != ed25519.PrivateKeySize {
		return StandardKey{}, keyError(fmt.Sprintf("a whsk_ key has 64 bytes, seed and public key; this one has %d",
			len(key)))
	}
	private := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
	if !private.Equal(ed25519.PrivateKey(key)) {
		return StandardKey{}, keyError("the public half of this whsk_ key does not belong to its seed")
	}
	return newStandardKey(&ed25519Key{private: private, public: private.Public().(ed25519.PublicKey)}), nil
}

func parsePublic(text string) (StandardKey, error) {
	key, err := decodeBase64Key(text)
	if err != nil {
		return StandardKey{}, err
	}
	if len(key) != ed25519.PublicKeySize {
		return StandardKey{}, keyError(fmt.Sprintf("a whpk_ key has 32 bytes, this one has %d", len(key)))
	}
	if smallOrder(key) {
		return StandardKey{}, keyError("signatures for this whpk_ key can be made without its private half")
	}
	return newStandardKey(&ed25519Key{public: key}), nil
}

// NewStandardSecret returns a new shared secret: "whsec_" and the base64 of 32 bytes read from random.
// It panics if random fails, which crypto/rand.Reader never does.
func NewStandardSecret(random io.Reader) string {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		panic("signature: no randomness for a secret: " + err.Error())
	}
	return prefixSymmetric + strictBase64.EncodeToString(secret[:])
}

// String returns the kind of the key, never the key.
func (k StandardKey) String() string {
	if s := k.scheme(); s != nil {
		return s.prefix() + "(redacted)"
	}
	return "(redacted)"
}

// Format writes String for every verb, so that no verb prints the key.
func (k StandardKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns String, so that JSON and logs show only the kind of the key too.
func (k StandardKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// symmetric is a shared secret. It keeps keyed hashes for further messages, since setting the key costs more than
// hashing a small message.
type symmetric struct {
	pool  sync.Pool
	short bool // fewer than wantSecretBytes
}

// keyed is a keyed hash with buffers for its input and output, so that a message costs no allocation.
type keyed struct {
	hash.Hash
	head []byte
	sum  [sha256.Size]byte
}

func newSymmetric(secret []byte) *symmetric {
	return &symmetric{short: len(secret) < wantSecretBytes, pool: sync.Pool{New: func() any {
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

func (s *symmetric) readable(value string) bool {
	var sig [sha256.Size]byte
	return anyEntry(sig[:], value, versionSymmetric)
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

// ed25519Key is a public key, or a private key, which verifies as well.
type ed25519Key struct {
	private ed25519.PrivateKey // nil for a public key
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

func (e *ed25519Key) readable(value string) bool {
	var sig [ed25519.SignatureSize]byte
	return anyEntry(sig[:], value, versionEd25519)
}

// smallOrders are the y coordinates of Ed25519's points of order 1, 2, 4 and 8, little-endian without the sign bit,
// including those that are not reduced modulo p. For such a key one signature is valid for an eighth of all
// messages or more.
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
