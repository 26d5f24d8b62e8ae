package providertest

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// refusals are the errors of refusals, each with the status with which the server answers it.
var refusals = map[error]int{
	signature.ErrMissing: 401, signature.ErrMismatch: 401, signature.ErrExpired: 401, signature.ErrMalformed: 401,
	provider.ErrBody: 400, provider.ErrForbidden: 403, provider.ErrMethod: 405, provider.ErrEncoding: 415,
	provider.ErrMediaType: 415, provider.ErrUnavailable: 503,
}

// refusal returns the code of err and the status with which the server answers it; "" and 0 for a fault of the server.
func refusal(err error) (code string, status int) {
	for sentinel, status := range refusals {
		if errors.Is(err, sentinel) {
			return sentinel.(interface{ Code() string }).Code(), status
		}
	}
	return "", 0
}

func (s *suite) checkRefusal(t testing.TB, req *provider.Request, err error) {
	t.Helper()
	if code, _ := refusal(err); code == "" {
		t.Errorf("an error for which the server has no status: %v\n%s", err, describe(req))
	}
	checkText(t, "error", err.Error(), append(s.Secrets[:], canary))
}

// checkText fails if text contains one of secrets, has control characters, or has more than 500 bytes.
func checkText(t testing.TB, what, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("%s contains a secret or the input: %q", what, text)
		}
	}
	if len(text) > 500 || strings.ContainsFunc(strings.TrimSpace(text), unicode.IsControl) {
		t.Errorf("%s is long, or has control characters: %.600q", what, text)
	}
}

// checkReceipt returns an error if the store or the server would not accept r.
func checkReceipt(r provider.Receipt) error {
	if r.Reply != nil {
		if len(r.Events) > 0 || len(r.Refused) > 0 || r.Reply.Status < 200 || r.Reply.Status > 599 {
			return errors.New("the receipt of a handshake has events, or no valid status")
		}
		return nil
	}
	if r.Status != 0 && (r.Status < 200 || r.Status > 299) {
		return fmt.Errorf("the status of an accepted request is %d", r.Status)
	}
	for i, ev := range r.Events {
		if err := checkEvent(ev); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	for _, item := range r.Refused {
		if item.Err == nil || item.Index < 0 {
			return errors.New("a refused item has no error, or a negative index")
		}
	}
	return nil
}

func checkEvent(ev bellhop.Event) error {
	switch {
	case ev.Type == "" || !fits(ev.Type, bellhop.MaxTypeLength):
		return fmt.Errorf("type %.300q", ev.Type)
	case !fits(ev.Subject, bellhop.MaxSubjectLength):
		return fmt.Errorf("subject %.1100q", ev.Subject)
	case !fits(ev.ProviderID, bellhop.MaxProviderIDLength):
		return fmt.Errorf("provider id %.600q", ev.ProviderID)
	case !fits(ev.ContentType, 255):
		return fmt.Errorf("content type %.300q", ev.ContentType)
	case !ev.Time.IsZero() && (ev.Time.Location() != time.UTC || ev.Time.Year() < 1970 || ev.Time.Year() > 2199):
		return fmt.Errorf("time %v, want UTC and a year from 1970 to 2199", ev.Time)
	case ev.ID != "" || ev.SourceID != "" || ev.Source != "" || ev.Tenant != "" || ev.Header != nil ||
		!ev.ReceivedAt.IsZero():
		return errors.New("a field is set that a provider must leave empty")
	}
	return nil
}

// fits reports whether a text column of max bytes takes text in every database.
func fits(text string, max int) bool {
	return len(text) <= max && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// env returns an Env whose clock stands still. Its client uses the Transport of the case; without one, a request fails
// the test.
func (s *suite) env(t testing.TB, at time.Time) provider.Env {
	transport := s.Transport
	if transport == nil {
		transport = noTransport{t}
	}
	return provider.Env{
		Now:    func() time.Time { return at },
		Rand:   rand.NewChaCha8([32]byte{1}),
		Client: &http.Client{Transport: transport},
		Logger: slog.New(slog.NewTextHandler(&leakDetector{t, s.Secrets[:]},
			&slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

type noTransport struct{ t testing.TB }

func (n noTransport) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("the provider used the network")
	return nil, errors.New("no network in the suite")
}

// A leakDetector is a writer that fails the test if a secret is written to it.
type leakDetector struct {
	t       testing.TB
	secrets []string
}

func (w *leakDetector) Write(line []byte) (int, error) {
	checkText(w.t, "log", string(line), w.secrets)
	return len(line), nil
}
