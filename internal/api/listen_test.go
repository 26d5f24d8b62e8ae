package api

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A desk is one that has stopped: each listener ends at once, and each answer is taken.
type desk struct{ *fake }

func (d desk) Attach(string) (func(ctx context.Context) (bellhop.Handing, error), func(), error) {
	return func(context.Context) (bellhop.Handing, error) { return bellhop.Handing{}, io.EOF }, func() {}, nil
}

func (d desk) Answer(_ string, a bellhop.Answer) error { return a.Check() }

// listening returns a rig with a real desk, within a bubble of synctest, and the Performer of its destination.
func listening(t *testing.T, f func(r *streamRig, perform func(ev *bellhop.Event) <-chan string)) {
	streams(t, func(r *streamRig) {
		real := action.NewDesk(func(string) {}, nil)
		r.handler.(*server).Desk = real
		p, err := action.Listen{Desk: real}.OpenAction(provider.ActionEnv{},
			bellhop.Destination{ID: heardID, Name: "heard"})
		if err != nil {
			t.Fatal(err)
		}
		r.fill()
		f(r, func(ev *bellhop.Event) <-chan string {
			done := make(chan string, 1)
			go func() {
				ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
				defer cancel()
				done <- shown(p.Perform(ctx, ev, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 2}))
			}()
			r.settle()
			return done
		})
	})
}

// shown describes the result of an attempt.
func shown(done provider.ActionResult) string {
	if done.Error != "" {
		return done.Error
	}
	return fmt.Sprintf("%d %s %s", done.Status, done.RetryAfter, done.Reply)
}

// heard begins to listen. The answer of the result is what has come so far.
func (r *streamRig) heard(ctx context.Context) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(ctx, "POST", Prefix+"/destinations/"+heardID+"/listen", nil)
	req.Header.Set("Authorization", "Bearer "+testKey)
	go r.handler.ServeHTTP(w, req)
	r.settle()
	return w
}

// TestListen: a delivery is a message, and the answer to it is the result of the attempt. A listener gets signs of
// life.
func TestListen(t *testing.T) {
	listening(t, func(r *streamRig, perform func(ev *bellhop.Event) <-chan string) {
		w := r.heard(r.ctx)
		done := perform(&bellhop.Event{ID: "evt_1", Type: "x.y", Subject: "a\n", Source: "media"})
		messages, _ := blocks(w)
		if len(messages) != 3 || !strings.HasPrefix(messages[1], "event: live\ndata: {") {
			t.Fatalf("%q", messages)
		}
		_, token, _ := strings.Cut(messages[2], `"token":"`)
		token, _, _ = strings.Cut(token, `"`)
		if want := `"delivery":{"token":"` + token + `","delivery_id":"dlv_1","attempt":2,"event_id":"evt_1",` +
			`"type":"x.y","subject":"a\n","source":"media","until":"`; token == "" ||
			!strings.HasPrefix(messages[2], "event: delivery\ndata: {") || !strings.Contains(messages[2], want) {
			t.Fatalf("%s", messages[2])
		}
		answer := func(body string) answer { return r.do("POST", Prefix+"/deliveries/dlv_1/answer", body) }
		answer(`{"token":"other","status":200}`).refused(409, bellhop.CodeConflict)
		answer(`{"token":"`+token+`","status":20}`).refused(422, bellhop.CodeInvalid, "status")
		answer(`{"token":"`+token+`","status":200,"body_base64":"?"}`).refused(422, bellhop.CodeInvalid, "body_base64")
		answer(`{"token":"`+token+`","status":200,"body":"a","body_base64":"Yg=="}`).refused(422, bellhop.CodeInvalid,
			"body_base64")
		long := strings.Repeat("x", bellhop.MaxReplyBytes+1)
		answer(`{"token":"`+token+`","status":200,"body":"`+long+`"}`).refused(422, bellhop.CodeInvalid, "body")
		long = long[:bellhop.MaxAnswerDetail+1]
		answer(`{"token":"`+token+`","status":0,"detail":"`+long+`"}`).refused(422, bellhop.CodeInvalid, "detail")
		r.do("POST", Prefix+"/deliveries/dlv_none/answer", `{"token":"`+token+`","status":200}`).refused(404,
			bellhop.CodeNotFound)
		answer(`{"token":"` + token + `","status":503,"body_base64":"Yv8=","retry_after":"7"}`).is(204)
		if got := <-done; got != "503 7 b\xff" {
			t.Errorf("%q", got)
		}
		answer(`{"token":"`+token+`","status":200}`).refused(409, bellhop.CodeConflict)
		time.Sleep(stream.Heartbeat) // of the bubble
		r.settle()
		if !strings.HasSuffix(w.Body.String(), "\n\n:\n\n") {
			t.Errorf("no sign of life: %q", w.Body.String())
		}
	})
}

