package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// hands is a Puller that notes its calls and returns what it is told to.
type hands struct {
	calls  []string
	leases []bellhop.Lease
	err    error
}

func (h *hands) note(format string, args ...any) {
	h.calls = append(h.calls, fmt.Sprintf(format, args...))
}

func (h *hands) Pull(_ context.Context, id string, want bellhop.Pull) ([]bellhop.Lease, error) {
	h.note("pull %s %d %v", id, want.Max, want.Wait)
	return h.leases, h.err
}

func (h *hands) PutBack(id string, leases []bellhop.Lease) { h.note("back %s %d", id, len(leases)) }

func (h *hands) Ack(_ context.Context, destinationID, deliveryID, token string) error {
	h.note("ack %s %s %s", destinationID, deliveryID, token)
	return h.err
}

func (h *hands) Nack(_ context.Context, destinationID, deliveryID, token string, n bellhop.Nack) error {
	delay := "by the schedule"
	if n.Delay != nil {
		delay = n.Delay.String()
	}
	h.note("nack %s %s %s %s %s", destinationID, deliveryID, token, delay, n.Detail)
	return h.err
}

func (h *hands) Extend(destinationID, deliveryID, token string, by time.Duration) (time.Time, error) {
	h.note("extend %s %s %s %v", destinationID, deliveryID, token, by)
	return testNow, h.err
}

// took checks the calls since the last took.
func (h *hands) took(t *testing.T, want ...string) {
	t.Helper()
	if fmt.Sprint(h.calls) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", h.calls, want)
	}
	h.calls = nil
}

func pulling(t *testing.T) (*rig, *hands) {
	r := newRig(t)
	r.fill()
	h := new(hands)
	r.handler.(*server).Puller = h
	return r, h
}

