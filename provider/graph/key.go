package graph

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"

	"github.com/bellhop-gateway/bellhop/provider/jwks"
)

// errKey and the other errors here repeat nothing of what was read.
var errKey = errors.New("not an RSA key of 2048 to 4096 bits")

// parsePrivateKey reads the first private key of text, which is PEM, of PKCS #8 or PKCS #1. A certificate may stand
// beside it.
func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block := findBlock(text, "PRIVATE KEY", "RSA PRIVATE KEY")
	if block == nil {
		return nil, errors.New("no PEM text with a PRIVATE KEY or an RSA PRIVATE KEY; it may not be encrypted")
	}
	var key any
	var err error
	if block.Type == "PRIVATE KEY" {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok || !fits(&private.PublicKey) {
		return nil, errKey
	}
	return private, nil
}

// parsePublicKey reads the first public key of text, which is PEM.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block := findBlock(text, "PUBLIC KEY")
	if block == nil {
		return nil, errors.New("no PEM text with a PUBLIC KEY")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok || !fits(public) {
		return nil, errKey
	}
	return public, nil
}

// parseCertificate reads the first certificate of text, which is PEM.
func parseCertificate(text string) (*x509.Certificate, error) {
	block := findBlock(text, "CERTIFICATE")
	if block == nil {
		return nil, errors.New("no PEM text with a CERTIFICATE")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("the certificate cannot be read")
	}
	if public, ok := certificate.PublicKey.(*rsa.PublicKey); !ok || !fits(public) {
		return nil, errKey
	}
	return certificate, nil
}

// findBlock returns the first block of text that is of one of types, or nil.
func findBlock(text string, types ...string) *pem.Block {
	block, rest := pem.Decode([]byte(text))
	for block != nil && !slices.Contains(types, block.Type) {
		block, rest = pem.Decode(rest)
	}
	return block
}

func fits(key *rsa.PublicKey) bool {
	return key.N.BitLen() >= jwks.MinRSABits && key.N.BitLen() <= jwks.MaxRSABits
}
