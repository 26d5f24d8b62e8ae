package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A SourceRotation says which secret of a source is replaced, and by what.
type SourceRotation struct {
	Setting string // that holds the secret; "" is the only one that is set, or the provider's main one
	Secret  string // "" has Make make one
	// Make makes a secret for a setting, in the way of provider.Setting.Make.
	Make func(s provider.Setting) (string, error)
	// Check may refuse the change, by what the source is before it.
	Check func(before bellhop.Source) error
}

// A RotatedSource is a source whose secret was replaced.
type RotatedSource struct {
	Source  bellhop.Source
	Setting string // that holds the secret
	Made    string // the secret, if it was made
}

// RotateSourceSecret gives a source a new secret. The one before is accepted too, until DropOldSecret: so no request
// is refused while the provider still has it. The source has two secrets of the setting at most.
func (c *Catalog) RotateSourceSecret(ctx context.Context, idOrName string, o SourceRotation) (r RotatedSource,
	err error) {
	if err := checkGiven(o.Secret, "have one made"); err != nil {
		return r, err
	}
	err = c.changeSecrets(ctx, idOrName, o, func(s provider.Setting, old provider.Secrets) ([]string, error) {
		secret := bellhop.Pasted(o.Secret)
		if secret == "" {
			if s.Make == "" {
				return nil, bellhop.Invalid("secret", "required: the provider makes this secret; have it make a new "+
					"one and copy it")
			}
			if r.Made == "" {
				made, err := o.Make(s)
				if err != nil {
					return nil, err
				}
				r.Made = made
			}
			secret = r.Made
		}
		switch {
		case len(old) > 0 && slices.Contains(old, secret):
			return nil, bellhop.Invalid("secret", "the source has it already; give another, or leave it out to have "+
				"one made")
		case len(old) == 0:
			return []string{secret}, nil
		}
		return []string{secret, old[0]}, nil
	}, &r)
	if err != nil {
		r.Made = ""
		return r, err
	}
	c.log.Info("source.rotated", "source_id", r.Source.ID, "source", r.Source.Name, "setting", r.Setting)
	return r, nil
}

// DropOldSecret leaves a source the newest of the secrets that the setting of o holds. It is a conflict if there is
// but one.
func (c *Catalog) DropOldSecret(ctx context.Context, idOrName string, o SourceRotation) (r RotatedSource,
	err error) {
	err = c.changeSecrets(ctx, idOrName, o, func(s provider.Setting, old provider.Secrets) ([]string, error) {
		if len(old) < 2 {
			return nil, bellhop.Conflict("the source has no old secret: " + s.Name + " holds one at most")
		}
		return old[:1], nil
	}, &r)
	if err == nil {
		c.log.Info("source.secret_dropped", "source_id", r.Source.ID, "source", r.Source.Name, "setting", r.Setting)
	}
	return r, err
}

// changeSecrets stores the secrets that change makes of those of a setting of a source. An error about their setting
// is one about "secret". It sets r.Source and r.Setting.
func (c *Catalog) changeSecrets(ctx context.Context, idOrName string, o SourceRotation,
	change func(s provider.Setting, old provider.Secrets) ([]string, error), r *RotatedSource) error {
	done, err := c.UpdateSource(ctx, idOrName, func(src bellhop.Source) (bellhop.Source, error) {
		if err := o.Check(src); err != nil {
			return src, err
		}
		s, err := c.rotatedSetting(src, o.Setting)
		if err != nil {
			return src, err
		}
		settings := members(src.Settings)
		var old provider.Secrets
		if raw := settings[s.Name]; raw != nil {
			if err := json.Unmarshal(raw, &old); err != nil { // the error would quote a secret
				return src, fmt.Errorf("read the secrets of source %s: they are not texts", src.ID)
			}
		}
		secrets, err := change(s, old)
		if err != nil {
			return src, err
		}
		if len(secrets) == 1 {
			settings[s.Name], err = json.Marshal(secrets[0])
		} else {
			settings[s.Name], err = json.Marshal(secrets)
		}
		if err == nil {
			src.Settings, err = json.Marshal(settings)
		}
		r.Setting = s.Name
		return src, err
	})
	r.Source = done.Source
	return aboutSetting(err, r.Setting)
}

// aboutSetting renames the path of an error about a setting to "secret", the name of the caller's value.
func aboutSetting(err error, setting string) error {
	e, ok := err.(*bellhop.Error)
	if !ok || setting == "" {
		return err
	}
	for _, f := range e.Fields {
		if strings.HasPrefix(f.Path, settingsPrefix+setting) {
			return bellhop.Invalid("secret", f.Message)
		}
	}
	return err
}

// rotatedSetting returns the setting of a source that holds the secrets to change: one that may hold several.
func (c *Catalog) rotatedSetting(src bellhop.Source, name string) (provider.Setting, error) {
	p, ok := c.provider(src.Provider)
	if !ok {
		return provider.Setting{}, bellhop.Conflict("there is no provider " + src.Provider + " any more")
	}
	info, set := p.Info(), members(src.Settings)
	var names []string
	var present, main []provider.Setting
	for _, s := range info.Settings {
		if !s.Secret || !s.Many {
			continue
		}
		names = append(names, s.Name)
		if s.Name == name {
			return s, nil
		}
		if set[s.Name] != nil {
			present = append(present, s)
		}
		if s.Name == info.Key {
			main = append(main, s)
		}
	}
	switch {
	case len(names) == 0:
		return provider.Setting{}, bellhop.Conflict("a source of " + info.Name + " has no secret that can be rotated")
	case name != "":
		return provider.Setting{}, bellhop.Invalid("setting", "must be one of "+strings.Join(names, ", "))
	case len(present) == 1:
		return present[0], nil
	case len(present) == 0:
		return provider.Setting{}, bellhop.Conflict("the source has no secret: set one with a change of its settings")
	case len(main) == 1:
		return main[0], nil
	}
	return provider.Setting{}, bellhop.Invalid("setting", "required, for the source has several secrets: "+
		strings.Join(names, ", "))
}
