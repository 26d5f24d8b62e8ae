package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A script of a stream is what each connection is answered; the last one stays open.
type streamScript struct {
	answers []string

	mu    sync.Mutex // guards asked
	asked []*http.Request
}

// requests returns the requests so far.
func (s *streamScript) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// serveStream answers connections with a script: an answer that begins with a status is that status with the rest.
func serveStream(t *testing.T, answers ...string) (*Client, *streamScript) {
	s := &streamScript{answers: answers}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.asked)
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		w.Header().Set(Header, APIVersion)
		answer := s.answers[min(n, len(s.answers)-1)]
		if status, rest, ok := strings.Cut(answer, "|"); ok {
			code := 0
			fmt.Sscan(status, &code)
			w.WriteHeader(code)
			answer = rest
		}
		w.Write([]byte(answer))
		http.NewResponseController(w).Flush()
		if n >= len(s.answers)-1 {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	c := New(server.URL, "k", nil)
	c.pauses = func(int) time.Duration { return 0 }
	return c, s
}

func streamMessage(id, kind string) string {
	return "id: " + id + "\nevent: " + kind + "\ndata: {\"kind\":\"" + kind + "\"}\n\n"
}

// TestStreamResumes: after an end, a cut and an error of a proxy the stream goes on after the latest position, also
// one that came with a heartbeat, and the caller learns of interruptions but not of ends.
func TestStreamResumes(t *testing.T) {
	c, script := serveStream(t,
		"retry: 1000\n\n"+streamMessage("p1", ItemLive)+streamMessage("p2", "event.accepted")+":\nid: p3\n\n"+
			"event: end\ndata: {\"kind\":\"end\",\"end\":{\"reason\":\"stopping\"}}\n\n",
		"502|<html>", streamMessage("p4", ItemLive)+"id: p5\nda", streamMessage("p6", "gap"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	f := StreamFilter{Kinds: []string{"event.accepted", "request.refused"}, Type: "a.*", Source: "media"}
	for item, err := range c.Stream(ctx, f, "p0") {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			break
		}
		got = append(got, item.Kind+" "+item.ID)
		if item.ID == "p6" {
			cancel()
		}
	}
	if want := "live p1,event.accepted p2,interrupted ,live p4,interrupted ,gap p6"; strings.Join(got, ",") != want {
		t.Errorf("%q, want %q", strings.Join(got, ","), want)
	}
	var after []string
	for _, r := range script.requests() {
		after = append(after, r.Header.Get("Last-Event-ID"))
	}
	if strings.Join(after, " ") != "p0 p3 p3 p4" {
		t.Errorf("came back after %q", after)
	}
	const uri = "/api/v1/stream?kinds=event.accepted%2Crequest.refused&source=media&type=a.%2A"
	if script.requests()[0].RequestURI != uri {
		t.Errorf("asked %s", script.requests()[0].RequestURI)
	}
}

// TestStreamRefused: a refusal ends the sequence with its error.
func TestStreamRefused(t *testing.T) {
	c, script := serveStream(t,
		`422|{"code":"invalid","detail":"kinds: has a word that is no kind","status":422}`, "never")
	n := 0
	for _, err := range c.Stream(t.Context(), StreamFilter{}, "") {
		n++
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != "invalid" {
			t.Error(err)
		}
	}
	if n != 1 || len(script.requests()) != 1 {
		t.Errorf("%d items, %d requests", n, len(script.requests()))
	}
}

// TestStreamStops: a caller that wants no more items gets none, and the connection ends.
func TestStreamStops(t *testing.T) {
	c, script := serveStream(t, streamMessage("p1", ItemLive)+streamMessage("p2", "event.accepted"))
	for item, err := range c.Stream(t.Context(), StreamFilter{}, "") {
		if err != nil || item.ID != "p1" {
			t.Errorf("%v %v", item, err)
		}
		break
	}
	if len(script.requests()) != 1 {
		t.Errorf("%d requests", len(script.requests()))
	}
}

// TestStreamPauses: the pauses between tries grow to half a minute, and are never as long as that for all at once.
func TestStreamPauses(t *testing.T) {
	for failures, most := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second,
		5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second} {
		for range 20 {
			if d := streamPause(failures); d < most/2 || d > most {
				t.Errorf("%v after %d failures", d, failures)
			}
		}
	}
}

// FuzzStream: whatever a server sends, the reader neither panics nor takes an item without a kind, and its position is
// one line.
func FuzzStream(f *testing.F) {
	f.Add([]byte(streamMessage("p1", ItemLive) + ": beat\n\n" + streamMessage("p2", "event.accepted")))
	f.Add([]byte("data: {\"kind\":\ndata: \"gap\"}\n\nid\n\ndata\n\n"))
	f.Add([]byte("id: \x00\n\ndata: []\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := stream{client: New("http://127.0.0.1", "k", nil), after: "p0"}
		err := s.read(bytes.NewReader(text), func() {}, func(item StreamItem) bool {
			if item.Kind == "" {
				t.Errorf("an item without a kind: %+v", item)
			}
			return true
		})
		if strings.ContainsAny(s.after, "\r\n\x00") || len(s.after) > maxStreamID {
			t.Errorf("the position is %q", s.after)
		}
		if errors.Is(err, errStreamDone) {
			t.Error("the reader stopped by itself")
		}
	})
}
