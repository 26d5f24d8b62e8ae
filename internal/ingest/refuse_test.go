package ingest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestRefusals: each reason has its status and the same short body, is on record, and stores nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		reason string
		body   string
	}{
		{signature.ErrMissing, 401, "signature_missing", `{"error":"not authentic"}`},
		{signature.ErrMismatch, 401, "signature_mismatch", `{"error":"not authentic"}`},
		{signature.ErrExpired, 401, "signature_expired", `{"error":"not authentic"}`},
		{signature.ErrMalformed, 401, "signature_malformed", `{"error":"not authentic"}`},
		{provider.ErrBody, 400, "malformed_body", `{"error":"malformed request"}`},
		{provider.ErrForbidden, 403, "forbidden", `{"error":"not allowed"}`},
		{provider.ErrMethod, 405, "method", `{"error":"method not allowed"}`},
		{provider.ErrEncoding, 415, "content_encoding", `{"error":"content not accepted"}`},
		{fmt.Errorf("stub: %w", &provider.MethodError{Allow: []string{"PUT", "PATCH"}}), 405, "method", `{"error":"method not allowed"}`},
		{provider.ErrMediaType, 415, "media_type", `{"error":"content not accepted"}`},
		{provider.ErrUnavailable, 503, "unavailable", `{"error":"try again later"}`},
		{signature.ErrKey, 503, "signature_key", `{"error":"try again later"}`},
		{errors.New("s3cret: the key server does not answer"), 503, "unavailable", `{"error":"try again later"}`},
		{bellhop.NotFound("source", "s3cret"), 503, "unavailable", `{"error":"try again later"}`},
	} {
		for _, err := range []error{c.err, fmt.Errorf("stub: %w: really", c.err)} {
			r := newRig(t)
			r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, err }
			w := r.send("POST", "/in/src", strings.NewReader("hello"))
			if w.Code != c.status || w.Body.String() != c.body+"\n" {
				t.Errorf("%v: %d %s", err, w.Code, w.Body)
			}
			wantInert(t, w.Header())
			want := map[string]string{"Content-Type": "application/json", "Retry-After": "", "Allow": ""}
			switch c.status {
			case 503:
				want["Retry-After"] = "5"
			case 405:
				want["Allow"] = allowed(err)
			}
			for name, value := range want {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%v: %s: %q", err, name, got)
				}
			}
			got := r.onlyRequest()
			if got.Outcome != bellhop.RequestRefused || got.Status != c.status || got.Reason != c.reason || got.Detail == "" || got.Events != 0 ||
				string(got.Body) != "hello" || got.BodyBytes != 5 || got.SourceID != "src_src" || got.RemoteAddr == "" || got.ReceivedAt.IsZero() {
				t.Errorf("%v: on record: %+v", err, got)
			}
			if strings.Contains(got.Detail, "s3cret") {
				t.Errorf("%v: our own fault is told to the owner of the source: %q", err, got.Detail)
			}
			if len(r.events()) != 0 || r.lanes.matched.Load() != 0 {
				t.Errorf("%v: something was stored", err)
			}
		}
	}
}

// TestUnauthorizedAlike: to who cannot sign, all ways to fail look the same.
func TestUnauthorizedAlike(t *testing.T) {
	r := newRig(t)
	var first *httptest.ResponseRecorder
	for _, err := range []error{signature.ErrMissing, signature.ErrMismatch, signature.ErrExpired, fmt.Errorf("stub: %w", signature.ErrMalformed)} {
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, err }
		w := r.send("POST", "/in/src", strings.NewReader("hello"))
		if first == nil {
			first = w
		}
		if w.Code != first.Code || w.Body.String() != first.Body.String() || !reflect.DeepEqual(w.Header(), first.Header()) {
			t.Errorf("%v: %d %v %s", err, w.Code, w.Header(), w.Body)
		}
	}
}

