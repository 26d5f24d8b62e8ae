package entra

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// authorize answers the page where a user signs in and agrees. Without Options.Page it agrees at once.
func (s *System) authorize(w http.ResponseWriter, r *http.Request, at place) {
	q := r.URL.Query()
	client, problem := s.client(q.Get("client_id"))
	redirect := q.Get("redirect_uri")
	if problem == nil && !client.takesRedirect(redirect) {
		problem = fail(50011, "invalid_request", "The redirect URI '%s' specified in the request does not match the "+
			"redirect URIs configured for the application '%s'.", redirect, q.Get("client_id"))
	}
	if problem != nil { // the redirect is not to be trusted
		s.page(w, http.StatusBadRequest, problem)
		return
	}
	resource, scopes, problem := audience(q, at)
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	if challenge != "" && method == "" {
		method = "plain"
	}
	switch {
	case problem != nil:
	case q.Get("response_type") != "code":
		problem = fail(70001, "unsupported_response_type", "The response_type '%s' is not supported.",
			q.Get("response_type"))
	case challenge != "" && (len(challenge) < 43 || len(challenge) > 128):
		problem = fail(50147, "invalid_request", "Invalid size of Code_Challenge parameter.")
	case method != "" && method != "S256" && method != "plain":
		problem = fail(501481, "invalid_request", "The code_challenge_method '%s' is not supported.", method)
	case s.opts.Page && q.Get("answer") == "":
		s.askUser(w, r, client)
		return
	case s.opts.Page && q.Get("answer") != "yes":
		problem = fail(65004, "access_denied", "User declined to consent to access the app.")
	}
	if problem != nil {
		lead(w, r, redirect, q.Get("response_mode"), map[string]string{"error": problem.kind,
			"error_description": problem.describe(), "state": q.Get("state")})
		return
	}
	for _, scope := range scopesOf(q.Get("scope")) {
		if slices.Contains(openIDScopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	code := randomText()
	s.mu.Lock()
	s.codes[code] = &grant{client: client.ID, tenant: at.id(), user: true, resource: resource, scopes: scopes,
		redirect: redirect, challenge: challenge, challengeMethod: method, nonce: q.Get("nonce"),
		expiresAt: s.now().Add(codeLifetime)}
	s.mu.Unlock()
	lead(w, r, redirect, q.Get("response_mode"), map[string]string{"code": code, "state": q.Get("state"),
		"session_state": emulator.NewID()})
}

// askUser shows the page with its two buttons. Their forms repeat the query.
func (s *System) askUser(w http.ResponseWriter, r *http.Request, c Client) {
	var fields strings.Builder
	q := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		fmt.Fprintf(&fields, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name),
			html.EscapeString(q.Get(name)))
	}
	writePage(w, http.StatusOK, fmt.Sprintf(`<h1>Sign in as %s?</h1><p>The application <b>%s</b> asks for: %s</p>`+
		`<form method="get">%s<button name="answer" value="yes">Accept</button> `+
		`<button name="answer" value="no">Cancel</button></form>`,
		UserName, html.EscapeString(c.ID), html.EscapeString(q.Get("scope")+q.Get("resource")), fields.String()))
}

// lead sends the browser back to the application, with parameters in the query, in the fragment or in a form.
// Parameters that are empty are left out.
func lead(w http.ResponseWriter, r *http.Request, redirect, mode string, parameters map[string]string) {
	values := url.Values{}
	for name, value := range parameters {
		if value != "" {
			values.Set(name, value)
		}
	}
	switch mode {
	case "fragment":
		http.Redirect(w, r, redirect+"#"+values.Encode(), http.StatusFound)
	case "form_post":
		var fields strings.Builder
		for _, name := range slices.Sorted(maps.Keys(values)) {
			fmt.Fprintf(&fields, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name),
				html.EscapeString(values.Get(name)))
		}
		writePage(w, http.StatusOK, fmt.Sprintf(`<form method="post" action="%s">%s<button>Continue</button></form>`,
			html.EscapeString(redirect), fields.String()))
	default:
		separator := "?"
		if strings.Contains(redirect, "?") {
			separator = "&"
		}
		http.Redirect(w, r, redirect+separator+values.Encode(), http.StatusFound)
	}
}

