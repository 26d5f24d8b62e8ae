package app

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPaths: a path that only resembles that of a source is not found. There is no redirect, which would turn a
// POST into a GET.
func TestPaths(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	for path, want := range map[string]int{
		"/in/src": 202, "/in/src?a=b": 202, "http://other.example/in/src": 202, "/in/src/": 202, "/in/src/?a=b": 202,
		"/in/src/../other": 404, "/in/../in/src": 404, "/in/./src": 404, "//in/src": 404, "/in//src": 404,
		"/./in/src":    404,
		"/x/../in/src": 404, "///in/src": 404,
		"/in/src//": 404, "/in/src/x": 404, "/in/src%2f": 404, "/in%2fsrc": 404, "/in/%73rc": 404, "/%69n/src": 404,
		"/in/src;x": 404,
		"/in/SRC":   404, "/in/": 404, "/in": 404, "/": 404,
		"//api/v1/sources": 404, "/api//v1/sources": 404, "/api/v1/../v1/sources": 404, "/healthz/": 404,
		"//healthz": 404,
	} {
		c, err := net.Dial("tcp", r.front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 5\r\nConnection: "+
			"close\r\n\r\nhello", path, r.opts.AdminKey)
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if reply.StatusCode != want || reply.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s, want %d", path, reply.StatusCode, reply.Header.Get("Location"), want)
		}
		c.Close()
	}
}

// TestChangesCount: a change through the API is in effect for the next request.
func TestChangesCount(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	if code, _ := r.call("POST", "/in/src", "x"); code != 404 {
		t.Errorf("before it is there: %d", code)
	}
	r.source("src")
	for _, step := range []struct {
		method, body string
		want         int
	}{
		{"", "", 202}, {"PATCH", `{"disabled":true}`, 404}, {"PATCH", `{"disabled":false}`, 202},
		{"PATCH", `{"max_body_bytes":1}`, 413}, {"DELETE", "", 404},
	} {
		if step.method != "" {
			if code, body := r.call(step.method, "/api/v1/sources/src", step.body); code >= 300 {
				t.Fatalf("%s %s: %d %s", step.method, step.body, code, body)
			}
		}
		if code, _ := r.call("POST", "/in/src", "hello"); code != step.want {
			t.Errorf("after %s %s: %d, want %d", step.method, step.body, code, step.want)
		}
	}
}

// TestLargeHeaders: the size of headers is bounded.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	for size, want := range map[int]int{50 << 10: 404, 80 << 10: 431} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.URL()+"/in/src", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", size))
		reply, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != want {
			t.Errorf("%d KiB: %d", size>>10, reply.StatusCode)
		}
	}
}

func TestUnclean(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/": false, "/a": false, "/a/": false, "/a/b.c/..d/...": false, "*": false,
		"": false, "/a%2f..%2fb": false,
		"//": true, "//a": true, "/a//": true, "/a//b": true, "/.": true, "/..": true, "/a/.": true, "/a/./b": true,
		"/a/../b": true, "/a/..": true, "/./": true} {
		if got := unclean(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

func TestContainerLimit(t *testing.T) {
	t.Parallel()
	const none = 1<<63 - 1
	for text, want := range map[string]int64{"536870912\n": 512 << 20, "max\n": none, "": none, "-5\n": none,
		"0\n":                    none,
		"99999999999999999999\n": none} {
		path := filepath.Join(t.TempDir(), "memory.max")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := containerLimit(path); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
	if got := containerLimit(filepath.Join(t.TempDir(), "missing")); got != none {
		t.Errorf("no file: %d", got)
	}
}
