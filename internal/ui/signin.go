package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

// signInPage is what the sign-in shows.
type signInPage struct {
	Back        string // where to go afterwards
	Error       string // of the key
	OpenID      string // the host of the issuer; "" if there is none
	OpenIDPath  link   // the page that leads there
	OpenIDError string
}

// newSignInPage returns the page that leads to the page back.
func (s *server) newSignInPage(back string) signInPage {
	back = returnPath(back)
	return signInPage{Back: back, OpenID: s.openIDHost(),
		OpenIDPath: link(Root + "openid?" + url.Values{"back": {back}}.Encode())}
}

func (s *server) signIn() {
	s.mux.HandleFunc("GET /ui/sign-in", s.anybody(s.showSignIn))
	s.mux.HandleFunc("POST /ui/sign-in", s.anybody(s.signInByKey))
	s.mux.HandleFunc("GET /ui/open/{link}", s.anybody(s.showLink))
	s.mux.HandleFunc("POST /ui/open/{link}", s.anybody(s.signInByLink))
	s.mux.HandleFunc("POST /ui/sign-out", s.anybody(s.signOut))
	s.mux.HandleFunc("POST /ui/display", s.anybody(s.setDisplay))
}

// anybody returns a handler that runs h whether somebody is signed in or not.
func (s *server) anybody(h func(v *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{server: s, w: w, r: r, ctx: r.Context(), display: readDisplay(r)}
		err := h(v)
		if err != nil {
			s.answer(v, err)
		}
	}
}

func (s *server) showSignIn(v *visit) error {
	v.show(http.StatusOK, "signin", "Sign in", s.newSignInPage(v.r.FormValue("back")))
	return nil
}

// signInByKey begins a session by the key that was typed. What was typed is not shown again.
func (s *server) signInByKey(v *visit) error {
	page := s.newSignInPage(v.r.PostFormValue("back"))
	key := strings.TrimSpace(v.r.PostFormValue("key"))
	if key == "" {
		page.Error = "Enter a key."
		v.show(http.StatusUnprocessableEntity, "signin", "Sign in", page)
		return nil
	}
	token, err := s.Sessions.SignIn(v.ctx, key, v.r.RemoteAddr)
	if refused, ok := asRefusal(err); ok && refused.Status < 500 {
		page.Error = sentence(refused.Detail)
		v.show(refused.Status, "signin", "Sign in", page)
		return nil
	}
	return v.begin(token, err, page.Back)
}

// showLink shows the button that begins a session. It does not look at the link: programs that scan mail and chat
// follow links, and may do so as often as they like.
func (s *server) showLink(v *visit) error {
	v.show(http.StatusOK, "link", "Open Bellhop", v.r.URL.Path)
	return nil
}

// signInByLink spends the link.
func (s *server) signInByLink(v *visit) error {
	token, err := s.Sessions.Spend(v.ctx, v.r.PathValue("link"), v.r.RemoteAddr)
	if refused, ok := asRefusal(err); ok && refused.Status == http.StatusUnauthorized {
		s.fail(v, http.StatusGone, sentence(refused.Detail))
		return nil
	}
	return v.begin(token, err, Root)
}

// begin gives the browser the token of its new session, in place of any that it had, and sends it to a page. err is
// that of the call which returned the token.
func (v *visit) begin(token string, err error, to string) error {
	if err != nil {
		return err
	}
	old := v.token(v.r)
	if old != "" {
		err := v.Sessions.SignOut(v.ctx, old)
		if err != nil {
			return err
		}
	}
	http.SetCookie(v.w, v.cookie(v.r, token))
	return v.back(to, "")
}

// signOut ends the session, for the server and for the browser.
func (s *server) signOut(v *visit) error {
	token := v.token(v.r)
	if token != "" {
		err := s.Sessions.SignOut(v.ctx, token)
		if _, refused := asRefusal(err); err != nil && !refused {
			return err
		}
	}
	http.SetCookie(v.w, v.cookie(v.r, ""))
	return v.back(Root+"sign-in", "signed-out")
}

// errNotForm is the error of a body that cannot be read as that of a form.
var errNotForm = &client.Error{Status: http.StatusBadRequest, Detail: "the form cannot be read, or is larger than " +
	"3 MiB"}