// A device is a sign-in by a device code.
type device struct {
	grant
	userCode string
	state    deviceState
	polledAt time.Time
	interval time.Duration
}

type deviceState int

const (
	devicePending deviceState = iota
	deviceAgreed
	deviceDeclined
	deviceUsed
)

// deviceLifetime is that of a device code.
const deviceLifetime = 15 * time.Minute

// deviceCode begins a sign-in by a device code. Without Options.Page the user agrees at once.
func (s *System) deviceCode(w http.ResponseWriter, r *http.Request, at place) {
	r.ParseForm() // a body that is not a form has no client_id
	client, problem := s.client(r.PostForm.Get("client_id"))
	resource, scopes, badScope := audience(r.PostForm, at)
	if problem == nil {
		problem = badScope
	}
	if problem != nil {
		s.write(w, problem)
		return
	}
	for _, scope := range scopesOf(r.PostForm.Get("scope")) {
		if slices.Contains(openIDScopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	d := &device{grant: grant{client: client.ID, tenant: at.id(), user: true, resource: resource, scopes: scopes,
		expiresAt: s.now().Add(deviceLifetime)}, userCode: strings.ToUpper(randomText()[:9]),
		interval: s.opts.DeviceInterval}
	if !s.opts.Page {
		d.state = deviceAgreed
	}
	code := randomText()
	s.mu.Lock()
	s.devices[code] = d
	s.mu.Unlock()
	page := at.base + "/" + at.tenant + "/oauth2/deviceauth"
	emulator.WriteJSON(w, http.StatusOK, map[string]any{"user_code": d.userCode, "device_code": code,
		"verification_uri": page, "expires_in": int(deviceLifetime / time.Second),
		"interval": int(s.opts.DeviceInterval / time.Second),
		"message":  fmt.Sprintf("Open %s in a browser and enter %s.", page, d.userCode)})
}

// devicePage takes the user's code and the answer: ?code=CODE&answer=yes.
func (s *System) devicePage(w http.ResponseWriter, r *http.Request, _ place) {
	code, decision := strings.ToUpper(strings.TrimSpace(r.FormValue("code"))), r.FormValue("answer")
	if code == "" || decision == "" {
		writePage(w, http.StatusOK, `<h1>Enter the code</h1><form method="post"><input name="code" autofocus>`+
			`<button name="answer" value="yes">Accept</button><button name="answer" value="no">Decline</button></form>`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == code && d.state == devicePending {
			d.state = deviceAgreed
			if decision != "yes" {
				d.state = deviceDeclined
			}
			writePage(w, http.StatusOK, "<p>Done. You can close this page.</p>")
			return
		}
	}
	writePage(w, http.StatusNotFound, "<p>There is no such code, or it has been used.</p>")
}

// pollDevice checks a device code.
func (s *System) pollDevice(c Client, form url.Values) (*grant, *failure) {
	code := form.Get("device_code")
	if code == "" {
		code = form.Get("code")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, now := s.devices[code], s.now()
	if d == nil || d.client != c.ID || d.state == deviceUsed {
		return nil, fail(70018, "bad_verification_code", "The device code is not valid.")
	}
	early := !d.polledAt.IsZero() && now.Sub(d.polledAt) < d.interval-time.Second
	d.polledAt = now
	switch {
	case !now.Before(d.expiresAt):
		return nil, fail(70020, "expired_token", "The device code has expired.")
	case d.state == deviceDeclined:
		return nil, fail(70017, "authorization_declined", "The user declined.")
	case d.state == devicePending && early:
		d.interval += s.opts.DeviceInterval
		return nil, fail(90012, "slow_down", "The device code is polled too often.")
	case d.state == devicePending:
		return nil, fail(70016, "authorization_pending", "The user has not finished signing in yet.")
	}
	d.state = deviceUsed
	return &d.grant, nil
}
