package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/stream"
)

// A streamRig is a rig whose hub runs, within a bubble of synctest.
type streamRig struct {
	*rig
	ctx context.Context
}

// streams runs f with a streamRig. Every stream ends with it.
func streams(t *testing.T, f func(r *streamRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &streamRig{newRig(t), ctx}
		r.hub = stream.New(stream.Options{Mark: r.NewestMark, Render: WriteNote, Now: time.Now})
		r.handler.(*server).Stream = r.hub
		go r.hub.Run(ctx)
		f(r)
		cancel()
		synctest.Wait()
	})
}

// follow begins a stream. The answer of the result is what has come so far.
func (r *streamRig) follow(query string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(r.ctx, "GET", Prefix+"/stream"+query, nil)
	req.Header.Set("Authorization", "Bearer "+testKey)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	go r.handler.ServeHTTP(w, req)
	r.settle()
	return w
}

// settle lets everything pass that is under way.
func (r *streamRig) settle() {
	time.Sleep(300 * time.Millisecond) // of the bubble
	synctest.Wait()
}

// blocks returns the messages of a stream so far, without the ids, and the ids.
func blocks(w *httptest.ResponseRecorder) (messages []string, ids []string) {
	for block := range strings.SplitSeq(strings.TrimSuffix(w.Body.String(), "\n\n"), "\n\n") {
		var rest []string
		for line := range strings.SplitSeq(block, "\n") {
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				ids = append(ids, id)
			} else {
				rest = append(rest, line)
			}
		}
		if len(rest) > 0 {
			messages = append(messages, strings.Join(rest, "\n"))
		}
	}
	return messages, ids
}

// kindsOf returns what a stream has had so far in short: of each message the first id in it, or else its kind.
func kindsOf(w *httptest.ResponseRecorder) string {
	messages, _ := blocks(w)
	var all []string
	for _, m := range messages {
		kind, data, _ := strings.Cut(strings.TrimPrefix(m, "event: "), "\n")
		_, id, ok := strings.Cut(data, `_id":"`)
		if kind == "event.accepted" || kind == "request.refused" {
			_, id, ok = strings.Cut(data, `"id":"`)
		}
		if id, _, _ = strings.Cut(id, `"`); ok {
			kind = id
		}
		all = append(all, kind)
	}
	return strings.Join(all, " ")
}

// arrived returns an event of the fake store.
func arrived(n string) bellhop.Arrival {
	return bellhop.Arrival{Event: &bellhop.Event{ID: "evt_" + n + fakeTag, SourceID: "src_1", Source: "media",
		Type:       "x.y",
		ReceivedAt: testNow}, BodyBytes: 5, Deliveries: 1}
}

func refusedRequest(n string) bellhop.Arrival {
	return bellhop.Arrival{Request: &bellhop.Request{ID: "req_" + n + fakeTag, SourceID: "src_1", Source: "media",
		Outcome: bellhop.RequestRefused, Status: 401, Reason: "signature_mismatch", ReceivedAt: testNow}}
}

func attemptedAt(id string, at time.Time) bellhop.Attempted {
	return bellhop.Attempted{Destination: "billing", Result: bellhop.Result{DeliveryID: id, DestinationID: "dst_1",
		State: bellhop.DeliveryPending, NextAt: testNow.Add(time.Minute),
		Event: bellhop.EventLabel{ID: "evt_1" + fakeTag,
			Type: "x.y", Source: "media", SourceID: "src_1"},
		Attempt: bellhop.Attempt{Number: 2, StartedAt: at, Duration: 1500 * time.Microsecond, Status: 503,
			Error:  "status",
			Detail: "the reply was 503", Reply: []byte(canary)}}}
}

