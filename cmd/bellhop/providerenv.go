package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// providerEnv is what a provider may use of the world when a command runs it, at a time: zero is now.
func (e *env) providerEnv(at time.Time) provider.Env {
	now := time.Now
	if !at.IsZero() {
		now = func() time.Time { return at }
	}
	return provider.Env{Now: now, Rand: rand.Reader, Client: egress.NewLocal(), Logger: slog.New(slog.NewTextHandler(e.stderr, nil))}
}

// providerSettings are the settings that --key and --set give a provider.
func (e *env) providerSettings(info provider.Info, key string, set []string) (map[string]any, error) {
	settings, err := e.readSettings(set)
	if err != nil {
		return nil, err
	}
	return settings, e.setKey(info, settings, key)
}

// setKey sets the provider's main secret to what --key says, if it says something.
func (e *env) setKey(info provider.Info, settings map[string]any, key string) (err error) {
	if key == "" {
		return nil
	}
	if info.Key == "" {
		return wrongUsage("%s has no one key; use --set", info.Name)
	}
	if _, twice := settings[info.Key]; twice {
		return wrongUsage("--key and --set %s say the same; give one of them", info.Key)
	}
	settings[info.Key], err = e.readValue(key)
	return err
}

// rawSettings is providerSettings as a provider reads them.
func (e *env) rawSettings(info provider.Info, key string, set []string) (json.RawMessage, error) {
	settings, err := e.providerSettings(info, key, set)
	if err != nil {
		return nil, err
	}
	return json.Marshal(settings)
}

// wrongSettings says that a provider does not take its settings, which is a matter of the flags that gave them.
func wrongSettings(info provider.Info, err error) error {
	var refused *bellhop.Error
	if errors.As(err, &refused) && refused.Code == bellhop.CodeInvalid {
		return wrongUsage("%w; see 'bellhop providers %s'", bellhop.Join("settings", err), info.Name)
	}
	return err
}

// readFile reads a file whole; - is stdin.
func (e *env) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(e.stdin)
	}
	return os.ReadFile(path)
}
