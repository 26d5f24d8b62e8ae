package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// An HTTPAPI is a [provider.API] for tests: it calls the server at Base without credentials, as a connection calls a
// stand-in that takes any token.
type HTTPAPI struct {
	Base   string
	Header http.Header // of each call
}

// Do makes one call.
func (a HTTPAPI) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	target := call.Path
	if !strings.Contains(target, "://") {
		target = a.Base + target
	}
	if !strings.HasPrefix(target, a.Base) {
		return provider.Answer{}, &provider.APIError{Kind: provider.APIForeign, Message: "another origin"}
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, bytes.NewReader(call.Body))
	if err != nil {
		return provider.Answer{}, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	for _, h := range []http.Header{a.Header, call.Header} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return provider.Answer{}, lost(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return provider.Answer{}, lost(err)
	}
	return provider.Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

func lost(err error) *provider.APIError {
	return &provider.APIError{Kind: provider.APITemporary, Message: provider.WithoutURL(err).Error(), MaybeDone: true}
}

// A RecordedAPI is a [provider.API] that gives recorded answers, in their order, and keeps the calls.
type RecordedAPI struct {
	mu      sync.Mutex // guards the fields below
	answers []provider.Answer
	calls   []provider.Call
}

// Answer adds an answer. header has names and values in turn.
func (a *RecordedAPI) Answer(status int, body string, header ...string) *RecordedAPI {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = append(a.answers, provider.Answer{Status: status, Header: h, Body: []byte(body)})
	return a
}

// AnswerFile adds an answer whose body is in a file below testdata/api.
func (a *RecordedAPI) AnswerFile(t testing.TB, status int, name string, header ...string) *RecordedAPI {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "api", name))
	if err != nil {
		t.Fatal(err)
	}
	return a.Answer(status, string(body), header...)
}

// Do gives the next answer. Without one it fails as a connection that breaks.
func (a *RecordedAPI) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, call)
	if len(a.answers) == 0 {
		return provider.Answer{}, lost(errors.New("no answer"))
	}
	next := a.answers[0]
	a.answers = a.answers[1:]
	return next, nil
}

// Calls returns the calls so far, each as "METHOD path body".
func (a *RecordedAPI) Calls() (calls []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		calls = append(calls, strings.TrimSpace(c.Method+" "+c.Path+" "+string(c.Body)))
	}
	return calls
}

// LastHeader returns the header of the last call.
func (a *RecordedAPI) LastHeader() http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[len(a.calls)-1].Header
}

// FuzzSubscriptions fuzzes the answers of the API of a [provider.Subscriber]: whatever comes back, each call ends
// with a registration that has an id, or with a bounded *provider.APIError.
func FuzzSubscriptions(f *testing.F, p provider.Subscriber, r provider.Registration, bodies ...string) {
	for _, body := range bodies {
		for _, status := range []int{200, 201, 400, 403, 404, 409, 429, 503} {
			f.Add(status, body, "7")
		}
	}
	f.Add(302, "", "")
	f.Add(200, "<html>sign in</html>", "x")
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		api := &RecordedAPI{}
		for range 4 { // what a creation asks for at most
			api.Answer(status, body, "Retry-After", wait)
		}
		calls := p.OpenSubscriptions(env(), api)
		made, err := calls.Create(t.Context(), r)
		checkAPIError(t, err)
		if err == nil && made.ID == "" {
			t.Error("a registration without an id")
		}
		_, err = calls.Renew(t.Context(), "a/b+c=", r)
		checkAPIError(t, err)
		_, err = calls.List(t.Context(), r)
		checkAPIError(t, err)
	})
}

// checkAPIError checks that err is nil or a bounded *provider.APIError.
func checkAPIError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *provider.APIError
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *provider.APIError", err)
	}
	if e.Kind == "" || len(e.Message) > provider.MaxAPIText || len(e.Code) > provider.MaxAPIText || e.RetryAfter < 0 {
		t.Errorf("kind %q, %d bytes of message, %d of code, wait %v", e.Kind, len(e.Message), len(e.Code),
			e.RetryAfter)
	}
}

// env is an environment at Now.
func env() provider.Env {
	return provider.Env{Now: func() time.Time { return Now }, Rand: rand.Reader}
}
