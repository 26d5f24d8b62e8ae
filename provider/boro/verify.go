package boro

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a signed request, in canonical form.
const (
	AuthorizationHeader = "Authorization"
	HashHeader          = "X-Authorization-Content-Sha256"
)

// shortHashHeader is what the product's help calls the hash. It names the value and perhaps the header too.
const shortHashHeader = "Content-Sha256"

// authScheme is in front of profile id and signature. The digest belongs to its name and is never chosen by the sender.
const authScheme = "APIAuth-HMAC-SHA256 "

// DefaultTolerance is how far the Date of a request may be from now, either way. It is that of api-auth.
const DefaultTolerance = 15 * time.Minute

// Sign signs m as the profile does: it puts the headers Authorization and X-Authorization-Content-SHA256 into
// m.Header, in which Content-Type and Date are to stand already. The signature is the Base64 of the HMAC-SHA256 of
// "METHOD,CONTENT-TYPE,CONTENT-SHA256,REQUEST-URI,DATE", the hash of the body being in Base64 too. key is the secret
// key after hex decoding; an empty one is signature.ErrKey. A Date that is not an HTTP date in GMT, or a Content-Type
// with a comma, is signature.ErrMalformed.
// Source: https://github.com/mgomes/api_auth
func Sign(m Message, profileID string, key []byte) error {
	signed, err := m.read()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(m.Body)
	hash := hashText(sum[:], signature.Base64)
	value, err := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}.Sign(key, signed.canonical(hash))
	if err != nil {
		return err
	}
	m.Header.Set(HashHeader, hash)
	m.Header.Set(AuthorizationHeader, authScheme+profileID+":"+value)
	return nil
}

// Verify reports whether m was signed by the profile with one of keys, each the secret key after hex decoding, and
// whether its Date is no further from now than tolerance. The body is hashed here; a header that tells another hash
// is a mismatch. It returns signature.ErrMissing, ErrMalformed, ErrMismatch or ErrExpired, and compares in constant time.
// Source: https://github.com/mgomes/api_auth
func Verify(m Message, profileID string, keys [][]byte, now time.Time, tolerance time.Duration) error {
	base64 := []signature.Encoding{signature.Base64}
	v := verifier{profileID: profileID, keys: keys, signatures: base64, hashes: base64, tolerance: tolerance}
	return v.verify(m, now)
}

// A verifier is what is accepted.
type verifier struct {
	profileID  string
	keys       [][]byte
	signatures []signature.Encoding
	hashes     []signature.Encoding
	tolerance  time.Duration
	anyDate    bool // tolerance does not count
}

// verify checks the signature first and what it signs afterwards: who cannot sign learns nothing of profiles and clocks.
func (v *verifier) verify(m Message, now time.Time) error {
	profileID, value, err := parseAuthorization(m.Header)
	if err != nil {
		return err
	}
	signed, err := m.read()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(m.Body)
	if err := v.checkHash(m.Header, sum[:]); err != nil {
		return err
	}
	if err := v.compare(value, signed, sum[:]); err != nil {
		return err
	}
	if !signature.EqualToken(profileID, v.profileID) {
		return fmt.Errorf("%w: not the profile of settings.profile_id", signature.ErrMismatch)
	}
	if off := now.Sub(signed.date).Abs(); off > v.tolerance && !v.anyDate {
		return signature.ErrExpired
	}
	return nil
}

// compare looks for a way of writing that makes value the signature.
func (v *verifier) compare(value string, signed signedParts, sum []byte) error {
	result := signature.ErrMalformed
	for _, hash := range v.hashes {
		message := signed.canonical(hashText(sum, hash))
		for _, enc := range v.signatures {
			switch err := (signature.HMAC{Hash: signature.SHA256, Encoding: enc}).Verify(value, v.keys, message); err {
			case nil:
				return nil
			case signature.ErrMalformed:
			default:
				result = err
			}
		}
	}
	return result
}

// checkHash compares the hash that the headers tell, if they do, with that of the body, sum.
func (v *verifier) checkHash(h http.Header, sum []byte) error {
	for _, name := range [...]string{HashHeader, shortHashHeader} {
		if len(h.Values(name)) == 0 {
			continue
		}
		value, err := signature.Single(h, name)
		if err != nil {
			return err
		}
		known := false
		for _, enc := range v.hashes {
			known = known || value == hashText(sum, enc)
		}
		if !known {
			return fmt.Errorf("%w: the header tells another hash than that of the body", signature.ErrMismatch)
		}
	}
	return nil
}

// parseAuthorization returns profile id and signature. The first colon divides them.
func parseAuthorization(h http.Header) (profileID, value string, err error) {
	text, err := signature.Single(h, AuthorizationHeader)
	if err != nil {
		return "", "", err
	}
	text, ok := strings.CutPrefix(text, authScheme)
	if !ok {
		return "", "", fmt.Errorf("%w: the scheme is not APIAuth-HMAC-SHA256", signature.ErrMalformed)
	}
	profileID, value, ok = strings.Cut(text, ":")
	if !ok || profileID == "" || len(profileID) > maxProfileID || value == "" {
		return "", "", signature.ErrMalformed
	}
	return profileID, value, nil
}
