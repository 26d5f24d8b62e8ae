// Package access reads and checks the access object of a destination: how the destination is reached, and who
// we are there. It is HTTP Basic, a bearer token, OAuth 2 client credentials, a client certificate, authorities
// for its certificate, or a proxy. The package is pure: internal/outbound applies an access to requests, and
// internal/oauth fetches tokens.
package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// An Access says how a destination is reached, and who we are there. Every field is optional.
type Access struct {
	Username, Password string // HTTP Basic

	Token string // Authorization: Bearer

	// OAuth 2 client credentials: a token is fetched from TokenURL and sent as Token is.
	TokenURL, ClientID, ClientSecret string
	Scopes                           []string
	Audience                         string

	Certificate, PrivateKey string // PEM; sent to a server that asks for a certificate (mutual TLS)
	// PEM; the authorities that may sign the server certificate, in place of the system's
	CA string

	Proxy                        string // "http://proxy.example:3128", without user or password
	ProxyUsername, ProxyPassword string
}

// Bounds of an Access.
const (
	MaxBytes  = 64 << 10 // of its JSON
	maxText   = 4 << 10  // of a member that is not PEM, because it goes into a header
	maxScopes = 64
)

// A Setting describes one member of an access object, for pages and help.
type Setting struct {
	Name   string // as in JSON
	Doc    string
	Secret bool // kept encrypted, never shown
}

// Settings lists the members of an access object. Each is a text, except scopes, which is a list of texts. The white
// space and the byte order mark around a text are removed.
var Settings = []Setting{
	{"username", "The user of HTTP Basic, in each request. Needs `password`.", false},
	{"password", "The password of `username`; it may be empty.", true},
	{"token", "A token that each request carries as `Authorization: Bearer`.", true},
	{"token_url", "The URL where a token is fetched by OAuth 2 client credentials, " +
		"and fetched again before it expires. Needs `client_id` and `client_secret`. " +
		"`proxy`, `ca` and `certificate` do not apply to it.", false},
	{"client_id", "Our client id at `token_url`.", false},
	{"client_secret", "The secret of `client_id`.", true},
	{"scopes", "A list of the scopes to request. Default: none.", false},
	{"audience", "The audience to request, for token servers that require one. Default: none.", false},
	{"certificate", "The client certificate for a server that asks for one (mutual TLS), in PEM, " +
		"followed by its intermediates. Needs `private_key`.", false},
	{"private_key", "The key of `certificate`, in PEM, not encrypted.", true},
	{"ca", "The authorities, in PEM, one of which must have signed the destination's certificate. " +
		"Default: those of the system.", false},
	{"proxy", "The HTTP proxy to use, such as `http://proxy.example:3128`. It must be one of the proxies " +
		"that the server was started with (`--proxies`). The proxy resolves the destination's name. " +
		"Default: none; proxies of the environment are never used.", false},
	{"proxy_username", "The user at the proxy. Needs `proxy_password`.", false},
	{"proxy_password", "The password of `proxy_username`; it may be empty.", true},
}

// Secrets lists the members that are never shown.
var Secrets = []string{"password", "token", "client_secret", "private_key", "proxy_password"}

// Parse reads raw strictly. Empty raw and null give the zero Access. Its error is [bellhop.CodeInvalid]; it reports
// every fault at once, with paths within the access ("token_url"), and never repeats a value.
func Parse(raw json.RawMessage) (Access, error) {
	var a Access
	if len(raw) > MaxBytes {
		return a, bellhop.Invalid("", fmt.Sprintf("has more than %d bytes", MaxBytes))
	}
	set, err := a.read(raw)
	if err != nil {
		return Access{}, err
	}
	if err := bellhop.Join("", a.checkTexts(set), a.checkBasic(set), a.checkTokens(set), a.checkAuthorization(),
		a.checkTLS(set),
		a.checkProxy(set)); err != nil {
		return Access{}, err
	}
	return a, nil
}

// members returns the field of each text member, by the member's name.
func (a *Access) members() map[string]*string {
	return map[string]*string{
		"username": &a.Username, "password": &a.Password, "token": &a.Token,
		"token_url": &a.TokenURL, "client_id": &a.ClientID, "client_secret": &a.ClientSecret, "audience": &a.Audience,
		"certificate": &a.Certificate, "private_key": &a.PrivateKey, "ca": &a.CA,
		"proxy": &a.Proxy, "proxy_username": &a.ProxyUsername, "proxy_password": &a.ProxyPassword,
	}
}

// read decodes the members of raw and returns the names of those that are set. A member that is null is not set.
func (a *Access) read(raw json.RawMessage) (set map[string]bool, err error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	shape := bellhop.Invalid("", "must be a JSON object in which no name occurs twice")
	if start, err := d.Token(); err != nil || start != json.Delim('{') || !json.Valid(raw) {
		return nil, shape
	}
	set = map[string]bool{}
	seen := map[string]bool{}
	texts := a.members()
	var errs []error
	for d.More() {
		key, err := d.Token()
		name, _ := key.(string)
		var value json.RawMessage
		if err != nil || seen[name] || d.Decode(&value) != nil {
			return nil, shape
		}
		seen[name] = true
		set[name] = string(value) != "null"
		if text := texts[name]; text != nil {
			if json.Unmarshal(value, text) != nil {
				errs = append(errs, bellhop.Invalid(name, "must be a text"))
			}
			given := *text
			if *text = pasted(name, given); *text == "" && given != "" {
				errs = append(errs, bellhop.Invalid(name, "has only blanks; give it a value, or leave it out"))
			}
		} else if name != "scopes" {
			errs = append(errs, bellhop.Invalid(shorten(name), "no such setting; there are "+settingNames()))
		} else if json.Unmarshal(value, &a.Scopes) != nil {
			errs = append(errs, bellhop.Invalid(name, `must be a list of texts, such as ["events.write"]`))
		}
	}
	for i, scope := range a.Scopes {
		a.Scopes[i] = bellhop.Pasted(scope)
	}
	return set, bellhop.Join("", errs...)
}

