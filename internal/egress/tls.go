package egress

import (
	"crypto/tls"
	"crypto/x509"
)

// tlsConfig returns the TLS settings of all connections that trust roots; nil is the system's authorities. It
// has a session cache of its own. Certificates are always verified, and no setting turns that off.
func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// With dynamic sizes the first records of a connection hold 1 KiB each, and each costs a system call.
		DynamicRecordSizingDisabled: true,
		ClientSessionCache:          tls.NewLRUClientSessionCache(1024),
	}
}

// routeTLS returns the TLS settings of connections by r.
func (c *Client) routeTLS(r Route) *tls.Config {
	cfg := tlsConfig(c.tls.RootCAs)
	if len(r.Authorities) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		for _, a := range r.Authorities {
			cfg.RootCAs.AddCert(a)
		}
	}
	if r.Certificate != nil {
		// The certificate is sent even if the server does not list its issuer: a server that refuses it says more than
		// one that got none.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return r.Certificate, nil
		}
	}
	return cfg
}

// withServerName returns cfg for connections to host.
func withServerName(cfg *tls.Config, host string) *tls.Config {
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}
