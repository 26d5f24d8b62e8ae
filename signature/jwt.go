package signature

import (
	"context"
	"crypto/rsa"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxJWTBytes bounds a token. Real ones have one or two KiB.
const MaxJWTBytes = 16 << 10

// A KeyFinder knows the public keys of an authority by their ids.
type KeyFinder interface {
	// Key returns the key of that id, or nil without an error where the authority has none. An error says that this
	// cannot be told now; VerifyJWT returns it as it is.
	Key(ctx context.Context, id string) (*rsa.PublicKey, error)
}

// Claims are what a token says, as far as it is looked at here. What is absent is empty.
type Claims struct {
	Issuer          string    // iss
	Audience        []string  // aud, a text or a list of them
	TenantID        string    // tid, of Microsoft Entra
	AppID           string    // appid: who asked for the token, in Entra's version 1
	AuthorizedParty string    // azp: the same in version 2
	NotBefore       time.Time // nbf
	ExpiresAt       time.Time // exp
}

// CheckTime reports whether the token holds at now, give or take leeway: ErrExpired where it holds no longer or not
// yet, ErrMalformed where it does not say until when. A token need not say since when.
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

// SignJWT returns claims as a token in the compact form, signed with RS256. Two calls return the same.
// A key without at least 2048 bits is ErrKey.
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

// VerifyJWT reads token, a JSON Web Token in the compact form, if one of keys signed it with RS256.
// It takes no other algorithm, whatever the token names; keys that the token brings along or points to (jwk, jku,
// x5c, x5u) mean nothing; and what demands to be understood (crit, b64) is refused. So are members that occur twice,
// base64 with padding, line breaks or stray bits, and what is longer than [MaxJWTBytes].
//
// It returns ErrMissing for no token, ErrMalformed, ErrMismatch where keys do not have the key or it did not sign,
// or the error of keys. Who the token is from and for, and whether it still holds ([Claims.CheckTime]), the caller
// has to see to.
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

// parseJWT reads the form of token. Its errors do not repeat those of the parser, which quote what they read.
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
		return nil, fmt.Errorf("%w: token header demands what is not known here", ErrMalformed)
	}
	return signed, nil
}

// isBase64URL reports whether text is the one text of its bytes. The parser would take others too and verify the
// bytes, so that one signature would stand for several tokens.
func isBase64URL(text string) bool {
	if strings.ContainsAny(text, "\r\n") { // which Go's decoder skips
		return false
	}
	_, err := strictBase64URL.DecodeString(text)
	return err == nil
}
