package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// toy is a system that answers every path below its own name and notifies one receiver of what happens.
type toy struct {
	host     *Host
	name     string
	receiver string
	faults   []string
	resets   int
}

func (s *toy) Name() string          { return s.name }
func (s *toy) Owns(path string) bool { return strings.HasPrefix(path, "/"+s.name+"/") }
func (s *toy) Reset()                { s.resets++ }

func (s *toy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	WriteJSON(w, http.StatusCreated, map[string]string{"system": s.name, "got": string(body)})
}

func (s *toy) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	WriteJSON(w, status, map[string]string{"toy": "failed"})
}

func (s *toy) Happen(e Event) (int, error) {
	if e.Resource != s.name+"/things" {
		return 0, fmt.Errorf("resource %q %w", e.Resource, ErrUnknown)
	}
	s.host.Notify(Notification{System: s.name, URL: s.receiver, Header: http.Header{"X-Toy": {"yes"}},
		Body: []byte(e.ChangeType), Timeout: time.Minute, Pauses: []time.Duration{time.Hour, time.Hour}})
	return 1, nil
}

func (s *toy) Fault(f Fault) error {
	if f.Kind == FaultMissed {
		return fmt.Errorf("fault missed %w", ErrUnknown)
	}
	s.faults = append(s.faults, f.Kind+" "+f.Value)
	return nil
}

// newToys returns the base URL of a host with the systems toy and other, and the system toy, whose notifications go
// to receive.
func newToys(t *testing.T, receive http.HandlerFunc) (string, *toy) {
	t.Helper()
	host := New(Options{Speed: 1e9})
	receiver := httptest.NewServer(receive)
	first := &toy{host: host, name: "toy", receiver: receiver.URL}
	host.Add(first, &toy{host: host, name: "other", receiver: receiver.URL})
	server := httptest.NewServer(host)
	t.Cleanup(func() {
		server.Close()
		host.Close()
		receiver.Close()
	})
	return server.URL, first
}

