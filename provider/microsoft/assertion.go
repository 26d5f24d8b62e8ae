package microsoft

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/go-jose/go-jose/v4"
)

// assertionLifetime is how long an assertion is valid. Microsoft advises five to ten minutes.
const assertionLifetime = 10 * time.Minute

// minRSABits is the least length of the key of a certificate.
const minRSABits = 2048

// openCertificate returns the function that makes the assertions of an application: JSON Web Tokens signed with
// PS256 by the key of a certificate, which the header names by its SHA-256 thumbprint. It returns nil if neither a
// certificate nor a key is given. The errors do not repeat the key.
// Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func openCertificate(clientID, certificate, key string) (
	func(audience string, now time.Time, random io.Reader) (string, error), error,
) {
	if certificate == "" && key == "" {
		return nil, nil
	}
	parsed, certificateErr := readCertificate(certificate)
	private, keyErr := readRSAKey(key)
	if err := bellhop.Join("", certificateErr, keyErr); err != nil {
		return nil, err
	}
	public, ok := parsed.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, bellhop.Invalid("certificate", "its key is not RSA, which Microsoft Entra asks for")
	case !public.Equal(private.Public()):
		return nil, bellhop.Invalid("private_key", "is not the key of the certificate")
	case public.N.BitLen() < minRSABits:
		return nil, bellhop.Invalid("certificate", fmt.Sprintf("its key has %d bits; use at least %d",
			public.N.BitLen(), minRSABits))
	}
	thumbprint := sha256.Sum256(parsed.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: private}, new(jose.SignerOptions).
		WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:])))
	if err != nil {
		return nil, bellhop.Invalid("private_key", "cannot sign with PS256")
	}
	return func(audience string, now time.Time, random io.Reader) (string, error) {
		var id [16]byte
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return "", fmt.Errorf("microsoft: make an assertion: %w", err)
		}
		claims, err := json.Marshal(map[string]any{"aud": audience, "iss": clientID, "sub": clientID,
			"jti": provider.NewGUID(id, 4), "nbf": now.Unix(), "iat": now.Unix(),
			"exp": now.Add(assertionLifetime).Unix()})
		if err != nil {
			return "", fmt.Errorf("microsoft: make an assertion: %w", err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			return "", fmt.Errorf("microsoft: sign an assertion: %w", err)
		}
		return signed.CompactSerialize()
	}, nil
}

// readCertificate reads the first certificate of a PEM text.
func readCertificate(text string) (*x509.Certificate, error) {
	const path = "certificate"
	if text == "" {
		return nil, bellhop.Invalid(path, "required beside private_key")
	}
	block, err := readPEM(path, text, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(block)
	if err != nil {
		return nil, bellhop.Invalid(path, "is not a certificate in PEM")
	}
	return parsed, nil
}

// readRSAKey reads a private key in PEM: PKCS #8 or PKCS #1.
func readRSAKey(text string) (*rsa.PrivateKey, error) {
	const path = "private_key"
	if text == "" {
		return nil, bellhop.Invalid(path, "required beside certificate")
	}
	block, err := readPEM(path, text, "PRIVATE KEY", "RSA PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	var key crypto.PrivateKey
	key, err = x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, bellhop.Invalid(path, "is not an RSA key in PEM without a passphrase")
	}
	return private, nil
}

// readPEM returns the content of the first block of one of types.
func readPEM(path, text string, types ...string) ([]byte, error) {
	text = bellhop.PastedPEM(text)
	if fault := bellhop.PEMFault(text); fault != "" {
		return nil, bellhop.Invalid(path, fault)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		for _, t := range types {
			if block.Type == t {
				return bytes.Clone(block.Bytes), nil
			}
		}
	}
	return nil, bellhop.Invalid(path, "has no block -----BEGIN "+types[0]+"-----")
}