// TestStreamMessages: each kind of message, as it is written. Bodies, headers, replies and progress are not in it.
func TestStreamMessages(t *testing.T) {
	ev := bellhop.Event{ID: "evt_1", SourceID: "src_1", Source: "media", Type: "x.y", Subject: "a<b\n",
		ProviderID: "p",
		ReceivedAt: testNow, ContentType: "text/plain", Body: []byte(canary),
		Header: bellhop.Header(bellhop.CauseHeader + ": evt_0\nX-Key: " + canary + "\n")}
	req := bellhop.Request{ID: "req_1", RequestName: "medai", Outcome: bellhop.RequestRefused, Status: 404,
		Reason: "unknown_source", Method: "POST", Target: "/in/medai",
		Header: bellhop.Header("X-Key: " + canary + "\n"),
		Body:   []byte(canary), ReceivedAt: testNow}
	attempted := attemptedAt("dlv_1", testNow)
	request, _ := RequestNote(&req, "")
	for want, n := range map[string]stream.Note{
		`{"kind":"event.accepted","at":"2026-11-22T09:30:00.123Z","event":{"id":"evt_1","type":"x.y",` +
			`"subject":"a<b\n","source":"media","source_id":"src_1","provider_id":"p","tenant":"","time":null,` +
			`"received_at":"2026-11-22T09:30:00.123Z","content_type":"text/plain","body_bytes":` +
			strconv.Itoa(len(canary)) +
			`,"body_sha256":"` + strings.Repeat("0", 64) + `","conflicts_with":"","caused_by":"evt_0",` +
			`"deliveries":2}}`: EventNote(&ev, len(ev.Body), 2, ""),
		`{"kind":"request.refused","at":"2026-11-22T09:30:00.123Z","request":{"id":"req_1","source":"","source_id":"",` +
			`"request_name":"medai","outcome":"refused","status":404,"reason":"unknown_source","detail":"","method":"POST",` +
			`"target":"/in/medai","remote_addr":"","body_bytes":0,"events":0,"received_at":"2026-11-22T09:30:00.123Z"}}`: request,
		`{"kind":"delivery.attempted","at":"2026-11-22T09:30:00.124Z","attempt":{"delivery_id":"dlv_1",` +
			`"event_id":"evt_1fake01","type":"x.y","subject":"","source":"media","source_id":"src_1",` +
			`"destination":"billing","destination_id":"dst_1","state":"pending","next_at":"2026-11-22T09:31:00.123Z",` +
			`"number":2,"started_at":"2026-11-22T09:30:00.123Z","duration_ms":1.5,"status":503,"error":"status",` +
			`"detail":"the reply was 503"}}`: AttemptNote(attempted),
		`{"kind":"destination.changed","at":"2026-11-22T09:30:00.123Z","change":{"noun":"destination","id":"dst_1",` +
			`"name":"billing","action":"updated","state":"disabled","reason":"it answered 410"}}`: {
			Kind: stream.DestinationChanged, At: testNow, Thing: &client.StreamChange{Noun: "destination", ID: "dst_1",
				Name: "billing", Action: "updated", State: "disabled", Reason: "it answered 410"}},
		`{"kind":"live","at":"2026-11-22T09:30:00.123Z"}`: {Kind: stream.Live, At: testNow, Thing: stream.Control{}},
		`{"kind":"gap","at":"2026-11-22T09:30:00.123Z","gap":{"kinds":[],"since":null,"reason":"overrun","detail":"words"}}`: {
			Kind: stream.Gap, At: testNow, Thing: stream.Control{Reason: "overrun", Detail: "words"}},
		`{"kind":"skipped","at":"2026-11-22T09:30:00.123Z","skipped":{"count":12}}`: {
			Kind: stream.Skipped, At: testNow, Thing: stream.Control{Count: 12}},
		`{"kind":"end","at":"2026-11-22T09:30:00.123Z","end":{"reason":"slow","detail":"words"}}`: {
			Kind: stream.End, At: testNow, Thing: stream.Control{Reason: "slow", Detail: "words"}},
	} {
		if got := string(WriteNote([]byte("-"), &n)); got != "-"+want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if _, ok := RequestNote(&bellhop.Request{Outcome: bellhop.RequestAccepted}, ""); ok {
		t.Error("an accepted request is told beside its events")
	}
}

// TestStreamBadInput: what is wrong with a stream is said by a problem, and no stream begins.
func TestStreamBadInput(t *testing.T) {
	r := newRig(t)
	r.fill()
	for query, path := range map[string]string{
		"?kinds=event.accepted,events": "kinds", "?kinds=live": "kinds", "?outcome=failed": "outcome",
		"?rate=-1": "rate", "?rate=fast": "rate",
		"?after=nonsense": "after", "?after=1foreig-1-1-1": "after", "?after=1fake01-1-1": "after", "?kind=x": "kind",
	} {
		r.do("GET", Prefix+"/stream"+query, "").refused(422, bellhop.CodeInvalid, path)
	}
	for _, id := range []string{"nonsense", "1foreig-1-1-1"} {
		r.do("GET", Prefix+"/stream?after=1fake01-1-1-1", "", "Last-Event-ID: "+id).refused(422, bellhop.CodeInvalid,
			"Last-Event-ID")
	}
	for _, query := range []string{"", "?after=1fake01-1-1-1",
		"?source=media&destination=billing&type=x.*&subject=a"} {
		a := r.do("GET", Prefix+"/stream"+query, "")
		if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" ||
			!strings.Contains(a.body, "event: end\ndata: {") || !strings.Contains(a.body, `"reason":"stopping"`) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	l, err := r.hub.Open(t.Context(), stream.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := r.do("GET", Prefix+"/stream", "")
	a.refused(503, bellhop.CodeUnavailable)
	if a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
}

// TestStreamFollows: a stream begins with live, and then has what happens and what its filter chooses.
func TestStreamFollows(t *testing.T) {
	streams(t, func(r *streamRig) {
		r.fill()
		all, some := r.follow(""), r.follow("?kinds=delivery.attempted&outcome=dead,pending&source=media")
		a := arrived("2")
		n, _ := arrivalNote(&a)
		r.hub.Publish(n)
		tried := attemptedAt("dlv_1", testNow)
		r.hub.Publish(AttemptNote(tried))
		r.settle()
		if got := kindsOf(all); got != "retry: 1000 live evt_2fake01 dlv_1" {
			t.Errorf("all: %s", got)
		}
		if got := kindsOf(some); got != "retry: 1000 live dlv_1" {
			t.Errorf("some: %s", got)
		}
		if strings.Contains(all.Body.String(), canary) {
			t.Error("a reply came out")
		}
		if h := all.Header(); h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" ||
			h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%v", h)
		}
	})
}

// TestStreamCatchesUp: after a position of before a restart come the events and requests since then in their order,
// the attempts, what cannot be told again, and then what happens. An id from the middle of it goes on there.
func TestStreamCatchesUp(t *testing.T) {
	streams(t, func(r *streamRig) {
		r.fill()
		r.arrivals = []bellhop.Arrival{arrived("2"), refusedRequest("3"), arrived("4"),
			{Request: &bellhop.Request{ID: "req_5" + fakeTag, Outcome: bellhop.RequestAccepted}}}
		r.attempted = []bellhop.Attempted{attemptedAt("dlv_0", testNow.Add(-time.Hour)), attemptedAt("dlv_1", testNow)}
		from := stream.Position{Mark: "1" + fakeTag, At: testNow, Session: 77, Seq: 5}.String()
		w := r.follow("", "Last-Event-ID: "+from)
		a := arrived("6")
		n, _ := arrivalNote(&a)
		r.hub.Publish(n)
		r.settle()
		const want = "retry: 1000 evt_2fake01 req_3fake01 evt_4fake01 dlv_1 gap live evt_6fake01"
		if got := kindsOf(w); got != want {
			t.Errorf("%s", got)
		}
		if body := w.Body.String(); !strings.Contains(body, `"gap":{"kinds":["source.changed","destination.changed",`+
			`"connection.changed","subscription.changed"],"since":"2026-11-22T09:30:00.123Z","reason":"resumed"`) {
			t.Errorf("%s", body)
		}
		_, ids := blocks(w)
		middle := r.follow("?kinds=event.accepted,request.refused,delivery.attempted&after=" + ids[1])
		if got := kindsOf(middle); got != "retry: 1000 evt_4fake01 dlv_1 live" {
			t.Errorf("from the middle: %s", got)
		}
		_, ids = blocks(w)
		if got := kindsOf(r.follow("", "Last-Event-ID: "+ids[len(ids)-1])); got != "retry: 1000 live" {
			t.Errorf("from the end: %s", got)
		}
	})
}

// TestStreamGaps: what is older than events are kept, and attempts that are not searched, are told as a gap.
func TestStreamGaps(t *testing.T) {
	streams(t, func(r *streamRig) {
		r.fill()
		r.attempted = []bellhop.Attempted{attemptedAt("dlv_1", testNow), attemptedAt("dlv_2", testNow),
			attemptedAt("dlv_3", testNow)}
		for query, want := range map[string]string{
			"?kinds=event.accepted&after=1":     "",
			"?kinds=event.accepted&after=0":     `"kinds":[],`,
			"?kinds=delivery.attempted&after=1": `"kinds":["delivery.attempted"],`,
			"?kinds=source.changed&after=1":     `"kinds":["source.changed"],`,
		} {
			w := r.follow(query + fakeTag + "-1-1-1")
			got := w.Body.String()
			if strings.Contains(got, "event: gap") != (want != "") || !strings.Contains(got, want) ||
				!strings.Contains(got, "event: live") {
				t.Errorf("%s: %s", query, got)
			}
		}
	})
}

// TestStreamOfTenant: the key of a tenant gets what is of its tenant, whatever it asks for.
func TestStreamOfTenant(t *testing.T) {
	streams(t, func(r *streamRig) {
		r.fill()
		r.handler.(*server).Auth = reader{}
		w := r.follow("?tenant=other")
		for n, tenant := range map[string]string{"2": "acme", "3": "other", "4": ""} {
			ev := arrived(n).Event
			note := EventNote(ev, 0, 0, tenant)
			note.Mark = "" // they come in any order
			r.hub.Publish(note)
		}
		r.settle()
		if got := kindsOf(w); got != "retry: 1000 live evt_2fake01" {
			t.Errorf("%s", got)
		}
	})
}

// TestStreamOfVisitor: the visitor of a portal follows what its pages show of its tenant, and is refused all else.
func TestStreamOfVisitor(t *testing.T) {
	streams(t, func(r *streamRig) {
		r.fill()
		r.handler.(*server).Auth = visitor{bellhop.PortalManage}
		for _, query := range []string{"?kinds=request.refused", "?kinds=event.accepted,source.changed"} {
			if w := r.follow(query); w.Code != 403 || !strings.Contains(w.Body.String(), "this link to the portal") {
				t.Errorf("%s: %d %s", query, w.Code, w.Body)
			}
		}
		w := r.follow("?tenant=other")
		for n, tenant := range map[string]string{"2": "acme", "3": "other"} {
			note := EventNote(arrived(n).Event, 0, 0, tenant)
			note.Mark = "" // they come in any order
			r.hub.Publish(note)
			note.Kind = stream.SourceChanged
			r.hub.Publish(note)
		}
		r.settle()
		if got := kindsOf(w); got != "retry: 1000 live evt_2fake01" {
			t.Errorf("%s", got)
		}
	})
}

// A revocable authenticates everybody until it is revoked.
type revocable struct{ revoked atomic.Bool }

func (a *revocable) Authenticate(*http.Request) (auth.Principal, error) {
	if a.revoked.Load() {
		return auth.Principal{}, &bellhop.Error{Code: bellhop.CodeUnauthorized, Message: "revoked"}
	}
	return auth.Principal{Scope: bellhop.ScopeAdmin}, nil
}

// TestStreamOfRevokedKey: a stream ends once its key is not accepted any more.
func TestStreamOfRevokedKey(t *testing.T) {
	streams(t, func(r *streamRig) {
		key := &revocable{}
		r.handler.(*server).Auth = key
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			req := httptest.NewRequestWithContext(r.ctx, "GET", Prefix+"/stream", nil)
			r.handler.ServeHTTP(httptest.NewRecorder(), req)
		}()
		time.Sleep(2 * stream.Heartbeat) // of the bubble
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the stream ended with a right key")
		default:
		}
		key.revoked.Store(true)
		<-ended
	})
}

