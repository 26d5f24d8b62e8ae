package action

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/connection"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// httpEvent returns an event with a JSON body.
func (b *bench) httpEvent(body string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_cause", Type: "order.paid", Subject: "orders/1", ReceivedAt: b.now(),
		ContentType: "application/json", Body: []byte(body)}
}

// httpFetch returns the action http.fetch.
func (b *bench) httpFetch() HTTPFetch {
	return HTTPFetch{Calls: b.newCalls(), Compile: match.NewGate(0).Compile, Plain: connection.Plain}
}

// TestHTTPFetch: the URL is made of the event, and what the server answers is published as it came.
func TestHTTPFetch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := new(strings.Builder)
		fmt.Fprintf(text, "%s %s key=%s auth=%s type=%s ", r.Method, r.URL, r.Header.Get("X-Key"),
			r.Header.Get("Authorization"), r.Header.Get("Content-Type"))
		body := make([]byte, 100)
		n, _ := r.Body.Read(body)
		got = append(got, text.String()+string(body[:n]))
		w.Header().Set("Content-Type", "text/csv")
		fmt.Fprint(w, "a,b\n")
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	b.client = server.Client()
	x := b.httpFetch()
	f := b.open(
		x,
		fmt.Sprintf(
			`{"url":"'%s/orders/' + string(data.id) + '?full=1'","hosts":[%q],"headers":{"X-Key":"sesame"}}`,
			server.URL,
			host,
		),
	)
	done := f.Perform(t.Context(), b.httpEvent(`{"id":17}`), attempt)
	if done.Error != "" || len(b.published) != 1 {
		t.Fatalf("%+v", done)
	}
	ev := b.published[0]
	if ev.Type != "http.fetched" || ev.ContentType != "text/csv" || string(ev.Body) != "a,b\n" ||
		ev.Subject != server.URL+"/orders/17" {
		t.Errorf("%+v", ev)
	}
	post := b.open(x, fmt.Sprintf(`{"url":"'%s/query'","hosts":[%q],"method":"POST","body":"{\"id\": data.id}"}`,
		server.URL, host))
	if done := post.Perform(t.Context(), b.httpEvent(`{"id":17}`), attempt); done.Error != "" {
		t.Fatalf("%+v", done)
	}
	want := []string{"GET /orders/17?full=1 key=sesame auth= type= ",
		`POST /query key= auth= type=application/json {"id":17}`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("called:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(b.log.String(), "orders") || strings.Contains(b.log.String(), "sesame") {
		t.Error("the log has the URL or the key")
	}
}

// TestHTTPFetchCredentials: only the origin of the connection's API is called in its name.
func TestHTTPFetchCredentials(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	plain := 0
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { plain++ }))
	defer other.Close()
	b.client = other.Client()
	f := b.open(b.httpFetch(),
		fmt.Sprintf(`{"url":"data.url","connection":"any","hosts":["api.example.com",%q]}`,
			strings.TrimPrefix(other.URL, "http://")))
	for target, want := range map[string][2]int{ // calls by the connection, and without it
		"https://api.example.com/v1/orders/1": {1, 0},
		"https://API.example.com:443/else":    {1, 0},
		other.URL + "/x":                      {0, 1},
	} {
		b.calls, plain = nil, 0
		done := f.Perform(t.Context(), b.httpEvent(fmt.Sprintf(`{"url":%q}`, target)), attempt)
		if got := [2]int{len(b.calls), plain}; got != want || done.Error != "" {
			t.Errorf("%s: %v, want %v, %+v", target, got, want, done)
		}
	}
	b.err = &provider.APIError{Kind: provider.APISignedOut,
		Message: "connection any is signed out: bellhop connections login any"}
	b.clock.pass(time.Minute)
	if done := f.Perform(t.Context(), b.httpEvent(`{"url":"https://api.example.com/v1/orders/2"}`),
		attempt); done.Parked != "con_any" {
		t.Errorf("%+v", done)
	}
}

