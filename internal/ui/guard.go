package ui

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// This file decides which requests are looked at at all: those that name a host of ours, and of those that change
// something only the ones that a page of ours began. It sets the headers of every answer.

// policy is the Content-Security-Policy of every page. No page has inline scripts or styles, and no script may write
// markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for " +
	"'script'; trusted-types 'none'"

// hosts are the host names by which a browser may ask for a page.
type hosts struct {
	public string // host, and port unless it is that of the scheme; lower case
	secure bool   // the public URL is https
}

func newHosts(publicURL string) hosts {
	u, err := url.Parse(publicURL)
	if err != nil {
		return hosts{}
	}
	return hosts{bareHost(u.Host, u.Scheme), u.Scheme == "https"}
}

// bareHost returns host in lower case, without the port of the scheme.
func bareHost(host, scheme string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":")
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// An entrance is how a request came: through the public URL by https, or over loopback of this machine.
type entrance int

// The entrances. A browser that was made to resolve a foreign name to our address (DNS rebinding) comes by no
// entrance, because it sends that name.
const (
	byNone   entrance = iota // a host that is not ours
	byPlain                  // the public URL, which is http and not of loopback: nobody signs in there
	byHTTPS                  // the public URL, by https
	byItself                 // loopback, by http
)

// of returns how r came.
func (h hosts) of(r *http.Request) entrance {
	scheme := "http"
	if h.secure {
		scheme = "https"
	}
	isPublic := h.public != "" && bareHost(r.Host, scheme) == h.public
	switch {
	case isPublic && h.secure:
		return byHTTPS
	case isLoopbackHost(r.Host):
		return byItself
	case isPublic:
		return byPlain
	}
	return byNone
}

// isLoopbackHost reports whether host, with or without a port, is localhost or a loopback address.
func isLoopbackHost(host string) bool {
	u := url.URL{Host: host}
	name := strings.ToLower(u.Hostname())
	address, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// guard returns a handler that sets the headers of every answer and refuses requests that no page of ours began.
func (s *server) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
		if s.hosts.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		v := &visit{server: s, w: w, r: r, ctx: r.Context()}
		switch s.hosts.of(r) {
		case byNone:
			s.fail(v, http.StatusMisdirectedRequest, "This server does not know itself by the name in the address "+
				"bar. Use the address of --ui-url or --public-url, or localhost on the machine of the server.")
			return
		case byPlain:
			s.fail(v, http.StatusForbidden, "The pages are for https, and for localhost on the machine of the "+
				"server. Put a proxy with TLS in front, and set --public-url to its https URL.")
			return
		}
		// The bodies of forms are small; a copy of an event has the bound of an event that is published.
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		if isUnsafe(r) && (crossOrigin.Check(r) != nil || isBlind(r)) {
			s.log.Warn("ui.foreign_form", "method", r.Method, "remote_addr", r.RemoteAddr,
				"site", r.Header.Get("Sec-Fetch-Site"), "meaning", "a request that no page of this server began "+
					"was refused")
			s.fail(v, http.StatusForbidden, "This request did not come from a page of this server. Nothing was done.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxFormBytes bounds the body of a request.
const maxFormBytes = 3 << 20

// isUnsafe reports whether r may change something.
func isUnsafe(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// isBlind reports whether r has a cookie of ours and says nothing about the page that began it. Every browser says it;
// the check of origins lets such a request pass, because a program may have sent it.
func isBlind(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return false
	}
	return len(r.Header.Values("Cookie")) > 0
}
