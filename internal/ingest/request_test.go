package ingest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// serve has the door listen on a socket, with a short read timeout.
func (r *rig) serve() *httptest.Server {
	s := httptest.NewUnstartedServer(r.door)
	s.Config.ReadTimeout = 2 * time.Second
	s.Start()
	r.t.Cleanup(s.Close)
	return s
}

// exchange writes text to a new connection, closes its sending side if end is set, and returns the statuses of the
// answers. It fails the test if the server does not close the connection in the end.
func exchange(t *testing.T, s *httptest.Server, text string, end bool) (answers []int) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { // the server may answer and close before it has read everything
		io.WriteString(c, text)
		if end {
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(c)
	for {
		reply, err := http.ReadResponse(in, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the server keeps the connection open")
		}
		if err != nil {
			return answers
		}
		if _, err := io.Copy(io.Discard, reply.Body); err != nil {
			t.Error(err)
		}
		if answers = append(answers, reply.StatusCode); reply.Close {
			return answers
		}
	}
}

// TestBodyLimits: a body is read whole or refused, however its length is announced.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	const limit = 1000
	fit, over := strings.Repeat("x", limit), strings.Repeat("x", limit+1)
	declared := func(n int, body string) string {
		return fmt.Sprintf("POST /in/small HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", n, body)
	}
	chunked := func(chunks ...string) string {
		text := "POST /in/small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		for _, c := range chunks {
			text += fmt.Sprintf("%x\r\n%s\r\n", len(c), c)
		}
		return text
	}
	for _, c := range []struct {
		name, text string
		end        bool
		want       []int
		reason     string
	}{
		{"none", declared(0, ""), true, []int{202}, ""},
		{"the limit, declared", declared(limit, fit), true, []int{202}, ""},
		{"the limit, chunked", chunked(fit, ""), true, []int{202}, ""},
		{"the limit, in small chunks", chunked(fit[:1], fit[1:500], fit[500:], ""), true, []int{202}, ""},
		{"one byte more, declared", declared(limit+1, over), true, []int{413}, "too_large"},
		{"one byte more, chunked", chunked(over, ""), true, []int{413}, "too_large"},
		{"one byte more, in two chunks", chunked(fit, "x", ""), true, []int{413}, "too_large"},
		{"much more, chunked", chunked(strings.Repeat("x", 1<<20), ""), true, []int{413}, "too_large"},
		{"much more, chunked for ever", chunked(strings.Repeat("x", 1<<20)), false, []int{413}, "too_large"},
		{"a gibibyte announced, then silence", declared(1<<30, "x"), false, []int{413}, "too_large"},
		{"more announced than sent", declared(limit, "short"), true, []int{400}, "unreadable"},
		{"more announced than sent, then silence", declared(limit, "short"), false, []int{408}, "timeout"},
		{"chunks, then silence", chunked("short"), false, []int{408}, "timeout"},
		{"chunks without an end", chunked("short"), true, []int{400}, "unreadable"},
		{"a chunk of an odd length", chunked() + "zz\r\nshort\r\n0\r\n\r\n", true, []int{400}, "unreadable"},
		{"a chunk of too great a length", chunked() + "ffffffffffffffff\r\nshort\r\n0\r\n\r\n", true, []int{400},
			"unreadable"},
		{"less announced than sent", declared(5, "short") + "and more", true, []int{202, 400}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.sources(bellhop.Source{Name: "small", MaxBodyBytes: limit})
			if got := exchange(t, r.serve(), c.text, c.end); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("answered %v, want %v", got, c.want)
			}
			if n := r.door.budget.inUse(); n != 0 {
				t.Errorf("%d bytes are still reserved", n)
			}
			if c.reason == "" {
				if len(r.events()) != 1 || len(r.requests()) != 0 {
					t.Errorf("%d events and %d requests are stored", len(r.events()), len(r.requests()))
				}
				return
			}
			if got := r.onlyRequest(); got.Reason != c.reason || got.Status != c.want[0] || got.BodyBytes > limit {
				t.Errorf("on record: %+v", got)
			}
			if len(r.events()) != 0 {
				t.Error("an event is stored")
			}
		})
	}
}

