package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// SignatureHeader is the header that proves an event: "t=1700000000,v1=" and 64 hex digits.
const SignatureHeader = "Stripe-Signature"

// Sign returns the Stripe-Signature of body for an attempt at that time. t is the time in Unix seconds. There is
// one v1 for each secret: the HMAC-SHA256, in lower-case hex, of these seconds, a dot and body. The key is the
// text of the secret, including "whsec_". It returns signature.ErrKey if there is no secret, more than 16, or an
// empty one, and ErrMalformed for a time before 1970.
// Source: https://docs.stripe.com/webhooks/signature
func Sign(body []byte, at time.Time, secrets ...[]byte) (string, error) {
	if at.Unix() < 0 || at.Unix() > signature.MaxUnix {
		return "", signature.ErrMalformed
	}
	if len(secrets) == 0 || len(secrets) > maxSignatures {
		return "", fmt.Errorf("%w: sign with 1 to 16 secrets", signature.ErrKey)
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	value := "t=" + timestamp
	for _, secret := range secrets {
		if len(secret) == 0 {
			return "", fmt.Errorf("%w: a secret is empty", signature.ErrKey)
		}
		sum := mac(secret, timestamp, body)
		value += ",v1=" + hex.EncodeToString(sum[:])
	}
	return value, nil
}

// Verify returns nil if one of the v1 signatures in the Stripe-Signature of h was made with one of secrets over
// its time and body. It ignores other versions, such as the v0 that Stripe adds in test mode.
//
// It returns signature.ErrMissing if the header, its time or its v1 is absent, ErrMalformed if the header is
// repeated or cannot be parsed, ErrExpired if its time differs from now by more than tolerance, in either direction,
// and ErrMismatch if no signature fits. It compares in constant time.
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...[]byte) error {
	signed, err := readHeader(h, now, tolerance)
	if err != nil {
		return err
	}
	return signed.verify(secrets, body)
}

// readHeader returns the Stripe-Signature of h, whose time is within tolerance. The error is signature.ErrMismatch if
// none of its v1 can be a signature.
func readHeader(h http.Header, now time.Time, tolerance time.Duration) (*signedHeader, error) {
	value, err := signature.Single(h, SignatureHeader)
	if err != nil {
		return nil, err
	}
	signed, err := parseHeader(value)
	switch {
	case err != nil:
		return nil, err
	case signed.n == 0:
		return nil, signature.ErrMismatch
	}
	return signed, signature.CheckAge(signed.at, now, tolerance)
}

// verify returns nil if one of secrets made one of the signatures, else signature.ErrMismatch. An empty secret never
// does.
func (s *signedHeader) verify(secrets [][]byte, body []byte) error {
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		want := mac(secret, s.timestamp, body)
		for _, got := range s.signatures[:s.n] {
			if hmac.Equal(got[:], want[:]) {
				return nil
			}
		}
	}
	return signature.ErrMismatch
}

func mac(secret []byte, timestamp string, body []byte) (sum [sha256.Size]byte) {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(timestamp))
	m.Write([]byte{'.'})
	m.Write(body)
	m.Sum(sum[:0])
	return sum
}

const maxSignatures = 16 // in one header; Stripe sends one per secret in use

// A signedHeader is a parsed Stripe-Signature.
type signedHeader struct {
	timestamp  string // the signed text
	at         int64  // timestamp as a number
	signatures [maxSignatures][sha256.Size]byte
	n          int // number of signatures
}

// parseHeader parses pairs such as "t=1700000000,v1=ab…,v1=cd…,v0=ef…". It ignores a v1 that is not 64 hex digits,
// and pairs with another name. An ambiguous header is signature.ErrMalformed: two times, or a pair without "=" or
// with two.
func parseHeader(value string) (*signedHeader, error) {
	var s signedHeader
	v1 := 0
	for pair := range strings.SplitSeq(value, ",") {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || strings.Contains(text, "=") {
			return nil, fmt.Errorf("%w: not pairs of name=value", signature.ErrMalformed)
		}
		switch name {
		case "t":
			at, err := signature.ParseUnix(text, signature.MaxUnix)
			if s.timestamp != "" || err != nil {
				return nil, fmt.Errorf("%w: t is repeated, or is not in Unix seconds", signature.ErrMalformed)
			}
			s.timestamp, s.at = text, at
		case "v1":
			if v1++; v1 > maxSignatures {
				return nil, fmt.Errorf("%w: more than %d signatures", signature.ErrMalformed, maxSignatures)
			}
			s.readSignature(text)
		}
	}
	if s.timestamp == "" || v1 == 0 {
		return nil, fmt.Errorf("%w: no t, or no v1", signature.ErrMissing)
	}
	return &s, nil
}

func (s *signedHeader) readSignature(text string) {
	if len(text) != hex.EncodedLen(sha256.Size) {
		return
	}
	if _, err := hex.Decode(s.signatures[s.n][:], []byte(text)); err == nil {
		s.n++
	}
}
