package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// LetsEncrypt is the directory of the CA of certificates by default.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Options say for what names certificates are wanted, and of which CA.
type Options struct {
	Domains   []string // lower case, without wildcards
	Email     string   // of the account, for the CA; may be ""
	Directory string   // of the CA: "https://acme-v02.api.letsencrypt.org/directory"
	Roots     []byte   // PEM of the CA that issued the certificate of the directory itself; nil: those of the system
	// HTTP is where plain HTTP is answered by HTTPHandler; nil if nowhere. TLS is where TLS is.
	HTTP, TLS net.Addr

	Store Store
	Now   func() time.Time
	Log   *slog.Logger
}

// renewCheck is how often certificates are looked at. A CA says by itself when they should be renewed; otherwise that
// is when a third of their life is left.
const renewCheck = time.Minute

// ACME has the certificates of some names from a CA. It is safe for concurrent use.
//
// The CA calls the server to see that it has the name: over TLS at port 443 (TLS-ALPN-01), which Config answers, and
// over plain HTTP at port 80 (HTTP-01), which HTTPHandler answers. One of them is enough.
type ACME struct {
	opts   Options
	from   string // the host of the directory
	log    *slog.Logger
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer

	again chan struct{} // has an element after Reload

	mu     sync.Mutex // guards faults
	faults map[string]fault
}

// A fault is why the certificate of a name could not be had.
type fault struct {
	reason string
	at     time.Time
}

// OpenACME reads the certificates that were had before. Run asks for those that are missing.
func OpenACME(ctx context.Context, opts Options) (*ACME, error) {
	a := &ACME{opts: opts, from: hostOf(opts.Directory), log: opts.Log.With("component", "certificate"),
		again: make(chan struct{}, 1), faults: map[string]fault{}}
	log := newLog(a.log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{RenewCheckInterval: renewCheck, Logger: log,
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }})
	a.magic = certmagic.New(a.cache, certmagic.Config{Storage: newStorage(opts.Store, opts.Now), Logger: log,
		OnEvent: a.note, OCSP: certmagic.OCSPConfig{DisableStapling: true}, DefaultServerName: opts.Domains[0]})
	template := certmagic.ACMEIssuer{CA: opts.Directory, Email: opts.Email, Agreed: true, Logger: log,
		DisableHTTPChallenge: opts.HTTP == nil, DisableDistributedSolvers: true}
	// certmagic answers challenges by itself where nobody listens. The server does: it finds the addresses taken.
	template.ListenHost, template.AltTLSALPNPort = splitAddr(opts.TLS)
	if opts.HTTP != nil {
		_, template.AltHTTPPort = splitAddr(opts.HTTP)
	}
	if opts.Roots != nil {
		template.TrustedRoots = x509.NewCertPool()
		if !template.TrustedRoots.AppendCertsFromPEM(opts.Roots) {
			a.cache.Stop()
			return nil, errors.New("certificate: --acme-root: the file holds no certificate as PEM")
		}
	}
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	for _, name := range opts.Domains {
		// the error says that there is none, or that it cannot be read: Run asks for another
		if cert, err := a.magic.CacheManagedCertificate(ctx, name); err == nil {
			a.log.Info("certificate.loaded", "names", cert.Names, "not_after", cert.Leaf.NotAfter)
		}
	}
	return a, nil
}

// splitAddr returns the host of an address to listen on, "" for all, and its port.
func splitAddr(addr net.Addr) (host string, port int) {
	host, text, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "", 0
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	port, _ = strconv.Atoi(text) // that of a listener is a number
	return host, port
}

// hostOf returns the host of a URL, or the URL if it has none.
func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return text
}

// Config implements [Keeper].
func (a *ACME) Config() *tls.Config {
	c := config(a.magic.GetCertificate)
	c.NextProtos = a.magic.TLSConfig().NextProtos // that of the challenge
	return c
}

// HTTPHandler returns a handler that answers the challenges of the CA, and leaves every other request to next.
func (a *ACME) HTTPHandler(next http.Handler) http.Handler {
	return a.issuer.HTTPChallengeHandler(next)
}

// Run implements [Keeper]. The server must answer by now, because the CA calls it.
func (a *ACME) Run(ctx context.Context) {
	defer a.cache.Stop()
	for ctx.Err() == nil {
		asking, stop := context.WithCancel(ctx)
		a.ask(ctx, asking)
		select {
		case <-a.again:
		case <-ctx.Done():
		}
		stop() // what is still missing is asked for at once, and not when its next turn comes
	}
}

// Reload implements [Keeper].
func (a *ACME) Reload(context.Context) {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

// ask asks for what is missing, until asking ends, and renews what is due.
func (a *ACME) ask(ctx, asking context.Context) {
	var missing []string
	for _, name := range a.opts.Domains {
		if a.cached(name) == nil {
			missing = append(missing, name)
		}
	}
	err := errors.Join(a.magic.ManageAsync(asking, missing), a.cache.RenewManagedCertificates(ctx))
	if err != nil {
		a.log.Error("certificate.failed", "error", err, "meaning", "certificates are not asked for")
	}
}

// cached returns the certificate of a name that is served; nil if there is none.
func (a *ACME) cached(name string) *x509.Certificate {
	var newest *x509.Certificate
	for _, cert := range a.cache.AllMatchingCertificates(name) {
		if leaf := cert.Leaf; leaf != nil && (newest == nil || leaf.NotAfter.After(newest.NotAfter)) {
			newest = leaf
		}
	}
	return newest
}

// note is told what certmagic does.
func (a *ACME) note(_ context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_obtained":
		a.mu.Lock()
		delete(a.faults, name)
		a.mu.Unlock()
		a.log.Info("certificate.obtained", "name", name, "ca", a.from, "renewed", data["renewal"])
	case "cert_failed":
		err, _ := data["error"].(error)
		if errors.Is(err, context.Canceled) { // the server stops, or asks anew
			return nil
		}
		reason := reasonOf(err)
		a.mu.Lock()
		a.faults[name] = fault{reason, a.opts.Now()}
		a.mu.Unlock()
		if cert := a.cached(name); cert != nil {
			a.log.Error("certificate.failed", "name", name, "ca", a.from, "error", reason, "not_after", cert.NotAfter,
				"meaning", "it could not be renewed; the one from before is served on, and good until not_after")
		} else {
			a.log.Error("certificate.failed", "name", name, "ca", a.from, "error", reason,
				"meaning", "there is no certificate yet, so clients cannot connect; it is tried again")
		}
	}
	return nil
}

// reasonOf returns why the CA gave no certificate, in one line.
func reasonOf(err error) string {
	if err == nil {
		return "unknown"
	}
	var network *url.Error
	if errors.As(err, &network) {
		return fmt.Sprintf("the CA does not answer: %v", network.Err)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// Status implements [Keeper].
func (a *ACME) Status() (all []Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range a.opts.Domains {
		s := Status{From: a.from, Names: []string{name}, Fault: a.faults[name].reason, FaultAt: a.faults[name].at}
		if cert := a.cached(name); cert != nil {
			s.NotBefore, s.NotAfter = cert.NotBefore, cert.NotAfter
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b Status) int { return a.NotAfter.Compare(b.NotAfter) })
	return all
}
