package graph

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

// EncryptedContent is the encryptedContent of an item: a resource that only the holder of a certificate's private
// key can read.
type EncryptedContent struct {
	Data                  string `json:"data"`                            // Base64 of the resource, encrypted
	DataSignature         string `json:"dataSignature"`                   // Base64 of its HMAC-SHA256
	DataKey               string `json:"dataKey"`                         // Base64 of the key to both, encrypted
	CertificateID         string `json:"encryptionCertificateId"`         // the name given to it with the subscription
	CertificateThumbprint string `json:"encryptionCertificateThumbprint"` // upper-case hex of its SHA-1
}

// Seal encrypts resource for the holder of certificate, which must have an RSA key. random is that of crypto/rand: a
// key is used once, for its initial vector is made of it.
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
func Seal(random io.Reader, resource []byte, certificate *x509.Certificate, certificateID string) (EncryptedContent, error) {
	public, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return EncryptedContent{}, errors.New("graph: the certificate's key is not RSA")
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return EncryptedContent{}, fmt.Errorf("graph: key of content: %w", err)
	}
	dataKey, err := rsa.EncryptOAEP(sha1.New(), random, public, key, nil)
	if err != nil {
		return EncryptedContent{}, fmt.Errorf("graph: encrypt the key of content: %w", err)
	}
	data := encrypt(resource, key)
	sig, err := dataSignature.Sign(key, data)
	if err != nil {
		return EncryptedContent{}, fmt.Errorf("graph: %w", err)
	}
	thumbprint := sha1.Sum(certificate.Raw)
	return EncryptedContent{
		Data:                  base64.StdEncoding.EncodeToString(data),
		DataSignature:         sig,
		DataKey:               base64.StdEncoding.EncodeToString(dataKey),
		CertificateID:         certificateID,
		CertificateThumbprint: strings.ToUpper(hex.EncodeToString(thumbprint[:])),
	}, nil
}

// Unseal returns the resource, which is never longer than three quarters of content.Data. key belongs to the certificate
// that content.CertificateID names. The signature is checked first, and what it does not cover is not decrypted.
//
// It returns signature.ErrMissing, ErrMalformed, or ErrMismatch: for another key, or not what was encrypted. A nil
// error proves that the resource is whole, not who sent it: see [VerifyTokens].
func Unseal(content EncryptedContent, key *rsa.PrivateKey) ([]byte, error) {
	if content.Data == "" || content.DataKey == "" || content.DataSignature == "" {
		return nil, fmt.Errorf("%w: data, dataKey or dataSignature", signature.ErrMissing)
	}
	sealedKey, err := decodeBase64(content.DataKey)
	if err != nil {
		return nil, fmt.Errorf("%w: dataKey", signature.ErrMalformed)
	}
	data, err := decodeBase64(content.Data)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: data", signature.ErrMalformed)
	}
	contentKey, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealedKey, nil)
	if err != nil || len(contentKey) != keySize {
		return nil, fmt.Errorf("%w: dataKey is not for the certificate it names", signature.ErrMismatch)
	}
	if err := dataSignature.Verify(content.DataSignature, [][]byte{contentKey}, data); err != nil {
		return nil, fmt.Errorf("dataSignature: %w", err)
	}
	return decrypt(data, contentKey)
}

// keySize is that of an AES-256 key in bytes.
const keySize = 32

var dataSignature = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}

// encrypt is AES-256-CBC with PKCS #7 padding.
func encrypt(plain, key []byte) []byte {
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, vector := newCipher(key)
	cipher.NewCBCEncrypter(block, vector).CryptBlocks(data, data)
	return data
}

// decrypt undoes encrypt on data of whole blocks, in place. Padding that is wrong under a right signature was wrong
// from the start, so that how long this takes tells nothing.
func decrypt(data, key []byte) ([]byte, error) {
	block, vector := newCipher(key)
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(data, data)
	padding := int(data[len(data)-1])
	plain := data[:max(0, len(data)-padding)]
	if padding == 0 || padding > aes.BlockSize || !bytes.Equal(data[len(plain):], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, fmt.Errorf("%w: padding of data", signature.ErrMalformed)
	}
	return plain, nil
}

// newCipher returns the cipher of key and its initial vector: by the protocol, the first 16 bytes of key.
func newCipher(key []byte) (cipher.Block, []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // no other than for its length, which is fixed
	}
	return block, key[:aes.BlockSize]
}

func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which Go's decoder skips
		return nil, errors.New("line break")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// readContent reads an encryptedContent as written in an item.
func readContent(value []byte) (*EncryptedContent, error) {
	var c EncryptedContent
	err := strictjson.Object(value, func(name, v []byte) {
		text, _ := strictjson.Text(v)
		switch string(name) {
		case "data":
			c.Data = text
		case "dataSignature":
			c.DataSignature = text
		case "dataKey":
			c.DataKey = text
		case "encryptionCertificateId":
			c.CertificateID = text
		case "encryptionCertificateThumbprint":
			c.CertificateThumbprint = text
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: encryptedContent is no object", signature.ErrMalformed)
	}
	return &c, nil
}

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
