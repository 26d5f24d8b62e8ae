package sns

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/fetchcache"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Sign returns the Signature of the message in body, in Base64: RSA with PKCS #1 v1.5 over SHA-1 or SHA-256, as its
// SignatureVersion is "1" or "2". It ignores a Signature that body has already.
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

// Verify returns nil if the message in body was signed with the private part of key, the key of a certificate of
// SNS. [KeyFor] returns that key and checks the topic of the message; Verify checks neither the topic nor the age.
// It returns signature.ErrMissing, ErrMalformed (also for a body that SNS does not send) or ErrMismatch.
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

// KeyFor returns the key for [Verify]. It fetches the certificate that the message in body names, with client.
//
// The sender chooses the URL of the certificate. So KeyFor calls it only if the message is for one of topics,
// which are ARNs, and the URL is at the host of SNS in that topic's region. The certificate must bear a name of
// SNS and be valid now. Each call fetches; for many messages use [Provider.Open], which caches certificates.
//
// It returns bellhop.CodeInvalid for an invalid ARN, provider.ErrForbidden for another topic,
// provider.ErrUnavailable if the certificate cannot be fetched, signature.ErrExpired, or signature.ErrMalformed.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func KeyFor(ctx context.Context, client *http.Client, body []byte, now time.Time,
	topics ...string) (*rsa.PublicKey, error) {
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

// A proof is a signature and the hash of the signed text.
type proof struct {
	signature []byte
	hash      crypto.Hash
	sum       []byte
}

// proof returns the proof of m, which can be read without the key.
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
		return nil, fmt.Errorf("%w: the Signature is missing; is raw message delivery on?", signature.ErrMissing)
	}
	sig, err := strictBase64.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("%w: the Signature is not Base64", signature.ErrMalformed)
	}
	return sig, nil
}

// digest hashes the signed text. SignatureVersion itself is not signed, and need not be: the signature contains
// the name of the hash.
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
	return 0, nil, fmt.Errorf("%w: the SignatureVersion is neither 1 nor 2", signature.ErrMalformed)
}

// Bounds of fetching and caching certificates. A URL contains a hash of its certificate, so a certificate is
// fetched only once.
const (
	fetchTimeout = 3 * time.Second
	maxFetches   = 10 // per minute and source
	maxKept      = 16 // per source; SNS has one certificate per region, and a new one each year
)

// certificates caches the certificates of SNS for one source. It is safe for concurrent use.
type certificates struct {
	now    func() time.Time
	client *http.Client
	cache  fetchcache.Cache[certificate]

	mu      sync.Mutex // guards the fields below
	minute  time.Time  // start of the minute in which fetches are counted
	fetches int
}

type certificate struct {
	key  *rsa.PublicKey
	leaf *x509.Certificate
}

func newCertificates(env provider.Env) *certificates {
	c := &certificates{now: env.Now, client: provider.NoRedirects(env.Client)}
	c.cache = fetchcache.Cache[certificate]{Fetch: c.fetch, Now: env.Now, MaxKeys: maxKept}
	return c
}

// key returns the public key of the certificate at url, which the caller has checked with topic.certifies. Its error
// wraps provider.ErrUnavailable if the certificate cannot be fetched, and signature.ErrExpired if it is not valid now.
func (c *certificates) key(ctx context.Context, url string) (*rsa.PublicKey, error) {
	cert, err := c.cache.Get(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate of SNS: %w", provider.ErrUnavailable, err)
	}
	return cert.valid(c.now())
}

// fetch does not end with the request that needs the certificate first, because other requests wait for it too.
func (c *certificates) fetch(ctx context.Context, url string) (v fetchcache.Value[certificate], err error) {
	if !c.mayFetch() {
		return v, errors.New("too many certificates were fetched within a minute")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	text, err := get(ctx, c.client, url)
	if err != nil {
		return v, err
	}
	v.Value.leaf, v.Value.key, err = parseCertificate(text, topicAt(url))
	return v, err
}

// mayFetch counts a fetch. It returns false after too many, because senders choose the URLs.
func (c *certificates) mayFetch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.minute); since < 0 || since >= time.Minute {
		c.minute, c.fetches = now, 0
	}
	if c.fetches == maxFetches {
		return false
	}
	c.fetches++
	return true
}

// valid returns the key if the certificate is valid now.
func (c certificate) valid(now time.Time) (*rsa.PublicKey, error) {
	if now.Before(c.leaf.NotBefore) || now.After(c.leaf.NotAfter) {
		return nil, fmt.Errorf("%w: the certificate of SNS is not valid now", signature.ErrExpired)
	}
	return c.key, nil
}

// parseCertificate parses a PEM file with one certificate that bears a name of SNS in the region of t.
//
// It does not verify the issuer: SNS publishes the certificate alone. Its proof is the TLS connection to the
// pinned host, whose own certificate has a chain.
func parseCertificate(text []byte, t topic) (*x509.Certificate, *rsa.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, nil, errors.New("not one certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("cannot be read")
	}
	named := func(name string) bool { return leaf.VerifyHostname(name) == nil }
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	switch {
	case !slices.ContainsFunc(t.names(), named):
		return nil, nil, errors.New("has the name of another host")
	case !ok || key.N.BitLen() < jwks.MinRSABits || key.N.BitLen() > jwks.MaxRSABits:
		return nil, nil, errors.New("has no RSA key of 2048 to 4096 bits")
	}
	return leaf, key, nil
}
