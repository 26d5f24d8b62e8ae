package bellhop

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A Key lets a program call the HTTP API within its scope. The text of the key is shown once, when the key is made;
// kept is its hash.
type Key struct {
	ID     string // "key_…"; it is a part of the text of the key, and no secret
	Name   string // unique among keys
	Scope  Scope
	Tenant string   // the tenant whose nouns it sees; "" is all of them
	Hash   [32]byte // HashKey of the text

	CreatedAt   time.Time
	ExpiresAt   time.Time // from then on it is refused; zero is never
	LastUsedAt  time.Time // of the latest accepted request; zero is never
	LastAddress string    // the IP address of that request, which may be that of a proxy; "" if it is unknown
}

// Expired reports whether k is refused at a time because of its expiry.
func (k *Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// A KeyUse is the latest use of a key.
type KeyUse struct {
	At      time.Time
	Address string // an IP address; "" if it is unknown
}

// AdminKeyName is the name of the admin key in logs. No other key may have it.
const AdminKeyName = "admin"

// MaxAdminGrace is the longest time for which the admin key still works after it was replaced.
const MaxAdminGrace = 24 * time.Hour

// MaxKeys bounds the keys of a gateway, which are all held in memory.
const MaxKeys = 2000

// A Scope says which requests of the API a key may make.
type Scope string

// The scopes. docs/KEYS.md lists the requests of each.
const (
	ScopeAdmin   Scope = "admin"   // every request
	ScopeOperate Scope = "operate" // all of read and publish, and what needs no secret: pause, replay, retry, renew, …
	ScopeRead    Scope = "read"    // looks at everything but keys, and changes nothing
	ScopePublish Scope = "publish" // publishes events, and sees nothing
)

// Scopes are all scopes, the widest first.
var Scopes = []Scope{ScopeAdmin, ScopeOperate, ScopeRead, ScopePublish}

// Includes reports whether a key with the scope s may make the requests that need the scope needed.
func (s Scope) Includes(needed Scope) bool {
	switch s {
	case ScopeAdmin:
		return slices.Contains(Scopes, needed)
	case ScopeOperate:
		return needed == ScopeOperate || needed == ScopeRead || needed == ScopePublish
	case ScopeRead, ScopePublish:
		return needed == s
	}
	return false
}

// The text of a key is keyTextPrefix, the id without its prefix, "_" and 256 random bits in 52 characters of
// IDAlphabet. Programs that look for secrets in source code find it by keyTextPrefix and its length.
const (
	keyTextPrefix = "bhk_"
	idDigits      = 20
	secretDigits  = 52
)

// NewKeyText returns the text of a new key with that id, made of 256 bits read from random.
func NewKeyText(id string, random io.Reader) (string, error) {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(random, secret); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return keyTextPrefix + strings.TrimPrefix(id, PrefixKey) + "_" + idEncoding.EncodeToString(secret), nil
}

// KeyID returns the id of the key whose text has the form that NewKeyText writes; ok is false for any other text. It
// does not say that there is such a key.
func KeyID(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, keyTextPrefix)
	if !ok || len(rest) != idDigits+1+secretDigits || rest[idDigits] != '_' {
		return "", false
	}
	for i := range len(rest) {
		if i != idDigits && strings.IndexByte(IDAlphabet, rest[i]) < 0 {
			return "", false
		}
	}
	return PrefixKey + rest[:idDigits], true
}

// HashKey returns the SHA-256 of the text of a key. A slow hash, as passwords need it, would not make a key safer: a
// key has 256 random bits, so that whoever has the hash has nothing to guess by. It would make each request slower.
func HashKey(text string) [32]byte { return sha256.Sum256([]byte(text)) }
