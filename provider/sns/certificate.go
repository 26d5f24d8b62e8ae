package sns

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/fetchcache"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

// How certificates are fetched and kept. The key is the URL, which has a hash of the certificate in its name, so that a
// certificate never has to be fetched again.
const (
	fetchTimeout = 3 * time.Second
	maxFetches   = 10 // in a minute, for one source
	maxKept      = 16 // for one source; SNS has one a region, and another each year
)

// certificates are those of SNS that one source needed. It is safe for concurrent use.
type certificates struct {
	now    func() time.Time
	client *http.Client
	cache  fetchcache.Cache[certificate]

	mu      sync.Mutex // guards the fields below
	minute  time.Time  // since when fetches are counted
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

// key returns the public key of the certificate at url, which a topic certifies. Its error wraps
// provider.ErrUnavailable if the certificate cannot be had, and signature.ErrExpired if it is not valid now.
func (c *certificates) key(ctx context.Context, url string) (*rsa.PublicKey, error) {
	cert, err := c.cache.Get(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the certificate of SNS: %w", provider.ErrUnavailable, err)
	}
	return cert.valid(c.now())
}

// fetch does not end with the request that happens to need the certificate first, because others wait for it too.
func (c *certificates) fetch(ctx context.Context, url string) (v fetchcache.Value[certificate], err error) {
	if !c.mayFetch() {
		return v, errors.New("too many were fetched within a minute")
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

// mayFetch counts a fetch, unless there were too many: senders choose the URLs.
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

// valid returns the key within the time of the certificate.
func (c certificate) valid(now time.Time) (*rsa.PublicKey, error) {
	if now.Before(c.leaf.NotBefore) || now.After(c.leaf.NotAfter) {
		return nil, fmt.Errorf("%w: the certificate of SNS is not valid now", signature.ErrExpired)
	}
	return c.key, nil
}

// parseCertificate reads a PEM file with one certificate that bears a name of SNS in the region of t.
//
// Its issuer is not looked for: SNS publishes the certificate alone, and what it comes from is the TLS connection to a
// host that is pinned, whose own certificate has a chain.
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
		return nil, nil, errors.New("bears another's name")
	case !ok || key.N.BitLen() < jwks.MinRSABits || key.N.BitLen() > jwks.MaxRSABits:
		return nil, nil, errors.New("has no RSA key of 2048 to 4096 bits")
	}
	return leaf, key, nil
}
