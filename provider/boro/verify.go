package boro

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The headers of a signed request, in canonical form.
const (
	AuthorizationHeader = "Authorization"
	HashHeader          = "X-Authorization-Content-Sha256"
)

// shortHashHeader is the name of the hash in the product's help, which may also be the name of a header.
const shortHashHeader = "Content-Sha256"

// authScheme precedes the profile id and the signature. The digest is part of its name; the sender cannot choose
// another.
const authScheme = "APIAuth-HMAC-SHA256 "

// DefaultTolerance is the largest accepted difference between the Date of a request and now, as in api-auth.
const DefaultTolerance = 15 * time.Minute

// Sign signs m as the profile does: it adds the headers Authorization and X-Authorization-Content-SHA256 to
// m.Header, which must have Content-Type and Date already. The signature is the Base64 of the HMAC-SHA256 of
// "METHOD,CONTENT-TYPE,CONTENT-SHA256,REQUEST-URI,DATE", with the hash of the body in Base64. key is the
// hex-decoded secret key; an empty key is signature.ErrKey. A Date that is not an HTTP date in GMT, or a
// Content-Type with a comma, is signature.ErrMalformed.
// Source: https://github.com/mgomes/api_auth
func Sign(m Message, profileID string, key []byte) error {
	signed, err := m.read()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(m.Body)
	hash := hashText(sum[:], signature.Base64)
	value, err := scheme(signature.Base64).Sign(key, signed.canonical(hash))
	if err != nil {
		return err
	}
	m.Header.Set(HashHeader, hash)
	m.Header.Set(AuthorizationHeader, authScheme+profileID+":"+value)
	return nil
}

// Verify returns nil if the profile signed m with one of keys (hex-decoded secret keys) and the Date differs from
// now by at most tolerance. It hashes the body itself; a header with another hash is a mismatch. It returns
// signature.ErrMissing, ErrMalformed, ErrMismatch or ErrExpired, and compares in constant time. It checks the profile
// and the Date first.
// Source: https://github.com/mgomes/api_auth
func Verify(m Message, profileID string, keys [][]byte, now time.Time, tolerance time.Duration) error {
	base64 := []signature.Encoding{signature.Base64}
	v := verifier{profileID: profileID, keys: keys, signatures: base64, hashes: base64, tolerance: tolerance}
	return v.verify(m, now)
}

// A verifier holds the accepted profile, keys and encodings.
type verifier struct {
	profileID  string
	keys       [][]byte
	signatures []signature.Encoding
	hashes     []signature.Encoding
	tolerance  time.Duration
	anyDate    bool // ignore tolerance
}

func (v *verifier) verify(m Message, now time.Time) error {
	value, signed, err := v.readHeader(m, now)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(m.Body)
	if err := v.checkHash(m.Header, sum[:]); err != nil {
		return err
	}
	return v.compare(value, signed, sum[:])
}

// readHeader returns the signature of m and the signed parts. It checks all that does not depend on the body.
func (v *verifier) readHeader(m Message, now time.Time) (value string, signed signedParts, err error) {
	profileID, value, err := parseAuthorization(m.Header)
	if err != nil {
		return "", signed, err
	}
	if signed, err = m.read(); err != nil {
		return "", signed, err
	}
	readable := func(enc signature.Encoding) bool {
		_, err := scheme(enc).Read(value)
		return err == nil
	}
	switch {
	case !slices.ContainsFunc(v.signatures, readable):
		return "", signed, signature.ErrMalformed
	case !signature.EqualToken(profileID, v.profileID):
		return "", signed, fmt.Errorf("%w: the profile is not that of settings.profile_id", signature.ErrMismatch)
	case !v.anyDate:
		err = signature.CheckTime(signed.date, now, v.tolerance)
	}
	return value, signed, err
}

func scheme(enc signature.Encoding) signature.HMAC {
	return signature.HMAC{Hash: signature.SHA256, Encoding: enc}
}

// compare looks for a key and encodings under which value is the signature.
func (v *verifier) compare(value string, signed signedParts, sum []byte) error {
	for _, hash := range v.hashes {
		message := signed.canonical(hashText(sum, hash))
		for _, enc := range v.signatures {
			if scheme(enc).Verify(value, v.keys, message) == nil {
				return nil
			}
		}
	}
	return signature.ErrMismatch
}

// checkHash compares the hash in the headers, if there is one, with sum, the hash of the body.
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
			return fmt.Errorf("%w: the hash in the header is not that of the body", signature.ErrMismatch)
		}
	}
	return nil
}

// parseAuthorization returns the profile id and the signature, which the first colon separates.
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

// Bounds of custom headers.
const (
	maxHeaders     = 32
	maxHeaderValue = 4 << 10 // bytes
)

// ownHeaders lists the headers that sign or date a notification, in lower case.
var ownHeaders = []string{"authorization", "date", "x-authorization-content-sha256", "content-sha256"}

// readHeaders checks the custom headers of a profile and returns all headers that do not depend on the notification.
func readHeaders(custom map[string]string) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	if len(custom) > maxHeaders {
		return nil, bellhop.Invalid("headers", fmt.Sprintf("has %d headers; at most %d", len(custom), maxHeaders))
	}
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(custom)) {
		value := strings.Trim(custom[name], " \t")
		canonical := http.CanonicalHeaderKey(name)
		if reason := unfit(canonical, value); reason != "" {
			path := "headers"
			if bellhop.HeaderName(name) {
				path += "." + name
			}
			errs = append(errs, bellhop.Invalid(path, reason))
			continue
		}
		if seen[canonical] {
			errs = append(errs, bellhop.Invalid("headers."+canonical, "is repeated in different letter case"))
		}
		seen[canonical] = true
		h.Set(canonical, value)
	}
	return h, bellhop.Join("", errs...)
}

// unfit returns the reason why a custom header cannot be sent, or "".
func unfit(name, value string) string {
	switch {
	case len(name) > 100 || !bellhop.HeaderName(name):
		return "a header name consists of up to 100 letters, digits and !#$%&'*+-.^_`|~"
	case bellhop.ReservedHeader(name) || slices.Contains(ownHeaders, strings.ToLower(name)):
		return name + " is reserved: Bellhop sets it, or it must not be sent; choose another name"
	case value == "" || len(value) > maxHeaderValue ||
		strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return "the value of " + name + " must be 1 to 4096 printable ASCII characters"
	case name == "Content-Type" && strings.Contains(value, ","):
		return "a Content-Type with a comma cannot be signed"
	}
	return ""
}
