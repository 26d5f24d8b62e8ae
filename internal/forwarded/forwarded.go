// Package forwarded finds out who the client of a request is that came through proxies.
//
// A proxy names the client in a header, X-Forwarded-For or Forwarded (RFC 7239), or before the first byte of a
// connection, by the PROXY protocol. Anybody can send such a header. So it counts only in what comes from an address
// that the settings trust. Each proxy adds the address that called it at the right end, so it is read from there: the
// first address that is not trusted is the client, and whatever is left of it is what that client said of itself.
//
// A list that cannot be read up to the client, and two headers that name different clients, are no reason to refuse a
// request: then the client is the last address that is known for sure, that of a proxy.
package forwarded

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// The reasons for which what a proxy says does not count.
const (
	malformed   = "malformed"   // a header cannot be read
	contradicts = "contradicts" // two headers name different clients
	noHeader    = "no_header"   // a connection does not begin with a header of the PROXY protocol, or with a bad one
)

// A Trust knows the proxies whose word counts. It is safe for concurrent use.
type Trust struct {
	proxies []netip.Prefix
	now     func() time.Time
	log     *slog.Logger
	refused *prometheus.CounterVec

	mu       sync.Mutex // guards the fields below
	loggedAt time.Time
	unlogged int // since then
}

// New returns a Trust in the proxies with these addresses.
func New(proxies []netip.Prefix, now func() time.Time, log *slog.Logger, metrics prometheus.Registerer) *Trust {
	t := &Trust{proxies: proxies, now: now, log: log.With("component", "forwarded"),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_proxy_clients_unknown_total",
			Help: "Requests and connections of trusted proxies whose client is not known, by the reason."},
			[]string{"reason"})}
	metrics.MustRegister(t.refused)
	for _, reason := range []string{malformed, contradicts, noHeader} {
		t.refused.WithLabelValues(reason)
	}
	return t
}

// trusts reports whether addr is that of a trusted proxy.
func (t *Trust) trusts(addr netip.Addr) bool {
	for _, p := range t.proxies {
		if p.Contains(addr.WithZone("")) {
			return true
		}
	}
	return false
}

// Handler returns a handler that puts the address of the client into the RemoteAddr of each request, in place of that
// of a trusted proxy. It has a port if the proxy names one.
func (t *Trust) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, reason := t.client(r.RemoteAddr, r.Header)
		if reason != "" {
			t.refuse(reason, r.RemoteAddr)
		}
		r.RemoteAddr = client
		next.ServeHTTP(w, r)
	})
}

// client returns the client of a request with these headers that came from peer; reason is not "" if a proxy does not
// name it as it should.
func (t *Trust) client(peer string, h http.Header) (client, reason string) {
	if len(h["X-Forwarded-For"])+len(h["Forwarded"]) == 0 || !t.trusts(bellhop.ClientAddr(peer)) {
		return peer, ""
	}
	plain, plainOK := t.walk(peer, plainHops(h["X-Forwarded-For"]))
	tagged, taggedOK := t.walk(peer, taggedHops(h["Forwarded"]))
	switch {
	case !plainOK || !taggedOK:
		reason = malformed
	case len(h["X-Forwarded-For"]) > 0 && len(h["Forwarded"]) > 0 &&
		bellhop.ClientAddr(plain) != bellhop.ClientAddr(tagged):
		reason = contradicts
	}
	switch {
	case len(h["Forwarded"]) == 0:
		return plain, reason
	case len(h["X-Forwarded-For"]) == 0:
		return tagged, reason
	case reason != "":
		return peer, reason
	}
	return plain, ""
}

// walk goes through hops, the rightmost first, as long as they are trusted, and returns the one that it ends at. ok is
// false if it ends because the next one cannot be read.
func (t *Trust) walk(peer string, hops func() (hop string, ok, more bool)) (client string, ok bool) {
	client = peer
	for t.trusts(bellhop.ClientAddr(client)) {
		text, ok, more := hops()
		if !more {
			return client, true
		}
		hop, isAddr := parseNode(text)
		if !ok || !isAddr {
			return client, false
		}
		client = hop
	}
	return client, true
}

// parseNode returns an address with or without a port, as proxies write it, in the form of RemoteAddr.
func parseNode(text string) (remoteAddr string, ok bool) {
	if inside, ok := strings.CutPrefix(text, "["); ok { // an IPv6 address in brackets, without a port
		if inside, ok = strings.CutSuffix(inside, "]"); ok {
			addr, err := netip.ParseAddr(inside)
			return addr.WithZone("").String(), err == nil && addr.Is6()
		}
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone("").String(), true
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return "", false
	}
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()).String(), true
}

// refuse counts that what a proxy said does not count, and logs it at most once every 10 seconds.
func (t *Trust) refuse(reason, peer string) {
	t.refused.WithLabelValues(reason).Inc()
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.unlogged++
	if now.Sub(t.loggedAt) < 10*time.Second {
		return
	}
	meaning := "a trusted proxy does not name the client as it should, so its own address is taken for it"
	if reason == noHeader {
		meaning = "a connection of a trusted proxy does not begin with a good header of the PROXY protocol, so it " +
			"is closed: have the proxy send one, or leave out --proxy-protocol"
	}
	t.log.Warn("proxy.client_unknown", "reason", reason, "remote_addr", peer, "times", t.unlogged, "meaning",
		meaning)
	t.loggedAt, t.unlogged = now, 0
}
