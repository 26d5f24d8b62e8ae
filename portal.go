package bellhop

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PortalRights say what a visitor of the portal of a tenant may do.
type PortalRights string

// The rights, of which each includes those before it.
const (
	PortalRead   PortalRights = "read"   // look at the destinations, deliveries and events of the tenant
	PortalRetry  PortalRights = "retry"  // retry deliveries and replay events
	PortalManage PortalRights = "manage" // make, change, pause, test and delete destinations
)

// portalScopes are the scopes of visitors by their rights, the narrowest first. A visitor may do less than a key of
// the scope: see the operations of portals in internal/api.
var portalScopes = []struct {
	rights PortalRights
	scope  Scope
}{{PortalRead, ScopeRead}, {PortalRetry, ScopeOperate}, {PortalManage, ScopeAdmin}}

// Includes reports whether a visitor with the rights r may do what needs the rights needed.
func (r PortalRights) Includes(needed PortalRights) bool {
	has, needs := r.rank(), needed.rank()
	return needs >= 0 && has >= needs
}

// rank returns the place of r among the rights; -1 if there are none of this name.
func (r PortalRights) rank() int {
	for i := range portalScopes {
		if portalScopes[i].rights == r {
			return i
		}
	}
	return -1
}

// Scope returns the scope that a visitor with these rights needs of the API; "" if there are none of this name.
func (r PortalRights) Scope() Scope {
	if i := r.rank(); i >= 0 {
		return portalScopes[i].scope
	}
	return ""
}

// Bounds of the links to portals.
const (
	PortalLinkValid = 5 * time.Minute // how long a link can be opened, once
	// from the making of a link to the end of its session; SessionLength is the most
	MinPortalLength   = time.Minute
	MaxPortalLinks    = 2000 // one more ends the one that ends first
	MaxFrameAncestors = 10
)

// A PortalLink lets somebody without a key into the portal of a tenant: it is opened once and begins a session, which
// ends with the link. The token is in the URL of the link alone; kept is the hash of it.
type PortalLink struct {
	ID             string   // "plk_…"
	Hash           [32]byte // HashToken of the token
	Tenant         string   // the name of one
	Rights         PortalRights
	FrameAncestors []string // origins whose pages may show the portal in a frame; none: it is shown in none

	Key     string   // the name of the key, or of the person, who made the link
	KeyID   string   // "" is the admin key
	KeyHash [32]byte // HashKey of the text of the key; zero of a person

	CreatedAt time.Time
	OpenUntil time.Time // from then on it cannot be opened
	OpenedAt  time.Time // zero: nobody has opened it
	ExpiresAt time.Time // the end of its session, however it is used
}

// Ended reports whether the link, and its session with it, has ended at a time because of its age.
func (l *PortalLink) Ended(now time.Time) bool { return !now.Before(l.ExpiresAt) }

// Opens reports whether the link can be opened at a time.
func (l *PortalLink) Opens(now time.Time) bool {
	return l.OpenedAt.IsZero() && now.Before(l.OpenUntil) && !l.Ended(now)
}

// Visitor returns who acts by the link, for the log and the audit. No key has such a name.
func (l *PortalLink) Visitor() Actor { return Actor{Key: "portal of " + l.Tenant, KeyID: l.ID} }

// Check checks the rights, the end and the ancestors of a new link, and writes each ancestor as CSP has it: scheme,
// host in lower case, and port.
func (l *PortalLink) Check() error {
	var errs []error
	if l.Rights.rank() < 0 {
		errs = append(errs, Invalid("rights", "use read, retry or manage"))
	}
	if d := l.ExpiresAt.Sub(l.CreatedAt); d < MinPortalLength || d > SessionLength {
		errs = append(errs, Invalid("expires_in", "use 1m to 12h"))
	}
	if len(l.FrameAncestors) > MaxFrameAncestors {
		errs = append(errs, Invalid("frame_ancestors", fmt.Sprintf("use at most %d", MaxFrameAncestors)))
	}
	var origins []string
	for i, text := range l.FrameAncestors {
		origin, err := ParseFrameAncestor(text)
		if err != nil {
			errs = append(errs, Invalid("frame_ancestors["+strconv.Itoa(i)+"]", err.Error()))
		} else if !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	l.FrameAncestors = origins
	return Join("", errs...)
}

// errAncestor says what an ancestor of a frame is.
var errAncestor = errors.New("use a host or an origin, such as app.example.com or https://app.example.com:8443; " +
	"http is for localhost alone, and there are no wildcards")

// ParseFrameAncestor reads the host or the origin of pages that may show a portal in a frame, and returns the origin:
// "https://app.example.com". A host alone is one of https. What it returns has no character that would end a
// directive of a Content-Security-Policy.
func ParseFrameAncestor(text string) (origin string, err error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || u.Opaque != "" || strings.HasSuffix(u.Host, ":") || strings.Contains(text, "#") {
		return "", errAncestor
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !isHostName(host) || u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackName(host)) {
		return "", errAncestor
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return "", errAncestor
		}
		host += ":" + strconv.Itoa(n)
	}
	return u.Scheme + "://" + host, nil
}

// isHostName reports whether host is the name of a host, or an IPv4 address: CSP has no form for IPv6.
func isHostName(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// isLoopbackName reports whether host is this machine.
func isLoopbackName(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// A PortalLinkFilter narrows a list of links. Zero fields select all.
type PortalLinkFilter struct{ Tenant string }