// TestListenerGoes: a listener that goes away ends the attempt that is in its hands.
func TestListenerGoes(t *testing.T) {
	listening(t, func(r *streamRig, perform func(ev *bellhop.Event) <-chan string) {
		ctx, cancel := context.WithCancel(r.ctx)
		r.heard(ctx)
		done := perform(&bellhop.Event{ID: "evt_1"})
		cancel()
		if got := <-done; got != bellhop.ErrorListenerGone {
			t.Errorf("%q", got)
		}
	})
}

// A gone is the body of a request whose client goes before it has sent all.
type gone struct{}

func (gone) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestListenReadsBody: the body of a request to listen is read, because package net/http notices only then that the
// client goes. Without the whole of it nobody listens.
func TestListenReadsBody(t *testing.T) {
	listening(t, func(r *streamRig, perform func(ev *bellhop.Event) <-chan string) {
		body := strings.NewReader(`{"none":"is needed"}`)
		for _, from := range []io.Reader{body, gone{}} {
			req := httptest.NewRequestWithContext(r.ctx, "POST", Prefix+"/destinations/"+heardID+"/listen", from)
			req.Header.Set("Authorization", "Bearer "+testKey)
			req.Header.Set("Content-Type", "application/json")
			ctx, cancel := context.WithCancel(r.ctx)
			go r.handler.ServeHTTP(httptest.NewRecorder(), req.WithContext(ctx))
			r.settle()
			done := perform(&bellhop.Event{ID: "evt_1"})
			cancel()
			want := bellhop.ErrorListenerGone
			if from == (gone{}) {
				want = "0  " // nobody listens: there is no attempt
			}
			if got := <-done; got != want {
				t.Errorf("%T: %q, want %q", from, got, want)
			}
		}
		if body.Len() > 0 {
			t.Error("the body is not read")
		}
	})
}

// TestListenEnds: a listener is told why its stream ends.
func TestListenEnds(t *testing.T) {
	for reason, end := range map[string]func(r *streamRig, key *revocable){
		"deleted": func(r *streamRig, _ *revocable) {
			r.mu.Lock()
			r.err = bellhop.NotFound("destination", heardID)
			r.mu.Unlock()
		},
		"key":      func(_ *streamRig, key *revocable) { key.revoked.Store(true) },
		"stopping": func(r *streamRig, _ *revocable) { r.handler.(*server).Desk.(*action.Desk).Stop(r.ctx) },
	} {
		t.Run(reason, func(t *testing.T) {
			listening(t, func(r *streamRig, _ func(ev *bellhop.Event) <-chan string) {
				key := &revocable{}
				r.handler.(*server).Auth = key
				w := r.heard(r.ctx)
				end(r, key)
				time.Sleep(2 * stream.Heartbeat) // of the bubble
				r.settle()
				if got := w.Body.String(); !strings.Contains(got, "event: end\ndata: {") ||
					!strings.Contains(got, `"reason":"`+reason+`"`) {
					t.Errorf("%s", got)
				}
			})
		})
	}
}

// TestListenRefused: only a destination of type listen has listeners, and not too many.
func TestListenRefused(t *testing.T) {
	r := newRig(t)
	r.fill()
	a := r.do("POST", Prefix+"/destinations/billing/listen", "")
	a.refused(409, bellhop.CodeConflict)
	if !strings.Contains(a.body, "of type http") {
		t.Error(a.body)
	}
	r.do("POST", Prefix+"/destinations/nobody/listen", "").refused(404, bellhop.CodeNotFound)
	full := action.NewDesk(func(string) {}, nil)
	for range action.MaxListeners {
		_, leave, err := full.Attach("dst_x")
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
	}
	r.handler.(*server).Desk = full
	a = r.do("POST", Prefix+"/destinations/"+heardID+"/listen", "")
	a.refused(503, bellhop.CodeUnavailable)
	if a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
}
