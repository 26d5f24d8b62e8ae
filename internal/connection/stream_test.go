package connection

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

// A resource is a server whose answer a test sets, and which keeps the requests.
type resource struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc // mu guards it, and seen
	seen   []*http.Request
}

func newResource(t *testing.T, answer http.HandlerFunc) *resource {
	r := &resource{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, q)
		answer := r.answer
		r.mu.Unlock()
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *resource) requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

func (r *rig) connection(name string) provider.Connection {
	r.Helper()
	c, err := r.Connection(r.Context(), name)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// TestOpen shows an answer whose body is read piece by piece: whole, cut off, and as a redirect that is not followed.
func TestOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	server := newResource(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "some")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/moved":
			http.Redirect(w, q, "http://127.0.0.1:1/x", http.StatusFound)
		case "/none":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Etag", `"1"`)
			io.WriteString(w, strings.Repeat("x", 10<<20))
		}
	})
	r.create("calls", "acs", map[string]any{"endpoint": server.URL, "access_key": "c2VjcmV0"})
	c := r.connection("calls")
	open := func(path string) (provider.Stream, int, error) {
		t.Helper()
		s, err := c.Open(t.Context(), provider.Call{Method: "GET", Path: path})
		if err != nil {
			return s, 0, err
		}
		defer s.Body.Close()
		n, err := io.Copy(io.Discard, s.Body)
		return s, int(n), err
	}
	if s, n, err := open("/file"); s.Status != 200 || n != 10<<20 || err != nil || s.Header.Get("Etag") != `"1"` {
		t.Errorf("%+v, %d bytes, %v", s, n, err)
	}
	if s, n, err := open("/cut"); s.Length != 100 || n != 4 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %+v, %d bytes, %v", s, n, err)
	}
	if s, _, err := open("/moved"); s.Status != 302 || err != nil {
		t.Errorf("moved: %+v, %v", s, err)
	}
	var e *provider.APIError
	if _, _, err := open("/none"); !errors.As(err, &e) || e.Kind != provider.APITemporary {
		t.Errorf("none: %v", err)
	}
	for _, q := range server.requests() {
		err := acs.Verifier{Keys: [][]byte{[]byte("secret")}}.Verify(acs.Request{Method: q.Method,
			Target: q.RequestURI,
			Host:   q.Host, Header: q.Header}, r.clock.now())
		if err != nil {
			t.Errorf("%s: %v", q.URL.Path, err)
		}
	}
}

// TestStorage shows which locations are called: none is signed for a host that is not allowed.
func TestStorage(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	endpoint := newResource(t, func(http.ResponseWriter, *http.Request) {})
	store := newResource(t, func(http.ResponseWriter, *http.Request) {})
	foreign := newResource(t, func(http.ResponseWriter, *http.Request) {})
	r.create("calls", "acs", map[string]any{"endpoint": endpoint.URL, "access_key": "c2VjcmV0",
		"storage_hosts": []string{strings.TrimPrefix(store.URL, "http://")}})
	c := r.connection("calls")
	for location, allowed := range map[string]bool{
		endpoint.URL + "/v1/objects/1?a=b": true, store.URL + "/v1/objects/1?a=b": true, foreign.URL +
			"/v1/objects/1": false,
		strings.Replace(store.URL, "http://", "http://user@", 1): false, "/v1/objects/1": false,
		"file:///etc/passwd": false, store.URL + "/#x": false, "://": false,
	} {
		call := provider.Call{Method: "GET", Path: location, Storage: true}
		before := len(endpoint.requests()) + len(store.requests())
		var e *provider.APIError
		err := c.Allows(t.Context(), call)
		if (err == nil) != allowed || !allowed && (!errors.As(err, &e) || e.Kind != provider.APIInvalid) {
			t.Errorf("%s is allowed: %v", location, err)
		}
		s, err := c.Open(t.Context(), call)
		if (err == nil) != allowed {
			t.Errorf("%s: %v", location, err)
		}
		if err == nil {
			s.Body.Close()
		} else if strings.Contains(err.Error(), foreign.URL) {
			t.Errorf("the error has the location: %v", err)
		}
		if _, err := c.API.Do(t.Context(), call); (err == nil) != allowed {
			t.Errorf("%s by Do: %v", location, err)
		}
		if made := len(endpoint.requests()) + len(store.requests()) - before; made != map[bool]int{true: 2}[allowed] {
			t.Errorf("%s: %d calls", location, made)
		}
	}
	if len(foreign.requests()) != 0 {
		t.Error("a host that is not allowed was called")
	}
	host := strings.TrimPrefix(endpoint.URL, "http://")
	for _, q := range append(store.requests(), endpoint.requests()...) {
		err := acs.Verifier{Keys: [][]byte{[]byte("secret")}}.Verify(acs.Request{Method: q.Method, Target: q.URL.Path,
			Host: host, Header: q.Header}, r.clock.now())
		if err != nil || q.Header.Get(acs.HostHeader) != host {
			t.Errorf("%v: %v", err, q.Header)
		}
	}
	oauth := r.create("other", "graph", nil)
	if oauth.State != bellhop.ConnectionReady {
		t.Fatalf("%+v", oauth)
	}
	err := r.connection("other").Allows(t.Context(), provider.Call{Method: "GET", Path: store.URL, Storage: true})
	if err == nil {
		t.Error("a connection without storage allows a location")
	}
}

