package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A listenRig is a run of listen at a server with the events evt_1, evt_2 and so on, and a program that keeps what it
// gets.
type listenRig struct {
	*listen
	stdout, stderr bytes.Buffer
	mux            *http.ServeMux // of the server
	status         int            // of the program's answers; 0 is 200

	mu  sync.Mutex // guards got
	got []string   // of each request to the program: its event and its body
}

func newListenRig(t *testing.T) *listenRig {
	r := &listenRig{}
	mux := http.NewServeMux()
	r.mux = mux
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
		answer(w, `{"id":"`+id+
			`","type":"x.\u001b[2Jy","source":"media","headers":{"Bellhop-Hops":["9"],"Host":["evil"],`+
			`"Content-Length":["99"],"X-Own":["1","2"]}}`)
	})
	mux.HandleFunc("GET /api/v1/events/{id}/body", func(w http.ResponseWriter, req *http.Request) {
		answer(w, "body of "+req.PathValue("id"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body bytes.Buffer
		body.ReadFrom(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, req.Header.Get("Bellhop-Event-Id")+" "+body.String()+" "+
			strings.Join(req.Header["X-Own"], ",")+" "+req.Header.Get("Bellhop-Hops"))
		if req.Host == "evil" {
			t.Error("the host is that of the original request")
		}
		w.WriteHeader(cmp.Or(r.status, http.StatusOK))
		w.Write([]byte("done"))
	}))
	t.Cleanup(program.Close)
	r.listen = &listen{e: &env{stdout: &r.stdout, stderr: &r.stderr}, conn: &connection{},
		api: client.New(server.URL, "k", server.Client()), http: program.Client(), forward: program.URL,
		timeout: patience}
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
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "#1  200  ") ||
		!strings.HasSuffix(lines[2], "  evt_2  repeated") ||
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
	if got := r.stdout.String(); !strings.HasPrefix(got, "#1  the server does not give the event: no event "+
		"evt_gone  ") {
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
		"3000": "http://localhost:3000", "http://localhost:3000/a?b=c": "http://localhost:3000/a?b=c",
		"https://x": "https://x",
		"":          "", "0": "", "65536": "", "localhost:3000": "", "http://": "", "ftp://x": "", "-1": "",
		"http://[::1": "",
	} {
		got, err := forwardURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// A deskRig is a listenRig whose server has deliveries of a destination. It takes an answer only with the right token.
type deskRig struct {
	*listenRig
	right   string   // the token of the attempt that waits
	down    bool     // the server answers 503
	answers []string // those that were taken
}

func newDeskRig(t *testing.T) *deskRig {
	r := &deskRig{listenRig: newListenRig(t)}
	r.destination, r.works, r.done = "dev", map[string]*work{}, make(chan doneWork)
	r.mux.HandleFunc("POST /api/v1/deliveries/{id}/answer", func(w http.ResponseWriter, req *http.Request) {
		var a client.Answer
		json.NewDecoder(req.Body).Decode(&a)
		w.Header().Set(client.Header, client.APIVersion)
		switch {
		case r.down:
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"code":"unavailable","status":503,"detail":"stopping"}`))
		case a.Token != r.right:
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"code":"conflict","status":409,"detail":"too late"}`))
		default:
			r.answers = append(r.answers, fmt.Sprintf("%s %d %s%s", req.PathValue("id"), a.Status, a.Body, a.Detail))
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return r
}

// deliver lets a delivery come, and waits until the program is done with it if it gets it.
func (r *deskRig) deliver(t *testing.T, id, token string, toProgram bool) {
	t.Helper()
	at := time.Now()
	err := r.take(t.Context(), client.StreamItem{Kind: client.ItemDelivery, At: client.Time{Time: at},
		Delivery: &client.StreamDelivery{Token: token, DeliveryID: "dlv_" + id, Attempt: 2, EventID: "evt_" + id,
			Until: client.Time{Time: at.Add(patience)}}})
	if err == nil && toProgram {
		err = r.finish(t.Context(), <-r.done)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestListenAnswers: the program's answer is that of the destination. One that the server cannot take is given when
// the delivery comes again, and the program does not see it twice. An answer that came too late and is no success is
// not kept: the program gets the next attempt.
func TestListenAnswers(t *testing.T) {
	r := newDeskRig(t)
	r.right = "t1"
	r.deliver(t, "1", "t1", true)
	r.down = true
	r.deliver(t, "2", "t2", true)
	said := r.stderr.String()
	if !strings.Contains(said, "the server does not take the answer to dlv_2 now; it gets it when") {
		t.Errorf("%q", said)
	}
	r.down, r.right = false, "t3"
	r.deliver(t, "2", "t3", false)
	r.deliver(t, "3", "late", true) // 200, too late
	r.right = "t4"
	r.deliver(t, "3", "t4", false)
	r.status = http.StatusTeapot
	r.deliver(t, "4", "late", true)
	r.right = "t5"
	r.deliver(t, "4", "t5", true)
	want := "dlv_1 200 done|dlv_2 200 done|dlv_3 200 done|dlv_4 418 done"
	if got := strings.Join(r.answers, "|"); got != want {
		t.Errorf("the server got  %s\nwant            %s", got, want)
	}
	var ids []string
	for _, line := range r.got {
		id, _, _ := strings.Cut(line, " ")
		ids = append(ids, id)
	}
	if got := strings.Join(ids, " "); got != "evt_1 evt_2 evt_3 evt_4 evt_4" {
		t.Errorf("the program got %s", got)
	}
	if len(r.works) != 0 {
		t.Errorf("%d deliveries are kept", len(r.works))
	}
	lines := strings.Split(strings.TrimSpace(r.stdout.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "#1  200  ") ||
		!strings.HasSuffix(lines[0], "  evt_1  attempt 2") {
		t.Errorf("%q", lines)
	}
}

// TestListenRepeatsOfDestination: a repeat goes to the program while deliveries go on, and is no answer to the server.
// The program has as long as the server gives it, or as the user says if that is shorter.
func TestListenRepeatsOfDestination(t *testing.T) {
	r := newDeskRig(t)
	r.right = "t1"
	r.deliver(t, "1", "t1", true)
	hold := make(chan struct{})
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Bellhop-Delivery-Id") == "" { // the repeat
			<-hold
		}
	}))
	defer program.Close()
	r.forward, r.timeout = program.URL, patience
	err := r.repeat(t.Context(), "r")
	if err != nil {
		t.Fatal(err)
	}
	r.right = "t2"
	r.deliver(t, "2", "t2", true)
	close(hold)
	err = r.finish(t.Context(), <-r.done)
	if err != nil || len(r.answers) != 2 || !strings.HasSuffix(r.stdout.String(), "  evt_1  repeated\n") {
		t.Errorf("%v, %q\n%s", err, r.answers, r.stdout.String())
	}
	never := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body) // otherwise the end of the connection is not noticed
		<-req.Context().Done()
	}))
	defer never.Close()
	r.forward, r.bounded, r.timeout = never.URL, true, time.Millisecond
	for n := 3; ; n++ { // the time has to be enough for the event to be fetched
		id := strconv.Itoa(n)
		r.right = "t" + id
		r.deliver(t, id, r.right, true)
		last := r.answers[len(r.answers)-1]
		if strings.Contains(last, "does not give the event") && r.timeout < patience {
			r.timeout *= 4
			continue
		}
		if len(r.answers) != n || !strings.HasPrefix(last, "dlv_"+id+" 0 the program ") {
			t.Errorf("%q", r.answers)
		}
		return
	}
}