// TestBodyUnchanged: the stored body has the bytes that were sent.
func TestBodyUnchanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.serve()
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 3 * firstRead,
		bellhop.DefaultMaxBodyBytes} {
		body := make([]byte, size)
		rand.Read(body)
		readers := map[string]io.Reader{"declared": bytes.NewReader(body),
			"chunked": io.MultiReader(bytes.NewReader(body))}
		for name, in := range readers {
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/in/src", in)
			if err != nil {
				t.Fatal(err)
			}
			reply, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			reply.Body.Close()
			if reply.StatusCode != 202 {
				t.Fatalf("%d bytes, %s: %d", size, name, reply.StatusCode)
			}
			ev, err := r.store.Event(t.Context(), r.events()[0].ID)
			if err != nil || !bytes.Equal(ev.Body, body) || ev.SHA256 != sha256.Sum256(body) {
				t.Errorf("%d bytes, %s: %d bytes are stored, with header %q: %v", size, name, len(ev.Body),
					ev.Header, err)
			}
		}
	}
}

// TestUnknownEncoding: a body with two content encodings, or with an unknown one, is refused, and the answer names
// those that are known.
func TestUnknownEncoding(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, header := range [][]string{
		{"Content-Encoding", "gzip, gzip"},
		{"Content-Encoding", "gzip", "Content-Encoding", "br"},
		{"Content-Encoding", "compress"},
	} {
		if w := r.send("POST", "/in/src", strings.NewReader("x"), header...); w.Code != 415 ||
			w.Header().Get("Accept-Encoding") != "gzip, deflate, zstd, br" {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	if len(r.events()) != 0 || len(r.requests()) != 3 || r.requests()[0].Reason != "content_encoding" {
		t.Errorf("%d events; %+v", len(r.events()), r.requests())
	}
}

// TestBytesInFlight: the sum of the bodies being handled is bounded. A request beyond the bound is answered 503,
// and the budget is free again once the others have ended.
func TestBytesInFlight(t *testing.T) {
	t.Parallel()
	const size = 100_000
	r := newRig(t, func(o *Options) { o.MaxBytesInFlight = 4 * size })
	in, out := make(chan struct{}), make(chan struct{})
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		in <- struct{}{}
		<-out
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
	}
	body := strings.Repeat("x", size)
	answers := make(chan int)
	for i := range 4 {
		var reader io.Reader = strings.NewReader(body)
		if i%2 == 1 {
			reader = io.MultiReader(reader) // hides the length; such a body may reserve somewhat more
		}
		go func() { answers <- r.send("POST", "/in/src", reader).Code }()
		<-in
	}
	for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
		w := r.send("POST", "/in/src", reader)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != "{\"error\":\"try again "+
			"later\"}\n" {
			t.Errorf("beyond the bound: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	close(out)
	for range 4 {
		if code := <-answers; code != 202 {
			t.Errorf("within the bound: %d", code)
		}
	}
	if n := r.door.budget.inUse(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
	r.stub.receive = nil
	if w := r.send("POST", "/in/src", strings.NewReader(body)); w.Code != 202 {
		t.Errorf("afterwards: %d", w.Code)
	}
	if list := r.requests(); len(list) != 2 || list[0].Reason != "busy" {
		t.Errorf("on record: %+v", list)
	}
}

// TestNobodyElseNamesACause: an event of a sender who claims that an action made it is an event like any other.
func TestNobodyElseNamesACause(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.send("POST", "/in/src", strings.NewReader("body"), "bellhop-cause-id", "evt_0", "X-Other", "shown")
	if w.Code != 202 {
		t.Fatal(w.Code)
	}
	ev, err := r.store.Event(t.Context(), r.events()[0].ID)
	if err != nil || string(ev.Header) != "X-Other: shown\n" {
		t.Errorf("%q %v", ev.Header, err)
	}
}

// TestNoSecretsOnRecord: neither answers nor records contain the parts of a request in which secrets travel, or the
// headers by which this server says where an event comes from.
func TestNoSecretsOnRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Providers[0].(*stub).secret = []string{"X-Token", "x-lower"} })
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{},
			signature.ErrMismatch
	}
	w := r.send("POST", "/in/src?code=s3cret&b=s3cret=&s3&=s3cret&c", strings.NewReader("body"),
		"Authorization", "Bearer s3cret", "Proxy-Authorization", "Basic s3cret", "Cookie", "a=s3cret", "x-token",
		"s3cret", "X-Lower", "s3cret", "X-Other", "shown", "User-Agent", "a client")
	if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), "s3cret") {
		t.Errorf("answered: %v %s", w.Header(), w.Body)
	}
	got := r.onlyRequest()
	if strings.Contains(fmt.Sprintf("%+v %s", got, got.Header), "s3cret") {
		t.Errorf("on record: %+v", got)
	}
	if got.Target != "/in/src?code=…&b=…&…&=…&…" || string(got.Header) != "User-Agent: a client\nX-Other: shown\n" ||
		got.Method != "POST" {
		t.Errorf("on record: %q %q %q", got.Method, got.Target, got.Header)
	}

	r.stub.receive = nil
	w = r.send("POST", "/in/src", strings.NewReader("body"), "Authorization", "Bearer s3cret", "X-Token", "s3cret",
		"X-Other", "shown", bellhop.CauseHeader, "evt_1", bellhop.CaughtUpHeader, "gap_1")
	if w.Code != 202 {
		t.Fatal(w.Code)
	}
	ev, err := r.store.Event(t.Context(), r.events()[0].ID)
	if err != nil || string(ev.Header) != "X-Other: shown\n" {
		t.Errorf("the event's: %q %v", ev.Header, err)
	}
}

