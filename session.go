package bellhop

import (
	"crypto/sha256"
	"time"
)

// Bounds of the sessions of a browser and of the links that begin one.
const (
	SessionLength   = 12 * time.Hour  // after it a session has ended, however it was used
	SessionIdle     = time.Hour       // a session that was not used for so long has ended
	SignInLinkValid = 5 * time.Minute // how long a link can be used, once
	MaxSessions     = 1000            // one more ends the oldest one; the same holds for links
)

// A Session lets a browser act as the holder of a key of the API. The browser has a token of 256 random bits; kept is
// the hash of it. A session ends with its key.
type Session struct {
	Hash    [32]byte // HashToken of the token
	KeyID   string   // "" is the admin key
	KeyHash [32]byte // HashKey of the text of the key

	CreatedAt time.Time
	UsedAt    time.Time // of a recent use, at most a minute before the latest one
}

// Ended reports whether s has ended at a time because of its age or because it was not used.
func (s *Session) Ended(now time.Time) bool {
	return !now.Before(s.CreatedAt.Add(SessionLength)) || !now.Before(s.UsedAt.Add(SessionIdle))
}

// A SignInLink begins a session once, for the holder of the key that made it.
type SignInLink struct {
	Hash      [32]byte // HashToken of the token in its URL
	KeyID     string   // "" is the admin key
	KeyHash   [32]byte // HashKey of the text of the key
	ExpiresAt time.Time
}

// HashToken returns the SHA-256 of a token of a session or of a link. The token has 256 random bits, so that no slow
// hash is needed.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }
