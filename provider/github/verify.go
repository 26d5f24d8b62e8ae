package github

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a delivery, in canonical form. Only the two signatures prove anything.
const (
	SignatureHeader     = "X-Hub-Signature-256"
	SHA1SignatureHeader = "X-Hub-Signature"
	EventHeader         = "X-Github-Event"
	DeliveryHeader      = "X-Github-Delivery"
)

var (
	sha256Scheme = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	sha1Scheme   = signature.HMAC{Hash: signature.SHA1, Encoding: signature.Hex, Prefix: "sha1="}
)

// Sign returns the X-Hub-Signature-256 of body: "sha256=" and the 64 lower-case hex digits of its HMAC-SHA256.
// The secret's bytes are its text. An empty one is signature.ErrKey.
// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func Sign(body, secret []byte) (string, error) { return sha256Scheme.Sign(secret, body) }

// SignSHA1 returns the X-Hub-Signature of body, which GitHub still sends along for receivers of the past: "sha1=" and
// the 40 hex digits of its HMAC-SHA1.
func SignSHA1(body, secret []byte) (string, error) { return sha1Scheme.Sign(secret, body) }

// Verify reports whether the X-Hub-Signature-256 of h is that of body under one of secrets. X-Hub-Signature is not
// looked at. It returns signature.ErrMissing, ErrMalformed (also for a header that is there twice) or ErrMismatch,
// and compares in constant time. GitHub signs no time, so how old it is cannot be told.
func Verify(h http.Header, body []byte, secrets ...[]byte) error {
	return verify(sha256Scheme, SignatureHeader, h, body, secrets)
}

// VerifyAllowingSHA1 is [Verify] for old GitHub Enterprise Servers, which know X-Hub-Signature only. Where
// X-Hub-Signature-256 is there, in whatever state, it is what counts: nobody gets past it with the other.
func VerifyAllowingSHA1(h http.Header, body []byte, secrets ...[]byte) error {
	if len(h.Values(SignatureHeader)) > 0 {
		return Verify(h, body, secrets...)
	}
	return verify(sha1Scheme, SHA1SignatureHeader, h, body, secrets)
}

func verify(scheme signature.HMAC, header string, h http.Header, body []byte, secrets [][]byte) error {
	value, err := signature.Single(h, header)
	if err != nil {
		return err
	}
	return scheme.Verify(value, secrets, body)
}