// TestHTTPFetchRefuses: whatever an event says, nothing but the hosts of the list is called.
func TestHTTPFetchRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.client = &http.Client{Transport: unreachable{t}}
	f := b.open(
		b.httpFetch(),
		`{"url":"data.url","hosts":["api.example.com","127.0.0.1:8443","[::1]"]}`,
	)
	for _, target := range []string{"https://evil.example.com/x", "https://api.example.com.evil.com/x",
		"https://api.example.com@evil.com/x", "https://evil.com\\@api.example.com/x", "//api.example.com/x",
		"ftp://api.example.com/x", "javascript:1", "", "x",
		"https://api.example.com:8443/x", "http://127.0.0.1/x", "http://127.0.0.1:8444/x",
		"https://api.example.com/a/../x", "https://api.example.com/a/%2e%2e/x",
		"https://api.example.com/a/%252e%252e/x", "https://api.example.com/a%2f..%2fx",
		"https://api.example.com/a\n", "https://api.example.com/%0a", "https://api.example.com/#x",
		"https://user:pw@api.example.com/x",
		"https://api.example.com/" + strings.Repeat("a", maxURL)} {
		done := f.Perform(t.Context(), b.httpEvent(fmt.Sprintf(`{"url":%q}`, target)), attempt)
		if done.Error != "invalid" || !done.Final || !strings.HasPrefix(done.Detail, "url: ") ||
			strings.Contains(done.Detail, "evil") {
			t.Errorf("%s: %+v", target, done)
		}
	}
	for body, want := range map[string]string{`{"url":17}`: "gives no text", `{}`: "gives no text", `x`: "url: "} {
		done := f.Perform(t.Context(), b.httpEvent(body), attempt)
		if done.Error != "invalid" || !strings.Contains(done.Detail, want) {
			t.Errorf("%s: %+v", body, done)
		}
	}
}

// An unreachable transport fails the test.
type unreachable struct{ t *testing.T }

func (u unreachable) RoundTrip(r *http.Request) (*http.Response, error) {
	u.t.Errorf("%s was called", r.URL.Host)
	return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: http.ErrServerClosed}
}

// TestHTTPFetchAnswers: what each answer of a server means, without a word of it in the result.
func TestHTTPFetchAnswers(t *testing.T) {
	t.Parallel()
	for answer, c := range map[string]struct {
		error  string
		detail string
		wait   time.Duration
		made   string
	}{
		"200": {made: "http.fetched"}, "204": {made: "http.fetched"}, "404": {made: "http.gone"},
		"410": {made: "http.gone"},
		"302": {error: "foreign", detail: "redirect"}, "400": {error: "invalid", detail: "400"},
		"401": {error: "refused", detail: "401"},
		"403": {error: "forbidden", detail: "403"}, "500": {error: "temporary", detail: "500"},
		"429":  {wait: 7 * time.Second},
		"huge": {error: "foreign", detail: "too long"}, "cut": {error: "foreign", detail: "cut off"},
		"drop": {error: "temporary", detail: "127.0.0.1"},
	} {
		t.Run(answer, func(t *testing.T) {
			b := newBench(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var status int
				switch answer {
				case "huge":
					w.Write(make([]byte, provider.DefaultAnswerBytes+1))
				case "cut":
					w.Header().Set("Content-Length", "100")
					fmt.Fprint(w, "secret")
				case "drop":
					panic(http.ErrAbortHandler)
				default:
					fmt.Sscan(answer, &status)
					w.Header().Set("Retry-After", "7")
					w.Header().Set("Location", "https://evil.example.com/")
					w.WriteHeader(status)
					if status != http.StatusNoContent {
						fmt.Fprint(w, "secret")
					}
				}
			}))
			defer server.Close()
			b.client = server.Client()
			f := b.open(b.httpFetch(), fmt.Sprintf(`{"url":"'%s/x'","hosts":[%q]}`, server.URL,
				strings.TrimPrefix(server.URL, "http://")))
			done := f.Perform(t.Context(), b.httpEvent(`{}`), attempt)
			var wait time.Duration
			if !done.Continue.IsZero() {
				wait = done.Continue.Sub(b.now())
			}
			made := ""
			for _, ev := range b.published {
				made = ev.Type
			}
			if done.Error != c.error || !strings.Contains(done.Detail, c.detail) || wait != c.wait || made != c.made ||
				strings.Contains(done.Detail+string(done.Reply), "secret") || strings.Contains(done.Detail, "/x") {
				t.Errorf("%+v, waits %v, made %q", done, wait, made)
			}
		})
	}
}

