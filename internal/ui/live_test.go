package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// told is the text of a stream of the API that tells of items, and stays open after them.
func told(items ...client.StreamItem) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for i, item := range items {
			text, err := json.Marshal(item)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(w, "id: p%d\nevent: %s\ndata: %s\n\n", i+1, item.Kind, text)
		}
		<-r.Context().Done()
	}
}

// streamText returns what a page gets of the stream in a time, after which it is closed.
func (r *rig) streamText(path string, d time.Duration) string {
	r.t.Helper()
	var got string
	synctest.Test(r.t, func(t *testing.T) {
		end := time.AfterFunc(d, func() { r.people.end("viewer") })
		defer end.Stop()
		w := r.do("GET", path, "viewer", nil)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		got = w.Body.String()
	})
	return got
}

// end ends the session with a token.
func (f *fakeSessions) end(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.people, token)
}

// TestLiveStream: a page gets rows in messages, of too many the newest with how many are missing, what the stream says
// of itself, and the end of its session.
func TestLiveStream(t *testing.T) {
	t.Parallel()
	event := client.StreamItem{Kind: "event.accepted", At: at(0), Event: &client.StreamEvent{Event: testEvent,
		Deliveries: 2}}
	attempt := client.StreamItem{Kind: "delivery.attempted", At: at(0), Attempt: &client.StreamAttempt{
		DeliveryID: "dlv_1", Destination: "billing", Type: "a<b\u202e", State: "dead", Number: 3, Detail: "db down"}}
	items := []client.StreamItem{{Kind: client.ItemLive, At: at(0)}}
	for range maxLiveRows + 7 {
		items = append(items, event)
	}
	items = append(items, attempt,
		client.StreamItem{Kind: client.ItemSkipped, Skipped: &client.StreamSkipped{Count: 12}},
		client.StreamItem{Kind: client.ItemGap, Gap: &client.StreamGap{Reason: "overrun", Detail: "too much"}})
	r := newRig(t)
	r.api.set("GET /stream", told(items...))
	got := r.streamText("/ui/stream?kinds=event.accepted,delivery.attempted&source=media&type=a*", 20*time.Second)
	var rows, left, messages int
	var last liveMessage
	for line := range strings.SplitSeq(got, "\n") {
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok || !strings.HasPrefix(text, `{"rows"`) {
			continue
		}
		last = liveMessage{}
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			t.Fatal(err)
		}
		messages++
		rows, left = rows+len(last.Rows), left+last.Left
		if len(last.Rows) > maxLiveRows {
			t.Errorf("%d rows in a message", len(last.Rows))
		}
	}
	if rows+left != maxLiveRows+8+12 || messages == 0 {
		t.Errorf("%d rows, %d left out, in %d messages:\n%s", rows, left, messages, got)
	}
	row := last.Rows[len(last.Rows)-1]
	if row.What != `a<b\u202e` || row.State.Word != "dead" || row.Kind != "attempt 3" || row.Where != "billing" ||
		row.More != "db down" || row.To != "/ui/deliveries/dlv_1" || row.At != "2026-11-30T15:30:00.000Z" {
		t.Errorf("%+v", row)
	}
	if !strings.Contains(got, `"text":"Too much."`) || !strings.Contains(got, "id: p") ||
		!strings.HasSuffix(got, `"text":"Your session has ended. Reload the page to sign in again."}`+"\n\n") {
		t.Errorf("%s", got)
	}
	called := r.api.called()
	if !strings.Contains(called,
		"GET /stream?kinds=event.accepted%2Cdelivery.attempted&rate=200&source=media&type=a%2A") {
		t.Error(called)
	}
	if r.streams.all != 0 || len(r.streams.bySession) != 0 {
		t.Errorf("%+v are still open", &r.streams)
	}
}

