package catalog

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Bounds of a grace: how long the old secret signs beside the new one.
const (
	DefaultGrace = 24 * time.Hour
	MaxGrace     = 30 * 24 * time.Hour
)

// The settings of type http that a rotation changes. The engine reads them.
const (
	secretSetting = "secret"
	untilSetting  = "secret_until"
)

// RotateSecret gives a destination of type http or pull a new secret, which signs from now on; the old one signs too
// for the grace. If secret is "", RotateSecret makes one and returns it as made. check may refuse the change, by what
// the destination is before it.
func (c *Catalog) RotateSecret(
	ctx context.Context, idOrName, secret string, grace time.Duration, check func(before bellhop.Destination) error,
) (d bellhop.Destination, made string, err error) {
	if grace < 0 || grace > MaxGrace {
		return d, "", bellhop.Invalid("grace", `use a length of time up to "720h", such as "24h"; `+
			`"0s" ends the old secret at once`)
	}
	if err := checkGiven(secret, "have one made"); err != nil {
		return d, "", err
	}
	if secret == "" {
		if made, err = c.newSecret(); err != nil {
			return d, "", err
		}
		secret = made
	}
	err = c.change(ctx, func() error {
		return again(func() error {
			before, err := c.opts.Store.Destination(ctx, idOrName)
			if err != nil {
				return err
			}
			if err := check(before); err != nil {
				return err
			}
			if d, err = c.rotated(before, secret, grace); err != nil {
				return err
			}
			return c.opts.Store.UpdateDestination(ctx, d, before.UpdatedAt)
		})
	})
	if err != nil {
		return d, "", err
	}
	c.log.Info("destination.rotated", "destination_id", d.ID, "destination", d.Name, "grace", grace.String())
	return d, made, nil
}

// checkGiven refuses a secret that was given and is nothing: a mistake must not do what leaving it out does.
func checkGiven(secret, leftOut string) error {
	if secret != "" && bellhop.Pasted(secret) == "" {
		return bellhop.Invalid("secret", "is white space alone; leave it out to "+leftOut)
	}
	return nil
}

// rotated returns d with secret as its first secret and, for the grace, its first secret of before as the second.
func (c *Catalog) rotated(d bellhop.Destination, secret string, grace time.Duration) (bellhop.Destination, error) {
	if !writes(d.Type) {
		return d, bellhop.Conflict("a destination of type " + d.Type + " has one secret at a time: " +
			"change the setting that holds it (PATCH)")
	}
	before := d
	settings := members(d.Settings)
	var old provider.Secrets
	if raw := settings[secretSetting]; raw != nil {
		if err := json.Unmarshal(raw, &old); err != nil { // the error would quote a secret
			return d, fmt.Errorf("read the secrets of destination %s: they are not texts", d.ID)
		}
	}
	if len(old) > 0 && old[0] == secret {
		return d, bellhop.Invalid("secret", "is the present one; give another, or leave it out to have one made")
	}
	var err error
	settings[secretSetting], _ = json.Marshal(secret)
	delete(settings, untilSetting)
	if d.Settings, err = json.Marshal(settings); err != nil {
		return d, err
	}
	// Checked with the new secret alone, so that every error is about that one.
	if err := c.opts.Opener.CheckAmong(d, nil); err != nil {
		return d, aboutSecret(err)
	}
	now := c.now()
	if len(old) > 0 && grace > 0 {
		settings[secretSetting], _ = json.Marshal([]string{secret, old[0]})
		settings[untilSetting], _ = json.Marshal(now.Add(grace).UTC().Format(time.RFC3339))
	}
	d.Settings, err = json.Marshal(settings)
	d.UpdatedAt, d.SecretsAt = c.changedAt(before.UpdatedAt), c.destinationSecretTimes(before, d, now)
	return d, err
}

// aboutSecret renames the path of an error about the setting to "secret", the name of the caller's value.
func aboutSecret(err error) error {
	var e *bellhop.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			if strings.HasPrefix(f.Path, "settings."+secretSetting) {
				return bellhop.Invalid("secret", f.Message)
			}
		}
	}
	return err
}

// endGrace adds the removal of the end of a grace to the settings of a merge patch that set the secrets without
// it: those secrets stay for good.
func endGrace(settings map[string]any) {
	_, setsSecret := settings[secretSetting]
	if _, setsUntil := settings[untilSetting]; setsSecret && !setsUntil {
		settings[untilSetting] = nil
	}
}

// newSecret makes a secret in the form of Standard Webhooks, from 32 random bytes.
func (c *Catalog) newSecret() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(c.opts.Env.Rand, b[:]); err != nil {
		return "", err
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:]), nil
}
