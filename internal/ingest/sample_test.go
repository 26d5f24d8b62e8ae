package ingest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestSample: a sample is received as a request from outside, and marked as a sample. The record of a refusal or of a
// handshake is on disk when the answer is there.
func TestSample(t *testing.T) {
	r := newRig(t)
	var target string
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		target = req.Target
		switch string(req.Body) {
		case "wrong":
			return provider.Receipt{}, signature.ErrMismatch
		case "hello":
			return provider.Receipt{Reply: &provider.Reply{Status: 200, Body: []byte("hello yourself")}}, nil
		}
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}, Status: 201}, nil
	}
	send := func(body string) bellhop.Sampled {
		t.Helper()
		got, err := r.door.Sample(t.Context(), "src_src", "code=x", provider.OutboundRequest{Body: []byte(body),
			Header: http.Header{"X-Kind": {"sample"}, "Accept": {"*/*"}}})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := send("good")
	if got.Status != 201 || len(got.EventIDs) != 1 || got.RequestID != "" || target != "/in/src?code=x" {
		t.Fatalf("%+v at %s", got, target)
	}
	ev, err := r.store.Event(t.Context(), got.EventIDs[0])
	if err != nil || ev.Header.Get(bellhop.SampleHeader) != "true" || ev.Header.Get("X-Kind") != "sample" {
		t.Errorf("%v %q", err, ev.Header)
	}
	list, _, err := r.store.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{})
	if err != nil || len(list) != 1 || list[0].Header.Get(bellhop.SampleHeader) != "true" {
		t.Errorf("the list does not show that it is a sample: %v %+v", err, list)
	}
	for body, want := range map[string]bellhop.Request{
		"wrong": {Outcome: bellhop.RequestRefused, Status: 401, Reason: "signature_mismatch"},
		"hello": {Outcome: bellhop.RequestHandshake, Status: 200, Reason: "handshake"},
	} {
		got := send(body)
		record, err := r.store.Request(t.Context(), got.RequestID)
		if err != nil || record.Outcome != want.Outcome || record.Status != want.Status ||
			record.Reason != want.Reason || record.Header.Get(bellhop.SampleHeader) != "true" {
			t.Errorf("%s: %+v, on record %+v, %v", body, got, record, err)
		}
		if got.Status != want.Status || len(got.EventIDs) > 0 || (got.Reason != "") != (body == "wrong") {
			t.Errorf("%s: %+v", body, got)
		}
	}
	if string(send("hello").Body) != "hello yourself" {
		t.Error("the answer to the handshake has another body")
	}
}

// TestNoSample: no sender makes its event look like a sample, and no sample is sent to what takes no requests.
func TestNoSample(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequest("POST", "/in/src", strings.NewReader("x"))
	req.Header.Set(bellhop.SampleHeader, "true")
	w := httptest.NewRecorder()
	r.door.ServeHTTP(w, req)
	list, _, err := r.store.Events(t.Context(), bellhop.EventFilter{}, bellhop.Page{})
	if err != nil || len(list) != 1 || w.Code != 202 {
		t.Fatal(w.Code, list, err)
	}
	ev, err := r.store.Event(t.Context(), list[0].ID)
	if err != nil || ev.Header.Get(bellhop.SampleHeader) != "" {
		t.Errorf("%v %q", err, ev.Header)
	}
	for id, code := range map[string]bellhop.Code{"src_off": bellhop.CodeConflict,
		"src_none": bellhop.CodeNotFound} {
		var refused *bellhop.Error
		_, err := r.door.Sample(t.Context(), id, "", provider.OutboundRequest{})
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%s: %v", id, err)
		}
	}
}
