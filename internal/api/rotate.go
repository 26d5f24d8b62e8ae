package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Rotation is how a destination gets another secret.
type Rotation struct {
	Secret string `json:"secret,omitempty" doc:"The new one; one is made, and answered this once, if not given"`
	Grace  string `json:"grace,omitempty" example:"24h" doc:"How long the old one signs beside it, 0s to 720h; 24h if not given"`
}

// A RotatedDestination is a destination, and the secret that was made for it.
type RotatedDestination struct {
	Destination
	Secret string `json:"secret,omitempty" doc:"The new secret, if it was made here; it is not shown again"`
}

// Bounds of a grace.
const (
	defaultGrace = 24 * time.Hour
	maxGrace     = 30 * 24 * time.Hour
)

// The settings that a rotation changes; the engine reads them.
const (
	secretSetting = "secret"
	untilSetting  = "secret_until"
)

func (s *server) rotations() {
	handle(s, op{http.MethodPost, "/destinations/{id}/rotate-secret", "rotate-destination-secret", "Sign with another secret, and with the old one beside it for a while", 0}, s.rotateSecret)
}

type rotateInput struct {
	ID   string `path:"id" doc:"Its id or name" example:"billing"`
	Body *Rotation
}

func (s *server) rotateSecret(ctx context.Context, in *rotateInput) (*bodyOf[RotatedDestination], error) {
	if in.Body == nil {
		in.Body = &Rotation{}
	}
	grace, err := parseGrace(in.Body.Grace)
	if err != nil {
		return nil, err
	}
	secret, made := in.Body.Secret, ""
	if secret == "" {
		if made, err = s.newSecret(); err != nil {
			return nil, err
		}
		secret = made
	}
	var after bellhop.Destination
	err = s.change(ctx, func() (err error) {
		if after, err = s.rotated(ctx, in.ID, secret, grace); err != nil {
			return err
		}
		return s.Store.UpdateDestination(ctx, after)
	})
	if err != nil {
		return nil, err
	}
	s.log.Info("destination.rotated", "destination_id", after.ID, "destination", after.Name, "grace", grace.String())
	return &bodyOf[RotatedDestination]{RotatedDestination{s.destinationJSON(after), made}}, nil
}

// rotated is the destination with secret first among its own and, for the grace, the one before behind it. The caller
// holds changing.
func (s *server) rotated(ctx context.Context, id, secret string, grace time.Duration) (bellhop.Destination, error) {
	d, err := s.Store.Destination(ctx, id)
	if err != nil {
		return d, err
	}
	if d.Type != bellhop.TypeHTTP {
		return d, bellhop.Conflict("a destination of type " + d.Type + " has one secret at a time: change the setting that holds it (PATCH)")
	}
	settings := readSettings(d.Settings)
	var old provider.Secrets
	if raw := settings[secretSetting]; raw != nil {
		if err := json.Unmarshal(raw, &old); err != nil {
			return d, fmt.Errorf("read the secrets of destination %s: they cannot be read", d.ID)
		}
	}
	if len(old) > 0 && old[0] == secret {
		return d, bellhop.Invalid("secret", "is the one it has; give another, or none to have one made")
	}
	now := s.Env.Now()
	settings[secretSetting], _ = json.Marshal(secret)
	delete(settings, untilSetting)
	if d.Settings, err = settingsJSON(settings); err != nil {
		return d, err
	}
	if err := s.Opener.Check(d); err != nil { // with the new one alone, so that it is what is at fault
		return d, aboutSecret(err)
	}
	if len(old) > 0 && grace > 0 {
		settings[secretSetting], _ = json.Marshal([]string{secret, old[0]})
		settings[untilSetting], _ = json.Marshal(now.Add(grace).UTC().Format(time.RFC3339))
	}
	d.Settings, err = settingsJSON(settings)
	d.UpdatedAt, d.SecretsAt = now, now
	return d, err
}

// aboutSecret names the secret as the request does.
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

// endGrace has a patch that sets secrets, and does not say until when, set them for good.
func endGrace(patch map[string]any) {
	settings, ok := patch["settings"].(map[string]any)
	if !ok {
		return
	}
	_, sets := settings[secretSetting]
	if _, says := settings[untilSetting]; sets && !says {
		settings[untilSetting] = nil
	}
}

// newSecret makes a secret of Standard Webhooks: 32 random bytes.
func (s *server) newSecret() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(s.Env.Rand, b[:]); err != nil {
		return "", err
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:]), nil
}

// parseGrace reads a grace within its bounds. None is the default.
func parseGrace(text string) (time.Duration, error) {
	if text == "" {
		return defaultGrace, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxGrace {
		return 0, bellhop.Invalid("grace", `use a length of time up to "720h", such as "24h"; "0s" ends the old secret at once`)
	}
	return d, nil
}
