package ingest

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// replying returns a rig whose source "asked" has a reply, and what it logs.
func replying(t *testing.T, reply bellhop.SourceReply) (*rig, *bytes.Buffer) {
	var logged bytes.Buffer
	r := newRig(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		o.Metrics = prometheus.NewRegistry()
	})
	r.door.opts.Gate = r.gate
	r.sources(bellhop.Source{Name: "asked", Reply: &reply})
	return r, &logged
}

func wantReply(t *testing.T, w *httptest.ResponseRecorder, status int, contentType, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body || w.Header().Get("Content-Type") != contentType {
		t.Errorf("%d %q %q, want %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body, status, contentType, body)
	}
}

// TestReplyOfSource: the answer is that of the source once the event is stored, and a repeat gets the id of the stored
// event.
func TestReplyOfSource(t *testing.T) {
	t.Parallel()
	r, _ := replying(t, bellhop.SourceReply{Status: 201, Template: `{"id": id, "said": form(body).text}`})
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		ev := event(req.Body)
		ev.ProviderID = "once"
		return provider.Receipt{Events: []bellhop.Event{ev}}, nil
	}
	w := r.send("POST", "/in/asked", strings.NewReader("text=hello+there"))
	id := r.events()[0].ID
	wantReply(t, w, 201, "application/json", `{"id":"`+id+`","said":"hello there"}`)
	wantInert(t, w.Header())
	w = r.send("POST", "/in/asked", strings.NewReader("text=hello+there"))
	wantReply(t, w, 201, "application/json", `{"id":"`+id+`","said":"hello there"}`)
	if n := len(r.events()); n != 1 {
		t.Errorf("%d events", n)
	}
	wantReply(t, r.send("POST", "/in/src", strings.NewReader("x")), 202, "", "") // a source without one
}

func TestReplyWithoutBody(t *testing.T) {
	t.Parallel()
	r, _ := replying(t, bellhop.SourceReply{Status: 204})
	w := r.send("POST", "/in/asked", strings.NewReader("x"))
	wantReply(t, w, 204, "", "")
	if got := w.Header().Get("Content-Length"); got != "" {
		t.Errorf("Content-Length %s", got)
	}
}

// TestReplyIsForEvents: what is refused, what is a handshake, and what has no event are answered as the protocol says.
func TestReplyIsForEvents(t *testing.T) {
	t.Parallel()
	r, _ := replying(t, bellhop.SourceReply{Body: "thanks"})
	for name, c := range map[string]struct {
		receipt provider.Receipt
		err     error
		status  int
		body    string
	}{
		"event": {receipt: provider.Receipt{Events: []bellhop.Event{event([]byte("1"))}}, status: 200, body: "thanks"},
		"batch": {receipt: provider.Receipt{Events: []bellhop.Event{event([]byte("2")), event([]byte("3"))}},
			status: 200,
			body:   "thanks"},
		"empty": {status: 202},
		"handshake": {receipt: provider.Receipt{Reply: &provider.Reply{Status: 200, Body: []byte("echo")}},
			status: 200,
			body:   "echo"},
		"refused": {err: provider.ErrBody, status: 400, body: "{\"error\":\"bad_request\"}\n"},
		"refused within": {receipt: provider.Receipt{Status: 400, Events: []bellhop.Event{event([]byte("4"))},
			Refused: []provider.ItemError{{Err: errors.New("no")}}}, status: 400},
	} {
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return c.receipt, c.err }
		w := r.send("POST", "/in/asked", strings.NewReader("x"))
		if w.Code != c.status || w.Body.String() != c.body && name != "refused" {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "thanks") != (c.body == "thanks") {
			t.Errorf("%s: %q", name, w.Body)
		}
	}
}

// TestReplyThatFails: the event is stored whatever becomes of its reply. The answer has the status without a body, the
// log has the reason, and a counter counts it.
func TestReplyThatFails(t *testing.T) {
	t.Parallel()
	r, logged := replying(t, bellhop.SourceReply{Template: `data.name`})
	wantReply(t, r.send("POST", "/in/asked", strings.NewReader("no JSON")), 200, "", "")
	if len(r.events()) != 1 {
		t.Fatal("the event is not stored")
	}
	if text := logged.String(); !strings.Contains(text, "msg=reply.failed") ||
		!strings.Contains(text, "source=asked") {
		t.Errorf("%s", text)
	}
	if n := testutil.ToFloat64(r.door.metrics.unmadeReplies.WithLabelValues("asked")); n != 1 {
		t.Errorf("counted %v", n)
	}

	// a large body waits for its turn among the large ones; one whose sender has gone does not
	if err := r.gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 16 { // the places of those that wait
		go r.gate.EnterSoon(t.Context())
	}
	large := `{"name":"` + strings.Repeat("n", 70<<10) + `"}`
	w := r.send("POST", "/in/asked", strings.NewReader(large))
	if w.Code != 200 || len(r.events()) != 2 {
		t.Errorf("%d, %d events", w.Code, len(r.events()))
	}
}

// TestReplyChanges: a source whose reply alone changed keeps its receiver.
func TestReplyChanges(t *testing.T) {
	t.Parallel()
	r, _ := replying(t, bellhop.SourceReply{Body: "before"})
	opened := r.stub.opened.Load()
	src, err := r.store.Source(t.Context(), "asked")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reply  *bellhop.SourceReply
		status int
		body   string
	}{{&bellhop.SourceReply{Body: "after"}, 200, "after"}, {nil, 202, ""}} {
		src.Reply = c.reply
		if _, err := r.store.UpdateSource(t.Context(), src); err != nil {
			t.Fatal(err)
		}
		r.reopen()
		if w := r.send("POST", "/in/asked", strings.NewReader(c.body)); w.Code != c.status ||
			w.Body.String() != c.body {
			t.Errorf("%d %q, want %q", w.Code, w.Body, c.body)
		}
	}
	if got := r.stub.opened.Load(); got != opened {
		t.Errorf("opened %d times more", got-opened)
	}
}
