package egress

import (
	"crypto/tls"
	"crypto/x509"
)

// tlsConfig is how every connection is secured: certificates are always verified, there is no way to turn it off.
func tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// Without this the first records of a connection hold 1 KiB each, and each costs a system call.
		DynamicRecordSizingDisabled: true,
		ClientSessionCache:          tls.NewLRUClientSessionCache(1024),
	}
}

// named is cfg for connections to host.
func named(cfg *tls.Config, host string) *tls.Config {
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}