// BenchmarkWriteNote measures the text of one note, which is written once for all listeners.
func BenchmarkWriteNote(b *testing.B) {
	ev := bellhop.Event{ID: "evt_05ba869pt00c5hjr", SourceID: "src_1", Source: "media", Type: "ams.JobStateChange",
		Subject: "transforms/encode/jobs/job-17", ReceivedAt: testNow, ContentType: "application/json",
		Header: bellhop.Header("Content-Type: application/json\nUser-Agent: bench\n"), Body: make([]byte, 1000)}
	event, attempt := EventNote(&ev, len(ev.Body), 1, ""), AttemptNote(attemptedAt("dlv_1", testNow))
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = WriteNote(text[:0], &event)
		text = WriteNote(text[:0], &attempt)
	}
}

// BenchmarkMakeNote measures what an event and an attempt cost the goroutine that writes to the store, while somebody
// listens.
func BenchmarkMakeNote(b *testing.B) {
	ev := bellhop.Event{ID: "evt_05ba869pt00c5hjr", SourceID: "src_1", Source: "media", Type: "ams.JobStateChange",
		ReceivedAt: testNow, Header: bellhop.Header("Content-Type: application/json\nUser-Agent: bench\nX-Event: x\n")}
	attempted := attemptedAt("dlv_1", testNow)
	b.ReportAllocs()
	for b.Loop() {
		EventNote(&ev, 1000, 1, "")
		AttemptNote(attempted)
	}
}

// TestStreamInside: a stream of this process, which has no key, goes on until its caller ends it.
func TestStreamInside(t *testing.T) {
	streams(t, func(r *streamRig) {
		ctx, leave := context.WithCancel(auth.NewContext(r.ctx, auth.Principal{Scope: bellhop.ScopeRead}))
		var kinds []string
		ended := make(chan error, 1)
		go func() {
			api := client.Over(r.handler.(Handler).Inside())
			for item, err := range api.StreamOnce(ctx, client.StreamFilter{Rate: 100}, "") {
				if err != nil {
					ended <- err
					return
				}
				kinds = append(kinds, item.Kind)
			}
			ended <- nil
		}()
		time.Sleep(5 * stream.Heartbeat) // of the bubble
		r.hub.Publish(stream.Note{Kind: stream.SourceChanged, Thing: &client.StreamChange{Noun: "source"}})
		r.settle()
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) || strings.Join(kinds, " ") != "live source.changed" {
			t.Errorf("%q, %v", kinds, err)
		}
	})
}
