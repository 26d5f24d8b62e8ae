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
	"github.com/bellhop-gateway/bellhop/provider"
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

// Bounds of custom headers.
const (
	maxHeaders     = 32
	maxHeaderValue = 4 << 10 // bytes
)

// ownHeaders are those that sign or date a notification, in lower case.
var ownHeaders = []string{"authorization", "date", "x-authorization-content-sha256", "content-sha256"}

// readHeaders checks a profile's custom headers and returns all that do not depend on the notification.
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
			errs = append(errs, bellhop.Invalid("headers", reason))
			continue
		}
		if seen[canonical] {
			errs = append(errs, bellhop.Invalid("headers."+canonical, "is there twice, in different cases"))
		}
		seen[canonical] = true
		h.Set(canonical, value)
	}
	return h, bellhop.Join("", errs...)
}

// unfit returns why a custom header cannot be sent; "" if it can.
func unfit(name, value string) string {
	switch {
	case len(name) > 100 || !provider.HeaderName(name):
		return "a header name consists of up to 100 letters, digits and !#$%&'*+-.^_`|~"
	case bellhop.ReservedHeader(name) || slices.Contains(ownHeaders, strings.ToLower(name)):
		return name + " is reserved: Bellhop sets it, or it must not be sent; choose another name"
	case value == "" || len(value) > maxHeaderValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return "the value of " + name + " is to be 1 to 4096 printable ASCII characters"
	case name == "Content-Type" && strings.Contains(value, ","):
		return "a Content-Type with a comma cannot be signed"
	}
	return ""
}
