// Package signature signs webhooks and verifies them, the two side by side for each scheme.
//
// [HMAC] is the family that most systems use: a keyed hash of the body, written into a header as hex or base64
// behind a prefix. [SignStandard] and [VerifyStandard] are Standard Webhooks (https://www.standardwebhooks.com),
// with shared secrets and with Ed25519. [SignJWT] and [VerifyJWT] are the tokens of an authority that publishes its
// keys (RS256). [EqualToken] is for systems that send a secret in the clear.
//
// What it promises:
//   - it verifies the bytes as received; it does not parse, trim or rewrite them
//   - the scheme comes from the caller, never from the request
//   - an empty key signs nothing and verifies nothing
//   - a comparison takes equally long for every wrong signature
//   - work is bounded, whatever a header holds
//   - no error repeats anything of a key, a signature or a body
//
// The package is pure: it uses no clock, no randomness, and no network except through a [KeyFinder]. It remembers no
// requests, so a captured request that is sent again within its tolerance verifies again; the caller recognizes
// repeats by the message's id.
package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"time"
)

// An Error is a reason why a signature is not valid. Compare with errors.Is; the sentinels may be wrapped.
type Error struct{ code, text string }

func (e *Error) Error() string { return e.text }

// Code returns the short code under which a refused request is recorded and counted.
func (e *Error) Code() string { return e.code }

// Is reports whether target is the same reason, in these or in other words: see [DescribeToken].
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.code == e.code
}

// Reasons why a signature is not valid. To the sender they should all look the same: 401.
var (
	// ErrMissing: the request carries no signature, or not all parts of one.
	ErrMissing error = &Error{"signature_missing", "signature missing"}
	// ErrMismatch: none of the keys made this signature for these bytes.
	ErrMismatch error = &Error{"signature_mismatch", "signature does not match"}
	// ErrExpired: its time is further from now than the tolerance, either way. The time of a request is checked before
	// the signature, which needs the body; the time of a token after it.
	ErrExpired error = &Error{"signature_expired", "signature too old, or from the future"}
	// ErrMalformed: not in the form of the scheme, or present twice.
	ErrMalformed error = &Error{"signature_malformed", "signature malformed"}
)

// ErrKey: a key cannot be used. It is a mistake in the configuration, and never the answer to a request.
var ErrKey error = &Error{"signature_key", "key cannot be used"}

// Single returns the value of a header that must occur exactly once. It returns ErrMissing if the header is absent or
// empty, and ErrMalformed if it occurs twice, even with the same value: this package does not guess which of two
// values counts, since a proxy in front may have guessed otherwise.
func Single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) > 1:
		return "", ErrMalformed
	case len(values) == 0 || values[0] == "":
		return "", ErrMissing
	}
	return values[0], nil
}

// Optional is [Single] for a header that may be absent. It then returns "".
func Optional(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", ErrMalformed
}

// EqualToken reports whether got is one of want, which are secrets that systems send in the clear. It compares
// digests, so that its duration shows neither how much of a secret was right nor how long the secret is. An empty
// want matches nothing.
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

// VerifyToken reports whether values, of a header or of a parameter of the query, is a single value that is one of
// want. It returns ErrMissing if there is no value or an empty one, ErrMalformed if there are several, even equal
// ones, or ErrMismatch. It compares as [EqualToken] does.
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

// DescribeToken returns err, a result of [VerifyToken] for the secret that name names, in words about that secret:
// "the bearer token does not match". It remains the same reason for errors.Is. Any other error is returned unchanged.
func DescribeToken(err error, name string) error {
	for _, reason := range []struct {
		of   error
		text string
	}{{ErrMissing, " is missing"}, {ErrMismatch, " does not match"},
		{ErrMalformed, " is malformed, or there are two"}} {
		if err == reason.of {
			return &Error{reason.of.(*Error).code, name + reason.text}
		}
	}
	return err
}

// Bounds of a signed timestamp: 11 digits of seconds since 1970, or 14 of milliseconds. Milliseconds have 13 digits
// today, so they are never mistaken for seconds.
const (
	MaxUnix      = 99_999_999_999
	MaxUnixMilli = 99_999_999_999_999
)

// ParseUnix reads seconds or milliseconds since 1970 in their canonical form: decimal digits without a sign or a
// leading zero. It returns ErrMissing for "", and ErrMalformed for any other text or a number above max.
func ParseUnix(text string, max int64) (int64, error) {
	if text == "" {
		return 0, ErrMissing
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at > max || text[0] < '0' || text[0] > '9' || text[0] == '0' && len(text) > 1 {
		return 0, ErrMalformed
	}
	return at, nil
}

// CheckAge is [CheckTime] for at in seconds since 1970.
func CheckAge(at int64, now time.Time, tolerance time.Duration) error {
	return CheckTime(time.Unix(at, 0), now, tolerance)
}

// CheckTime returns ErrExpired if at, the signed time of a request, is further from now than tolerance, in the past
// or in the future. A request exactly as old as the tolerance is accepted, and refused one nanosecond later: now
// keeps the full precision of the clock. All schemes with a tolerance use this rule.
func CheckTime(at, now time.Time, tolerance time.Duration) error {
	if now.Sub(at).Abs() > tolerance {
		return ErrExpired
	}
	return nil
}
