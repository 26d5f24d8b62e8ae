package ingest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// coded returns content in a coding.
func coded(t *testing.T, coding, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	case "br":
		w = brotli.NewWriter(&b)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestContentEncodings: the provider reads the decoded body; what is stored is the body as sent, with its header, or
// an item of the decoded body, without.
func TestContentEncodings(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a,b;", 20_000)
	for _, coding := range []string{"gzip", "x-gzip", "deflate", "zstd", "br"} {
		for _, content := range []string{"a,b", text, ""} {
			r := newRig(t)
			r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
				if string(req.Content()) != content {
					t.Errorf("%s: the provider reads %.40q", coding, req.Content())
				}
				return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
			}
			body := coded(t, coding, content)
			if w := r.send("POST", "/in/src", bytes.NewReader(body), "Content-Encoding", coding); w.Code != 202 {
				t.Fatalf("%s: %d", coding, w.Code)
			}
			stored := r.stored()
			if len(stored) != 1 || !bytes.Equal(stored[0].Body, body) ||
				stored[0].Header.Get("Content-Encoding") != coding {
				t.Errorf("%s: stored are %+v", coding, stored)
			}
			if held := r.door.budget.inUse(); held != 0 {
				t.Errorf("%s: %d bytes of the budget remain held", coding, held)
			}
		}
	}
}

// TestItemsOfACodedBody: an item of a decoded body has no Content-Encoding; an event that is all of it is stored as
// sent.
func TestItemsOfACodedBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := coded(t, "gzip", "a,b")
	for _, c := range []struct {
		events func(req *provider.Request) []bellhop.Event
		bodies []string
		coding string
	}{
		{func(req *provider.Request) []bellhop.Event { return []bellhop.Event{event(req.Content())} },
			[]string{string(body)}, "gzip"},
		{func(req *provider.Request) []bellhop.Event {
			return []bellhop.Event{event(req.Content()[:1]), event(req.Content()[2:])}
		}, []string{"a", "b"}, ""},
		{func(*provider.Request) []bellhop.Event { return []bellhop.Event{event([]byte("decrypted"))} },
			[]string{"decrypted"}, ""},
	} {
		r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
			return provider.Receipt{Events: c.events(req)}, nil
		}
		before := len(r.stored())
		if w := r.send("POST", "/in/src", bytes.NewReader(body), "Content-Encoding", "gzip"); w.Code != 202 {
			t.Fatal(w.Code)
		}
		got := map[string]string{} // body → Content-Encoding
		for _, ev := range r.stored()[:len(r.stored())-before] {
			got[string(ev.Body)] = ev.Header.Get("Content-Encoding")
		}
		if len(got) != len(c.bodies) {
			t.Errorf("stored are %q, want %q", got, c.bodies)
		}
		for _, want := range c.bodies {
			if coding, ok := got[want]; !ok || coding != c.coding {
				t.Errorf("%q: stored are %q", want, got)
			}
		}
	}
}

// TestRepeatInAnotherEncoding: an event that is sent again, compressed otherwise, is a repeat and no conflict.
func TestRepeatInAnotherEncoding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		ev := event(req.Body)
		ev.ProviderID = "1"
		return provider.Receipt{Events: []bellhop.Event{ev}}, nil
	}
	for _, coding := range []string{"gzip", "br", ""} {
		body := []byte("hello")
		if coding != "" {
			body = coded(t, coding, "hello")
		}
		if w := r.send("POST", "/in/src", bytes.NewReader(body), "Content-Encoding", coding); w.Code != 202 {
			t.Fatal(w.Code)
		}
	}
	if stored := r.stored(); len(stored) != 1 {
		t.Errorf("%d events are stored", len(stored))
	}
}

// TestBadEncodings: a body that is not what its header says is malformed, and one that becomes too large is too large.
// The budget bounds decoded bodies too.
func TestBadEncodings(t *testing.T) {
	t.Parallel()
	bomb := strings.Repeat("0", 8<<20)
	r := newRig(t, func(o *Options) { o.MaxBytesInFlight = 4 << 20 })
	r.sources(bellhop.Source{Name: "wide", MaxBodyBytes: 32 << 20})
	whole := coded(t, "gzip", "hello")
	for _, c := range []struct {
		name, source, coding string
		body                 []byte
		status               int
		reason               string
	}{
		{"bomb gzip", "src", "gzip", coded(t, "gzip", bomb), 413, "too_large"},
		{"bomb deflate", "src", "deflate", coded(t, "deflate", bomb), 413, "too_large"},
		{"bomb zstd", "src", "zstd", coded(t, "zstd", bomb), 413, "too_large"},
		{"bomb br", "src", "br", coded(t, "br", bomb), 413, "too_large"},
		{"beyond the budget", "wide", "gzip", coded(t, "gzip", bomb), 503, "busy"},
		{"cut off", "src", "gzip", whole[:len(whole)-1], 400, "malformed_body"},
		{"followed by more", "src", "gzip", append(bytes.Clone(whole), '!'), 400, "malformed_body"},
		{"not compressed", "src", "gzip", []byte("hello"), 400, "malformed_body"},
		{"another coding", "src", "br", whole, 400, "malformed_body"},
	} {
		w := r.send("POST", "/in/"+c.source, bytes.NewReader(c.body), "Content-Encoding", c.coding)
		if last := r.requests()[0]; w.Code != c.status || last.Reason != c.reason ||
			last.BodyBytes != int64(len(c.body)) {
			t.Errorf("%s: %d, recorded as %q with %d bytes", c.name, w.Code, last.Reason, last.BodyBytes)
		}
		if held := r.door.budget.inUse(); held != 0 {
			t.Errorf("%s: %d bytes of the budget remain held", c.name, held)
		}
	}
	if len(r.stored()) > 0 {
		t.Error("an event is stored")
	}
	for _, none := range []string{"identity", "utf-8"} {
		if w := r.send("POST", "/in/src", strings.NewReader("x"), "Content-Encoding", none); w.Code != 202 {
			t.Errorf("%s: %d", none, w.Code)
		}
	}
}

// stored returns the stored events, whole, newest first.
func (r *rig) stored() (whole []bellhop.Event) {
	r.t.Helper()
	for _, short := range r.events() {
		ev, err := r.store.Event(r.t.Context(), short.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		whole = append(whole, ev)
	}
	return whole
}