// TestPull: a pull has bounds and defaults, and its answer has each delivery in the form of the destination.
func TestPull(t *testing.T) {
	r, h := pulling(t)
	pull := func(body string) answer { return r.do("POST", Prefix+"/destinations/"+pulledID+"/pull", body) }
	if a := pull(""); a.body != `{"data":[]}`+"\n" {
		t.Error(a.body)
	}
	h.took(t, "pull dst_pulled 10 0s")
	h.leases = []bellhop.Lease{{Token: "lse_1", DeliveryID: "dlv_1", Attempt: 2, EndsAt: testNow, Body: []byte("a<b"),
		Event: bellhop.Event{ID: "evt_1", Type: "x.y", Subject: "s", Source: "media", Time: testNow,
			ReceivedAt:  testNow,
			ContentType: "text/plain"}, Header: http.Header{"X-A": {"1", "2"}}},
		{Token: "lse_2", Body: []byte("\xff"), Event: bellhop.Event{ReceivedAt: testNow}}}
	at := `"` + testNow.UTC().Format("2006-01-02T15:04:05.000Z") + `"`
	a := pull(`{"max":100,"wait":"30s"}`)
	a.is(200)
	if want := `{"data":[{"token":"lse_1","ends_at":` + at + `,"delivery_id":"dlv_1","attempt":2,"event_id":"evt_1",` +
		`"type":"x.y","subject":"s","source":"media","tenant":"","time":` + at + `,"received_at":` + at +
		`,"content_type":"text/plain","headers":{"X-A":["1","2"]},"body":"a<b"},{"token":"lse_2",`; !strings.HasPrefix(
		a.body,
		want) || !strings.Contains(a.body, `"body":"","body_base64":"/w=="}]}`) {
		t.Errorf("%s\nwant %s", a.body, want)
	}
	h.took(t, "pull dst_pulled 100 30s")
	pull(`{"max":101}`).refused(422, bellhop.CodeInvalid, "max")
	pull(`{"max":0}`).refused(422, bellhop.CodeInvalid, "max")
	pull(`{"wait":"31s"}`).refused(422, bellhop.CodeInvalid, "wait")
	pull(`{"wait":"-1s"}`).refused(422, bellhop.CodeInvalid, "wait")
	pull(`{"wait":"soon"}`).refused(422, bellhop.CodeInvalid, "wait")
	pull(`{"n":1}`).refused(422, bellhop.CodeInvalid, "n")
	pull(`{`).refused(400, bellhop.CodeMalformed, "body")
	h.took(t)
	a = r.do("POST", Prefix+"/destinations/billing/pull", "")
	a.refused(409, bellhop.CodeConflict)
	if !strings.Contains(a.body, "of type http") {
		t.Error(a.body)
	}
	r.do("POST", Prefix+"/destinations/nobody/pull", "").refused(404, bellhop.CodeNotFound)
	h.err = &bellhop.Error{Code: bellhop.CodeUnavailable, RetryAfter: 5 * time.Second}
	if a := pull(""); a.header.Get("Retry-After") != "5" {
		a.refused(503, bellhop.CodeUnavailable)
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
}

// A broken is a ResponseWriter whose client is gone.
type broken struct{ http.ResponseWriter }

func (b broken) Write([]byte) (int, error) { return 0, errors.New("the client is gone") }

// TestPullOfNobody: leases whose client is gone before it has the answer are put back.
func TestPullOfNobody(t *testing.T) {
	r, h := pulling(t)
	h.leases = []bellhop.Lease{{Token: "lse_1", Event: bellhop.Event{ReceivedAt: testNow}}}
	ask := func(ctx context.Context, w http.ResponseWriter) {
		req := httptest.NewRequestWithContext(ctx, "POST", Prefix+"/destinations/"+pulledID+"/pull", nil)
		req.Header.Set("Authorization", "Bearer "+testKey)
		r.handler.ServeHTTP(w, req)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ask(gone, httptest.NewRecorder())
	h.took(t, "pull dst_pulled 10 0s", "back dst_pulled 1")
	ask(t.Context(), broken{httptest.NewRecorder()})
	h.took(t, "pull dst_pulled 10 0s", "back dst_pulled 1")
	ask(t.Context(), httptest.NewRecorder())
	h.took(t, "pull dst_pulled 10 0s")
}

// TestLease: ack, nack and extend end or prolong a lease by its token.
func TestLease(t *testing.T) {
	r, h := pulling(t)
	on := func(what, body string) answer { return r.do("POST", Prefix+"/deliveries/dlv_1/"+what, body) }
	on("ack", `{"token":"t"}`).is(204)
	on("nack", `{"token":"t"}`).is(204)
	on("nack", `{"token":"t","delay":"0s","detail":"no"}`).is(204)
	on("nack", `{"token":"t","delay":"24h"}`).is(204)
	a := on("extend", `{"token":"t"}`)
	a.is(200)
	if want := `{"ends_at":"` + testNow.UTC().Format("2006-01-02T15:04:05.000Z") + `"}` + "\n"; a.body != want {
		t.Error(a.body)
	}
	on("extend", `{"token":"t","for":"12h"}`).is(200)
	h.took(t, "ack dst_1 dlv_1 t", "nack dst_1 dlv_1 t by the schedule ", "nack dst_1 dlv_1 t 0s no",
		"nack dst_1 dlv_1 t 24h0m0s ", "extend dst_1 dlv_1 t 0s", "extend dst_1 dlv_1 t 12h0m0s")
	on("ack", `{}`).refused(422, bellhop.CodeInvalid, "token")
	on("nack", `{"token":"t","delay":"25h"}`).refused(422, bellhop.CodeInvalid, "delay")
	on("nack", `{"token":"t","delay":"-1s"}`).refused(422, bellhop.CodeInvalid, "delay")
	on("nack", `{"token":"t","detail":"`+strings.Repeat("x", bellhop.MaxAnswerDetail+1)+`"}`).refused(422,
		bellhop.CodeInvalid, "detail")
	on("extend", `{"token":"t","for":"13h"}`).refused(422, bellhop.CodeInvalid, "for")
	on("extend", `{"token":"t","for":"0s"}`).refused(422, bellhop.CodeInvalid, "for")
	r.do("POST", Prefix+"/deliveries/dlv_none/ack", `{"token":"t"}`).refused(404, bellhop.CodeNotFound)
	h.took(t)
}

// TestLeaseOver: an ack with a token of no lease that lasts says what became of that lease.
func TestLeaseOver(t *testing.T) {
	r, h := pulling(t)
	h.err = bellhop.ErrNoLease
	r.deliveries[0].State = bellhop.DeliveryPending
	r.attempts = []bellhop.Attempt{{DeliveryID: "dlv_1", Number: 1, Error: "timeout", Detail: "no ack within 30s"},
		{DeliveryID: "dlv_1", Number: 2, Error: bellhop.ErrorNacked}, {DeliveryID: "dlv_1", Number: 3}}
	for token, want := range map[string]struct {
		status int
		code   bellhop.Code
		words  string
	}{
		"":              {422, bellhop.CodeInvalid, "is no token"},
		"t":             {422, bellhop.CodeInvalid, "is no token"},
		"lse_1_0_x":     {422, bellhop.CodeInvalid, "is no token"},
		"lse_1_01_x":    {422, bellhop.CodeInvalid, "is no token"},
		"lse_1_1_":      {422, bellhop.CodeInvalid, "is no token"},
		"lse_1_1_x_y":   {422, bellhop.CodeInvalid, "is no token"},
		"lse_1_1_x":     {410, bellhop.CodeGone, "no ack within 30s. Nothing was done; the delivery comes again"},
		"lse_1_2_x":     {409, bellhop.CodeConflict, "attempt 2 was nacked already"},
		"lse_1_3_x":     {409, bellhop.CodeConflict, "attempt 3 was acked already"},
		"lse_1_4_x":     {410, bellhop.CodeGone, "it was given back, or the gateway was restarted"},
		"lse_other_1_x": {409, bellhop.CodeConflict, "the lease of another delivery"},
	} {
		for _, what := range []string{"ack", "nack", "extend"} {
			a := r.do("POST", Prefix+"/deliveries/dlv_1/"+what, `{"token":"`+token+`"}`)
			if want.code == bellhop.CodeInvalid {
				a.refused(want.status, want.code, "token")
			} else {
				a.refused(want.status, want.code)
			}
			if !strings.Contains(a.body, want.words) {
				t.Errorf("%s of %s: %s", what, token, a.body)
			}
		}
	}
}
