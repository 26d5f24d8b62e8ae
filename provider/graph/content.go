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

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

// EncryptedContent is the encryptedContent of an item: a resource, encrypted for the holder of a certificate's
// private key.
type EncryptedContent struct {
	Data                  string `json:"data"`                            // Base64 of the encrypted resource
	DataSignature         string `json:"dataSignature"`                   // Base64 of the HMAC-SHA256 of Data's bytes
	DataKey               string `json:"dataKey"`                         // Base64 of the encrypted symmetric key
	CertificateID         string `json:"encryptionCertificateId"`         // the certificate's name in the subscription
	CertificateThumbprint string `json:"encryptionCertificateThumbprint"` // upper-case hex of its SHA-1
}

// Seal encrypts resource for the holder of certificate, whose key must be RSA. random must be cryptographically
// secure: each call makes a new symmetric key, and the initialization vector is a part of that key.
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
func Seal(
	random io.Reader, resource []byte, certificate *x509.Certificate, certificateID string,
) (EncryptedContent, error) {
	public, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return EncryptedContent{}, errors.New("graph: the certificate's key is not RSA")
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return EncryptedContent{}, fmt.Errorf("graph: make a content key: %w", err)
	}
	dataKey, err := rsa.EncryptOAEP(sha1.New(), random, public, key, nil)
	if err != nil {
		return EncryptedContent{}, fmt.Errorf("graph: encrypt the content key: %w", err)
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

// Unseal decrypts content and returns the resource, which is at most three quarters as long as content.Data. key is
// the private key of the certificate that content.CertificateID names. The signature is verified before decryption.
//
// It returns signature.ErrMissing, ErrMalformed, or ErrMismatch for another key or altered data. A nil error says
// that the resource is unaltered, not who sent it: see [VerifyTokens].
// Source: https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
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
		return nil, fmt.Errorf("%w: dataKey was not encrypted for the named certificate", signature.ErrMismatch)
	}
	if err := dataSignature.Verify(content.DataSignature, [][]byte{contentKey}, data); err != nil {
		return nil, fmt.Errorf("dataSignature: %w", err)
	}
	return decrypt(data, contentKey)
}

// keySize is the size of an AES-256 key in bytes.
const keySize = 32

var dataSignature = signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}

// encrypt encrypts with AES-256-CBC and PKCS #7 padding.
func encrypt(plain, key []byte) []byte {
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	data := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, vector := newCipher(key)
	cipher.NewCBCEncrypter(block, vector).CryptBlocks(data, data)
	return data
}

// decrypt undoes encrypt, in place, on data of whole blocks. The signature was verified before, so wrong padding is
// the sender's error and the time that this takes reveals nothing.
func decrypt(data, key []byte) ([]byte, error) {
	block, vector := newCipher(key)
	cipher.NewCBCDecrypter(block, vector).CryptBlocks(data, data)
	padding := int(data[len(data)-1])
	plain := data[:max(0, len(data)-padding)]
	valid := padding > 0 && padding <= aes.BlockSize
	if !valid || !bytes.Equal(data[len(plain):], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, fmt.Errorf("%w: padding of data", signature.ErrMalformed)
	}
	return plain, nil
}

// newCipher returns the cipher for key and its initialization vector: by the protocol, the first 16 bytes of key.
func newCipher(key []byte) (cipher.Block, []byte) {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a wrong length, and the length is fixed
	}
	return block, key[:aes.BlockSize]
}

func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // Go's decoder ignores line breaks
		return nil, errors.New("line break")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// readContent reads the encryptedContent of an item as written.
func readContent(value []byte) (*EncryptedContent, error) {
	data, sum, key := strictjson.Member{Name: "data"}, strictjson.Member{Name: "dataSignature"},
		strictjson.Member{Name: "dataKey"}
	id, thumbprint := strictjson.Member{Name: "encryptionCertificateId"},
		strictjson.Member{Name: "encryptionCertificateThumbprint"}
	if strictjson.FindAll(value, &data, &sum, &key, &id, &thumbprint) != nil {
		const format = "%w: encryptedContent is not an object, or has a member twice"
		return nil, fmt.Errorf(format, signature.ErrMalformed)
	}
	return &EncryptedContent{
		Data: data.Text(), DataSignature: sum.Text(), DataKey: key.Text(),
		CertificateID: id.Text(), CertificateThumbprint: thumbprint.Text(),
	}, nil
}

// The errors of parsing keys contain nothing of the text.
var errKey = errors.New("not an RSA key of 2048 to 4096 bits")

// parsePrivateKey reads the first private key in the PEM text, in PKCS #8 or PKCS #1. The text may also contain a
// certificate.
func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, err := findBlock(text, "PRIVATE KEY or RSA PRIVATE KEY; the key must not be encrypted",
		"PRIVATE KEY", "RSA PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	var key any
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

// parsePublicKey reads the first public key in the PEM text.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, err := findBlock(text, "PUBLIC KEY", "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := key.(*rsa.PublicKey)
	if err != nil || !ok || !fits(public) {
		return nil, errKey
	}
	return public, nil
}

// parseCertificate reads the first certificate in the PEM text.
func parseCertificate(text string) (*x509.Certificate, error) {
	block, err := findBlock(text, "CERTIFICATE", "CERTIFICATE")
	if err != nil {
		return nil, err
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

// findBlock returns the first PEM block of text that has one of types. The error says that there is none, with the
// wanted block in words.
func findBlock(text, wanted string, types ...string) (*pem.Block, error) {
	text = bellhop.PastedPEM(text)
	if fault := bellhop.PEMFault(text); fault != "" {
		return nil, errors.New(fault)
	}
	block, rest := pem.Decode([]byte(text))
	for block != nil && !slices.Contains(types, block.Type) {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("no PEM block " + wanted)
	}
	return block, nil
}

func fits(key *rsa.PublicKey) bool {
	return key.N.BitLen() >= jwks.MinRSABits && key.N.BitLen() <= jwks.MaxRSABits
}
