package providertest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Subscribed is a [provider.Subscribed] with fixed subscriptions: client states by the ids of registrations, and the
// states of those that are being made.
type Subscribed struct {
	States  map[string]string
	Pending []string
	Keys    map[string]any
}

// Any implements [provider.Subscribed].
func (s *Subscribed) Any() bool { return len(s.States)+len(s.Pending) > 0 }

// Takes implements [provider.Subscribed].
func (s *Subscribed) Takes(remoteID, state string) bool {
	if want, known := s.States[remoteID]; known {
		return state == want
	}
	return slices.Contains(s.Pending, state)
}

// Knows implements [provider.Subscribed].
func (s *Subscribed) Knows(state string) bool {
	for _, known := range s.States {
		if known == state {
			return true
		}
	}
	return slices.Contains(s.Pending, state)
}

// Key implements [provider.Subscribed].
func (s *Subscribed) Key(certificateID string) any { return s.Keys[certificateID] }

// A Failure is one answer of an API, and the error that a Subscriber makes of it.
type Failure struct {
	Name   string
	Status int
	Body   string   // or the name of a file below testdata/api, which ends in .json
	Header []string // names and values in turn
	Want   provider.APIError
}

// CheckFailures has each failure answer the creation of r. Remedy is compared by presence, and MaybeDone as it is.
func CheckFailures(t *testing.T, p provider.Subscriber, r provider.Registration, failures []Failure) {
	for _, f := range failures {
		t.Run(f.Name, func(t *testing.T) {
			api := &RecordedAPI{}
			if len(f.Body) > 5 && f.Body[len(f.Body)-5:] == ".json" {
				api.AnswerFile(t, f.Status, f.Body, f.Header...)
			} else {
				api.Answer(f.Status, f.Body, f.Header...)
			}
			_, err := p.OpenSubscriptions(env(), api).Create(t.Context(), r)
			var got *provider.APIError
			if !errors.As(err, &got) {
				t.Fatalf("%v is no *provider.APIError", err)
			}
			if f.Want.Message == "" {
				f.Want.Message = got.Message
			}
			if (f.Want.Remedy != "") == (got.Remedy != "") {
				f.Want.Remedy = got.Remedy
			}
			f.Want.Status = f.Status
			if *got != f.Want {
				t.Errorf("got  %+v\nwant %+v", *got, f.Want)
			}
		})
	}
}

// CheckAPIError checks kind, permission and existing id of an error.
func CheckAPIError(t testing.TB, err error, want provider.APIError) {
	t.Helper()
	var got *provider.APIError
	if !errors.As(err, &got) || got.Kind != want.Kind || got.Permission != want.Permission ||
		got.ExistingID != want.ExistingID {
		t.Errorf("got error %v, want kind %s", err, want.Kind)
	}
}

// CheckCalls compares the calls of a [RecordedAPI].
func CheckCalls(t testing.TB, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("call %d is missing: %s", i, want[i])
		case i >= len(want):
			t.Errorf("call %d: unexpected %s", i, got[i])
		case got[i] != want[i]:
			t.Errorf("call %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

// Echo answers a handshake whose token is in that parameter, below /in/, and else 404.
func Echo(parameter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) < 4 || r.URL.Path[:4] != "/in/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, r.URL.Query().Get(parameter))
	}
}
