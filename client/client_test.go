package client

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve answers every request with status and body, and keeps the last one.
func serve(t *testing.T, status int, body string) (*Client, *http.Request) {
	var last http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = *r
		w.Header().Set(Header, APIVersion)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return New(server.URL+"/", "k", nil), &last
}

func TestRequest(t *testing.T) {
	c, last := serve(t, 200, `{}`)
	if _, err := c.Source(t.Context(), "a/../b?c"); err != nil {
		t.Fatal(err)
	}
	if last.RequestURI != "/api/v1/sources/a%2F..%2Fb%3Fc" || last.Header.Get("Authorization") != "Bearer k" ||
		last.Method != "GET" {
		t.Errorf("%s %s %v", last.Method, last.RequestURI, last.Header)
	}
	if _, err := c.Deliveries(t.Context(), DeliveryFilter{State: "dead"}, Page{Limit: 3, Cursor: "x&y"}); err == nil ||
		!strings.Contains(err.Error(), "no member data") {
		t.Fatal(err)
	}
	if last.RequestURI != "/api/v1/deliveries?cursor=x%26y&limit=3&state=dead" {
		t.Error(last.RequestURI)
	}
}

func TestNotAGateway(t *testing.T) {
	for _, body := range []string{"", "<html>", `{"detail":"x"}`, `[]`} {
		c, _ := serve(t, 502, body)
		_, err := c.Stats(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Status != 502 || e.Code != "" || !strings.Contains(e.Detail, "502 Bad Gateway") {
			t.Errorf("%q: %#v", body, err)
		}
	}
	c, _ := serve(t, 200, "<html>")
	if _, err := c.Stats(t.Context()); err == nil {
		t.Error("no error")
	}
	for _, url := range []string{"", "127.0.0.1:1", "localhost:1", "ftp://x", "http://[::1"} {
		if _, err := New(url, "k", nil).Stats(t.Context()); err == nil || !strings.Contains(err.Error(),
			"http://host:port") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestNoGateway: every call of a server that is no gateway is an error that says so, whatever it answers.
func TestNoGateway(t *testing.T) {
	for _, body := range []string{`{}`, `{"data":[]}`, `{"data":[],"next":null}`, `[]`, ``, `null`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
			r *http.Request) {
			w.Write([]byte(body))
		}))
		c := New(server.URL, "k", nil)
		_, listErr := c.Events(t.Context(), EventFilter{}, Page{})
		_, showErr := c.Source(t.Context(), "x")
		for _, err := range []error{listErr, showErr, c.DeleteSource(t.Context(), "x")} {
			var e *Error
			if !errors.As(err, &e) || e.Code != "" || !strings.Contains(e.Detail, server.URL+" answered 200 OK") ||
				!strings.Contains(e.Detail, "no Bellhop server") {
				t.Errorf("%s: %v", body, err)
			}
		}
		server.Close()
	}
}

// TestRedirect: a redirect is an error, and the key goes nowhere else.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("followed, with the headers %v", r.Header)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		here := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/s3cret", status))
		for _, httpClient := range []*http.Client{nil, here.Client()} {
			_, err := New(here.URL, "k", httpClient).Events(t.Context(), EventFilter{}, Page{})
			if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%d: %v", status, err)
			}
		}
		if here.Client().CheckRedirect != nil {
			t.Error("the caller's client was changed")
		}
		here.Close()
	}
}

func TestSchedule(t *testing.T) {
	for text, want := range map[string]Schedule{`"none"`: {"none"}, `["5s"]`: {"5s"}, `["5s","1m"]`: {"5s", "1m"},
		`[]`: {}} {
		var s Schedule
		if err := json.Unmarshal([]byte(text), &s); err != nil || strings.Join(s, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v %v", text, s, err)
		}
		if b, err := json.Marshal(s); err != nil || string(b) != text {
			t.Errorf("%s: %s %v", text, b, err)
		}
	}
}

// TestFileContent: the content of a file is asked for from an offset on, and its answer says from where it is.
func TestFileContent(t *testing.T) {
	var last *http.Request
	status, ranged := 206, "bytes 4-9/10"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r
		w.Header().Set(Header, APIVersion)
		w.Header().Set("Content-Range", ranged)
		w.WriteHeader(status)
		w.Write([]byte("456789"))
	}))
	defer server.Close()
	c := New(server.URL, "k", nil)
	content, err := c.FileContent(t.Context(), "call-1/0.mp4", 4, "0a")
	if err != nil || content.Offset != 4 || last.RequestURI != "/api/v1/files/call-1%2F0.mp4/content" ||
		last.Header.Get("Range") != "bytes=4-" || last.Header.Get("If-Range") != `"0a"` {
		t.Fatalf("%+v %v %v", content, last, err)
	}
	if b, err := io.ReadAll(content); string(b) != "456789" || err != nil || content.Close() != nil {
		t.Errorf("%q %v", b, err)
	}
	status, ranged = 200, ""
	content, err = c.FileContent(t.Context(), "fil_1", 0, "0a")
	if err != nil || content.Offset != 0 || last.Header.Get("Range") != "" || content.Close() != nil {
		t.Errorf("%+v %v", content, err)
	}
	status, ranged = 206, "pages 1-2"
	if _, err := c.FileContent(t.Context(), "fil_1", 4, ""); err == nil {
		t.Error("an answer without its range is taken")
	}
	status = 404
	if _, err := c.FileContent(t.Context(), "fil_1", 4, ""); err == nil || last.Header.Get("If-Range") != "" {
		t.Errorf("%v", err)
	}
	other, _ := serve(t, 200, "{}")
	if f, err := other.File(t.Context(), "x"); err != nil || f.Total != nil {
		t.Errorf("%+v %v", f, err)
	}
}