// TestNoSuchSource: a source that is not there, one that is disabled, and a path that only looks like one answer
// the same, and nobody is redirected.
func TestNoSuchSource(t *testing.T) {
	r := newRig(t)
	first := r.send("POST", "/in/nobody", strings.NewReader("hello"))
	if first.Code != 404 || first.Body.String() != "{\"error\":\"no such source\"}\n" {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	wantInert(t, first.Header())
	for _, target := range []string{"/in/off", "/in/src_off", "/in/", "/in", "/", "//in/src", "/in//src", "/in/src/", "/in/./src", "/in/x/../src", "/in/src/../off",
		"/in/src%2f", "/in/sr%63", "/in/%73rc", "/in/src;x", "/in/src%3fa=b", "/in/SRC", "/IN/src", "/in/src%00", "/in/src%20", "/in/src.", "/in/api", "/in/src_api", "/../in/src"} {
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			w := r.send(method, target, strings.NewReader("hello"))
			if w.Code != first.Code || w.Body.String() != first.Body.String() || !reflect.DeepEqual(w.Header(), first.Header()) {
				t.Errorf("%s %s: %d %v %s", method, target, w.Code, w.Header(), w.Body)
			}
		}
	}
	if len(r.requests()) != 0 || len(r.events()) != 0 {
		t.Error("something is on record")
	}
	for _, target := range []string{"/in/src", "/in/src_src", "/in/src?a=b", "/in/src?", "http://other.example/in/src"} {
		if w := r.send("POST", target, strings.NewReader("hello")); w.Code != 202 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// TestNotOpened: a source whose settings cannot be read, or whose provider is not there, asks to be tried again.
func TestNotOpened(t *testing.T) {
	r := newRig(t)
	err := r.door.SetSources([]bellhop.Source{
		{ID: "src_src", Name: "src", Provider: "stub", Settings: []byte(`{"odd":1}`)},
		{ID: "src_2", Name: "other", Provider: "nobody", Settings: []byte(`{}`)},
		{ID: "src_3", Name: "well", Provider: "stub", Settings: []byte(`{}`)},
	})
	if err == nil || !strings.Contains(err.Error(), "src_src (src): odd") || !strings.Contains(err.Error(), `src_2 (other): there is no provider "nobody"`) {
		t.Errorf("reported: %v", err)
	}
	for target, want := range map[string]int{"/in/src": 503, "/in/src_src": 503, "/in/other": 503} {
		if w := r.send("POST", target, strings.NewReader("hello")); w.Code != want || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	r.reopen()
	if w := r.send("POST", "/in/src", nil); w.Code != 202 {
		t.Errorf("mended: %d", w.Code)
	}
}

// TestNotOpenedKeepsNoHeaders: only an opened source knows which headers carry secrets. The requests at a source that
// could not be opened are on record without any.
func TestNotOpenedKeepsNoHeaders(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Providers[0].(*stub).secret = []string{"X-Secret"} })
	for _, src := range []bellhop.Source{
		{ID: "src_src", Name: "src", Provider: "stub", Settings: []byte(`{"odd":1}`)},
		{ID: "src_src", Name: "src", Provider: "nobody", Settings: []byte(`{}`)},
	} {
		if err := r.door.SetSources([]bellhop.Source{src}); err == nil {
			t.Fatalf("%s: it was opened", src.Provider)
		}
		if w := r.send("POST", "/in/src?code=s3cret", nil, "X-Secret", "s3cret", "X-Other", "s3cret"); w.Code != 503 {
			t.Errorf("%s: answered %d", src.Provider, w.Code)
		}
	}
	kept := r.requests()
	if len(kept) != 2 {
		t.Fatalf("%d requests on record", len(kept))
	}
	for _, req := range kept {
		if len(req.Header) != 0 || strings.Contains(fmt.Sprintf("%+v", req), "s3cret") {
			t.Errorf("on record: %+v", req)
		}
	}
}

// TestReceiversStay: a change of sources opens those anew whose settings changed, and no other: receivers learn.
func TestReceiversStay(t *testing.T) {
	r := newRig(t)
	opened := func() int { return int(r.stub.opened.Load()) }
	before := opened()
	r.reopen()
	r.sources(bellhop.Source{Name: "new"})
	if n := opened() - before; n != 1 {
		t.Errorf("%d were opened, want the new one", n)
	}
	src := bellhop.Source{ID: "src_src", Name: "renamed", Provider: "stub", Settings: []byte(`{}`), MaxBodyBytes: 1}
	if err := r.door.SetSources([]bellhop.Source{src}); err != nil || opened()-before != 1 {
		t.Errorf("opened for a new name: %v", err)
	}
	if w := r.send("POST", "/in/renamed", strings.NewReader("too long")); w.Code != 413 {
		t.Errorf("the new limit does not count: %d", w.Code)
	}
	src.Settings = []byte(`{ }`)
	r.door.SetSources([]bellhop.Source{src})
	if opened()-before != 2 {
		t.Error("not opened for new settings")
	}
}

// TestNoSecretsOnRecord: neither answers nor records show what was sent where secrets travel.
func TestNoSecretsOnRecord(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Providers[0].(*stub).secret = []string{"X-Token", "x-lower"} })
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, signature.ErrMismatch }
	w := r.send("POST", "/in/src?code=s3cret&b=s3cret=&s3&=s3cret&c", strings.NewReader("body"),
		"Authorization", "Bearer s3cret", "Proxy-Authorization", "Basic s3cret", "Cookie", "a=s3cret", "x-token", "s3cret", "X-Lower", "s3cret", "X-Other", "shown", "User-Agent", "a client")
	if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), "s3cret") {
		t.Errorf("answered: %v %s", w.Header(), w.Body)
	}
	got := r.onlyRequest()
	if strings.Contains(fmt.Sprintf("%+v %s", got, got.Header), "s3cret") {
		t.Errorf("on record: %+v", got)
	}
	if got.Target != "/in/src?code=…&b=…&…&=…&…" || string(got.Header) != "User-Agent: a client\nX-Other: shown\n" || got.Method != "POST" {
		t.Errorf("on record: %q %q %q", got.Method, got.Target, got.Header)
	}

	r.stub.receive = nil
	if w := r.send("POST", "/in/src", strings.NewReader("body"), "Authorization", "Bearer s3cret", "X-Token", "s3cret", "X-Other", "shown"); w.Code != 202 {
		t.Fatal(w.Code)
	}
	ev, err := r.store.Event(t.Context(), r.events()[0].ID)
	if err != nil || string(ev.Header) != "X-Other: shown\n" {
		t.Errorf("the event's: %q %v", ev.Header, err)
	}
}

