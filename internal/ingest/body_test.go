package ingest

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// serve has the door listen, with the read timeout of these tests.
func (r *rig) serve() *httptest.Server {
	s := httptest.NewUnstartedServer(r.door)
	s.Config.ReadTimeout = 2 * time.Second
	s.Start()
	r.t.Cleanup(s.Close)
	return s
}

// exchange sends text as it is, ends sending if it is told to, and returns the answers until the server hangs up.
func exchange(t *testing.T, s *httptest.Server, text string, end bool) (answers []int) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { // the server may answer, and hang up, before it has taken everything
		io.WriteString(c, text)
		if end {
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(c)
	for {
		reply, err := http.ReadResponse(in, nil)
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

// TestBodyLimits: a body is taken whole or not at all, however its length is said.
func TestBodyLimits(t *testing.T) {
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
		{"exactly, declared", declared(limit, fit), true, []int{202}, ""},
		{"exactly, chunked", chunked(fit, ""), true, []int{202}, ""},
		{"exactly, in small chunks", chunked(fit[:1], fit[1:500], fit[500:], ""), true, []int{202}, ""},
		{"one more, declared", declared(limit+1, over), true, []int{413}, "too_large"},
		{"one more, chunked", chunked(over, ""), true, []int{413}, "too_large"},
		{"one more, in two chunks", chunked(fit, "x", ""), true, []int{413}, "too_large"},
		{"much more, chunked", chunked(strings.Repeat("x", 1<<20), ""), true, []int{413}, "too_large"},
		{"much more, chunked for ever", chunked(strings.Repeat("x", 1<<20)), false, []int{413}, "too_large"},
		{"a gibibyte announced, then silence", declared(1<<30, "x"), false, []int{413}, "too_large"},
		{"more announced than sent", declared(limit, "short"), true, []int{400}, "unreadable"},
		{"more announced than sent, then silence", declared(limit, "short"), false, []int{408}, "timeout"},
		{"chunks, then silence", chunked("short"), false, []int{408}, "timeout"},
		{"chunks without an end", chunked("short"), true, []int{400}, "unreadable"},
		{"a chunk of an odd length", chunked() + "zz\r\nshort\r\n0\r\n\r\n", true, []int{400}, "unreadable"},
		{"a chunk of too great a length", chunked() + "ffffffffffffffff\r\nshort\r\n0\r\n\r\n", true, []int{400}, "unreadable"},
		{"less announced than sent", declared(5, "short") + "and more", true, []int{202, 400}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.sources(bellhop.Source{Name: "small", MaxBodyBytes: limit})
			begun := time.Now()
			if got := exchange(t, r.serve(), c.text, c.end); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("answered %v, want %v", got, c.want)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("took %v", took)
			}
			if n := r.door.inFlight.Load(); n != 0 {
				t.Errorf("%d bytes are still counted", n)
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

// TestBodyIsSacred: the bytes that were sent are those that are stored, whatever they are.
func TestBodyIsSacred(t *testing.T) {
	r := newRig(t)
	s := r.serve()
	for _, size := range []int{0, 1, bodyChunk - 1, bodyChunk, bodyChunk + 1, 3 * bodyChunk, bellhop.DefaultMaxBodyBytes} {
		body := make([]byte, size)
		rand.Read(body)
		for name, in := range map[string]io.Reader{"declared": bytes.NewReader(body), "chunked": io.MultiReader(bytes.NewReader(body))} {
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/in/src", in)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Encoding", "gzip") // which is kept, not undone
			reply, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			reply.Body.Close()
			if reply.StatusCode != 202 {
				t.Fatalf("%d bytes, %s: %d", size, name, reply.StatusCode)
			}
			ev, err := r.store.Event(t.Context(), r.events()[0].ID)
			if err != nil || !bytes.Equal(ev.Body, body) || ev.SHA256 != sha256.Sum256(body) || ev.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%d bytes, %s: %d bytes are stored, with header %q: %v", size, name, len(ev.Body), ev.Header, err)
			}
		}
	}
}

// TestStackedEncodings: only attacks encode a body twice.
func TestStackedEncodings(t *testing.T) {
	r := newRig(t)
	for _, header := range [][]string{{"Content-Encoding", "gzip, gzip"}, {"Content-Encoding", "gzip", "Content-Encoding", "br"}} {
		if w := r.send("POST", "/in/src", strings.NewReader("x"), header...); w.Code != 415 {
			t.Errorf("%v: %d", header, w.Code)
		}
	}
	if len(r.events()) != 0 || len(r.requests()) != 2 || r.requests()[0].Reason != "content_encoding" {
		t.Errorf("%d events; %+v", len(r.events()), r.requests())
	}
}

// TestBytesInFlight: what is being received at a time is bounded. Beyond that the answer is to come again, and once
// the others have gone there is room as before.
func TestBytesInFlight(t *testing.T) {
	const size = 100_000
	r := newRig(t, func(o *Options) { o.MaxBytesInFlight = 5 * size })
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
			reader = io.MultiReader(reader) // of a length that is not known; it may take some more room
		}
		go func() { answers <- r.send("POST", "/in/src", reader).Code }()
		<-in
	}
	for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
		w := r.send("POST", "/in/src", reader)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != "{\"error\":\"try again later\"}\n" {
			t.Errorf("beyond the bound: %d %v %s", w.Code, w.Header(), w.Body)
		}
	}
	close(out)
	for range 4 {
		if code := <-answers; code != 202 {
			t.Errorf("within the bound: %d", code)
		}
	}
	if n := r.door.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
	r.stub.receive = nil
	if w := r.send("POST", "/in/src", strings.NewReader(body)); w.Code != 202 {
		t.Errorf("afterwards: %d", w.Code)
	}
	if list := r.requests(); len(list) != 2 || list[0].Reason != "busy" {
		t.Errorf("on record: %+v", list)
	}
}
