package ams

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a notification, in canonical form; on the wire Media Services writes them in lower case.
const (
	SignatureHeader = "Ms-Signature"
	AccountHeader   = "Ms-Mediaservices-Accountid"
)

var (
	strict  = signature.HMAC{Hash: signature.SHA256, Encoding: signature.UpperHex, Prefix: "sha256="}
	lenient = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
)

// Sign returns the ms-signature of body: "sha256=" and the 64 upper-case hex digits of its HMAC-SHA256. key is
// the signing key after Base64 decoding. For an empty key the error is signature.ErrKey. Source:
// https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks
func Sign(body, key []byte) (string, error) { return strict.Sign(key, body) }

// Verify checks that the ms-signature in h was made for body with one of keys. Each key is the Base64-decoded
// text that Media Services was given. Like Media Services' own receiver, it accepts upper-case hex digits only.
// It returns signature.ErrMissing, ErrMalformed (also for a header that occurs twice) or ErrMismatch, and
// compares in constant time. It checks neither the account nor the age of the request. Source:
// https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks
func Verify(h http.Header, body []byte, keys ...[]byte) error { return verify(strict, h, body, keys) }

// VerifyLenient is [Verify] for senders that write the hex digits in lower case; it accepts either case.
func VerifyLenient(h http.Header, body []byte, keys ...[]byte) error {
	return verify(lenient, h, body, keys)
}

func verify(scheme signature.HMAC, h http.Header, body []byte, keys [][]byte) error {
	sum, err := readSignature(scheme, h)
	if err != nil {
		return err
	}
	return sum.Verify(keys, body)
}

func readSignature(scheme signature.HMAC, h http.Header) (signature.Sum, error) {
	value, err := signature.Single(h, SignatureHeader)
	if err != nil {
		return signature.Sum{}, err
	}
	return scheme.Read(value)
}
