package providertest

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// The functions below are not part of the suite. The test files of several providers use them.

// JSON returns v as JSON. It panics if v cannot be encoded.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// With returns a copy of base with the members of more. A member that is nil in more is removed.
func With(base, more map[string]any) map[string]any {
	all := map[string]any{}
	maps.Copy(all, base)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// Settings is [With] as JSON.
func Settings(base, more map[string]any) string { return JSON(With(base, more)) }

// ReadFile returns the content of a file.
func ReadFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ReadJSON reads a file of JSON, such as vectors, into v.
func ReadJSON(t testing.TB, path string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(ReadFile(t, path)), v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Request returns a POST of body, received [Now], with headers whose names may be in any case. If a name
// occurs twice, the later value counts.
func Request(target string, body []byte, headers ...map[string]string) *provider.Request {
	h := http.Header{}
	for _, list := range headers {
		for name, value := range list {
			h.Set(name, value)
		}
	}
	return &provider.Request{Method: http.MethodPost, Target: target, Header: h, Body: body, ReceivedAt: Now}
}

// Open opens a source of p with good settings, with a clock that shows [Now].
func Open(t testing.TB, p provider.Provider, settings string) provider.Receiver {
	t.Helper()
	r, err := p.Open(provider.Env{Now: func() time.Time { return Now }}, []byte(settings))
	if err != nil {
		t.Fatalf("settings refused: %v", err)
	}
	return r
}

// OpenSender opens a destination of p with good settings, with a clock that shows [Now].
func OpenSender(t testing.TB, p provider.Sender, settings string) provider.Renderer {
	t.Helper()
	r, err := p.OpenSender(provider.Env{Now: func() time.Time { return Now }}, []byte(settings))
	if err != nil {
		t.Fatalf("settings refused: %v", err)
	}
	return r
}

// CheckPath checks that err, from opening settings, is about the setting at path; "" means that err must be nil.
func CheckPath(t testing.TB, settings string, err error, path string) {
	t.Helper()
	switch {
	case path == "" && err != nil:
		t.Errorf("%s: %v", settings, err)
	case path != "" && (err == nil || !strings.HasPrefix(err.Error(), path+": ")):
		t.Errorf("%s: got %v, want it about %s", settings, err, path)
	}
}
