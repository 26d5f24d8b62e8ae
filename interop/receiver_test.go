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

// A call is one request that a test server received.
type call struct {
	method string
	header http.Header
	body   []byte
}

// A server is a test server. It passes each request to the test after it has answered it.
type server struct {
	t     *testing.T
	URL   string
	calls chan call
}

// listen starts a server that the end of the test stops. respond writes the response; if it is nil, the server
// answers 204.
func listen(t *testing.T, respond func(w http.ResponseWriter, c call)) *server {
	t.Helper()
	s := &server{t: t, calls: make(chan call, 100)}
	s.URL = listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		c := call{r.Method, r.Header.Clone(), body}
		if respond == nil {
			w.WriteHeader(http.StatusNoContent)
		} else {
			respond(w, c)
		}
		s.calls <- c
	})
	return s
}

// listenHTTP starts an HTTP server that the end of the test stops, and returns its URL.
func listenHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web.URL
}

// next waits for the next request.
func (s *server) next() call {
	s.t.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(waitLimit):
		s.t.Fatalf("no request was received within %v", waitLimit)
		return call{}
	}
}

// wantJSON ends the test unless got and want are equal as JSON. name names the value in the message.
func wantJSON(t *testing.T, name string, got, want any) {
	t.Helper()
	if g, w := asJSON(t, got), asJSON(t, want); !reflect.DeepEqual(g, w) {
		gotText, _ := json.Marshal(g)
		wantText, _ := json.Marshal(w)
		t.Fatalf("%s is\n%s\nwant\n%s", name, gotText, wantText)
	}
}

// asJSON encodes v as JSON and decodes it into maps, slices and scalars. A []byte is taken as encoded JSON.
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
