package ui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file lets the people of one tenant look at what is theirs, without a key: whoever has a link opens it once, and
// sees the pages of portal_pages.go. A session of a portal is another one than that of the pages around it, with a
// cookie of its own: it opens no other page. The API knows the visitor of a portal, and refuses everything but what
// these pages do.
//
// A link may name pages of others that show the portal in a frame. Browsers let the cookie of such a frame through by
// https alone, and keep it apart for each site that has the frame.

// Portals say who visits which portal. Errors that a person can act on are *client.Error; one of the status 401 says
// that the link cannot be opened, or that there is no visit.
type Portals interface {
	// Look returns the portal that a link leads to, and changes nothing.
	Look(ctx context.Context, link string) (Portal, error)
	// Open begins a session by a link, which can be opened once, and returns the token of the session.
	Open(ctx context.Context, link, remoteAddr string) (token string, p Portal, err error)
	// Find returns the portal of a session, and a context for calls of the API on behalf of its visitor.
	Find(ctx context.Context, token string) (context.Context, Portal, error)
	// Check returns the error of Find, and is no use of the session.
	Check(ctx context.Context, token string) error
}

// A Portal is the pages for one tenant, as a visitor of them sees it.
type Portal struct {
	Tenant         string
	Role           role // viewer of the rights read, operator of retry, admin of manage
	Ends           time.Time
	FrameAncestors []string // origins whose pages may show it in a frame
}

// Paths of portals.
const (
	portalBase = Root + "portal"
	PortalRoot = portalBase + "/"
	PortalLink = PortalRoot + "open/" // and the token of a link
)

// portalNavigation lists the pages of a portal.
var portalNavigation = []navigationLink{{"", "Destinations"}, {"deliveries", "Deliveries"}, {"events", "Events"},
	{"types", "Event types"}}

// Names of the cookies of a visit: by https alone and in a frame, and over loopback. A visit has one of them.
const (
	securePortalCookie = "__Host-bellhop-portal"
	frameCookie        = "__Host-bellhop-frame"
	plainPortalCookie  = "bellhop-portal"
)

// portals adds the routes of portals.
func (s *server) portals() {
	s.mux.HandleFunc("GET "+portalBase, func(w http.ResponseWriter, r *http.Request) { redirect(w, r, PortalRoot) })
	s.mux.HandleFunc("GET "+PortalLink+"{link}", s.stranger(s.showPortalLink))
	s.mux.HandleFunc("POST "+PortalLink+"{link}", s.stranger(s.openPortalLink))
	s.mux.HandleFunc("POST "+PortalRoot+"leave", s.stranger(s.leavePortal))
	s.portalPages()
	s.portalActions()
	s.mux.HandleFunc(PortalRoot, s.visiting(viewer, func(*visit) error {
		return &client.Error{Status: http.StatusNotFound, Detail: "There is no such page."}
	}))
}

// portalPage adds a page of portals: a path below /ui/portal for GET, for visitors of at least that role.
func (s *server) portalPage(path string, needs role, h func(v *visit) error) {
	s.mux.HandleFunc("GET "+portalBase+path, s.visiting(needs, h))
}

// portalAct adds an action of portals: a path below /ui/portal for POST, for visitors of at least that role.
func (s *server) portalAct(path string, needs role, h func(v *visit) error) {
	s.mux.HandleFunc("POST "+portalBase+path, s.visiting(needs, h))
}

// stranger returns a handler that runs h for somebody whose session is not looked at.
func (s *server) stranger(h func(v *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{server: s, w: w, r: r, ctx: r.Context(), display: readDisplay(r), portal: &Portal{}}
		err := h(v)
		if err != nil {
			s.answer(v, err)
		}
	}
}

// visiting returns a handler that runs h for a visitor of a portal who has at least that role.
func (s *server) visiting(needs role, h func(v *visit) error) http.HandlerFunc {
	return s.stranger(func(v *visit) error {
		ctx, p, err := v.Portals.Find(v.ctx, v.portalToken())
		if err != nil {
			return err // one of the status 401 shows that the visit has ended
		}
		v.ctx = ctx
		v.enter(p)
		if !p.Role.includes(needs) {
			return &client.Error{Status: http.StatusForbidden, Detail: "Your link to this page does not allow that."}
		}
		return h(v)
	})
}

// enter makes v one of a portal: its pages are in frames of the ancestors of the link, if they come by https.
func (v *visit) enter(p Portal) {
	v.portal = &p
	v.person = Person{Name: p.Tenant, Role: p.Role, Tenant: p.Tenant, Ends: p.Ends}
	v.allowFrames(p)
}

