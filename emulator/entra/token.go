package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// A grant is what somebody agreed to: the user, by a code or a device, or the client for itself.
type grant struct {
	client   string
	tenant   string // its id
	user     bool   // false: the client itself
	resource string // the audience of access tokens
	scopes   []string
	method   string // appidacr: "0" public, "1" secret, "2" certificate

	// Of a code.
	redirect, challenge, challengeMethod, nonce string
	expiresAt                                   time.Time
	used                                        bool
}

// A refresh is a refresh token.
type refresh struct {
	grant
	family  string // the code or device that the first of them came by
	used    bool
	revoked bool
}

// codeLifetime is how long a code may be redeemed.
const codeLifetime = 10 * time.Minute

// token answers the token endpoint.
func (s *System) token(w http.ResponseWriter, r *http.Request, at place) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		f := fail(900561, "invalid_request", "The endpoint only accepts POST requests. Received a %s request.",
			r.Method)
		f.status = http.StatusMethodNotAllowed
		s.write(w, f)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.write(w, fail(9002313, "invalid_request", "The body is not a form."))
		return
	}
	form := r.PostForm
	if at.v2 && form.Get("resource") != "" {
		s.write(w, fail(901002, "invalid_request", "The 'resource' request parameter is not supported."))
		return
	}
	client, method, problem := s.authenticate(r, at)
	if problem != nil {
		s.write(w, problem)
		return
	}
	var g *grant
	var family string
	switch kind := form.Get("grant_type"); kind {
	case "client_credentials":
		g, problem = s.clientCredentials(client, method, form, at)
	case "authorization_code":
		g, problem = s.redeem(client, form)
		family = form.Get("code")
	case "refresh_token":
		g, family, problem = s.refresh(client, form, at)
	case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
		g, problem = s.pollDevice(client, form)
		family = form.Get("device_code") + form.Get("code")
	case "":
		problem = fail(900144, "invalid_request", "The request body must contain the following parameter: "+
			"'grant_type'.")
	default:
		problem = fail(70003, "unsupported_grant_type", "The app requested an unsupported grant type '%s'.", kind)
	}
	if problem != nil {
		s.write(w, problem)
		return
	}
	issued := *g
	issued.method = method
	s.issue(w, issued, family, form, at)
}

// clientCredentials checks a grant of the client's own.
func (s *System) clientCredentials(c Client, method string, form url.Values, at place) (*grant, *failure) {
	if method == methodPublic {
		return nil, fail(7000216, "invalid_client",
			"'client_assertion' or 'client_secret' is required for the 'client_credentials' grant type.")
	}
	switch strings.ToLower(at.tenant) {
	case "common", "organizations", "consumers":
		return nil, fail(90002, "invalid_request", "Tenant '%s' not found. Client credentials need a tenant.",
			at.tenant)
	}
	resource, scopes, problem := audience(form, at)
	if problem == nil && at.v2 && !slices.Equal(scopes, []string{".default"}) {
		problem = fail(70011, "invalid_scope",
			"The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.",
			form.Get("scope"))
	}
	return &grant{client: c.ID, tenant: at.id(), resource: resource}, problem
}

// audience returns the resource that a form asks for, and the permissions at it. Scopes of OpenID are left out:
// some clients add them to every request.
func audience(form url.Values, at place) (resource string, scopes []string, problem *failure) {
	if !at.v2 {
		if resource = form.Get("resource"); resource == "" {
			return "", nil, fail(90014, "invalid_request", "The required field 'resource' is missing from the "+
				"request.")
		}
		return strings.TrimSuffix(resource, "/"), []string{"user_impersonation"}, nil
	}
	for _, scope := range scopesOf(form.Get("scope")) {
		if slices.Contains(openIDScopes, scope) {
			continue
		}
		of, name := "https://graph.microsoft.com", scope // a permission without a resource is one of Graph
		if i := strings.LastIndexByte(scope, '/'); i > 0 {
			of, name = strings.TrimSuffix(scope[:i], "/"), scope[i+1:]
		}
		if resource != "" && of != resource {
			return "", nil, fail(700022, "invalid_scope",
				"The provided value for the input parameter scope is not valid because it contains "+
					"more than one resource.")
		}
		resource, scopes = of, append(scopes, name)
	}
	return resource, scopes, nil
}

var openIDScopes = []string{"openid", "profile", "email", "offline_access"}