// TestNotOpenedKeepsNoHeaders: only an opened source knows which headers carry secrets. The requests at a source that
// could not be opened are on record without any.
func TestNotOpenedKeepsNoHeaders(t *testing.T) {
	t.Parallel()
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

// TestRecordsAreBounded: the record of a refused request is bounded, whatever the size of the request.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{},
			signature.ErrMismatch
	}
	r.send(strings.Repeat("M", 100), "/in/src?"+strings.Repeat("a", 5000)+"=b",
		strings.NewReader(strings.Repeat("x", 100_000)))
	got := r.onlyRequest()
	if len(got.Method) != 32 || len(got.Target) > 2048 || len(got.Body) != bellhop.MaxRefusedBodyBytes ||
		got.BodyBytes != 100_000 {
		t.Errorf("method of %d, target of %d, body of %d of %d", len(got.Method), len(got.Target), len(got.Body),
			got.BodyBytes)
	}
}

// TestManyParameters: a query with more parameters than any provider sends is refused.
func TestManyParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	query := "/in/src?" + strings.Repeat("a=1&", maxParameters-1) + "a=1"
	if w := r.send("POST", query, nil); w.Code != 202 {
		t.Errorf("as many as are allowed: %d", w.Code)
	}
	if w := r.send("POST", query+"&a=1", nil); w.Code != 400 || w.Body.String() != "{\"error\":\"malformed "+
		"request\"}\n" {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
	if got := r.onlyRequest(); got.Reason != "malformed_query" {
		t.Errorf("on record: %+v", got)
	}
}

// FuzzMaskQuery: every value of a query is masked and every name is kept. A parameter without "=" may be a secret,
// and is masked whole.
func FuzzMaskQuery(f *testing.F) {
	for _, target := range []string{"/in/src", "/in/src?", "/in/src?a=b", "/in/src?a=b&c=d&e", "/in/src?a=b?c=d",
		"?=&=", "/in/a=b?c",
		"/in/src?a==b=", "http://h/in/src?x=…"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := maskQuery(target)
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
		if again := maskQuery(got); again != got {
			t.Errorf("%q, and masked again %q", got, again)
		}
	})
}
