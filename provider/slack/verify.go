package slack

import (
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a call, in canonical form.
const (
	SignatureHeader = "X-Slack-Signature"
	TimestampHeader = "X-Slack-Request-Timestamp"
)

// DefaultTolerance is the largest accepted difference between a timestamp and now, as Slack suggests.
const DefaultTolerance = 5 * time.Minute

var scheme = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "v0="}

// Sign returns the X-Slack-Signature of body: "v0=" and the hex digits of the HMAC-SHA256 of "v0:TIMESTAMP:BODY".
// timestamp is the X-Slack-Request-Timestamp: Unix seconds. secret is the app's signing secret as shown; an empty
// secret is signature.ErrKey.
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Sign(timestamp string, body, secret []byte) (string, error) {
	return scheme.Sign(secret, []byte("v0:"+timestamp+":"), body)
}

// Verify returns nil if the headers sign body with one of secrets and the timestamp differs from now by at most
// tolerance. It returns signature.ErrMissing, ErrMalformed (also for a repeated header), ErrExpired or
// ErrMismatch, in this order, and compares in constant time.
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...[]byte) error {
	p, err := readProof(h, now, tolerance)
	if err != nil {
		return err
	}
	return p.verify(body, secrets)
}

// A proof is what the headers of a call prove about its body.
type proof struct {
	timestamp string
	sum       signature.Sum
}

// readProof returns the proof in h, whose timestamp is within tolerance.
func readProof(h http.Header, now time.Time, tolerance time.Duration) (p proof, err error) {
	value, err := signature.Single(h, SignatureHeader)
	if err != nil {
		return p, err
	}
	if p.timestamp, err = signature.Single(h, TimestampHeader); err != nil {
		return p, err
	}
	at, err := parseTimestamp(p.timestamp)
	if err != nil {
		return p, err
	}
	if p.sum, err = scheme.Read(value); err != nil {
		return p, err
	}
	return p, signature.CheckTime(at, now, tolerance)
}

func (p *proof) verify(body []byte, secrets [][]byte) error {
	return p.sum.Verify(secrets, []byte("v0:"+p.timestamp+":"), body)
}

// parseTimestamp parses Unix seconds without sign or leading zeros. It refuses 0.
func parseTimestamp(text string) (time.Time, error) {
	seconds, err := signature.ParseUnix(text, signature.MaxUnix)
	if err != nil || seconds == 0 {
		return time.Time{}, signature.ErrMalformed
	}
	return time.Unix(seconds, 0).UTC(), nil
}
