package signature

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxJWTBytes bounds a token. Real ones have one or two KiB.
const MaxJWTBytes = 16 << 10

// A KeyFinder knows the public keys of an authority by their ids.
type KeyFinder interface {
	// Key returns the key of that id, or nil without an error if the authority has no such key. An error means that
	// this is unknown at the moment; VerifyJWT returns it as it is.
	Key(ctx context.Context, id string) (*rsa.PublicKey, error)
}

// Claims are the claims of a token that this package reads. A claim that is absent is the zero value.
type Claims struct {
	Issuer          string    // iss
	Audience        []string  // aud, a text or a list of them
	TenantID        string    // tid, of Microsoft Entra
	AppID           string    // appid: the application that asked for the token, in Entra's version 1
	AuthorizedParty string    // azp: the same in version 2
	NotBefore       time.Time // nbf
	ExpiresAt       time.Time // exp
}

// CheckTime reports whether the token is valid at now, give or take leeway. It returns ErrExpired if the token is
// no longer or not yet valid, and ErrMalformed if it has no exp. It need not have an nbf.
func (c Claims) CheckTime(now time.Time, leeway time.Duration) error {
	switch {
	case c.ExpiresAt.IsZero():
		return fmt.Errorf("%w: token without exp", ErrMalformed)
	case now.Sub(c.ExpiresAt) > leeway:
		return fmt.Errorf("%w: token past its exp", ErrExpired)
	case !c.NotBefore.IsZero() && c.NotBefore.Sub(now) > leeway:
		return fmt.Errorf("%w: token before its nbf", ErrExpired)
	}
	return nil
}

var rs256 = []jose.SignatureAlgorithm{jose.RS256}

// SignJWT returns claims as a token in the compact form, signed with RS256. Equal arguments give equal tokens.
// A key of less than 2048 bits is ErrKey.
// Source: https://www.rfc-editor.org/rfc/rfc7519
func SignJWT(claims Claims, key *rsa.PrivateKey, keyID string) (string, error) {
	if key == nil || key.N.BitLen() < 2048 {
		return "", keyError("it is not an RSA key of at least 2048 bits")
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", keyError("RS256 does not take it")
	}
	payload, err := json.Marshal(newRawClaims(claims))
	if err != nil {
		return "", fmt.Errorf("signature: claims: %w", err)
	}
	token, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signature: RS256: %w", err)
	}
	return token.CompactSerialize()
}

// VerifyJWT returns the claims of token, a JSON Web Token in the compact form, if one of keys signed it with RS256.
// It accepts no other algorithm, whatever the token names. It ignores keys that the token contains or points to (jwk,
// jku, x5c, x5u). It refuses extensions that a reader must understand (crit, b64), members that occur twice,
// base64 with padding, line breaks or unused bits that are set, and tokens longer than [MaxJWTBytes].
//
// It returns ErrMissing for an empty token, ErrMalformed, ErrMismatch if keys do not have the token's key or that
// key did not sign it, or the error of keys. The caller checks the issuer, the audience and the time
// ([Claims.CheckTime]).
// Sources: https://www.rfc-editor.org/rfc/rfc7519, https://www.rfc-editor.org/rfc/rfc8725
func VerifyJWT(ctx context.Context, token string, keys KeyFinder) (Claims, error) {
	if token == "" {
		return Claims{}, ErrMissing
	}
	signed, err := parseJWT(token)
	if err != nil {
		return Claims{}, err
	}
	key, err := keys.Key(ctx, signed.Signatures[0].Protected.KeyID)
	if err != nil {
		return Claims{}, err
	}
	if key == nil {
		return Claims{}, fmt.Errorf("%w: no key has the token's kid", ErrMismatch)
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return Claims{}, ErrMismatch
	}
	var raw rawClaims
	if err := json.Unmarshal(payload, &raw); err != nil {
		return Claims{}, fmt.Errorf("%w: claims", ErrMalformed)
	}
	return raw.claims(), nil
}

// parseJWT checks and splits token. It does not return the parser's errors, since they quote the input.
func parseJWT(token string) (*jose.JSONWebSignature, error) {
	if len(token) > MaxJWTBytes {
		return nil, fmt.Errorf("%w: token too long", ErrMalformed)
	}
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: token without three parts", ErrMalformed)
	}
	for _, part := range parts {
		if !isBase64URL(part) {
			return nil, fmt.Errorf("%w: token not in base64url", ErrMalformed)
		}
	}
	signed, err := jose.ParseSignedCompact(token, rs256)
	if err != nil {
		return nil, fmt.Errorf("%w: token header, or not signed with RS256", ErrMalformed)
	}
	extra := signed.Signatures[0].Protected.ExtraHeaders
	if extra["crit"] != nil || extra["b64"] != nil {
		return nil, fmt.Errorf("%w: token header has an extension that is not known here", ErrMalformed)
	}
	return signed, nil
}

// isBase64URL reports whether text is the canonical base64url of its bytes. The parser accepts other texts of the same
// bytes too, so that several tokens would have one signature.
func isBase64URL(text string) bool {
	if strings.ContainsAny(text, "\r\n") { // Go's decoder would skip them
		return false
	}
	_, err := strictBase64URL.DecodeString(text)
	return err == nil
}

// rawClaims are Claims as in JSON. Its JSON package, unlike the standard library's, compares names by case and
// refuses a name that occurs twice.
type rawClaims struct {
	Issuer          string    `json:"iss,omitempty"`
	Audience        textList  `json:"aud,omitempty"`
	TenantID        string    `json:"tid,omitempty"`
	AppID           string    `json:"appid,omitempty"`
	AuthorizedParty string    `json:"azp,omitempty"`
	NotBefore       *unixTime `json:"nbf,omitempty"`
	ExpiresAt       *unixTime `json:"exp,omitempty"`
}

func newRawClaims(c Claims) rawClaims {
	return rawClaims{
		c.Issuer,
		c.Audience,
		c.TenantID,
		c.AppID,
		c.AuthorizedParty,
		newUnixTime(c.NotBefore),
		newUnixTime(c.ExpiresAt),
	}
}

func (r rawClaims) claims() Claims {
	return Claims{r.Issuer, r.Audience, r.TenantID, r.AppID, r.AuthorizedParty, r.NotBefore.time(), r.ExpiresAt.time()}
}

// textList is one text or a list of them.
type textList []string

func (l textList) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

func (l *textList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var one string
		err := json.Unmarshal(b, &one)
		*l = textList{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// unixTime is a number of seconds since 1970, which may have a fraction in JSON.
type unixTime float64

func newUnixTime(t time.Time) *unixTime {
	if t.IsZero() {
		return nil
	}
	seconds := unixTime(t.Unix())
	return &seconds
}

func (u *unixTime) time() time.Time {
	if u == nil {
		return time.Time{}
	}
	whole, fraction := math.Modf(float64(*u))
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

func (u unixTime) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(u), 10), nil }

// UnmarshalJSON refuses times before 1970 or after 9999, so that arithmetic with times cannot overflow.
func (u *unixTime) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(seconds >= 0 && seconds < 253402300800) {
		return errors.New("not a time")
	}
	*u = unixTime(seconds)
	return nil
}