// allowFrames sets the headers of a page that others show in a frame.
func (v *visit) allowFrames(p Portal) {
	if !v.isFramed(p) {
		return
	}
	h := v.w.Header()
	h.Del("X-Frame-Options")
	h.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'",
		"frame-ancestors "+strings.Join(p.FrameAncestors, " "), 1))
}

// isFramed reports whether pages of others may show p in a frame, as it is reached by this request.
func (v *visit) isFramed(p Portal) bool {
	return len(p.FrameAncestors) > 0 && v.hosts.of(v.r) == byHTTPS
}

// portalCookies returns the cookies that a visit may have, without a value: that of a frame first, if there may be
// one.
func (v *visit) portalCookies() []*http.Cookie {
	alone := &http.Cookie{Name: plainPortalCookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if v.hosts.of(v.r) != byHTTPS {
		return []*http.Cookie{alone}
	}
	alone.Name, alone.Secure = securePortalCookie, true
	return []*http.Cookie{{Name: frameCookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteNoneMode,
		Partitioned: true}, alone}
}

// giveToken gives the browser the token of a visit: in the cookie of a frame if framed is set, and otherwise in the
// other one. The one that is not used is removed. The token "" removes both.
func (v *visit) giveToken(token string, framed bool) {
	cookies := v.portalCookies()
	for i, c := range cookies {
		isLast := i == len(cookies)-1
		if token != "" && isLast != framed {
			c.Value = token
		} else {
			c.MaxAge = -1
		}
		http.SetCookie(v.w, c)
	}
}

// portalToken returns the token of the visit; "" if there is none, or if there are several: a neighbour of the host
// may have planted one.
func (v *visit) portalToken() string {
	var found []*http.Cookie
	for _, c := range v.portalCookies() {
		found = append(found, v.r.CookiesNamed(c.Name)...)
	}
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// showEnded says that there is no visit, or that it has ended.
func (v *visit) showEnded() {
	v.portal, v.person = &Portal{}, Person{}
	v.show(http.StatusUnauthorized, "portal_error", "This visit has ended", "Open the page again where you came from.")
}

// openPage is what the page with the button Open shows.
type openPage struct {
	Path   typed // of the link
	Tenant string
	Alone  bool // the link is for frames, and this page cannot be in one
}

// showPortalLink shows the button that opens the link. It looks at the link, and spends nothing: programs that scan
// mail and chat follow links, and may do so as often as they like.
func (s *server) showPortalLink(v *visit) error {
	p, err := s.Portals.Look(v.ctx, v.r.PathValue("link"))
	if err != nil {
		return goneIfUnauthorized(err)
	}
	v.allowFrames(p)
	v.show(http.StatusOK, "portal_open", "Open", openPage{Path: typed(v.r.URL.Path), Tenant: p.Tenant,
		Alone: len(p.FrameAncestors) > 0 && !v.isFramed(p)})
	return nil
}

// openPortalLink begins a visit by the link, in place of any that this browser has.
func (s *server) openPortalLink(v *visit) error {
	token, p, err := s.Portals.Open(v.ctx, v.r.PathValue("link"), v.r.RemoteAddr)
	if err != nil {
		return goneIfUnauthorized(err)
	}
	v.allowFrames(p)
	old := v.portalToken()
	if old != "" {
		err := s.Sessions.SignOut(v.ctx, old)
		if err != nil {
			return err
		}
	}
	v.giveToken(token, v.isFramed(p))
	return v.back(PortalRoot, "")
}

// goneIfUnauthorized returns err with the status 410 if it says that a link cannot be opened.
func goneIfUnauthorized(err error) error {
	refused, ok := asRefusal(err)
	if !ok || refused.Status != http.StatusUnauthorized {
		return err
	}
	gone := *refused
	gone.Status = http.StatusGone
	return &gone
}

// leavePortal ends the visit, for the server and for the browser.
func (s *server) leavePortal(v *visit) error {
	token := v.portalToken()
	if token != "" {
		_, p, err := s.Portals.Find(v.ctx, token)
		if err == nil {
			v.allowFrames(p)
		}
		err = s.Sessions.SignOut(v.ctx, token)
		if _, refused := asRefusal(err); err != nil && !refused {
			return err
		}
	}
	v.giveToken("", false)
	v.show(http.StatusOK, "portal_error", "You have left", "Open the page again where you came from.")
	return nil
}

// session returns the token of the session that v acts in.
func (v *visit) session() string {
	if v.portal != nil {
		return v.portalToken()
	}
	return v.token(v.r)
}

// checkSession returns an error if the session that v acts in has ended. It is no use of the session.
func (v *visit) checkSession() error {
	if v.portal != nil {
		return v.Portals.Check(v.r.Context(), v.session())
	}
	return v.Sessions.Check(v.r.Context(), v.session())
}