// TestPortalStream: a page of a portal hears that something happens, and neither what nor where; the stream ends with
// the visit. Visitors take no places of other people, and have a bounded number of their own.
func TestPortalStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.set("GET /stream", told(client.StreamItem{Kind: client.ItemLive, At: at(0)},
		client.StreamItem{Kind: "event.accepted", At: at(0), Event: &client.StreamEvent{Event: testEvent}},
		client.StreamItem{Kind: client.ItemSkipped, Skipped: &client.StreamSkipped{Count: 12}}))
	for range maxSessionStreams {
		r.streams.enter("read")
	}
	var got string
	synctest.Test(t, func(t *testing.T) {
		end := time.AfterFunc(20*time.Second, func() { r.visits.end("read") })
		defer end.Stop()
		w := r.do("GET", "/ui/portal/stream?kinds=event.accepted&type=a*", "read", nil)
		got = w.Body.String()
	})
	want := "retry: 2000\n\nevent: rows\ndata: {\"rows\":null,\"left\":13}\n\n:\n\nevent: end\ndata: " +
		`{"reason":"session","text":"Your visit has ended. Open the page again where you came from."}` + "\n\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if called := r.api.called(); !strings.Contains(called, "GET /stream?kinds=event.accepted&rate=200&type=a%2A") {
		t.Error(called)
	}
	for range maxSessionStreams {
		r.server.visits.enter("manage")
	}
	r.get("/ui/portal/stream", "manage", 503)
}

// TestNothingRuns: a server of pages has no goroutine of its own, before a page is open and after the last one is
// closed. In a bubble, one that is left behind fails the test.
func TestNothingRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fill()
		r.api.set("GET /stream", told(client.StreamItem{Kind: client.ItemLive, At: at(0)}))
		for _, path := range []string{"/ui/", "/ui/live", "/ui/events", "/ui/files"} {
			r.get(path, "viewer", 200)
		}
		closes, closed := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Second, closed)
		request := httptest.NewRequestWithContext(closes, "GET", "/ui/stream", nil)
		request.Host = "127.0.0.1:8080"
		request.AddCookie(&http.Cookie{Name: plainCookie, Value: "viewer"})
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, request)
		if w.Code != http.StatusOK || closes.Err() == nil {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestLiveStreamEnds: the end of the stream of the API ends that of the page, and what the API refuses is refused.
func TestLiveStreamEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.api.set("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "data: {\"kind\":\"live\"}\n\ndata: {\"kind\":\"end\",\"end\":{\"reason\":\"stopping\","+
			"\"detail\":\"the gateway stops\"}}\n\n")
	}))
	w := r.do("GET", "/ui/stream", "viewer", nil)
	if w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(),
		"event: end\ndata: {\"reason\":\"stopping\",\"text\":\"The gateway stops.\"}\n\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.api.set("GET /stream", &client.Error{Status: 422, Code: "invalid", Detail: "kinds: has a word that is no kind"})
	r.get("/ui/stream?kinds=x", "viewer", 422)
	if w := r.do("GET", "/ui/stream", "", nil); w.Code != http.StatusSeeOther {
		t.Errorf("without a session: %d", w.Code)
	}
}

// TestLiveStreamGoesOn: a page goes on where it was, or where another page was, and what it has seen itself counts.
func TestLiveStreamGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var after string
	r.api.set("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		after = request.Header.Get("Last-Event-ID")
		io.WriteString(w, "data: {\"kind\":\"end\",\"end\":{\"reason\":\"stopping\",\"detail\":\"it stops\"}}\n\n")
	}))
	r.do("GET", "/ui/stream?after=p3", "viewer", nil)
	if after != "p3" {
		t.Errorf("after %q", after)
	}
	r.do("GET", "/ui/stream?after=p3", "viewer", nil, "Last-Event-ID: p7")
	if after != "p7" {
		t.Errorf("after %q", after)
	}
}

// TestLiveStreamPlaces: a session has a bounded number of streams, and so have all together. A place is given back.
func TestLiveStreamPlaces(t *testing.T) {
	t.Parallel()
	var s streams
	var leave func()
	for range maxSessionStreams {
		left, ok := s.enter("a")
		if !ok {
			t.Fatal("no place")
		}
		leave = left
	}
	if _, ok := s.enter("a"); ok {
		t.Error("one session has too many")
	}
	leave()
	if _, ok := s.enter("a"); !ok {
		t.Error("a place was not given back")
	}
	for n := maxSessionStreams; n < maxStreams; n++ {
		if _, ok := s.enter(fmt.Sprint(n)); !ok {
			t.Fatalf("no place for number %d", n)
		}
	}
	if _, ok := s.enter("another"); ok {
		t.Error("there are too many")
	}
	r := newRig(t)
	for range maxSessionStreams {
		r.streams.enter("viewer")
	}
	r.get("/ui/stream", "viewer", 503)
}

