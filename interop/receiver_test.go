package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"
)

// A call is one request as it came to a server of ours.
type call struct {
	method string
	header http.Header
	body   []byte
	at     time.Time
}

// A server plays the other side. Each request is answered by its handler, and can be looked at afterwards.
type server struct {
	t     *testing.T
	URL   string
	calls chan call
}

// listen starts a server for the length of the test. A nil answer is an empty 204.
func listen(t *testing.T, answer func(w http.ResponseWriter, c call)) *server {
	t.Helper()
	s := &server{t: t, calls: make(chan call, 100)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		c := call{r.Method, r.Header.Clone(), body, time.Now()}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
		} else {
			answer(w, c)
		}
		s.calls <- c
	}))
	t.Cleanup(web.Close)
	s.URL = web.URL
	return s
}

// listenHTTP starts a server for the length of the test and returns its URL.
func listenHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web.URL
}

// next returns the next request.
func (s *server) next() call {
	s.t.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(patience):
		s.t.Fatalf("no request came within %v", patience)
		return call{}
	}
}

// same ends the test if two values are not the same as JSON.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := asJSON(t, got), asJSON(t, want); !reflect.DeepEqual(g, w) {
		gotText, _ := json.Marshal(g)
		wantText, _ := json.Marshal(w)
		t.Fatalf("%s is\n%s\nnot\n%s", what, gotText, wantText)
	}
}

// asJSON is v as it is after a round through JSON. Bytes are JSON already.
func asJSON(t *testing.T, v any) (out any) {
	t.Helper()
	text, ok := v.([]byte)
	if !ok {
		var err error
		if text, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}
