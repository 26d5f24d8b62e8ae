package egress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
)

// A Route says how one destination is reached, and who we are there, where that is not as everywhere. Connections and TLS
// sessions are never shared between destinations whose ways differ. The zero Route is the plain one.
type Route struct {
	Certificate *tls.Certificate    // shown to a server that asks for one; nil is none
	Authorities []*x509.Certificate // whom the server's certificate must be signed by; none are the client's RootCAs

	Proxy                        string // as CheckProxy has it; "" is none
	ProxyUsername, ProxyPassword string // for the proxy alone; none where the name is ""
}

// lead makes t go by w.
func (c *Client) lead(t *Target, w Route) error {
	if w.Certificate == nil && len(w.Authorities) == 0 && w.Proxy == "" {
		return nil
	}
	t.pool += " by " + w.fingerprint()
	t.tls = c.tlsBy(w)
	if w.Proxy == "" {
		return nil
	}
	p, err := c.proxies.parse(w.Proxy)
	if err != nil {
		return err
	}
	t.proxy = &proxy{place: p, tls: c.tls, agent: t.agent}
	if w.ProxyUsername != "" {
		login := base64.StdEncoding.EncodeToString([]byte(w.ProxyUsername + ":" + w.ProxyPassword))
		t.proxy.authorization = string(AppendHeader(nil, "Proxy-Authorization", "Basic "+login))
	}
	t.where += " through " + t.proxy.String()
	return nil
}

// tlsBy is the TLS setting of w, with a cache for its sessions alone.
func (c *Client) tlsBy(w Route) *tls.Config {
	cfg := tlsConfig(c.tls.RootCAs)
	if len(w.Authorities) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		for _, a := range w.Authorities {
			cfg.RootCAs.AddCert(a)
		}
	}
	if w.Certificate != nil { // whether the server lists its issuer or not: a refusal says more than none at all
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return w.Certificate, nil }
	}
	return cfg
}

// fingerprint tells w from every other way. It can be turned into nothing that is in it.
func (w *Route) fingerprint() string {
	h := sha256.New()
	if w.Certificate != nil {
		for _, der := range w.Certificate.Certificate {
			part(h, "certificate", der)
		}
	}
	for _, a := range w.Authorities {
		part(h, "authority", a.Raw)
	}
	part(h, "proxy", []byte(w.Proxy))
	part(h, "user", []byte(w.ProxyUsername))
	part(h, "password", []byte(w.ProxyPassword))
	return hex.EncodeToString(h.Sum(nil))
}

// part writes b so that no two lists of parts look alike.
func part(h hash.Hash, kind string, b []byte) {
	fmt.Fprintf(h, "%s %d\n", kind, len(b))
	h.Write(b)
}