// isPEM reports whether the member of that name is PEM.
func isPEM(name string) bool { return name == "certificate" || name == "private_key" || name == "ca" }

// pasted returns the text of a member without what copying it adds.
func pasted(name, text string) string {
	if isPEM(name) {
		return bellhop.PastedPEM(text)
	}
	return bellhop.Pasted(text)
}

func settingNames() string {
	names := make([]string, len(Settings))
	for i, s := range Settings {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// shorten cuts an unknown member's name for a message.
func shorten(name string) string {
	if len(name) > 64 {
		return name[:64] + "…"
	}
	return name
}

// checkTexts checks the characters and length of each text member. No value may contain a line end, which would end
// a header.
func (a *Access) checkTexts(set map[string]bool) error {
	var errs []error
	for name, text := range a.members() {
		switch {
		case !set[name], isPEM(name):
		case len(*text) > maxText:
			errs = append(errs, bellhop.Invalid(name, fmt.Sprintf("has more than %d bytes", maxText)))
		case strings.ContainsFunc(*text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			errs = append(errs, bellhop.Invalid(name, "has a control character, such as a line end; leave it out"))
		case *text == "" && name != "password" && name != "proxy_password":
			errs = append(errs, bellhop.Invalid(name, "is empty; give it a value, or leave it out"))
		}
	}
	for i, s := range a.Scopes {
		if !visible(s) || len(s) > maxText {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("scopes[%d]", i),
				"must be printable ASCII without blanks; write each scope by itself"))
		}
	}
	if len(a.Scopes) > maxScopes {
		errs = append(errs,
			bellhop.Invalid("scopes", fmt.Sprintf("has %d scopes; at most %d", len(a.Scopes), maxScopes)))
	}
	if a.Token != "" && !visible(a.Token) {
		errs = append(errs, bellhop.Invalid("token", `must be printable ASCII without blanks; leave out "Bearer"`))
	}
	slices.SortFunc(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return bellhop.Join("", errs...)
}

// visible reports whether s consists of visible ASCII characters and is not empty.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (a *Access) checkBasic(set map[string]bool) error {
	return bellhop.Join("", checkLogin("username", "password", a.Username, set),
		checkLogin("proxy_username", "proxy_password", a.ProxyUsername, set))
}

// checkLogin checks a user name and its password: both are set, or neither is.
func checkLogin(user, password, name string, set map[string]bool) error {
	switch {
	case set[user] && !set[password]:
		return bellhop.Invalid(password, "required with "+user+`; it may be ""`)
	case set[password] && !set[user]:
		return bellhop.Invalid(user, "required with "+password)
	case strings.Contains(name, ":"):
		return bellhop.Invalid(user, "must not have a colon, which ends a user's name in HTTP Basic")
	}
	return nil
}

func (a *Access) checkTokens(set map[string]bool) error {
	var errs []error
	for _, name := range []string{"client_id", "client_secret"} {
		if set["token_url"] && !set[name] {
			errs = append(errs, bellhop.Invalid(name, "required with token_url"))
		}
	}
	for _, name := range []string{"client_id", "client_secret", "scopes", "audience"} {
		if set[name] && !set["token_url"] {
			errs = append(errs,
				bellhop.Invalid(name, "is for a token that is fetched; give token_url as well, or leave it out"))
		}
	}
	return bellhop.Join("", errs...)
}

// checkAuthorization checks that at most one member fills the Authorization header.
func (a *Access) checkAuthorization() error {
	first := a.Authorizes()
	switch {
	case first != "token_url" && a.TokenURL != "":
		return bellhop.Invalid("token_url",
			"cannot be combined with "+first+": there is one Authorization header; choose one of them")
	case first == "username" && a.Token != "":
		return bellhop.Invalid("token",
			"cannot be combined with username: there is one Authorization header; choose one of them")
	}
	return nil
}

// Authorizes returns the name of the member that fills the Authorization header: "username", "token", "token_url" or
// "".
func (a *Access) Authorizes() string {
	switch {
	case a.Username != "":
		return "username"
	case a.Token != "":
		return "token"
	case a.TokenURL != "":
		return "token_url"
	}
	return ""
}

func (a *Access) checkProxy(set map[string]bool) error {
	if !set["proxy"] {
		if set["proxy_username"] {
			return bellhop.Invalid("proxy", "required with proxy_username")
		}
		return nil
	}
	u, err := url.Parse(a.Proxy)
	switch {
	case err != nil:
		return bellhop.Invalid("proxy", "cannot be read; write it as http://proxy.example:3128")
	case u.User != nil:
		return bellhop.Invalid("proxy", "must not hold a user or password; use proxy_username and proxy_password")
	case u.Scheme != "http" && u.Scheme != "https":
		return bellhop.Invalid("proxy", "must begin with http:// or https://; other kinds of proxy are not supported")
	case u.Host == "", u.Opaque != "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return bellhop.Invalid("proxy",
			"must be a scheme, a host and a port and nothing else, such as http://proxy.example:3128")
	}
	return nil
}
