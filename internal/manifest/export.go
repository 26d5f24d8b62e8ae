package manifest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file makes a file of what a server exports, with references in place of secrets.

// The kinds of references that an export writes.
const (
	FromEnv  = "env"
	FromFile = "file"
)

// Refer puts references of a kind in place of the masks of secrets in the configuration that a server exports, and
// returns them in the order of the file. While a reference has no value, the server keeps the stored secret.
func Refer(cfg *client.Config, kind string) (references []string) {
	x := &exporter{kind: kind, taken: map[string]bool{}}
	x.refer(cfg)
	return x.references
}

// FileOf returns a configuration in the form of a file: the settings of serve stand beside the lists of nouns.
func FileOf(cfg client.Config) map[string]any {
	file := map[string]any{}
	maps.Copy(file, cfg.Settings)
	for name, list := range map[string]any{"tenants": cfg.Tenants, "connections": cfg.Connections,
		"sources": cfg.Sources, "destinations": cfg.Destinations, "subscriptions": cfg.Subscriptions,
		"keys": cfg.Keys} {
		if reflect.ValueOf(list).Len() > 0 {
			file[name] = list
		}
	}
	return file
}

// An exporter puts references in place of the secrets of a configuration.
type exporter struct {
	kind       string
	taken      map[string]bool
	references []string // in the order of the file
}

// refer puts a reference in place of each secret.
func (x *exporter) refer(cfg *client.Config) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		if mask, ok := cfg.Settings[name].(map[string]any); ok && mask["set"] == true {
			cfg.Settings[name] = x.reference("serve", name)
		}
	}
	for i := range cfg.Connections {
		n := &cfg.Connections[i]
		n.Settings = x.object(n.Settings, "connection", n.Name)
	}
	for i := range cfg.Sources {
		n := &cfg.Sources[i]
		n.Settings = x.object(n.Settings, "source", n.Name)
	}
	for i := range cfg.Destinations {
		n := &cfg.Destinations[i]
		if strings.Contains(n.URL, KeptURL) {
			n.URL = x.reference("destination", n.Name, "url")
		}
		n.Settings = x.object(n.Settings, "destination", n.Name)
		if len(n.Access) > 0 {
			n.Access = x.object(n.Access, "destination", n.Name, "access")
		}
	}
	for i := range cfg.Subscriptions {
		n := &cfg.Subscriptions[i]
		n.Settings = x.object(n.Settings, "subscription", n.Name)
	}
}

// object returns settings with a reference in place of each mask.
func (x *exporter) object(settings map[string]any, at ...string) map[string]any {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		settings[name] = x.value(settings[name], append(slices.Clip(at), name)...)
	}
	return settings
}

// value returns a value with references, and with texts that are no references marked as such.
func (x *exporter) value(v any, at ...string) any {
	switch v := v.(type) {
	case string:
		return Escape(v)
	case []any:
		for i := range v {
			v[i] = x.value(v[i], append(slices.Clip(at), fmt.Sprint(i+1))...)
		}
	case map[string]any:
		if v["set"] == true {
			return x.reference(at...)
		}
		return x.object(v, at...)
	}
	return v
}

// reference returns a reference to the secret of a noun, which no other secret has.
func (x *exporter) reference(at ...string) string {
	name := strings.Join(at, ".")
	if x.kind == FromEnv {
		name = strings.ToUpper(strings.Map(func(r rune) rune {
			if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return r
			}
			return '_'
		}, name))
	}
	unique := name
	for n := 2; x.taken[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	x.taken[unique] = true
	reference := "env:" + unique
	if x.kind == FromFile {
		reference = "file:secrets/" + unique
	}
	x.references = append(x.references, reference)
	return reference
}