// TestClock shows that calls are signed by the clock of an API which differs from ours, once it has said so.
func TestClock(t *testing.T) {
	t.Parallel()
	r := newRig(t, entra.Options{})
	ahead := time.Hour
	var mu sync.Mutex
	server := newResource(t, func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		now := r.clock.now().Add(ahead)
		mu.Unlock()
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		err := acs.Verifier{Keys: [][]byte{[]byte("secret")}}.Verify(acs.Request{Method: q.Method,
			Target: q.RequestURI,
			Host:   q.Host, Header: q.Header}, now)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	r.create("calls", "acs", map[string]any{"endpoint": server.URL, "access_key": []string{"c2VjcmV0", "b3RoZXI="}})
	c := r.connection("calls")
	call := func(status, requests int) {
		t.Helper()
		before := len(server.requests())
		a, err := c.API.Do(t.Context(), provider.Call{Method: "GET", Path: "/x"})
		if made := len(server.requests()) - before; err != nil || a.Status != status || made != requests {
			t.Errorf("%d, %v, %d requests, want %d and %d", a.Status, err, made, status, requests)
		}
	}
	call(200, 2)
	call(200, 1)
	mu.Lock()
	ahead = 0
	mu.Unlock()
	call(200, 2)
	call(200, 1)
	if text := r.logged.String(); !strings.Contains(text, "connection.clock") ||
		!strings.Contains(text, "ahead_s=3600") {
		t.Errorf("the log has no warning: %s", text)
	}
	r.update("calls", map[string]any{"access_key": []string{"d3Jvbmc=", "b3RoZXI="}})
	call(401, 2)
}

// A script is the body of an answer: each entry is a pause, or bytes.
type script struct {
	ctx   context.Context
	steps []any
}

func (s *script) Read(p []byte) (int, error) {
	for len(s.steps) > 0 {
		step := s.steps[0]
		s.steps = s.steps[1:]
		switch step := step.(type) {
		case time.Duration:
			select {
			case <-time.After(step):
			case <-s.ctx.Done():
				return 0, s.ctx.Err()
			}
		case string:
			return copy(p, step), nil
		case error:
			return 0, step
		}
	}
	return 0, io.EOF
}

func (s *script) Close() error { return nil }

// A transport answers each request by a script.
type transport struct{ steps []any }

func (f transport) RoundTrip(q *http.Request) (*http.Response, error) {
	if len(f.steps) == 0 {
		<-q.Context().Done()
		return nil, q.Context().Err()
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1,
		Body: &script{q.Context(), f.steps}}, nil
}

// TestIdle shows that a body may take any time, and is given up once nothing comes for too long.
func TestIdle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps []any
		idle  time.Duration
		got   string
		want  string // of the error
	}{
		"slow":            {[]any{20 * time.Second, "a", 29 * time.Second, "b", 29 * time.Second}, 0, "ab", ""},
		"silent":          {[]any{"a", 31 * time.Second, "b"}, 0, "a", "sent nothing for 30s"},
		"silent for less": {[]any{"a", 6 * time.Second, "b"}, 5 * time.Second, "a", "sent nothing for 5s"},
		"broken":          {[]any{"a", errors.New("connection reset by peer")}, 0, "a", "broke the connection off"},
		"cut off":         {[]any{"a", io.ErrUnexpectedEOF}, 0, "a", "unexpected EOF"},
		"no answer":       {nil, 0, "", "no answer came within 30s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &Manager{opts: Options{Env: provider.Env{Now: time.Now, Client: &http.Client{Timeout: time.Minute,
					Transport: transport{c.steps}}}}, links: map[string]*link{}, used: map[string]time.Time{}}
				opened, err := acs.Provider{}.OpenConnection(m.opts.Env,
					[]byte(`{"endpoint":"https://x.example","access_key":"c2VjcmV0"}`))
				if err != nil {
					t.Fatal(err)
				}
				m.link("con_1").session = &session{noun: bellhop.Connection{ID: "con_1"}, opened: opened}
				s, err := (&api{m: m, id: "con_1"}).open(t.Context(),
					provider.Call{Method: "GET", Path: "/x", Idle: c.idle})
				text := []byte{}
				if err == nil {
					time.Sleep(2 * time.Minute) // a slow reader is not silence
					text, err = io.ReadAll(s.Body)
					s.Body.Close()
				}
				if string(text) != c.got || (err == nil) != (c.want == "") || err != nil &&
					!strings.Contains(err.Error(), c.want) {
					t.Errorf("%q, %v", text, err)
				}
				var e *provider.APIError
				if errors.As(err, &e) && e.Kind != provider.APITemporary {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}
