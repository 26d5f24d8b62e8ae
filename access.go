package bellhop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// An Access says how a destination is reached, and who we are there. All of it is optional; the zero Access is none.
type Access struct {
	Username, Password string // HTTP Basic

	Token string // Authorization: Bearer

	// OAuth 2 client credentials: the token is fetched from TokenURL and goes where Token does.
	TokenURL, ClientID, ClientSecret string
	Scopes                           []string
	Audience                         string

	Certificate, PrivateKey string // PEM, shown to a server that asks for one: mutual TLS
	CA                      string // PEM, whom the destination's certificate must be signed by, instead of the system's

	Proxy                        string // "http://proxy.example:3128", without user or password
	ProxyUsername, ProxyPassword string
}

// Bounds of an Access.
const (
	MaxAccessBytes = 64 << 10 // of its JSON
	maxAccessText  = 4 << 10  // of a member that is not PEM, which goes into a header
	maxScopes      = 64
)

// An AccessSetting is one member of an access object, for pages and help.
type AccessSetting struct {
	Name   string // as in JSON
	Doc    string
	Secret bool // kept encrypted, never shown
}

// AccessSettings are the members there are. All are texts but scopes, a list of them.
var AccessSettings = []AccessSetting{
	{"username", "The user of HTTP Basic, in each request. Needs `password`.", false},
	{"password", "The password of `username`; it may be empty.", true},
	{"token", "A token that each request carries as `Authorization: Bearer`.", true},
	{"token_url", "Where such a token is fetched by OAuth 2 client credentials, and again before it expires. Needs `client_id` and `client_secret`. It is asked directly, whatever `proxy`, `ca` and `certificate` say.", false},
	{"client_id", "Who we are at `token_url`.", false},
	{"client_secret", "The secret of `client_id`.", true},
	{"scopes", "A list of the scopes to ask for. Default: none.", false},
	{"audience", "The audience to ask for, where the token server wants one. Default: none.", false},
	{"certificate", "The certificate to show where the server asks for one (mutual TLS), in PEM, its intermediates behind it. Needs `private_key`.", false},
	{"private_key", "The key of `certificate`, in PEM, not encrypted.", true},
	{"ca", "The authorities, in PEM, one of which must have signed the destination's certificate. Default: those of the system.", false},
	{"proxy", "An HTTP proxy to go through, such as `http://proxy.example:3128`: one of those that the server was started with (`--proxies`). It looks up the destination's name. Default: none; those of the environment are never used.", false},
	{"proxy_username", "The user at the proxy. Needs `proxy_password`.", false},
	{"proxy_password", "The password of `proxy_username`; it may be empty.", true},
}

// AccessSecrets are the names of the members that are never shown.
var AccessSecrets = []string{"password", "token", "client_secret", "private_key", "proxy_password"}

// ParseAccess reads raw strictly; empty raw and null are the zero Access. Its errors are [CodeInvalid] with paths within
// the access ("token_url"), all of them at once, and never repeat a value.
func ParseAccess(raw json.RawMessage) (Access, error) {
	var a Access
	if len(raw) > MaxAccessBytes {
		return a, Invalid("", fmt.Sprintf("has more than %d bytes", MaxAccessBytes))
	}
	set, err := a.read(raw)
	if err != nil {
		return Access{}, err
	}
	if err := Join("", a.checkTexts(set), a.checkBasic(set), a.checkTokens(set), a.checkOne(), a.checkTLS(set), a.checkProxy(set)); err != nil {
		return Access{}, err
	}
	return a, nil
}

// members returns where each text of a is kept, by name.
func (a *Access) members() map[string]*string {
	return map[string]*string{
		"username": &a.Username, "password": &a.Password, "token": &a.Token,
		"token_url": &a.TokenURL, "client_id": &a.ClientID, "client_secret": &a.ClientSecret, "audience": &a.Audience,
		"certificate": &a.Certificate, "private_key": &a.PrivateKey, "ca": &a.CA,
		"proxy": &a.Proxy, "proxy_username": &a.ProxyUsername, "proxy_password": &a.ProxyPassword,
	}
}

// read takes the members of raw, and returns which there are. One that is null is not there.
func (a *Access) read(raw json.RawMessage) (set map[string]bool, err error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	shape := Invalid("", "must be a JSON object in which no name occurs twice")
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
				errs = append(errs, Invalid(name, "must be a text"))
			}
		} else if name != "scopes" {
			errs = append(errs, Invalid(shorten(name), "no such setting; there are "+accessNames()))
		} else if json.Unmarshal(value, &a.Scopes) != nil {
			errs = append(errs, Invalid(name, `must be a list of texts, such as ["events.write"]`))
		}
	}
	return set, Join("", errs...)
}

