package ui

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// OpenID signs people in by an OpenID issuer. Errors that a person can act on are *client.Error.
type OpenID interface {
	// Host returns the host of the issuer, which the link of the sign-in names.
	Host() string
	// Start begins a sign-in: the browser goes to a URL of the issuer. What flow has goes to Finish.
	Start(ctx context.Context) (to string, flow []byte, err error)
	// Finish begins a session of the person whom the issuer sent back with query, and returns its token. flow is nil
	// if this browser has begun no sign-in.
	Finish(ctx context.Context, flow []byte, query url.Values, remoteAddr string) (token string, err error)
}

// OpenIDReturn is the path to which the issuer sends browsers back.
const OpenIDReturn = Root + "openid/back"

// Names of the cookie of a sign-in that has begun, as those of a session. Its value is sealed, and ends with it.
const (
	secureFlowCookie = "__Host-bellhop-openid"
	plainFlowCookie  = "bellhop-openid"
	flowSeconds      = 600
)

// openID adds the routes of the sign-in by an issuer.
func (s *server) openID() {
	if s.OpenID == nil {
		return
	}
	s.mux.HandleFunc("GET /ui/openid", s.anybody(s.leave))
	s.mux.HandleFunc("GET "+OpenIDReturn, s.anybody(s.comeBack))
}

// flowCookie returns the cookie of a sign-in: "" removes it. The issuer leads back by a link, which Lax lets pass.
func (s *server) flowCookie(r *http.Request, sealed string) *http.Cookie {
	c := &http.Cookie{Name: plainFlowCookie, Value: sealed, Path: "/", HttpOnly: true, MaxAge: flowSeconds,
		SameSite: http.SameSiteLaxMode}
	if s.hosts.of(r) == byHTTPS {
		c.Name, c.Secure = secureFlowCookie, true
	}
	if sealed == "" {
		c.MaxAge = -1
	}
	return c
}

// Names in the sealed cookie.
const (
	flowOpenID = "flow" // what OpenID.Start gave
	flowBack   = "back" // the page to go to afterwards
)

// leave sends the browser to the issuer. It is a link and no form, because the policy of the pages lets no form lead
// elsewhere; what it changes is in this browser alone.
func (s *server) leave(v *visit) error {
	to, flow, err := s.OpenID.Start(v.ctx)
	if err != nil {
		return err
	}
	sealed, err := s.sealer.seal("", flowOpenID, map[string]string{flowOpenID: string(flow),
		flowBack: returnPath(v.r.FormValue("back"))})
	if err != nil {
		return err
	}
	http.SetCookie(v.w, s.flowCookie(v.r, string(sealed)))
	redirect(v.w, v.r, to)
	return nil
}

// comeBack ends the sign-in of a browser that comes from the issuer. The cookie of the sign-in is spent.
func (s *server) comeBack(v *visit) error {
	var begun map[string]string
	found := v.r.CookiesNamed(s.flowCookie(v.r, "").Name)
	if len(found) == 1 {
		begun = s.sealer.open("", flowOpenID, found[0].Value)
	}
	http.SetCookie(v.w, s.flowCookie(v.r, ""))
	var flow []byte
	if begun != nil {
		flow = []byte(begun[flowOpenID])
	}
	token, err := s.OpenID.Finish(v.ctx, flow, v.r.URL.Query(), v.r.RemoteAddr)
	if refused, ok := asRefusal(err); ok && refused.Status < http.StatusInternalServerError {
		page := s.newSignInPage(begun[flowBack])
		page.OpenIDError = sentence(refused.Detail)
		v.show(refused.Status, "signin", "Sign in", page)
		return nil
	}
	return v.begin(token, err, returnPath(begun[flowBack]))
}

// openIDHost returns the host of the issuer for the link, without the port of https; "" if there is none.
func (s *server) openIDHost() string {
	if s.OpenID == nil {
		return ""
	}
	return strings.TrimSuffix(s.OpenID.Host(), ":443")
}
