package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// This file has the checks of the public URL: the server calls itself there, as a provider would, and recognises its
// own call by a secret that is good for that one.

// ProbePrefix begins the last part of the path of a call of the server to itself; the secret follows.
const ProbePrefix = "bellhop-probe-"

// Probes are the calls of a server to itself that are under way. The zero value is ready to use.
type Probes struct {
	waiting atomic.Int32 // their number, so that any other request costs one load
	mu      sync.Mutex   // guards answers
	answers map[string]string
}

// begin returns the last part of the path of a new call, and its right answer. end forgets both.
func (p *Probes) begin() (name, answer string, end func()) {
	name, answer = ProbePrefix+rand.Text(), rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == nil {
		p.answers = map[string]string{}
	}
	p.answers[name] = answer
	p.waiting.Add(1)
	return name, answer, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.answers, name)
		p.waiting.Add(-1)
	}
}

// Answer returns the answer to a request with that last part of its path; ok is false if it is no call of the server
// to itself that is under way.
func (p *Probes) Answer(name string) (answer string, ok bool) {
	if p.waiting.Load() == 0 || !strings.HasPrefix(name, ProbePrefix) {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok = p.answers[name]
	return answer, ok
}

// Public is what the checks of the public URL need.
type Public struct {
	URL    string       // as the settings have it; "" if they have none
	Prefix string       // of the paths of sources: "/in/"
	Client *http.Client // follows no redirect; it may go to private addresses, because the operator names the URL
	Probes *Probes
	Now    func() time.Time
}

// A visit is what came of a call to the public URL.
type visit struct {
	status   int
	ours     bool // the answer is that of this server
	location string
	at       netip.Addr // who answered
	took     time.Duration
	state    *tls.ConnectionState // nil without TLS
}

// callTimeout bounds one call, so that its check says what is wrong before the time of all checks is over.
const callTimeout = 5 * time.Second

// call makes one call to the public URL.
func (p Public) call(ctx context.Context) (v visit, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, answer, end := p.Probes.begin()
	defer end()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String()); err == nil {
			v.at = at.Addr().Unmap()
		}
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet,
		strings.TrimSuffix(p.URL, "/")+p.Prefix+name, nil)
	if err != nil {
		return v, err
	}
	req.Close = true // nothing of the check stays open
	begun := p.Now()
	reply, err := p.Client.Do(req)
	if err != nil {
		return v, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(io.LimitReader(reply.Body, 4096))
	v.status, v.ours, v.state = reply.StatusCode, reply.StatusCode == http.StatusOK && string(body) == answer,
		reply.TLS
	v.location, v.took = reply.Header.Get("Location"), p.Now().Sub(begun)
	return v, err
}

// cannot returns the finding of a check without a public URL that providers could call; ok is false if there is one.
func (p Public) cannot() (f Finding, ok bool) {
	const remedy = "set --public-url to the https URL by which providers reach this server"
	u, err := url.Parse(p.URL)
	if p.URL == "" || err != nil {
		return Skip("there is no public URL, so only programs on this machine find this server", remedy), true
	}
	at, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && at.IsLoopback() {
		return Skip("the public URL is one of this machine, which no provider can reach", remedy), true
	}
	return Finding{}, false
}

// Reach has the server call itself at its public URL.
func (p Public) Reach(ctx context.Context) Finding {
	if f, ok := p.cannot(); ok {
		return f
	}
	v, err := p.call(ctx)
	const remedy = "see that --public-url is right, that its name resolves, and that the proxy or load balancer " +
		"there passes /in/ on to this server"
	switch {
	case err != nil:
		return Finding{State: Failed, Message: "this server does not reach itself there: " + reason(err),
			Remedy: remedy}
	case v.ours:
		where := ""
		if v.at.IsPrivate() || v.at.IsLoopback() {
			where = ", at the private address " + v.at.String()
		}
		return Finding{State: OK, Message: fmt.Sprintf("this server reached itself there in %s%s; it asked from this "+
			"machine, so a firewall may still keep providers out", short(v.took), where)}
	case v.status >= 300 && v.status < 400:
		return Finding{State: Failed, Message: fmt.Sprintf("it answers with a redirect (%d) to %s, which "+
			"providers do not follow", v.status, originOf(v.location)), Remedy: "set --public-url to the URL that " +
			"it redirects to"}
	}
	return Finding{State: Failed, Message: fmt.Sprintf("something else than this server answers there (%d)", v.status),
		Remedy: remedy}
}

// Bounds of the life of a certificate that is left.
const (
	certificateSoon = 14 * 24 * time.Hour // whoever renews it does so earlier
	certificateNow  = 3 * 24 * time.Hour
)

// Certificate looks at the TLS of the public URL and the end of its certificate.
func (p Public) Certificate(ctx context.Context) Finding {
	if f, ok := p.cannot(); ok {
		return f
	}
	if !strings.HasPrefix(p.URL, "https:") {
		return Finding{State: Warning, Message: "the public URL is plain http: whoever is on the way reads what " +
			"providers send, and the secrets in their URLs", Remedy: "put a proxy with TLS in front, and set " +
			"--public-url to its https URL"}
	}
	v, err := p.call(ctx)
	const remedy = "see what should renew it: the proxy or load balancer at the public URL"
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		f := Finding{State: Failed, Message: "its certificate is not accepted: " + untrusted.Err.Error(),
			Remedy: remedy}
		if chain := untrusted.UnverifiedCertificates; len(chain) > 0 {
			f.Message += ends(chain[0].NotAfter, p.Now())
		}
		return f
	case err != nil:
		return Skip("it was not reached: "+reason(err), "see the check of the public URL")
	case v.state == nil || len(v.state.PeerCertificates) == 0:
		return Skip("the answer came without TLS", "")
	}
	end := v.state.PeerCertificates[0].NotAfter
	f := Finding{State: OK, Message: tls.VersionName(v.state.Version) + ends(end, p.Now())}
	switch left := end.Sub(p.Now()); {
	case left < certificateNow:
		f.State, f.Remedy = Failed, remedy
	case left < certificateSoon:
		f.State, f.Remedy = Warning, remedy
	}
	return f
}

// ends says when a certificate ends.
func ends(at, now time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "; the certificate ends in " + span(left) + ", on " + stamp(at)
	}
	return "; the certificate ended on " + stamp(at)
}

// reason returns why a call failed, without the URL, which holds a secret.
func reason(err error) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer came within " + callTimeout.String()
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return "the name " + name.Name + " does not resolve: " + name.Err
	}
	return err.Error()
}

// originOf returns the scheme and the host of a URL; "another path" if it has none.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Scheme + "://" + u.Host
}
