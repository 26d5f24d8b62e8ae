package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// A Certificate is made for a registration, so that its system can encrypt the content of notifications. It is signed
// by itself: its holder is authenticated by nothing but the key.
type Certificate struct {
	ID     string    `json:"id"`   // repeated by the system in each notification
	Cert   string    `json:"cert"` // Base64 of the DER
	Key    string    `json:"key"`  // Base64 of PKCS #8: secret
	MadeAt time.Time `json:"made_at"`
}

// certificateLife is how long a Certificate is valid. It is replaced long before.
const certificateLife = 2 * 365 * 24 * time.Hour

// NewCertificate makes a key and a certificate of RSA with 2048 bits. The id becomes part of notifications.
func NewCertificate(id string, now time.Time) (Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "bellhop " + id},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return Certificate{ID: id, Cert: base64.StdEncoding.EncodeToString(der),
		Key: base64.StdEncoding.EncodeToString(private), MadeAt: now}, nil
}

// PrivateKey returns the key of c. Its error shows nothing of it.
func (c Certificate) PrivateKey() (*rsa.PrivateKey, error) {
	der, err := base64.StdEncoding.DecodeString(c.Key)
	if err == nil {
		var parsed any
		parsed, err = x509.ParsePKCS8PrivateKey(der)
		if key, ok := parsed.(*rsa.PrivateKey); err == nil && ok {
			return key, nil
		}
	}
	return nil, errors.New("the key of certificate " + c.ID + " cannot be read")
}
