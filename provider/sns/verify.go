package sns

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Sign returns the Signature of the message in body, in Base64: RSA with PKCS #1 v1.5 over SHA-1 or SHA-256, as its
// SignatureVersion is "1" or "2". What Signature the body has already does not matter.
func Sign(body []byte, key *rsa.PrivateKey) (string, error) {
	m, err := parse(body)
	if err != nil {
		return "", err
	}
	hash, sum, err := m.digest()
	if err != nil {
		return "", err
	}
	sig, err := rsa.SignPKCS1v15(nil, key, hash, sum)
	return base64.StdEncoding.EncodeToString(sig), err
}

// Verify reports whether the message in body was signed with the private part of key, which is that of a certificate of
// SNS: [KeyFor] finds it, and looks whose topic the message is for. Verify does not, nor how old it is. It returns signature.ErrMissing, ErrMalformed (also for a
// body that is not what SNS sends) or ErrMismatch.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func Verify(body []byte, key *rsa.PublicKey) error {
	m, err := parse(body)
	if err != nil {
		return err
	}
	p, err := m.proof()
	if err != nil {
		return err
	}
	return p.verify(key)
}

// KeyFor returns the key for [Verify]: that of the certificate which the message in body names, fetched by client.
//
// The URL is the sender's word. So it is called only if the message is for one of topics, which are ARNs, and the URL is
// at the host of SNS in that topic's region; the certificate has to bear a name of SNS, and to hold now. Each call
// fetches: who takes many messages uses [Provider.Open], which keeps certificates.
//
// It returns bellhop.CodeInvalid for an ARN that is none, provider.ErrForbidden for another topic, provider.ErrUnavailable
// where there is no certificate to be had, signature.ErrExpired, or signature.ErrMalformed.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func KeyFor(ctx context.Context, client *http.Client, body []byte, now time.Time, topics ...string) (*rsa.PublicKey, error) {
	known, err := readTopics(topics)
	if err != nil {
		return nil, err
	}
	m, err := parse(body)
	if err != nil {
		return nil, err
	}
	if _, err := m.pin(known); err != nil {
		return nil, err
	}
	c := newCertificates(provider.Env{Now: func() time.Time { return now }, Client: client})
	return c.key(ctx, m["SigningCertURL"])
}

// A proof is a signature, and the hash of what it is said to sign.
type proof struct {
	signature []byte
	hash      crypto.Hash
	sum       []byte
}

// proof returns that of m, all that can be known of it without the key.
func (m message) proof() (p proof, err error) {
	if p.signature, err = m.signature(); err == nil {
		p.hash, p.sum, err = m.digest()
	}
	return p, err
}

func (p proof) verify(key *rsa.PublicKey) error {
	if rsa.VerifyPKCS1v15(key, p.hash, p.sum, p.signature) != nil {
		return signature.ErrMismatch
	}
	return nil
}

var strictBase64 = base64.StdEncoding.Strict()

func (m message) signature() ([]byte, error) {
	text := m["Signature"]
	if text == "" {
		return nil, fmt.Errorf("%w: no Signature; is raw message delivery on?", signature.ErrMissing)
	}
	sig, err := strictBase64.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%w: a Signature that is not Base64", signature.ErrMalformed)
	}
	return sig, nil
}

// digest hashes what is signed. The version is not signed itself, but need not be: the hash has its name in the signature.
func (m message) digest() (crypto.Hash, []byte, error) {
	text, err := m.text()
	if err != nil {
		return 0, nil, err
	}
	switch m["SignatureVersion"] {
	case "1":
		sum := sha1.Sum(text)
		return crypto.SHA1, sum[:], nil
	case "2":
		sum := sha256.Sum256(text)
		return crypto.SHA256, sum[:], nil
	}
	return 0, nil, fmt.Errorf("%w: a SignatureVersion other than 1 and 2", signature.ErrMalformed)
}
