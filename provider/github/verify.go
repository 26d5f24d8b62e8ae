package github

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a delivery, in canonical form. Only the two signature headers authenticate it.
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
// The key is the secret's text. For an empty secret the error is signature.ErrKey.
// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func Sign(body, secret []byte) (string, error) { return sha256Scheme.Sign(secret, body) }

// SignSHA1 returns the X-Hub-Signature of body, which GitHub also sends for old receivers: "sha1=" and the 40
// lower-case hex digits of its HMAC-SHA1.
func SignSHA1(body, secret []byte) (string, error) { return sha1Scheme.Sign(secret, body) }

// Verify checks that the X-Hub-Signature-256 in h was made for body with one of secrets. It ignores
// X-Hub-Signature. It returns signature.ErrMissing, ErrMalformed (also for a header that occurs twice) or
// ErrMismatch, and compares in constant time. GitHub sends no timestamp, so the age of a request is not checked.
// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func Verify(h http.Header, body []byte, secrets ...[]byte) error {
	return verify(h, body, false, secrets)
}

// VerifyAllowingSHA1 is [Verify] for old GitHub Enterprise Servers, which send only X-Hub-Signature. If h has an
// X-Hub-Signature-256, valid or not, that header alone is checked, so a forged request cannot fall back to SHA-1.
func VerifyAllowingSHA1(h http.Header, body []byte, secrets ...[]byte) error {
	return verify(h, body, true, secrets)
}

func verify(h http.Header, body []byte, allowSHA1 bool, secrets [][]byte) error {
	sum, err := readSignature(h, allowSHA1)
	if err != nil {
		return err
	}
	return sum.Verify(secrets, body)
}

// readSignature returns the signature in h that counts.
func readSignature(h http.Header, allowSHA1 bool) (signature.Sum, error) {
	scheme, header := sha256Scheme, SignatureHeader
	if allowSHA1 && len(h.Values(SignatureHeader)) == 0 {
		scheme, header = sha1Scheme, SHA1SignatureHeader
	}
	value, err := signature.Single(h, header)
	if err != nil {
		return signature.Sum{}, err
	}
	return scheme.Read(value)
}