// do makes a call and returns the status, the header and the body of the answer.
func do(t *testing.T, method, url, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret-token")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // which would repeat a dropped GET
	if err != nil {
		return 0, nil, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, strings.TrimSpace(string(text))
}

func wantAnswer(t *testing.T, what string, gotStatus int, gotBody string, status int, body string) {
	t.Helper()
	if gotStatus != status || gotBody != body {
		t.Errorf("%s: answered %d %s, want %d %s", what, gotStatus, gotBody, status, body)
	}
}

func TestCallsAndControl(t *testing.T) {
	t.Parallel()
	base, system := newToys(t, func(http.ResponseWriter, *http.Request) {})
	status, _, body := do(t, "POST", base+"/toy/x?a=1", `{"n":1}`)
	wantAnswer(t, "a call", status, body, 201, `{"got":"{\"n\":1}","system":"toy"}`)
	status, _, _ = do(t, "GET", base+"/nobody", "")
	wantAnswer(t, "a path of no system", status, "", 404, "")

	_, _, body = do(t, "GET", base+"/_control/calls", "")
	var calls struct {
		Data []struct {
			Number, Status         int
			Direction, Method, URL string
			Request, Answer        struct {
				Headers map[string]string
				Body    any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls.Data) != 2 {
		t.Fatalf("calls are %s: %v", body, err)
	}
	first := calls.Data[0]
	if first.Number != 1 || first.Status != 201 || first.Direction != CallIn || first.URL != "/toy/x?a=1" ||
		!reflect.DeepEqual(first.Request.Body, map[string]any{"n": 1.0}) {
		t.Errorf("the first call is %+v", first)
	}
	if strings.Contains(body, "secret-token") || first.Request.Headers["Authorization"] != "Bearer …" {
		t.Errorf("the log shows a token: %s", body)
	}
	if _, _, body := do(t, "GET", base+"/_control/calls?after=1", ""); strings.Contains(body, "/toy/x") {
		t.Errorf("calls after 1 are %s", body)
	}

	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "event", "", 405, `{"error":"method not allowed"}`},
		{"POST", "nothing", "", 404,
			`{"error":"the path /_control/nothing is not known here; there are event, calls, dead-letters, fault and reset"}`},
		{"POST", "event", `{"resource":"x","typo":1}`, 400,
			`{"error":"the body is no JSON object of this call: json: unknown field \"typo\""}`},
		{"POST", "event", `{"system":"toy","resource":"x"}`, 404, `{"error":"toy: resource \"x\" is not known here"}`},
		{"POST", "event", `{"system":"none","resource":"x"}`, 404,
			`{"error":"the system \"none\" is not known here"}`},
		{"POST", "event", `{"resource":"toy/things","change_type":"updated"}`, 200, `{"notified":1}`},
		{"POST", "fault", `{"fault":"expire","value":"7"}`, 200, `{}`},
		{"POST", "fault", `{"fault":"missed"}`, 404,
			"{\"error\":\"toy: fault missed is not known here\\nother: fault missed is not known here\"}"},
		{"POST", "fault", `{"fault":"error","value":"200"}`, 400,
			`{"error":"value of error is \"200\"; use a status from 400 to 599, an error code of the system, or one of html, ` +
				`redirect, truncated, huge, empty, incomplete, same"}`},
		{"POST", "fault", `{"fault":"slow","value":"soon"}`, 400,
			`{"error":"value of slow is \"soon\"; use a length of time such as 10s or -5m"}`},
		{"POST", "fault", `{"fault":"explode"}`, 400,
			`{"error":"there is no fault \"explode\"; there are slow, error, throttle, drop, duplicate, reorder, silent, impatient, cut, change, ignore-range, length, content-range, no-etag, weak-etag, missed, expire, revoke, policies, manifest, outputs, lag, clock"}`},
	} {
		status, _, body := do(t, tt.method, base+"/_control/"+tt.path, tt.body)
		wantAnswer(t, tt.path+" "+tt.body, status, body, tt.status, tt.want)
	}
	if want := []string{"expire 7"}; !reflect.DeepEqual(system.faults, want) {
		t.Errorf("the system was asked for %v, want %v", system.faults, want)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(body, `"direction":"out"`); time.Sleep(
		time.Millisecond) {
		_, _, body = do(t, "GET", base+"/_control/calls", "")
		if time.Now().After(end) {
			t.Fatalf("no notification has ended: %s", body)
		}
	}
	do(t, "POST", base+"/_control/reset", "")
	if _, _, body := do(t, "GET", base+"/_control/calls", ""); body != `{"data":[]}` || system.resets != 1 {
		t.Errorf("after a reset: %s, %d resets", body, system.resets)
	}
}

func TestFaultsOfCalls(t *testing.T) {
	t.Parallel()
	base, system := newToys(t, func(http.ResponseWriter, *http.Request) {})
	fault := func(text string) {
		t.Helper()
		if status, _, body := do(t, "POST", base+"/_control/fault", text); status != 200 {
			t.Fatalf("fault %s: %d %s", text, status, body)
		}
	}
	call := func(path string) (int, string) {
		t.Helper()
		status, header, _ := do(t, "GET", base+path, "")
		return status, header.Get("Retry-After")
	}
	want := func(what string, path string, status int, retryAfter string) {
		t.Helper()
		if s, after := call(path); s != status || after != retryAfter {
			t.Errorf("%s: answered %d, Retry-After %q; want %d, %q", what, s, after, status, retryAfter)
		}
	}
	fault(`{"fault":"error","value":"503","times":2,"system":"toy","path":"/b"}`)
	want("another path", "/toy/a", 201, "")
	want("another system", "/other/b", 201, "")
	want("the first", "/toy/b", 503, "")
	want("the second", "/toy/b", 503, "")
	want("the third", "/toy/b", 201, "")
	fault(`{"fault":"throttle","value":"7"}`)
	want("throttled", "/toy/b", 429, "7")
	fault(`{"fault":"slow","value":"1ns"}`)
	want("slow", "/toy/b", 201, "")
	fault(`{"fault":"drop"}`)
	want("dropped", "/toy/b", 0, "")
	want("after the drop", "/toy/b", 201, "")
	fault(`{"fault":"error","times":-1}`)
	for range 3 {
		want("all", "/toy/b", 500, "")
	}
	do(t, "POST", base+"/_control/reset", "")
	want("after a reset", "/toy/b", 201, "")

	before := system.host.Now()
	fault(`{"fault":"clock","value":"2h"}`)
	if moved := system.host.Now().Sub(before); moved < 2*time.Hour {
		t.Errorf("the clock moved by %v", moved)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	got := make(chan string, 100)
	statuses := make(chan int, 100)
	base, system := newToys(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
		select {
		case status := <-statuses:
			w.WriteHeader(status)
		default:
		}
	})
	happen := func(change string) {
		t.Helper()
		status, _, body := do(t, "POST", base+"/_control/event", `{"resource":"toy/things","change_type":"`+change+
			`"}`)
		wantAnswer(t, change, status, body, 200, `{"notified":1}`)
	}
	next := func(want string) {
		t.Helper()
		select {
		case change := <-got:
			if change != want {
				t.Errorf("received %s, want %s", change, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s was not received", want)
		}
	}

	statuses <- 500
	statuses <- 404
	happen("repeated")
	for range 3 {
		next("repeated")
	}
	system.host.sending.Wait() // a call is logged after its answer
	do(t, "POST", base+"/_control/fault", `{"fault":"silent"}`)
	happen("silent")
	do(t, "POST", base+"/_control/fault", `{"fault":"duplicate"}`)
	happen("twice")
	next("twice")
	next("twice")
	system.host.sending.Wait()
	do(t, "POST", base+"/_control/fault", `{"fault":"reorder"}`)
	happen("held")
	happen("next")
	next("next")
	next("held")
	system.host.sending.Wait()
	var lines []string
	for _, c := range system.host.Calls() {
		if c.Direction == CallOut {
			lines = append(lines, fmt.Sprintf("%s %d %d %s", c.RequestBody, c.Attempt, c.Status, c.Fault))
		}
	}
	want := []string{"repeated 1 500 ", "repeated 2 404 ", "repeated 3 200 ", "silent 0 0 silent", "twice 1 200 ",
		"twice 1 200 "}
	if len(lines) != 8 || !reflect.DeepEqual(lines[:6], want) {
		t.Errorf("the log has %q, want %q and two more", lines, want)
	}
}

// TestImpatient shows that by the fault impatient the first attempt of a notification alone waits less.
func TestImpatient(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	base, system := newToys(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	if status, _, body := do(t, "POST", base+"/_control/fault", `{"fault":"impatient","value":"-1s"}`); status != 400 {
		t.Errorf("a length of time below zero: %d %s", status, body)
	}
	do(t, "POST", base+"/_control/fault", `{"fault":"impatient","value":"20ms"}`)
	do(t, "POST", base+"/_control/event", `{"resource":"toy/things","change_type":"slow","system":"toy"}`)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		calls := system.host.Calls()
		if len(calls) > 0 && calls[len(calls)-1].Direction == CallOut {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the first attempt does not end")
		}
	}
	close(release)
	system.host.sending.Wait()
	var lines []string
	for _, c := range system.host.Calls() {
		if c.Direction == CallOut {
			lines = append(lines, fmt.Sprintf("%d %d %s", c.Attempt, c.Status, c.Error))
		}
	}
	if want := []string{"1 0 no answer within 20ms", "2 200 "}; !reflect.DeepEqual(lines, want) {
		t.Errorf("the attempts were %q, want %q", lines, want)
	}
}

func TestParseFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fault{
		"throttle":      {Kind: FaultThrottle},
		"throttle=3":    {Kind: FaultThrottle, Times: 3},
		"throttle=3:60": {Kind: FaultThrottle, Times: 3, Value: "60"},
		"slow=:2s":      {Kind: FaultSlow, Value: "2s"},
		"error=-1:503":  {Kind: FaultError, Times: -1, Value: "503"},
		"impatient":     {Kind: FaultImpatient},
	} {
		if got, err := ParseFault(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "throttle=x", "throttle=-2", "throttle=1:soon", "slow=1:soon", "clock",
		"error=1:700"} {
		if got, err := ParseFault(text); err == nil {
			t.Errorf("%q is %+v, want an error", text, got)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat("é", MaxLoggedBody))
	if got := clip(long[1:]); len(got) != MaxLoggedBody-1 {
		t.Errorf("%d bytes are kept", len(got))
	}
}
