// Package certificate has the certificate by which the server proves who it is to clients of its own TLS: from two
// files, which it reads again when they change ([Files]), or from a CA by ACME ([ACME]).
//
// A certificate that cannot be had or read never takes the place of one that is good: the old one is served on, and
// [Status] says why and until when. Connections that are open keep theirs, so a change drops no request.
package certificate

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Keeper has the certificate of a server, and renews it.
type Keeper interface {
	// Config returns the settings of TLS for a server, whose certificate changes by itself.
	Config() *tls.Config
	// Run keeps the certificate good until ctx ends.
	Run(ctx context.Context)
	// Reload looks for another certificate at once.
	Reload(ctx context.Context)
	// Status says how the certificates are, the one that ends first in front.
	Status() []Status
}

// A Status says how a certificate is.
type Status struct {
	From      string    // where it comes from, for people: "cert.pem"
	Names     []string  // that it is for
	NotBefore time.Time // when it begins; zero if there is none yet
	NotAfter  time.Time // when it ends; zero if there is none yet
	Fault     string    // why it could not be renewed when that was tried last; "" if it could
	FaultAt   time.Time // when that was
	Exposed   string    // who else can read its key; "" if nobody can
}

// config returns the settings of TLS for a server: versions from 1.2 on, and the ciphers that crypto/tls orders by
// itself. HTTP/2 is up to the server.
func config(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}
}

// A Collector tells Prometheus how the certificates of a Keeper are.
type Collector struct {
	Keeper Keeper
	Now    func() time.Time
}

var (
	expiryDesc = prometheus.NewDesc("bellhop_tls_certificate_expiry_timestamp_seconds",
		"When the certificate of the server's own TLS ends; of several, the first. It is renewed earlier.", nil, nil)
	lifetimeDesc = prometheus.NewDesc("bellhop_tls_certificate_lifetime_seconds",
		"For how long that certificate is good from its beginning to its end: some CAs give a week.", nil, nil)
	goodDesc = prometheus.NewDesc("bellhop_tls_certificate_good",
		"1 if the certificate of the server's own TLS is there, has begun and has not ended, and was read or renewed "+
			"when that was tried last; 0 if not.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c Collector) Describe(to chan<- *prometheus.Desc) {
	to <- expiryDesc
	to <- lifetimeDesc
	to <- goodDesc
}

// Collect implements [prometheus.Collector]. A certificate that is not there yet has no end.
func (c Collector) Collect(to chan<- prometheus.Metric) {
	good, now := 1.0, c.Now()
	var first Status // to end
	for _, s := range c.Keeper.Status() {
		if s.Fault != "" || now.Before(s.NotBefore) || now.After(s.NotAfter) {
			good = 0
		}
		if !s.NotAfter.IsZero() && (first.NotAfter.IsZero() || s.NotAfter.Before(first.NotAfter)) {
			first = s
		}
	}
	if !first.NotAfter.IsZero() {
		to <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(first.NotAfter.Unix()))
		to <- prometheus.MustNewConstMetric(lifetimeDesc, prometheus.GaugeValue,
			first.NotAfter.Sub(first.NotBefore).Seconds())
	}
	to <- prometheus.MustNewConstMetric(goodDesc, prometheus.GaugeValue, good)
}
