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

// VerifyToken reports whether the only one of values, those of a header or of a parameter of the query, is one of want. It
// returns ErrMissing if there is none or it is empty, ErrMalformed if there are several, even the same, or ErrMismatch, and
// compares as [EqualToken] does.
func VerifyToken(values []string, want ...string) error {
	switch {
	case len(values) > 1:
		return ErrMalformed
	case len(values) == 0 || values[0] == "":
		return ErrMissing
	case !EqualToken(values[0], want...):
		return ErrMismatch
	}
	return nil
}
