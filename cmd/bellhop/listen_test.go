package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A listenRig is a run of listen at a server with the events evt_1, evt_2 and so on, and a program that keeps what it
// gets.
type listenRig struct {
	*listen
	stdout, stderr bytes.Buffer

	mu  sync.Mutex // guards got
	got []string   // of each request to the program: its event and its body
}

func newListenRig(t *testing.T) *listenRig {
	r := &listenRig{}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, text string) {
		w.Header().Set(client.Header, client.APIVersion)
		w.Write([]byte(text))
	}
	mux.HandleFunc("GET /api/v1/events/{id}", func(w http.ResponseWriter, req *http.Request) {
		id := req.PathValue("id")
		if id == "evt_gone" {
			w.Header().Set(client.Header, client.APIVersion)
			w.WriteHeader(http.StatusNotFound)
			answer(w, `{"code":"not_found","status":404,"detail":"no event evt_gone"}`)
			return
		}
		answer(w, `{"id":"`+id+`","type":"x.\u001b[2Jy","source":"media","headers":{"Bellhop-Hops":["9"],"Host":["evil"],`+
			`"Content-Length":["99"],"X-Own":["1","2"]}}`)
	})
	mux.HandleFunc("GET /api/v1/events/{id}/body", func(w http.ResponseWriter, req *http.Request) {
		answer(w, "body of "+req.PathValue("id"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var body bytes.Buffer
		body.ReadFrom(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, req.Header.Get("Bellhop-Event-Id")+" "+body.String()+" "+
			strings.Join(req.Header["X-Own"], ",")+" "+req.Header.Get("Bellhop-Hops"))
		if req.Host == "evil" {
			t.Error("the host is that of the original request")
		}
	}))
	t.Cleanup(program.Close)
	r.listen = &listen{e: &env{stdout: &r.stdout, stderr: &r.stderr}, conn: &connection{},
		api: client.New(server.URL, "k", server.Client()), http: program.Client(), forward: program.URL, timeout: patience}
	return r
}

// event lets an event come, with its number as the position after it.
func (r *listenRig) event(t *testing.T, id string) {
	t.Helper()
	err := r.take(t.Context(), client.StreamItem{Kind: "event.accepted", ID: "after-" + id,
		Event: &client.StreamEvent{Event: client.Event{ID: id}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestListenRepeats: the user repeats the latest event, or one of a line, and learns of what cannot be repeated.
func TestListenRepeats(t *testing.T) {
	r := newListenRig(t)
	repeat := func(line string) string {
		t.Helper()
		r.stderr.Reset()
		err := r.repeat(t.Context(), line)
		if err != nil {
			t.Fatal(err)
		}
		return r.stderr.String()
	}
	early := repeat("r")
	if early != "there was no event yet\n" {
		t.Errorf("before the first event: %q", early)
	}
	r.event(t, "evt_1")
	r.event(t, "evt_2")
	repeat("")
	repeat("r")
	repeat(" r #1 ")
	for _, line := range []string{"r 0", "r 5", "r 99999999999999999999", "r 1 2", "x", "r x"} {
		said := repeat(line)
		if said == "" {
			t.Errorf("%q: nothing is said", line)
		}
	}
	want := "evt_1 body of evt_1 1,2 8|evt_2 body of evt_2 1,2 8|evt_2 body of evt_2 1,2 8|evt_1 body of evt_1 1,2 8"
	if got := strings.Join(r.got, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout.String()), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "#1  200  ") || !strings.HasSuffix(lines[2], "  evt_2  repeated") ||
		!strings.Contains(lines[3], `  media  x.\x1b[2Jy  -  evt_1  repeated`) {
		t.Errorf("%q", lines)
	}
}

// TestListenForgets: of very many events the latest can be repeated.
func TestListenForgets(t *testing.T) {
	r := newListenRig(t)
	r.handed, r.count = make([]string, keptHanded), 5*keptHanded
	r.event(t, "evt_1")
	if len(r.handed) != keptHanded || r.handed[keptHanded-1] != "evt_1" {
		t.Errorf("%d are kept", len(r.handed))
	}
	r.repeat(t.Context(), "r 4001")
	if said := r.stderr.String(); said != "the lines 4002 to 5001 can be repeated\n" {
		t.Errorf("%q", said)
	}
}

// TestListenGone: an event that is deleted meanwhile is shown as such, and the position goes on.
func TestListenGone(t *testing.T) {
	r := newListenRig(t)
	dir := t.TempDir()
	r.position = filepath.Join(dir, "position")
	err := r.readPosition()
	if err != nil || r.after != "" {
		t.Errorf("without a file: %q, %v", r.after, err)
	}
	r.event(t, "evt_gone")
	if got := r.stdout.String(); !strings.HasPrefix(got, "#1  the server does not give the event: no event evt_gone  ") {
		t.Errorf("%q", got)
	}
	err = r.readPosition()
	if err != nil || r.after != "after-evt_gone" {
		t.Errorf("%q, %v", r.after, err)
	}
	there, err := os.ReadDir(dir)
	if err != nil || len(there) != 1 {
		t.Errorf("in the folder of the position are %v, %v", there, err)
	}
	r.position = filepath.Join(dir, "no", "folder")
	err = r.writePosition("x")
	if err == nil {
		t.Error("a position that cannot be kept is no error")
	}
}

// TestForwardURL: what --forward takes.
func TestForwardURL(t *testing.T) {
	for text, want := range map[string]string{
		"3000": "http://localhost:3000", "http://localhost:3000/a?b=c": "http://localhost:3000/a?b=c", "https://x": "https://x",
		"": "", "0": "", "65536": "", "localhost:3000": "", "http://": "", "ftp://x": "", "-1": "", "http://[::1": "",
	} {
		got, err := forwardURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