// TestHTTPFetchChain: an event that an action made is fetched for only if the destination names its type, and those of
// http.fetch itself never.
func TestHTTPFetchChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	b.client = server.Client()
	x := b.httpFetch()
	d := bellhop.Destination{ID: "dst_1", Settings: fmt.Appendf(nil, `{"url":"'%s/x'","hosts":[%q]}`, server.URL,
		strings.TrimPrefix(server.URL, "http://"))}
	for _, types := range [][]string{nil, {"graph.fetched"}} {
		d.Match.Types = types
		f, err := x.OpenAction(b.env(), d)
		if err != nil {
			t.Fatal(err)
		}
		made := b.httpEvent(`{}`)
		made.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_0"}}, nil)
		made.Type = "graph.fetched"
		if done := f.Perform(t.Context(), made, attempt); done.Skip != (types == nil) || done.Error != "" {
			t.Errorf("types %v: %+v", types, done)
		}
		if leftOut(f, made) {
			t.Errorf("types %v: there is no delivery of the result of another action, whose attempt says what to do",
				types)
		}
		made.Type = "http.fetched"
		if !leftOut(f, made) {
			t.Error("there is a delivery of its own result")
		}
		if done := f.Perform(t.Context(), made, attempt); !done.Skip {
			t.Errorf("its own: %+v", done)
		}
	}
}

// TestHTTPFetchSettings: all mistakes are reported together, each with its path.
func TestHTTPFetchSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	x := b.httpFetch()
	for settings, want := range map[string][]string{
		`{}`: {"settings.url: required", "settings.hosts: required"},
		`{"url":"data.","hosts":["https://x","*.example.com","a/b",""],"method":"PUT","body":"1","connection":"none","fold":"x",
			"headers":{"Host":"x","Bad Name":"x"}}`: {"settings.url: ", "settings.hosts[0]: ", "settings.hosts[1]: ", "settings.hosts[2]: ",
			"settings.hosts[3]: ", "settings.method: ", "settings.connection: ", "settings.fold: ",
			"settings.headers.Host: ", "settings.headers.Bad Name: "},
		`{"url":"'x'","hosts":["x"],"body":"data"}`: {"settings.body: goes with method POST"},
	} {
		_, err := x.OpenAction(b.env(), bellhop.Destination{Settings: []byte(settings)})
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %s in %v", settings, w, err)
			}
		}
	}
}

// FuzzClimbs: a path that does not climb stays where it is, also for a server that decodes it twice and cleans it.
func FuzzClimbs(f *testing.F) {
	for _, p := range []string{"/a/b", "/a/../b", "/a/%2e%2e/b", "/a/%252e%252e", "/a%2f..%2fb", `/a\..\b`, "/...",
		"/%"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if climbs(p) {
			return
		}
		for range 3 {
			for _, segment := range strings.Split(strings.ReplaceAll(p, `\`, "/"), "/") {
				if segment == ".." || segment == "." {
					t.Fatalf("%q climbs", p)
				}
			}
			next, err := url.PathUnescape(p)
			if err != nil {
				return
			}
			p = next
		}
	})
}
