package signature

import (
	"crypto/sha256"
	"crypto/subtle"
)

// EqualToken reports whether got is one of want, secrets that are sent as they are. It compares digests, so that
// the time it takes tells neither how much of a secret was right nor how long it is. An empty want matches nothing.
func EqualToken(got string, want ...string) bool {
	digest := sha256.Sum256([]byte(got))
	found := 0
	for _, w := range want {
		if w == "" {
			continue
		}
		other := sha256.Sum256([]byte(w))
		found |= subtle.ConstantTimeCompare(digest[:], other[:])
	}
	return found == 1
}