// TestLiveOnFirstPage: a list says what to follow on its first page, unless nothing new can be in it.
func TestLiveOnFirstPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	const both = "kinds=event.accepted%2Cdelivery.attempted"
	for path, want := range map[string]string{
		"/ui/events?source=media&type=a*":    "/ui/stream?" + both + "&amp;source=media&amp;type=a%2A",
		"/ui/events?cursor=x":                "",
		"/ui/events?until=14:30":             "",
		"/ui/deliveries?destination=billing": "/ui/stream?destination=billing&amp;" + both,
		"/ui/requests":                       "/ui/stream?kinds=request.refused%2Crequest.handshake",
		"/ui/portal/":                        "/ui/portal/stream?kinds=destination.changed#",
		"/ui/portal/events?type=a*":          "/ui/portal/stream?" + both + "&amp;type=a%2A#",
		"/ui/portal/deliveries?state=dead":   "/ui/portal/stream?" + both + "#",
		"/ui/portal/events?cursor=x":         "",
		"/ui/portal/types":                   "/ui/portal/stream?kinds=event.accepted#",
	} {
		token := "viewer"
		if strings.HasPrefix(path, PortalRoot) {
			token = "read"
		}
		page := r.get(path, token, 200)
		if has := strings.Contains(page, "data-live="); has != (want != "") || !strings.Contains(page, want) {
			t.Errorf("%s: %t, want %q", path, has, want)
		}
	}
}

// TestSearched: a page asks the API for what it finds in a short time, asks again with more if the machine is busy,
// and looks for as long as the API does once somebody asks it to look further.
func TestSearched(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	var mu sync.Mutex
	var left []time.Duration // until the deadline of each call; 0 without one
	r.api.set("GET /events", http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		deadline, ok := request.Context().Deadline()
		mu.Lock()
		defer mu.Unlock()
		if !ok {
			left = append(left, 0)
		} else {
			left = append(left, time.Until(deadline))
		}
		if len(left) == 1 { // as on a busy machine
			<-request.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(listOf{Data: []client.Event{}, Next: &next, Incomplete: true,
			SearchedTo: at(time.Hour)})
	}))
	page := r.get("/ui/events?type=rare", "viewer", 200)
	if len(left) != 2 || left[0] <= 0 || left[0] > 2*searchTime || left[1] <= left[0] || left[1] > 16*searchTime {
		t.Errorf("%v until the deadlines", left)
	}
	further := "/ui/events?cursor=" + next + "&amp;further=1&amp;type=rare"
	if !strings.Contains(page, further) || !strings.Contains(page, "Look further") {
		t.Errorf("%s is not on the page:\n%s", further, page)
	}
	r.get(strings.ReplaceAll(further, "&amp;", "&"), "viewer", 200)
	if len(left) != 3 || left[2] != 0 {
		t.Errorf("%v until the deadlines", left)
	}
}

// TestCounted: a page has the API count for a short time, and for as long as the API counts once somebody asks it to.
func TestCounted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	ends := make(chan bool, 1)
	r.api.set("POST /events/replay", http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		_, ok := request.Context().Deadline()
		ends <- ok
		json.NewEncoder(w).Encode(client.RepairCount{Events: 3, Deliveries: 2, SearchedTo: at(time.Hour)})
	}))
	further := "/ui/events/replay?further=1&amp;type=rare.%2A"
	page := r.get("/ui/events/replay?type=rare.*", "operator", 200)
	if !<-ends || !strings.Contains(page, further) || !strings.Contains(page, "at least 2.") {
		t.Errorf("no short count, or %s is not on the page:\n%s", further, page)
	}
	page = r.get(strings.ReplaceAll(further, "&amp;", "&"), "operator", 200)
	if <-ends || strings.Contains(page, "Count further") {
		t.Errorf("no long count:\n%s", page)
	}
}
