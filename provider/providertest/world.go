package providertest

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// env is a world with a clock that stands still and the case's network, or none.
func (s *suite) env(t testing.TB, at time.Time) provider.Env {
	transport := s.Transport
	if transport == nil {
		transport = noNetwork{t}
	}
	return provider.Env{
		Now:    func() time.Time { return at },
		Rand:   rand.NewChaCha8([32]byte{1}),
		Client: &http.Client{Transport: transport},
		Logger: slog.New(slog.NewTextHandler(&watched{t, s.Secrets[:]}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

type noNetwork struct{ t testing.TB }

func (n noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("the provider used the network")
	return nil, errors.New("no network in the suite")
}

// watched fails the test when a secret is written to it.
type watched struct {
	t       testing.TB
	secrets []string
}

func (w *watched) Write(line []byte) (int, error) {
	checkText(w.t, "log", string(line), w.secrets)
	return len(line), nil
}
