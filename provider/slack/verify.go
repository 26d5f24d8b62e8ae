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
// tolerance. It returns signature.ErrMissing, ErrMalformed (also for a repeated header), ErrMismatch or
// ErrExpired, and compares in constant time.
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...[]byte) error {
	value, err := signature.Single(h, SignatureHeader)
	if err != nil {
		return err
	}
	timestamp, err := signature.Single(h, TimestampHeader)
	if err != nil {
		return err
	}
	at, err := parseTimestamp(timestamp)
	if err != nil {
		return err
	}
	if err := scheme.Verify(value, secrets, []byte("v0:"+timestamp+":"), body); err != nil {
		return err
	}
	return signature.CheckTime(at, now, tolerance)
}

// parseTimestamp parses Unix seconds without sign or leading zeros. It refuses 0.
func parseTimestamp(text string) (time.Time, error) {
	seconds, err := signature.ParseUnix(text, signature.MaxUnix)
	if err != nil || seconds == 0 {
		return time.Time{}, signature.ErrMalformed
	}
	return time.Unix(seconds, 0).UTC(), nil
}
