package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type callerKey struct{}

// TestOver: a call reaches the handler with the context of the caller, its body and no key, and its answer comes back.
func TestOver(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	c := Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.Header().Set(Header, APIVersion)
		w.Header().Set("ETag", `"1"`)
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("ETag", "too late")
		io.WriteString(w, `{"id":"src_1","name":"media"}`)
	}))
	ctx := context.WithValue(t.Context(), callerKey{}, "ada")
	src, err := c.CreateSource(ctx, NewSource{Name: "media", Provider: "ams"})
	if err != nil || src.ID != "src_1" || src.ETag != `"1"` {
		t.Fatalf("%+v %v", src, err)
	}
	if got.Context().Value(callerKey{}) != "ada" || got.Header["Authorization"] != nil || got.RemoteAddr != "" ||
		got.RequestURI != "/api/v1/sources" || !strings.Contains(body, `"media"`) {
		t.Errorf("%+v %s", got, body)
	}
}

// TestOverErrors: problems, a handler that panics and a caller who gives up are errors of the call.
func TestOverErrors(t *testing.T) {
	t.Parallel()
	c := Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/events/missing":
			w.Header().Set(Header, APIVersion)
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"code":"not_found","detail":"no event missing"}`)
		case "/api/v1/events/broken":
			panic(http.ErrAbortHandler)
		case "/api/v1/events/torn":
			w.Header().Set(Header, APIVersion)
			io.WriteString(w, `{"id":`)
			panic("torn")
		default:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
	}))
	var e *Error
	if _, err := c.Event(t.Context(), "missing"); !errors.As(err, &e) || e.Status != 404 || e.Code != "not_found" {
		t.Errorf("%v", err)
	}
	for _, id := range []string{"broken", "torn"} {
		if _, err := c.Event(t.Context(), id); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", id, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Event(ctx, "slow"); err == nil {
		t.Error("no error after the caller gave up")
	}
}

// TestOverStreams: an answer is read while the handler writes it, and the handler ends when the reader closes it.
func TestOverStreams(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	c := Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(Header, APIVersion)
		for {
			_, err := io.WriteString(w, "line\n")
			w.(http.Flusher).Flush()
			if err != nil {
				ended <- r.Context().Err()
				return
			}
		}
	}))
	resp, err := c.do(t.Context(), c.http, http.MethodGet, "/stream", http.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	for range 3 {
		if !lines.Scan() || lines.Text() != "line" {
			t.Fatalf("%q %v", lines.Text(), lines.Err())
		}
	}
	resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the context of the handler: %v", err)
	}
}
