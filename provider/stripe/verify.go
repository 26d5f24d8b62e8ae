package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// SignatureHeader is the header that proves an event: "t=1700000000,v1=" and 64 hex digits.
const SignatureHeader = "Stripe-Signature"

// Sign returns the Stripe-Signature of body for an attempt made at that time: its Unix seconds as t and, for each of
// secrets, a v1, which is the HMAC-SHA256 of these seconds, a dot and body in lower-case hex. A secret's bytes are
// its text, "whsec_" included.
// It returns signature.ErrKey for no secrets, more than 16 or an empty one, and ErrMalformed for a time before 1970.
// Source: https://docs.stripe.com/webhooks/signature
func Sign(body []byte, at time.Time, secrets ...[]byte) (string, error) {
	if at.Unix() < 0 || at.Unix() > signature.MaxUnix {
		return "", signature.ErrMalformed
	}
	if len(secrets) == 0 || len(secrets) > maxSignatures {
		return "", fmt.Errorf("%w: there must be 1 to 16 to sign with", signature.ErrKey)
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	value := "t=" + timestamp
	for _, secret := range secrets {
		if len(secret) == 0 {
			return "", fmt.Errorf("%w: it is empty", signature.ErrKey)
		}
		sum := mac(secret, timestamp, body)
		value += ",v1=" + hex.EncodeToString(sum[:])
	}
	return value, nil
}

// Verify reports whether one of the v1 signatures in the Stripe-Signature of h was made with one of secrets for its
// time and body. Other versions are passed over: v0 is what Stripe sends along in test mode to see that they are.
//
// It returns signature.ErrMissing without a header, a time or a v1, ErrMalformed for a header that is there twice or
// not in form, ErrMismatch if no signature fits, and ErrExpired if one does but its time is more than tolerance from
// now, in whole seconds, in the past or in the future. It compares in constant time.
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...[]byte) error {
	value, err := signature.Single(h, SignatureHeader)
	if err != nil {
		return err
	}
	signed, err := parseHeader(value)
	if err != nil {
		return err
	}
	if !signed.by(secrets, body) {
		return signature.ErrMismatch
	}
	return signature.CheckAge(signed.at, now, tolerance)
}

// by reports whether one of secrets made one of the signatures. An empty secret made none.
func (s *signedHeader) by(secrets [][]byte, body []byte) bool {
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		want := mac(secret, s.timestamp, body)
		for _, got := range s.signatures[:s.n] {
			if hmac.Equal(got[:], want[:]) {
				return true
			}
		}
	}
	return false
}

func mac(secret []byte, timestamp string, body []byte) (sum [sha256.Size]byte) {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(timestamp))
	m.Write([]byte{'.'})
	m.Write(body)
	m.Sum(sum[:0])
	return sum
}
