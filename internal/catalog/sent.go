package catalog

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A DestinationChange is the successor of a destination, and what its caller said about secrets.
type DestinationChange struct {
	After bellhop.Destination
	// Given are the paths of the secrets that the caller wrote out: "access.token", "settings.headers.X-Key". Their
	// values may be the present ones.
	Given []string
	// KeepSecrets confirms that the stored secrets are meant for another scheme, host or port too.
	KeepSecrets bool
	// Paused pauses or resumes the destination in the same transaction. Nil leaves it as it is.
	Paused *bool
}

// An address is a URL of a destination, with the secrets that are sent there in the clear. A secret that only makes
// signatures is not sent.
type address struct {
	path    string            // of the URL within the destination: "url"
	url     string            // "" if the destination does not have it
	secrets map[string]string // the JSON of each value, by its path
}

// addresses returns the addresses of d, always as many and in the same order. To url goes also the token that
// client_secret gets.
func (c *Catalog) addresses(d bellhop.Destination) []address {
	var texts struct {
		TokenURL string `json:"token_url"`
		Proxy    string `json:"proxy"`
	}
	if len(d.Access) > 0 {
		json.Unmarshal(d.Access, &texts) // only an access that was checked is stored
	}
	main := address{path: "url", url: d.URL, secrets: pick(d.Access, "access.", "password", "token", "client_secret")}
	sent := c.sentSecrets(d.Type)
	for name, value := range members(d.Settings) {
		switch {
		case name == sent.each:
			maps.Copy(main.secrets, pick(value, "settings."+name+".", slices.Collect(maps.Keys(members(value)))...))
		case sent.has(name):
			maps.Copy(main.secrets, pick(d.Settings, "settings.", name))
		}
	}
	return []address{
		main,
		{"access.token_url", texts.TokenURL, pick(d.Access, "access.", "client_secret")},
		{"access.proxy", texts.Proxy, pick(d.Access, "access.", "proxy_password")},
	}
}

// pick returns the JSON of the named members of object, by prefix and name. Members that are null or "" are left out.
func pick(object json.RawMessage, prefix string, names ...string) map[string]string {
	picked := make(map[string]string)
	for name, value := range members(object) {
		if text := string(value); slices.Contains(names, name) && text != "null" && text != `""` {
			picked[prefix+name] = text
		}
	}
	return picked
}

// sentSecrets returns which settings of a destination are secrets that are sent in the clear: all of its secrets but
// those that only make signatures.
func (c *Catalog) sentSecrets(typeName string) secrets {
	x := c.destinationSecrets(typeName)
	if writes(typeName) {
		x.names = nil // only its secret, which signs
	}
	if p, ok := c.provider(typeName); ok {
		for _, s := range p.Info().SendSettings {
			if s.Signs {
				x.names = slices.DeleteFunc(x.names, func(name string) bool { return name == s.Name })
			}
		}
	}
	return x
}

// checkMove refuses a change that would send stored secrets to another scheme, host or port, unless the caller wrote
// these secrets out, which shows that he has them, or confirmed that they are kept.
func (c *Catalog) checkMove(before bellhop.Destination, change DestinationChange) error {
	if change.KeepSecrets {
		return nil
	}
	var errs []error
	old := c.addresses(before)
	for i, to := range c.addresses(change.After) {
		if to.url == "" || old[i].url == "" || origin(to.url) == origin(old[i].url) {
			continue
		}
		var kept []string
		for _, path := range slices.Sorted(maps.Keys(to.secrets)) {
			if old[i].secrets[path] == to.secrets[path] && !slices.Contains(change.Given, path) {
				kept = append(kept, path)
			}
		}
		if len(kept) > 0 {
			errs = append(errs, bellhop.Invalid(to.path, "has another scheme, host or port, and would be sent "+
				"stored secrets: "+
				strings.Join(kept, ", ")+"; give these again or remove them in the same change, or set "+
				"keep_secrets to true if they are meant for the new address"))
		}
	}
	return bellhop.Join("", errs...)
}

// origin returns the scheme, host and port of a URL, in one form for each origin. A URL that cannot be read is its
// own.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// isPlain reports whether requests to a URL can be read on the way: it is an http URL, and its host is not this
// machine.
func isPlain(text string) bool {
	u, err := url.Parse(text)
	return err == nil && strings.EqualFold(u.Scheme, "http") && !bellhop.IsLoopback(u.Hostname())
}
