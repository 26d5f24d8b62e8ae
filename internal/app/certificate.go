package app

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/certificate"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
)

// This file holds the TLS of the server itself: where its certificate comes from, and what is said of it.

// openCertificate opens the certificate of the settings, if they have one.
func (a *App) openCertificate(ctx context.Context) error {
	c := a.opts.Config
	if c.TLSCert == "" {
		return nil // or it comes by ACME, once the server listens
	}
	files, err := certificate.OpenFiles(ctx, c.TLSCert, c.TLSKey, time.Now, a.opts.Logger)
	if err != nil {
		return err
	}
	a.certificate = files
	a.registry.MustRegister(certificate.Collector{Keeper: files, Now: time.Now})
	return nil
}

// openACME opens the certificates by ACME of the settings, if they ask for some. The CA has to reach the front, or the
// port of plain HTTP.
func (a *App) openACME(ctx context.Context) (err error) {
	c := a.opts.Config
	if len(c.ACMEDomains) == 0 {
		return nil
	}
	opts := certificate.Options{Domains: c.ACMEDomains, Email: c.ACMEEmail,
		Directory: cmp.Or(c.ACMEDirectory, certificate.LetsEncrypt), TLS: a.front.Addr(), Store: a.store,
		Now: time.Now, Log: a.opts.Logger}
	if a.plainPort != nil {
		opts.HTTP = a.plainPort.Addr()
	}
	if c.ACMERoot != "" {
		if opts.Roots, err = os.ReadFile(c.ACMERoot); err != nil {
			return fmt.Errorf("certificate: --acme-root: %w", err)
		}
	}
	if a.acme, err = certificate.OpenACME(ctx, opts); err != nil {
		return err
	}
	a.certificate = a.acme
	a.registry.MustRegister(certificate.Collector{Keeper: a.acme, Now: time.Now})
	return nil
}

// HasTLS reports whether the server has a certificate of its own, which [App.ReloadCertificate] reads again.
func (a *App) HasTLS() bool { return a.certificate != nil }

// ReloadCertificate looks for another certificate at once. Without TLS it does nothing.
func (a *App) ReloadCertificate(ctx context.Context) {
	if a.certificate != nil {
		a.certificate.Reload(ctx)
	}
}

// checkCertificate checks the certificate of the server itself, and the one that answers at the public URL, which may
// be another.
func (a *App) checkCertificate(public doctor.Public) func(context.Context) doctor.Finding {
	return func(ctx context.Context) doctor.Finding {
		if a.certificate == nil {
			return public.Certificate(ctx)
		}
		var own []doctor.OwnCertificate
		for _, s := range a.certificate.Status() {
			own = append(own, doctor.OwnCertificate(s))
		}
		return doctor.OwnTLS(own, public.Certificate(ctx), time.Now())
	}
}

// toHTTPS returns the handler of plain HTTP. A browser is sent on to https. Everything else is refused: what it sent
// was readable on the way, and a provider that is sent on would send it so each time.
func (a *App) toHTTPS() http.Handler {
	onward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !fromBrowser(r):
			api.WriteStatus(w, http.StatusForbidden, "use https")
			return
		case !isHost(r.Host) || !strings.HasPrefix(r.URL.RequestURI(), "/"): // "*" is no page
			api.WriteStatus(w, http.StatusBadRequest, "the request names no host and page")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "https://"+a.secureHost(r.Host)+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	if a.acme != nil {
		return a.acme.HTTPHandler(onward)
	}
	return onward
}

// fromBrowser reports whether a request may be one of a person who typed an address: it changes nothing, has no key,
// and is not for a path that programs call, whose query may have a secret.
func fromBrowser(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
		return false
	}
	page := path.Clean("/"+r.URL.Path) + "/"
	return !slices.ContainsFunc([]string{ingest.Prefix, api.AgreePath, "/api/"}, func(prefix string) bool {
		return strings.HasPrefix(page, prefix)
	})
}

// isHost reports whether the Host header of a request is a name or an address, with or without a port.
func isHost(host string) bool {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" {
		return false
	}
	if strings.HasPrefix(host, "[") {
		_, err = netip.ParseAddr(u.Hostname())
		return err == nil
	}
	return strings.Count(host, ":") <= 1
}

// secureHost returns the host, and the port unless it is that of https, to which a browser is sent that asked for host
// by plain HTTP. The public URL wins over what the browser says.
func (a *App) secureHost(host string) string {
	public, err := url.Parse(a.opts.Config.PublicURL)
	if a.hasPublicURL && err == nil && public.Scheme == "https" {
		return public.Host
	}
	name := (&url.URL{Host: host}).Hostname()
	_, port, err := net.SplitHostPort(a.front.Addr().String())
	if err != nil {
		return host
	}
	return strings.TrimSuffix(net.JoinHostPort(name, port), ":443")
}
