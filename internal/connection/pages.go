package connection

import (
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// The pages for browsers. A link with a ticket opens the start page of a connection; its button leads to the
// authority, which leads back to the callback. Who has no ticket learns nothing, not even which connections there
// are.

// cookieName begins the name of the cookie that ties a sign-in to the browser in which it began. Each sign-in has
// one of its own, so that two may be under way in one browser.
const cookieName = "bellhop_connect_"

// pageTemplate is every page. All values are escaped.
var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
{{range .Lines}}<p>{{.}}</p>
{{end}}{{if .Redirect}}<p>Before the first sign-in, register this redirect URI at the authority:</p>
<p><code>{{.Redirect}}</code></p>
{{end}}{{if .Ticket}}<form method="post" action="{{.Action}}">
<input type="hidden" name="ticket" value="{{.Ticket}}">
<button>Continue to {{.Authority}}</button>
</form>
{{end}}</html>
`))

// A page is what one page shows.
type page struct {
	Title                               string
	Lines                               []string
	Redirect, Ticket, Action, Authority string
}

// Handler answers the pages below StartPath.
func (m *Manager) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+CallbackPath, m.serveCallback)
	mux.HandleFunc("GET "+StartPath+"{name}", m.serveStart)
	mux.HandleFunc("POST "+StartPath+"{name}", m.serveContinue)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // the mux would send it to the handlers of GET; a look must use nothing
			w.Header().Set("Allow", "GET, POST")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		mux.ServeHTTP(w, r)
	})
}

// write answers with a page.
func (m *Manager) write(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	// The form leads to this server, which redirects to the authority, which may redirect again: browsers ask
	// form-action for each step.
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "+
		"form-action 'self' https: http:")
	w.WriteHeader(status)
	if err := pageTemplate.Execute(w, p); err != nil {
		m.log.Debug("page.unsent", "error", err)
	}
}

// linkPage is the page of a link that cannot be used.
func (m *Manager) linkPage(w http.ResponseWriter) {
	m.write(w, http.StatusForbidden, page{Title: "This link cannot be used", Lines: []string{
		"It was used before, is older than 10 minutes, or is incomplete.",
		"Ask for another one: bellhop connections login NAME"}})
}

// serveStart shows where the button leads, and the redirect URI. It uses nothing, because programs open links too.
func (m *Manager) serveStart(w http.ResponseWriter, r *http.Request) {
	name, text := r.PathValue("name"), r.URL.Query().Get("ticket")
	t, ok := m.logins.ticket(text, name, false)
	if !ok {
		m.linkPage(w)
		return
	}
	noun, err := m.opts.Store.Connection(r.Context(), t.id)
	if err != nil {
		m.errorPage(w, err)
		return
	}
	opened, err := m.open(noun)
	if err != nil || opened.OAuth == nil {
		m.linkPage(w)
		return
	}
	at, f := m.discover(r.Context(), m.link(noun.ID), opened.OAuth)
	if f != nil {
		m.errorPage(w, f)
		return
	}
	lines := []string{
		"A program called Bellhop will make calls at " + host(opened.BaseURL) + " on behalf of the account with " +
			"which you sign in.",
	}
	if scopes := strings.Join(opened.OAuth.UserScopes, " "); scopes != "" {
		lines = append(lines, "It asks for: "+scopes)
	}
	m.write(w, http.StatusOK, page{Title: "Sign in to connection " + noun.Name, Lines: lines,
		Redirect: m.RedirectURI(), Ticket: text, Action: StartPath + noun.Name, Authority: host(at.auth)})
}

// serveContinue uses the ticket, and leads to the authority.
func (m *Manager) serveContinue(w http.ResponseWriter, r *http.Request) {
	to, cookie, err := m.authorize(r.Context(), r.PostFormValue("ticket"), r.PathValue("name"))
	if errors.Is(err, errTicket) {
		m.linkPage(w)
		return
	}
	if err != nil {
		m.errorPage(w, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName + cookie[:8], Value: cookie, Path: StartPath,
		MaxAge: int(loginTime / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(m.opts.PublicURL, "https://")})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// serveCallback takes the authority's answer.
func (m *Manager) serveCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s, cookie, ok := m.logins.arrived(q.Get("state"), r.Cookies())
	if !ok {
		m.log.Warn("callback.refused", "remote_addr", r.RemoteAddr,
			"meaning", "its state is unknown, used, too old, or of a sign-in in another browser")
		m.write(w, http.StatusBadRequest, page{Title: "The sign-in cannot be completed", Lines: []string{
			"It was completed before, took longer than 10 minutes, or began in another browser.",
			"Nothing was changed. Begin again: bellhop connections login NAME"}})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: StartPath, MaxAge: -1})
	if !m.ofIssuer(r.Context(), s, q.Get("iss")) {
		f := &failure{final: true, what: "the answer is not one of the connection's authority", remedy: "check " +
			"issuer"}
		m.logins.settle(s.id, nil, LoginFailed, f.Error())
		m.errorPage(w, f)
		return
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		f := m.declined(r, s, q.Get("error"), q.Get("error_description"))
		m.logins.settle(s.id, nil, LoginFailed, f.Error())
		m.errorPage(w, f)
		return
	}
	account, err := m.finish(r.Context(), s, q.Get("code"))
	if err != nil {
		m.errorPage(w, err)
		return
	}
	line := "Bellhop can make calls in the name of connection " + s.name + " now."
	if account != "" {
		line = "Bellhop can make calls as " + account + " now, by connection " + s.name + "."
	}
	m.write(w, http.StatusOK, page{Title: "Signed in", Lines: []string{line, "You can close this page."}})
}

// errorPage shows err in words.
func (m *Manager) errorPage(w http.ResponseWriter, err error) {
	var f *failure
	var known *bellhop.Error
	text := "An internal error occurred; the server's log has it."
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &f):
		text, status = f.Error(), http.StatusBadGateway
	case errors.As(err, &known) && known.Code != bellhop.CodeInternal:
		text, status = known.Error(), http.StatusConflict
	default:
		m.log.Error("page.failed", "error", err)
	}
	m.write(w, status, page{Title: "The sign-in failed", Lines: []string{
		strings.ToUpper(text[:1]) + text[1:], "Begin again: bellhop connections login NAME"}})
}