// TestListenNotesState: a user who listens to a destination that gets nothing learns of it.
func TestListenNotesState(t *testing.T) {
	r := newDeskRig(t)
	state := "paused"
	r.mux.HandleFunc("GET /api/v1/destinations/{id}", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set(client.Header, client.APIVersion)
		w.Write([]byte(`{"name":"` + req.PathValue("id") + `","state":"` + state + `"}`))
	})
	live := func() string {
		t.Helper()
		r.stderr.Reset()
		err := r.take(t.Context(), client.StreamItem{Kind: client.ItemLive})
		if err != nil {
			t.Fatal(err)
		}
		return r.stderr.String()
	}
	const note = "the destination is paused: nothing comes before 'bellhop destinations resume dev'\n"
	if said := live(); !strings.HasSuffix(said, note) {
		t.Errorf("%q", said)
	}
	state = "active"
	if said := live(); strings.Contains(said, "nothing comes") {
		t.Errorf("%q", said)
	}
}

// TestListenUnanswered: why a program gave no answer, or got none of the event, is the answer.
func TestListenUnanswered(t *testing.T) {
	r := newDeskRig(t)
	r.right = "t"
	r.deliver(t, "gone", "t", true)
	r.forward = "http://127.0.0.1:1"
	r.deliver(t, "1", "t", true)
	if len(r.answers) != 2 || r.answers[0] != "dlv_gone 0 the server does not give the event: no event evt_gone" ||
		!strings.HasPrefix(r.answers[1], "dlv_1 0 the program cannot be reached") {
		t.Errorf("%q", r.answers)
	}
}

// TestListenForgetsAnswers: of very many answers that no server takes, some are forgotten, and no running work.
func TestListenForgetsAnswers(t *testing.T) {
	l := &listen{works: map[string]*work{"running": {}}}
	for i := range keptHanded + 5 {
		l.works[strconv.Itoa(i)] = &work{answer: &client.Answer{}}
	}
	l.forget()
	if len(l.works) != keptHanded || l.works["running"] == nil {
		t.Errorf("%d are kept", len(l.works))
	}
}