func accessNames() string {
	names := make([]string, len(AccessSettings))
	for i, s := range AccessSettings {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// shorten keeps a name that somebody made up from filling an answer.
func shorten(name string) string {
	if len(name) > 64 {
		return name[:64] + "…"
	}
	return name
}

// checkTexts checks what each member may consist of, whatever stands beside it: no value can end a header.
func (a *Access) checkTexts(set map[string]bool) error {
	var errs []error
	for name, text := range a.members() {
		pem := name == "certificate" || name == "private_key" || name == "ca"
		switch {
		case !set[name], pem:
		case len(*text) > maxAccessText:
			errs = append(errs, Invalid(name, fmt.Sprintf("has more than %d bytes", maxAccessText)))
		case strings.ContainsFunc(*text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			errs = append(errs, Invalid(name, "has a control character, such as a line end; leave it out"))
		case *text == "" && name != "password" && name != "proxy_password":
			errs = append(errs, Invalid(name, "is empty; give it a value, or leave it out"))
		}
	}
	for i, s := range a.Scopes {
		if !visible(s) || len(s) > maxAccessText {
			errs = append(errs, Invalid(fmt.Sprintf("scopes[%d]", i), "must be printable ASCII without blanks; write each scope by itself"))
		}
	}
	if len(a.Scopes) > maxScopes {
		errs = append(errs, Invalid("scopes", fmt.Sprintf("has %d scopes; at most %d", len(a.Scopes), maxScopes)))
	}
	if a.Token != "" && !visible(a.Token) {
		errs = append(errs, Invalid("token", `must be printable ASCII without blanks; leave out "Bearer"`))
	}
	slices.SortFunc(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return Join("", errs...)
}

// visible reports whether s is not empty and of printable ASCII without blanks.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (a *Access) checkBasic(set map[string]bool) error {
	return Join("", checkLogin("username", "password", a.Username, set), checkLogin("proxy_username", "proxy_password", a.ProxyUsername, set))
}

// checkLogin checks a user's name and password, which only go together.
func checkLogin(user, password, name string, set map[string]bool) error {
	switch {
	case set[user] && !set[password]:
		return Invalid(password, "required with "+user+`; it may be ""`)
	case set[password] && !set[user]:
		return Invalid(user, "required with "+password)
	case strings.Contains(name, ":"):
		return Invalid(user, "must not have a colon, which ends a user's name in HTTP Basic")
	}
	return nil
}

func (a *Access) checkTokens(set map[string]bool) error {
	var errs []error
	for _, name := range []string{"client_id", "client_secret"} {
		if set["token_url"] && !set[name] {
			errs = append(errs, Invalid(name, "required with token_url"))
		}
	}
	for _, name := range []string{"client_id", "client_secret", "scopes", "audience"} {
		if set[name] && !set["token_url"] {
			errs = append(errs, Invalid(name, "is for a token that is fetched; give token_url as well, or leave it out"))
		}
	}
	return Join("", errs...)
}

// checkOne refuses two ways to fill one Authorization header.
func (a *Access) checkOne() error {
	first := a.Authorizes()
	switch {
	case first != "token_url" && a.TokenURL != "":
		return Invalid("token_url", "cannot stand beside "+first+": there is one Authorization header; choose one of them")
	case first == "username" && a.Token != "":
		return Invalid("token", "cannot stand beside username: there is one Authorization header; choose one of them")
	}
	return nil
}

// Authorizes returns the name of the member that makes the Authorization header of requests: "username", "token" or
// "token_url", or "" if none does.
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
			return Invalid("proxy", "required with proxy_username")
		}
		return nil
	}
	u, err := url.Parse(a.Proxy)
	switch {
	case err != nil:
		return Invalid("proxy", "cannot be read; write it as http://proxy.example:3128")
	case u.User != nil:
		return Invalid("proxy", "must not hold a user or password; use proxy_username and proxy_password")
	case u.Scheme != "http" && u.Scheme != "https":
		return Invalid("proxy", "must begin with http:// or https://; other proxies are not spoken to")
	case u.Host == "", u.Opaque != "", u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return Invalid("proxy", "must be a scheme, a host and a port and nothing else, such as http://proxy.example:3128")
	}
	return nil
}
