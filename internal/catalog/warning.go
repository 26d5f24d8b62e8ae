package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// SourceWarnings returns one sentence for each weakness of a source that was accepted. None repeats a secret.
func (c *Catalog) SourceWarnings(src bellhop.Source) []string {
	var known []string
	if p, ok := c.provider(src.Provider); ok {
		if r, err := provider.Open(p, c.opts.Env, src.Settings); err == nil {
			known = warningsOf(r)
		}
	}
	if string(members(src.Settings)["unauthenticated"]) == "true" {
		known = append(known, "unauthenticated accepts events from everyone who knows the URL; remove it once the "+
			"sender can prove who it is")
	}
	return settingWarnings(known, c.sourceSecrets(src.Provider).short(src.Settings))
}

// DestinationWarnings returns one sentence for each weakness of a destination that was accepted. None repeats a
// secret.
func (c *Catalog) DestinationWarnings(d bellhop.Destination) []string {
	var warnings []string
	for _, to := range c.addresses(d) {
		if !isPlain(to.url) {
			continue
		}
		secrets := slices.Sorted(maps.Keys(to.secrets))
		if to.path == "url" && c.maskURL(d) != d.URL {
			secrets = append(secrets, "the secret in the URL")
		}
		if len(secrets) > 0 {
			warnings = append(warnings, to.path+" is plain http, so others on the way can read "+
				strings.Join(secrets, ", ")+"; use https")
		}
	}
	known := c.opts.Opener.Warnings(d)
	return append(warnings, settingWarnings(known, c.destinationSecrets(d.Type).short(d.Settings))...)
}

// warningsOf returns the warnings of v, if it is a [provider.Warner].
func warningsOf(v any) []string {
	if w, ok := v.(provider.Warner); ok {
		return slices.Clone(w.Warnings())
	}
	return nil
}

// settingWarnings returns the warnings about settings: the known ones, which begin with the path of a setting, and one
// for each of the short secrets that has no other. The systems of some providers allow short secrets.
func settingWarnings(known, short []string) (warnings []string) {
	for _, path := range short {
		if !slices.ContainsFunc(known, func(w string) bool { return strings.HasPrefix(w, path+" ") }) {
			known = append(known, path+" has fewer than 16 characters, so it may be guessed; use a longer random text")
		}
	}
	for _, w := range known {
		warnings = append(warnings, "settings."+w)
	}
	return warnings
}