// TestRecordsAreBounded: what is kept of a refused request does not grow with it.
func TestRecordsAreBounded(t *testing.T) {
	r := newRig(t)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, signature.ErrMismatch }
	r.send(strings.Repeat("M", 100), "/in/src?"+strings.Repeat("a", 5000)+"=b", strings.NewReader(strings.Repeat("x", 100_000)))
	got := r.onlyRequest()
	if len(got.Method) != 32 || len(got.Target) > 2048 || len(got.Body) != bellhop.MaxRefusedBodyBytes || got.BodyBytes != 100_000 {
		t.Errorf("method of %d, target of %d, body of %d of %d", len(got.Method), len(got.Target), len(got.Body), got.BodyBytes)
	}
}

// TestManyParameters: a query of a size that no provider sends is refused before it costs anything.
func TestManyParameters(t *testing.T) {
	r := newRig(t)
	query := "/in/src?" + strings.Repeat("a=1&", maxParameters-1) + "a=1"
	if w := r.send("POST", query, nil); w.Code != 202 {
		t.Errorf("as many as there may be: %d", w.Code)
	}
	if w := r.send("POST", query+"&a=1", nil); w.Code != 400 || w.Body.String() != "{\"error\":\"malformed request\"}\n" {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
	if got := r.onlyRequest(); got.Reason != "malformed_query" {
		t.Errorf("on record: %+v", got)
	}
}

// FuzzWithoutValues: no value of a query is left, every name of one is; what is neither may be a secret, and goes.
func FuzzWithoutValues(f *testing.F) {
	for _, target := range []string{"/in/src", "/in/src?", "/in/src?a=b", "/in/src?a=b&c=d&e", "/in/src?a=b?c=d", "?=&=", "/in/a=b?c", "/in/src?a==b=", "http://h/in/src?x=…"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := withoutValues(target)
		path, query, _ := strings.Cut(target, "?")
		gotPath, gotQuery, _ := strings.Cut(got, "?")
		if gotPath != path || strings.Contains(target, "?") != strings.Contains(got, "?") {
			t.Fatalf("%q became %q", target, got)
		}
		in, out := strings.Split(query, "&"), strings.Split(gotQuery, "&")
		if len(in) != len(out) {
			t.Fatalf("%q became %q", target, got)
		}
		for i := range in {
			name, _, has := strings.Cut(in[i], "=")
			if want := name + "=…"; has && out[i] != want || !has && out[i] != "" && out[i] != "…" {
				t.Errorf("%q became %q", in[i], out[i])
			}
		}
		if again := withoutValues(got); again != got {
			t.Errorf("%q, and again %q", got, again)
		}
	})
}

// TestDescribeRefused: the first refusal of a batch gives the reason, and twenty of them the detail.
func TestDescribeRefused(t *testing.T) {
	refused := slices.Repeat([]provider.ItemError{{Index: 3, Err: provider.ErrForbidden}, {Index: 4, Err: errors.New("odd")}}, 15)
	reason, detail := describeRefused(refused)
	if reason != "forbidden" || !strings.HasPrefix(detail, "item 3: not the expected account or state; item 4: odd; ") ||
		!strings.HasSuffix(detail, "; and 10 more") || strings.Count(detail, "item ") != 20 {
		t.Errorf("%s: %s", reason, detail)
	}
	if reason, _ := describeRefused([]provider.ItemError{{Err: errors.New("odd")}}); reason != "refused" {
		t.Errorf("without a code: %s", reason)
	}
}
