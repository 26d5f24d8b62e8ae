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

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// How certificates are fetched and kept. One is kept by its URL, which has a hash of it in its name, so that what was
// fetched once need not be again.
const (
	fetchTimeout = 3 * time.Second
	maxFetches   = 10 // in a minute, of one source
	maxKept      = 16 // of one source; SNS has one a region, and another each year
)

// certificates are those of one source that SNS was asked for. It is safe for concurrent use.
type certificates struct {
	now    func() time.Time
	client *http.Client
	turn   chan struct{} // held by who fetches; others wait for theirs

	mu      sync.Mutex
	kept    []certificate // oldest first
	minute  time.Time     // since when fetches are counted
	fetches int
}

type certificate struct {
	url  string
	key  *rsa.PublicKey
	leaf *x509.Certificate
}

func newCertificates(env provider.Env) *certificates {
	return &certificates{now: env.Now, client: provider.NoRedirects(env.Client), turn: make(chan struct{}, 1)}
}

// key returns the public key of the certificate at url, which must be one of t's. Its error wraps provider.ErrUnavailable
// if there is none to be had, and signature.ErrExpired if now is not within its time.
func (c *certificates) key(ctx context.Context, url string, t topic) (*rsa.PublicKey, error) {
	if cert, ok := c.look(url); ok {
		return cert.valid(c.now())
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, unavailable(ctx.Err())
	}
	if cert, ok := c.look(url); ok { // somebody else fetched it meanwhile
		return cert.valid(c.now())
	}
	if !c.mayFetch() {
		return nil, unavailable(errors.New("too many were fetched within a minute"))
	}
	cert, err := c.fetch(ctx, url, t)
	if err != nil {
		return nil, unavailable(err)
	}
	c.keep(cert)
	return cert.valid(c.now())
}

func unavailable(why error) error {
	return fmt.Errorf("%w: the certificate of SNS: %w", provider.ErrUnavailable, why)
}

func (c *certificates) look(url string) (certificate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.kept, func(k certificate) bool { return k.url == url })
	if i < 0 {
		return certificate{}, false
	}
	return c.kept[i], true
}

func (c *certificates) keep(cert certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) == maxKept {
		c.kept = slices.Delete(c.kept, 0, 1)
	}
	c.kept = append(c.kept, cert)
}

// mayFetch counts a fetch, unless there were too many: the URLs come from whoever calls us.
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

// fetch does not end with the request that happens to need it: others wait for the same certificate.
func (c *certificates) fetch(ctx context.Context, url string, t topic) (certificate, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	text, err := get(ctx, c.client, url)
	if err != nil {
		return certificate{}, err
	}
	leaf, key, err := parseCertificate(text, t)
	return certificate{url: url, key: key, leaf: leaf}, err
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
	case !ok || key.N.BitLen() < provider.MinRSABits || key.N.BitLen() > provider.MaxRSABits:
		return nil, nil, errors.New("has no RSA key of 2048 to 4096 bits")
	}
	return leaf, key, nil
}
