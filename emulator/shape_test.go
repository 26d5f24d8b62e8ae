package emulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// lister is a toy that answers every call with the same body, and knows one error code.
type lister struct {
	toy
	body  string
	calls int
}

func (s *lister) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.calls++
	w.Header().Set("Content-Type", "application/json")
	if s.body == "" {
		w.WriteHeader(http.StatusNoContent)
	}
	io.WriteString(w, s.body)
}

func (s *lister) ErrorCodes() []string { return []string{"Broken7"} }

func (s *lister) FailWith(w http.ResponseWriter, _ *http.Request, code string) {
	WriteJSON(w, http.StatusTeapot, map[string]string{"code": code})
}

func newLister(t *testing.T, body string) (string, *lister, *Host) {
	t.Helper()
	host := New(Options{})
	s := &lister{toy: toy{host: host, name: "lister"}, body: body}
	host.Add(s)
	server := httptest.NewServer(host)
	t.Cleanup(func() { server.Close(); host.Close() })
	return server.URL, s, host
}

// TestShapes shows what each shape of an answer is on the wire, and whether the call has its effect.
func TestShapes(t *testing.T) {
	t.Parallel()
	const list = `{"next":"n","value":[{"id":"a"},{"id":"b"}]}`
	for _, tt := range []struct {
		value, body string
		status      int
		want        string // of the body; "" is an empty one
		cut, effect bool
	}{
		{"html", list, 200, "<!doctype html>", false, false},
		{"redirect", list, 302, "", false, false},
		{"truncated", list, 200, list[:len(list)/2], true, true},
		{"truncated", "", 200, "", true, true},
		{"empty", list, 200, "", false, true},
		{"empty", "", 204, "", false, true},
		{"incomplete", list, 200, `{"next":"n","value":[{"id":"b"}]}`, false, true},
		{`incomplete:"b"`, list, 200, `{"next":"n","value":[{"id":"a"}]}`, false, true},
		{"incomplete", `{"d":{"results":[1,2]}}`, 200, `{"d":{"results":[2]}}`, false, true},
		{"Broken7", list, 418, `{"code":"Broken7"}`, false, false},
	} {
		base, system, host := newLister(t, tt.body)
		err := host.Fault(Fault{Kind: FaultError, Value: tt.value})
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, base+"/lister/x"))
		if err != nil {
			t.Fatalf("%s: %v", tt.value, err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if cut := errors.Is(err, io.ErrUnexpectedEOF); res.StatusCode != tt.status || cut != tt.cut ||
			!strings.HasPrefix(string(text), tt.want) || tt.want == "" && tt.status != 302 && len(text) != 0 {
			t.Errorf("%s: answered %d %s, %v", tt.value, res.StatusCode, text, err)
		}
		if (system.calls == 1) != tt.effect {
			t.Errorf("%s: the system was called %d times", tt.value, system.calls)
		}
		if calls := host.Calls(); len(calls) != 1 || calls[0].Fault != "error "+tt.value {
			t.Errorf("%s: the log is %+v", tt.value, calls)
		}
		if to, _ := res.Location(); tt.status == 302 {
			if status, _, _ := do(t, "GET", to.String(), ""); to.Hostname() != "localhost" || status != 404 ||
				len(host.Calls()) != 2 {
				t.Errorf("%s: leads to %v, which answers %d", tt.value, to, status)
			}
		}
	}
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestHuge(t *testing.T) {
	t.Parallel()
	base, _, host := newLister(t, `{"a":1}`)
	if err := host.Fault(Fault{Kind: FaultError, Value: ErrorHuge}); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(base + "/lister/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	read := io.LimitReader(res.Body, HugeBytes)
	blanks, err := io.Copy(io.Discard, read)
	if rest, _ := io.ReadAll(res.Body); err != nil || blanks != HugeBytes || string(rest) != `{"a":1}` {
		t.Errorf("%d bytes, %v, then %s", blanks, err, rest)
	}
}

// TestIncompleteWaits shows that only a list with such an entry meets the fault.
func TestIncompleteWaits(t *testing.T) {
	t.Parallel()
	base, system, host := newLister(t, `{"id":"a"}`)
	if err := host.Fault(Fault{Kind: FaultError, Value: "incomplete:b"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ body, want string }{
		{`{"id":"b"}`, `{"id":"b"}`},
		{`{"value":["a"]}`, `{"value":["a"]}`},
		{`{"value":["a","b"]}`, `{"value":["a"]}`},
		{`{"value":["a","b"]}`, `{"value":["a","b"]}`},
	} {
		system.body = tt.body
		status, _, body := do(t, "GET", base+"/lister/x", "")
		wantAnswer(t, tt.body, status, body, 200, tt.want)
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	host := New(Options{Now: func() time.Time { return at }})
	host.Add(&toy{host: host, name: "toy"}, &toy{host: host, name: "other"})
	for _, f := range []Fault{{Kind: FaultClock, Value: "1h"}, {Kind: FaultClock, Value: "10m", System: "toy"},
		{Kind: FaultClock, Value: "-5m", System: "toy"}} {
		if err := host.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]time.Duration{"": time.Hour, "toy": time.Hour + 5*time.Minute,
		"other": time.Hour} {
		if got := host.NowOf(name).Sub(at); got != want {
			t.Errorf("the clock of %q is %v ahead, want %v", name, got, want)
		}
	}
	if err := host.Fault(Fault{Kind: FaultClock, Value: "1h", System: "nobody"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("the clock of nobody: %v", err)
	}
	host.Reset()
	if got := host.NowOf("toy"); !got.Equal(at) {
		t.Errorf("after a reset it is %v", got)
	}
}

func TestUnknownCode(t *testing.T) {
	t.Parallel()
	_, _, host := newLister(t, "")
	host.Add(&toy{host: host, name: "toy"})
	for _, f := range []Fault{{Kind: FaultError, Value: "Broken8"},
		{Kind: FaultError, Value: "Broken7", System: "toy"}} {
		if err := host.Fault(f); !errors.Is(err, ErrUnknown) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if err := host.Fault(Fault{Kind: FaultError, Value: "redirect:nowhere"}); err == nil {
		t.Error("a redirect to nowhere was taken")
	}
}

// TestMasked shows that the control API and the terminal do not show what may be a real secret.
func TestMasked(t *testing.T) {
	t.Parallel()
	form, object := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		http.Header{"Content-Type": {"application/json"}}
	c := Call{RequestHeader: form,
		RequestBody:  []byte("client_id=a&client_secret=hidden1&scope=x&refresh_token=hidden2"),
		AnswerHeader: object,
		AnswerBody:   []byte(`{"access_token":"hidden3","expires_in":3599,"refresh_token":"hidden4"}`)}
	text, err := json.Marshal(c)
	if err != nil || strings.Contains(string(text), "hidden") || !strings.Contains(string(text), "client_id=a") ||
		!strings.Contains(string(text), "3599") {
		t.Errorf("shown as %s, %v", text, err)
	}
	plain := Call{RequestHeader: object, RequestBody: []byte(`{ "clientState" : "s" }`)}
	if request, _ := plain.Bodies(); string(request) != `{ "clientState" : "s" }` {
		t.Errorf("a body without secrets is shown as %s", request)
	}
}

func FuzzWithoutEntry(f *testing.F) {
	for _, body := range []string{`{"value":[{"id":1},2]}`, `{"d":{"results":[1]}}`, `{"value":{}}`, `[]`,
		`{"d":null}`} {
		f.Add([]byte(body), "1")
	}
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		got, ok := withoutEntry(body, text)
		if ok && (!json.Valid(got) || !json.Valid(body)) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
