package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// secrets says which members of a settings object are secret.
type secrets struct {
	all   bool     // every member, because the provider or type is unknown
	names []string // the members of these names
	each  string   // every member of the object of this name
}

// secretsOf returns the secrets among the settings that a provider or an action describes. Of a secret object, of
// which there is one at most, each member is one.
func secretsOf(settings []provider.Setting) secrets {
	var x secrets
	for _, s := range settings {
		switch {
		case s.Secret && s.Kind == provider.KindObject:
			x.each = s.Name
		case s.Secret:
			x.names = append(x.names, s.Name)
		}
	}
	return x
}

func (x secrets) has(name string) bool { return x.all || slices.Contains(x.names, name) }

// members decodes a settings object. A nil object has no members.
func members(settings json.RawMessage) map[string]json.RawMessage {
	object := make(map[string]json.RawMessage)
	json.Unmarshal(settings, &object) // only objects are ever stored
	return object
}

// shortSecret is the length below which a secret may be guessed: 96 bits in Base64.
const shortSecret = 16

// short returns the names of the secrets of settings that are shorter than shortSecret, or have such a text among
// them.
func (x secrets) short(settings json.RawMessage) (names []string) {
	for name, value := range members(settings) {
		if !x.has(name) {
			continue
		}
		var one string
		var many []string
		if json.Unmarshal(value, &one) == nil {
			many = []string{one}
		} else if json.Unmarshal(value, &many) != nil {
			continue
		}
		if slices.ContainsFunc(many, func(secret string) bool { return len(secret) < shortSecret }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mask returns settings with each secret replaced by {"set": true, "set_at": …}, with their "count" if it is a list of
// several. prefix is that of the paths in times.
func (x secrets) mask(settings json.RawMessage, prefix string, times bellhop.SecretTimes) json.RawMessage {
	masked := members(settings)
	for name, value := range masked {
		isObject := json.Unmarshal(value, new(map[string]json.RawMessage)) == nil
		switch {
		case x.has(name), name == x.each && !isObject:
			masked[name], _ = json.Marshal(struct {
				Set   bool    `json:"set"`
				SetAt *string `json:"set_at"`
				Count int     `json:"count,omitempty"`
			}{true, maskTime(times[prefix+name]), countOf(value)})
		case name == x.each:
			masked[name] = secrets{all: true}.mask(value, prefix+name+".", times)
		}
	}
	raw, _ := json.Marshal(masked) // of values that are JSON
	return raw
}

// countOf returns how many secrets a value holds, if it is a list of several; else 0.
func countOf(value json.RawMessage) int {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil || len(list) < 2 {
		return 0
	}
	return len(list)
}

// maskTime writes the time of a mask: UTC with milliseconds, nil if it is unknown.
func maskTime(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := at.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}

// isMask reports whether an object is the mask of a secret that is set.
func isMask(object map[string]any) bool {
	for name := range object {
		if name != "set" && name != "set_at" && name != "count" {
			return false
		}
	}
	return object["set"] == true
}

// keep removes each masked secret from the settings of a merge patch.
func (x secrets) keep(patch map[string]any) {
	for name, value := range patch {
		object, ok := value.(map[string]any)
		switch {
		case !ok:
		case x.has(name) && isMask(object):
			delete(patch, name)
		case name == x.each:
			secrets{all: true}.keep(object)
		}
	}
}

// given returns the paths of the secrets that a merge patch of settings sets, under prefix.
func (x secrets) given(patch map[string]any, prefix string) (paths []string) {
	for name, value := range patch {
		object, isObject := value.(map[string]any)
		switch {
		case value == nil:
		case x.has(name):
			paths = append(paths, prefix+name)
		case name == x.each && isObject:
			paths = append(paths, secrets{all: true}.given(object, prefix+name+".")...)
		}
	}
	return paths
}

// refuseMasks returns an error for each secret of a new noun that is only a mask: there is no stored secret
// that could stay.
func (x secrets) refuseMasks(settings json.RawMessage) error {
	var errs []error
	for name, value := range members(settings) {
		var object map[string]any
		switch {
		case !x.has(name) && name != x.each || json.Unmarshal(value, &object) != nil:
		case name == x.each:
			errs = append(errs, bellhop.Join(name, secrets{all: true}.refuseMasks(value)))
		case isMask(object):
			errs = append(errs, bellhop.Invalid(name, "this is only the mask of a secret; write the secret itself"))
		}
	}
	return bellhop.Join("", errs...)
}

// restore returns settings with the stored secret in place of each that is only a mask. A mask of a secret that is not
// stored stays, and is refused.
func (x secrets) restore(settings, stored json.RawMessage) json.RawMessage {
	restored, known := members(settings), members(stored)
	for name, value := range restored {
		var object map[string]any
		switch {
		case !x.has(name) && name != x.each || json.Unmarshal(value, &object) != nil:
		case name == x.each:
			restored[name] = secrets{all: true}.restore(value, known[name])
		case isMask(object) && known[name] != nil:
			restored[name] = known[name]
		}
	}
	raw, _ := json.Marshal(restored) // of values that are JSON
	return raw
}

// paths returns the paths of the secrets that settings write out, under prefix.
func (x secrets) paths(settings json.RawMessage, prefix string) (paths []string) {
	var object map[string]any
	json.Unmarshal(settings, &object) // only objects are settings
	x.keep(object)
	return x.given(object, prefix)
}

// stamp notes in times when each secret of the settings object after was set: a secret that before has too, with the
// same value, keeps the time that known has; any other was set now. prefix is that of the paths.
func (x secrets) stamp(times bellhop.SecretTimes, prefix string, before, after json.RawMessage,
	known bellhop.SecretTimes, now time.Time) {
	old := x.values(before, prefix)
	for path, value := range x.values(after, prefix) {
		if previous, ok := old[path]; ok && bytes.Equal(previous, value) {
			if at, ok := known[path]; ok {
				times[path] = at
			}
			continue
		}
		times[path] = now
	}
}

// values returns the secrets of a settings object, by their paths, each as compact JSON.
func (x secrets) values(settings json.RawMessage, prefix string) map[string][]byte {
	values := make(map[string][]byte)
	for name, value := range members(settings) {
		isObject := json.Unmarshal(value, new(map[string]json.RawMessage)) == nil
		switch {
		case x.has(name), name == x.each && !isObject:
			var compact bytes.Buffer
			json.Compact(&compact, value)
			values[prefix+name] = compact.Bytes()
		case name == x.each:
			maps.Copy(values, secrets{all: true}.values(value, prefix+name+"."))
		}
	}
	return values
}

// The prefixes of the paths in bellhop.SecretTimes.
const (
	settingsPrefix = "settings."
	accessPrefix   = "access."
)

// sourceSecretTimes returns when each secret of after was set. before is the source until now, or the zero Source.
func (c *Catalog) sourceSecretTimes(before, after bellhop.Source, now time.Time) bellhop.SecretTimes {
	times := make(bellhop.SecretTimes)
	c.sourceSecrets(after.Provider).stamp(times, settingsPrefix, before.Settings, after.Settings, before.SecretsAt,
		now)
	return times
}

// destinationSecretTimes is sourceSecretTimes for destinations.
func (c *Catalog) destinationSecretTimes(before, after bellhop.Destination, now time.Time) bellhop.SecretTimes {
	times := make(bellhop.SecretTimes)
	c.destinationSecrets(after.Type).stamp(times, settingsPrefix, before.Settings, after.Settings, before.SecretsAt,
		now)
	accessSecrets.stamp(times, accessPrefix, before.Access, after.Access, before.SecretsAt, now)
	return times
}

// texts returns the secrets of settings that are texts, or the texts within them. Empty texts are left out.
func (x secrets) texts(settings json.RawMessage) (found []string) {
	for name, value := range members(settings) {
		if x.has(name) || name == x.each {
			var v any
			json.Unmarshal(value, &v)
			found = appendTexts(found, v)
		}
	}
	return found
}

// appendTexts appends every text in v that is not empty.
func appendTexts(found []string, v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			found = append(found, v)
		}
	case []any:
		for _, item := range v {
			found = appendTexts(found, item)
		}
	case map[string]any:
		for _, item := range v {
			found = appendTexts(found, item)
		}
	}
	return found
}

// minMasked is the length from which a secret is masked within other texts. A shorter one is part of too many words.
const minMasked = 8

// textMask returns a function that puts an ellipsis in place of each of secrets in a text, whether the secret
// stands there as it is or as JSON writes it. Secrets shorter than minMasked stay.
func textMask(secrets []string) func(text string) string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(secret string) bool { return len(secret) < minMasked })
	// Longer secrets first: one may contain another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range secrets {
		pairs = append(pairs, secret, "…")
		if written, _ := json.Marshal(secret); string(written[1:len(written)-1]) != secret {
			pairs = append(pairs, string(written[1:len(written)-1]), "…")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// maskURL returns d's URL with the secrets in its query masked. If the whole URL is a secret, it returns the
// host and the last four characters.
func (c *Catalog) maskURL(d bellhop.Destination) string {
	p, ok := c.provider(d.Type)
	if !ok || !p.Info().SecretURL {
		return maskQuery(d.URL)
	}
	u, err := url.Parse(d.URL)
	if err != nil || len(u.Path) < 12 {
		return "…"
	}
	return u.Scheme + "://" + u.Host + "/…" + d.URL[len(d.URL)-4:]
}

// secretParameters are the names of query parameters that carry secrets.
var secretParameters = []string{"code", "key", "token", "secret", "sig", "signature", "password",
	"access_token", "api_key", "apikey", "auth"}

// maskQuery returns a URL with an ellipsis in place of the value of each of secretParameters in its query.
func maskQuery(text string) string {
	base, query, ok := strings.Cut(text, "?")
	if !ok {
		return text
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err == nil && slices.Contains(secretParameters, strings.ToLower(plain)) {
			pairs[i] = name + "=…"
		}
	}
	return base + "?" + strings.Join(pairs, "&")
}

// MergePatch applies the JSON merge patch patch to target, as RFC 7396 defines it, and returns the result. It
// does not change target or patch.
func MergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := make(map[string]any)
	if object, ok := target.(map[string]any); ok {
		for name, value := range object {
			merged[name] = value
		}
	}
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = MergePatch(merged[name], value)
		}
	}
	return merged
}