// redeem checks a code.
func (s *System) redeem(c Client, form url.Values) (*grant, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.codes[form.Get("code")]
	switch {
	case g == nil || g.client != c.ID:
		return nil, fail(70000, "invalid_grant", "The provided value for the 'code' parameter is not valid.")
	case g.used:
		return nil, fail(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed.")
	case !s.now().Before(g.expiresAt):
		return nil, fail(70008, "invalid_grant", "The provided authorization code has expired.")
	case g.redirect != form.Get("redirect_uri"):
		return nil, fail(50011, "invalid_request", "The redirect URI '%s' does not match that of the authorize "+
			"request.",
			form.Get("redirect_uri"))
	case !g.verifies(form.Get("code_verifier")):
		return nil, fail(50148, "invalid_grant", "The code_verifier does not match the code_challenge.")
	}
	g.used = true
	for _, scope := range scopesOf(form.Get("scope")) { // MSAL for Go asks for those of OpenID here alone
		if slices.Contains(openIDScopes, scope) && !slices.Contains(g.scopes, scope) {
			g.scopes = append(g.scopes, scope)
		}
	}
	return g, nil
}

// verifies reports whether a PKCE verifier fits the challenge.
func (g *grant) verifies(verifier string) bool {
	switch g.challengeMethod {
	case "":
		return verifier == ""
	case "S256":
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(g.challenge)) == 1
}

// refresh checks a refresh token. The permissions may be fewer, and the resource another one.
func (s *System) refresh(c Client, form url.Values, at place) (*grant, string, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refreshes[form.Get("refresh_token")]
	switch {
	case r == nil || r.client != c.ID:
		return nil, "", fail(9002313, "invalid_grant", "The refresh token is malformed or not valid.")
	case r.revoked:
		return nil, "", fail(50173, "invalid_grant", "The provided grant has expired due to it being revoked.")
	case r.used && s.opts.ReuseDetection:
		for _, other := range s.refreshes {
			other.revoked = other.revoked || other.family == r.family
		}
		return nil, "", fail(70000, "invalid_grant", "The refresh token was used before; it and its "+
			"successors are revoked.")
	}
	r.used = true
	g := r.grant
	if form.Get("scope") != "" || form.Get("resource") != "" {
		resource, scopes, problem := audience(form, at)
		if problem != nil {
			return nil, "", problem
		}
		if resource != "" {
			g.resource = resource
			g.scopes = append(slices.DeleteFunc(slices.Clone(g.scopes), func(s string) bool {
				return !slices.Contains(openIDScopes, s)
			}), scopes...)
		}
	}
	return &g, r.family, nil
}

// issue answers with the tokens of a grant.
func (s *System) issue(w http.ResponseWriter, g grant, family string, form url.Values, at place) {
	now := s.now()
	seconds := int(s.opts.Lifetime / time.Second)
	answer := map[string]any{"token_type": "Bearer", "access_token": s.accessToken(g, now, at)}
	if at.v2 {
		answer["expires_in"], answer["ext_expires_in"] = seconds, seconds
	} else { // v1 writes numbers as texts, and repeats the resource
		answer["expires_in"], answer["ext_expires_in"] = strconv.Itoa(seconds), strconv.Itoa(seconds)
		answer["expires_on"] = strconv.FormatInt(now.Add(s.opts.Lifetime).Unix(), 10)
		answer["not_before"] = strconv.FormatInt(now.Unix(), 10)
		answer["resource"] = g.resource
	}
	if g.user {
		var shown []string
		for _, scope := range g.scopes {
			if !slices.Contains(openIDScopes, scope) {
				scope = g.resource + "/" + scope
			}
			shown = append(shown, scope)
		}
		answer["scope"] = strings.Join(shown, " ")
		if !at.v2 || slices.Contains(g.scopes, "offline_access") {
			token := "1." + randomText()
			s.mu.Lock()
			s.refreshes[token] = &refresh{grant: g, family: family}
			s.mu.Unlock()
			answer["refresh_token"] = token
		}
		if slices.Contains(g.scopes, "openid") {
			answer["id_token"] = s.idToken(g, now, at)
		}
		if form.Get("client_info") == "1" {
			info, _ := json.Marshal(map[string]string{"uid": UserID(g.tenant), "utid": g.tenant})
			answer["client_info"] = base64.RawURLEncoding.EncodeToString(info)
		}
	}
	emulator.WriteJSON(w, http.StatusOK, answer)
}
