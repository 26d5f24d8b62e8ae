package signature

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"strings"
)

// Prefixes of the keys of Standard Webhooks, in front of the key's bytes in base64.
const (
	prefixSymmetric = "whsec_" // may be left out
	prefixPrivate   = "whsk_"
	prefixPublic    = "whpk_"
)

// Sizes of a shared secret in bytes: the specification asks for 24 to 64; the vendor whose format it was hands
// out up to 75.
const (
	minSecretBytes = 24
	maxSecretBytes = 75
)

// A StandardKey is a key of Standard Webhooks: a shared secret, or one half of an Ed25519 pair.
// It is safe for concurrent use, cheap to copy, and prints as its kind only.
// The zero StandardKey signs nothing and matches nothing.
type StandardKey struct {
	hidden func() standardScheme // package fmt looks into everything but a function
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

// ParseStandardKey reads a key as it is handed out: "whsec_" and 24 to 75 bytes in base64 (the prefix may be left
// out), "whsk_" and the 64 bytes of an Ed25519 private key (seed, then public key), or "whpk_" and the 32 of a
// public one. It returns ErrKey with a reason that never repeats the text.
func ParseStandardKey(text string) (StandardKey, error) {
	if rest, ok := strings.CutPrefix(text, prefixPrivate); ok {
		return parsePrivate(rest)
	}
	if rest, ok := strings.CutPrefix(text, prefixPublic); ok {
		return parsePublic(rest)
	}
	secret, err := decodeBase64Key(strings.TrimPrefix(text, prefixSymmetric))
	if err != nil {
		return StandardKey{}, err
	}
	if len(secret) < minSecretBytes || len(secret) > maxSecretBytes {
		return StandardKey{}, keyError(fmt.Sprintf("a whsec_ secret has %d to %d bytes, this one has %d", minSecretBytes, maxSecretBytes, len(secret)))
	}
	return newStandardKey(newSymmetric(secret)), nil
}

func parsePrivate(text string) (StandardKey, error) {
	key, err := decodeBase64Key(text)
	if err != nil {
		return StandardKey{}, err
	}
	if len(key) != ed25519.PrivateKeySize {
		return StandardKey{}, keyError(fmt.Sprintf("a whsk_ key has 64 bytes, seed and public key; this one has %d", len(key)))
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
// It panics if random fails, as crypto/rand's Reader never does.
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

// Format writes String whatever the verb, so that no verb takes the key apart.
func (k StandardKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns String: in JSON and in logs too, a key is only its kind.
func (k StandardKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
